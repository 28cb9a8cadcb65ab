//! The processes that run programs, as the gateway sees them: a thread for each, which starts it, asks it, and ends it
//! when it takes too long.

use crate::wire;
use bytes::Bytes;
use exchange::programs::{Job, LARGEST, LONGEST_RUN, Making, ProgramError, Programs};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Most processes of a node.
const MOST: usize = 4;

/// Most runs that wait for their turn.
const WAITING: usize = 256;

/// Runs programs in processes of their own.
pub struct Pool {
    command: (PathBuf, Vec<String>),
    threads: OnceLock<Result<SyncSender<Waiting>, String>>,
}

/// A run that waits for its turn.
struct Waiting {
    job: Job,
    until: Instant,
    reply: oneshot::Sender<Result<Bytes, ProgramError>>,
}

impl Pool {
    /// With processes of this command, which calls [`crate::serve`]. None is started before there is something to run.
    pub fn new(program: PathBuf, arguments: impl IntoIterator<Item = String>) -> Self {
        Self { command: (program, arguments.into_iter().collect()), threads: OnceLock::new() }
    }

    fn queue(&self) -> Result<&SyncSender<Waiting>, ProgramError> {
        let queue = self.threads.get_or_init(|| self.start().map_err(|error| error.to_string()));
        queue.as_ref().map_err(|error| ProgramError::Away(error.clone()))
    }

    fn start(&self) -> io::Result<SyncSender<Waiting>> {
        let (queue, waiting) = sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(MOST) {
            let (waiting, command) = (waiting.clone(), self.command.clone());
            std::thread::Builder::new().name("jq".to_owned()).spawn(move || tend(&waiting, &command))?;
        }
        Ok(queue)
    }
}

impl Programs for Pool {
    fn run(&self, job: Job) -> Making {
        let refuse = |error| -> Making { Box::pin(std::future::ready(Err(error))) };
        if job.body.len() > LARGEST {
            return refuse(ProgramError::Failed(format!("the body has more than {LARGEST} bytes")));
        }
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(error) => return refuse(error),
        };
        let (reply, answer) = oneshot::channel();
        match queue.try_send(Waiting { job, until: Instant::now() + LONGEST_RUN, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return refuse(ProgramError::Crowded),
            Err(TrySendError::Disconnected(_)) => return refuse(gone()),
        }
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}

fn gone() -> ProgramError {
    ProgramError::Away("the threads that ask have ended".to_owned())
}

/// Runs what waits, until nobody can send anything any more.
fn tend(waiting: &Mutex<Receiver<Waiting>>, (program, arguments): &(PathBuf, Vec<String>)) {
    let mut process: Option<Process> = None;
    loop {
        // One thread waits for the next run, the others for the lock.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Waiting { job, until, reply }) = next else { return };
        // Whoever waited for it may be gone.
        if reply.is_closed() {
            continue;
        }
        let outcome = if Instant::now() >= until {
            Err(ProgramError::TooLong)
        } else {
            match process.take().and_then(Process::alive).map_or_else(|| Process::start(program, arguments), Ok) {
                Ok(begun) => {
                    let (outcome, again) = begun.run(&job, until);
                    process = again;
                    outcome
                }
                Err(error) => Err(ProgramError::Away(error.to_string())),
            }
        };
        // Nobody may wait any more.
        let _ = reply.send(outcome);
    }
}

/// A process, and the socket to it.
struct Process {
    child: Child,
    socket: UnixStream,
}

impl Process {
    fn start(program: &PathBuf, arguments: &[String]) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(program)
            .args(arguments)
            // It has no need to know anything; its allocator is not to reserve more than its bounds.
            .env_clear()
            .env("MIMALLOC_ARENA_RESERVE", "32768")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .arg0("silverback")
            .spawn()?;
        Ok(Self { child, socket: ours })
    }

    /// Itself, where it has not ended meanwhile.
    fn alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Runs a job; the process with it where it can run another.
    fn run(mut self, job: &Job, until: Instant) -> (Result<Bytes, ProgramError>, Option<Self>) {
        match self.ask(job, until) {
            Ok(Ok(body)) => (Ok(body.into()), Some(self)),
            Ok(Err(sentence)) => (Err(ProgramError::Failed(sentence)), Some(self)),
            Err(error) => (Err(self.failed(&error)), None),
        }
    }

    fn ask(&mut self, job: &Job, until: Instant) -> io::Result<wire::Reply> {
        self.socket.set_write_timeout(Some(left(until)?))?;
        wire::ask(&mut self.socket, &job.program, job.writing, &job.body)?;
        self.socket.set_read_timeout(Some(left(until)?))?;
        wire::reply(&mut self.socket)
    }

    /// Why there is no answer.
    fn failed(&mut self, error: &io::Error) -> ProgramError {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        use std::os::unix::process::ExitStatusExt;
        match error.kind() {
            WouldBlock | TimedOut => ProgramError::TooLong,
            // Its end of the socket closes when it ends. Whoever breaks its bounds is ended by a signal: no memory, or no
            // stack.
            UnexpectedEof | BrokenPipe | ConnectionReset => match self.child.wait() {
                Ok(status) if status.signal().is_some() => ProgramError::TooMuch,
                Ok(status) => ProgramError::Away(format!("the process has ended ({status})")),
                Err(error) => ProgramError::Away(error.to_string()),
            },
            _ => ProgramError::Away(error.to_string()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time that is left.
fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}
