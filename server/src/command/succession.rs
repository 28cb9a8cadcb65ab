//! One process after the other on the same sockets: a new one is started beside the one that serves, takes its
//! listening sockets over, and when it serves, the other one ends what it has in flight.
//!
//! The process that was started first stays: its id is what service managers and pid files know. Once replaced it serves
//! nothing itself, and watches over its successor: signals are passed on, and it ends when the successor does.

use super::Failure;
use super::handover::{Link, aside};
use proxy::listen::Sockets;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a successor is started with, remembered while the binary is still where it was: it may be replaced.
#[derive(Clone)]
pub(super) struct Line {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// How long a successor may take until it serves.
    patience: Duration,
}

/// A process that has taken over.
pub(super) struct Successor {
    pid: Pid,
    /// Its listening sockets, for the one after it.
    pub sockets: Sockets,
    /// As long as this is open, it knows that somebody watches over it.
    _link: Link,
    ended: oneshot::Receiver<std::io::Result<ExitStatus>>,
}

/// The hidden flag that tells a process to take over.
pub(super) const TAKE_OVER: &str = "--take-over";

impl Line {
    /// Of this process.
    pub fn of_process(patience: Duration) -> Result<Self, Failure> {
        let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        if !arguments.iter().any(|argument| argument == TAKE_OVER) {
            arguments.push(TAKE_OVER.into());
        }
        // Where it was called by a path, whatever lies there next is meant, also behind a link.
        let called = std::env::args_os().next().map(PathBuf::from).filter(|path| path.components().nth(1).is_some());
        let program = called.map_or_else(std::env::current_exe, Ok)?;
        Ok(Self { program, arguments, patience })
    }

    /// Starts a successor, gives it these sockets, and waits until it serves. One that does not come to serve is ended.
    pub async fn succeed(&self, sockets: &Sockets) -> Result<Successor, Failure> {
        let (link, other) = Link::new()?;
        let mut child = Command::new(&self.program).args(&self.arguments).stdin(Stdio::from(other)).spawn()?;
        let pid = Pid::from_child(&child);
        let patience = self.patience;
        let sent = link.send(sockets);
        let taken = aside(move || {
            sent?;
            let sockets = link.receive(patience)?;
            Ok::<_, std::io::Error>((link, sockets))
        });
        match taken.await? {
            Ok((link, sockets)) => {
                let ended = aside(move || child.wait());
                Ok(Successor { pid, sockets, _link: link, ended })
            }
            Err(error) => {
                end(&mut child);
                Err(Failure(format!("the process that was to take over does not serve: {error}")))
            }
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Successor {
    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(self.pid, signal) {
            tracing::warn!(%error, ?signal, "the process that serves cannot be signalled");
        }
    }

    /// Waits for its end; may be asked again after it was dropped.
    pub async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        Ok((&mut self.ended).await??)
    }
}
