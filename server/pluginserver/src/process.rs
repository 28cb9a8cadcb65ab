//! The process of a plugin server: started, watched over, started anew when it ends.

use crate::server::{Condition, Server};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The first pause before a process is started anew; doubles while it keeps ending at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A process that lived so long is followed by one without the pauses before.
const HEALTHY_LIFE: Duration = Duration::from_secs(10);
/// Time between two looks at a process.
const LOOK: Duration = Duration::from_millis(50);
/// How long a process may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest line of a process that is logged, in bytes.
const LINE: u64 = 8192;

/// The thread that watches over a server's process.
pub struct Keeper {
    stopping: Arc<(Mutex<bool>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// Starts a server by a command, and keeps it running.
    ///
    /// # Errors
    /// Where there is no thread.
    pub fn start(server: Arc<Server>, command: String) -> std::io::Result<Self> {
        let stopping: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let told = stopping.clone();
        server.is_now(Condition::Starting);
        let keep = move || keep(&server, &command, &told);
        let thread = std::thread::Builder::new().name("plugin-server".to_owned()).spawn(keep)?;
        Ok(Self { stopping, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the process, and waits for it.
    pub fn stop(&self) {
        let (stopped, changed) = &*self.stopping;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has nothing to wait for.
        let _ = thread.map(JoinHandle::join);
    }
}

type Stopping = (Mutex<bool>, Condvar);

/// Waits so long, or until the end. True at the end.
fn pause((stopped, changed): &Stopping, how_long: Duration) -> bool {
    let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = changed.wait_timeout_while(guard, how_long, |stopped| !*stopped);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn keep(server: &Arc<Server>, command: &str, stopping: &Stopping) {
    let mut next = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let ended = match spawn(server, command) {
            Ok(child) => watch(server, child, stopping),
            Err(error) => Some(error.to_string()),
        };
        server.is_now(Condition::Ended);
        let Some(ended) = ended else { return };
        if begun.elapsed() >= HEALTHY_LIFE {
            next = FIRST_PAUSE;
        }
        let name = &server.name;
        tracing::error!("plugin server '{name}' has ended ({ended}); it is started anew in {} ms", next.as_millis());
        if pause(stopping, next) {
            return;
        }
        next = (next * 2).min(LONGEST_PAUSE);
    }
}

fn spawn(server: &Arc<Server>, command: &str) -> std::io::Result<Child> {
    // Servers end themselves when the first process is their parent: where this is the first, a shell is.
    let exec = if std::process::id() == 1 { "" } else { "exec " };
    let end = if exec.is_empty() { "; exit $?" } else { "" };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("{exec}{command}{end}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    server.is_now(Condition::Starting);
    tracing::info!("plugin server '{}' is started: process {}", server.name, child.id());
    let of = format!("[{}:{}]", server.name, child.id());
    follow(of.clone(), child.stdout.take(), false);
    follow(of, child.stderr.take(), true);
    Ok(child)
}

/// Logs what a process says, line by line, until it ends.
fn follow(of: String, from: Option<impl Read + Send + 'static>, is_error: bool) {
    let Some(from) = from else { return };
    let lines = move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            match text.trim_end() {
                "" => {}
                text if is_error => tracing::warn!("{of} {text}"),
                text => tracing::info!("{of} {text}"),
            }
            line.clear();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("plugin-server".to_owned()).spawn(lines) {
        tracing::error!("what a plugin server says is not logged: {error}");
    }
}

/// Waits until a process ends; why it did, none where it was to.
fn watch(server: &Server, mut child: Child, stopping: &Stopping) -> Option<String> {
    let ends = server.ends();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.to_string()),
            Err(error) => break Some(error.to_string()),
            Ok(None) if server.ends() != ends => break Some("it answers nothing".to_owned()),
            Ok(None) if pause(stopping, LOOK) => break None,
            Ok(None) => {}
        }
    };
    if ended.is_none() {
        signal(&child, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < FAREWELL && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK);
        }
    }
    // What it has started ends with it.
    signal(&child, Signal::KILL);
    let _ = child.wait();
    ended
}

/// Sends a signal to a process and to what it has started; who is gone gets none.
fn signal(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}
