//! Where log lines go: a terminal, a file or syslog, through a thread of its own.

use crate::Level;
use crate::syslog::{Syslog, SyslogTarget};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Lines a queue holds before further ones are dropped.
const QUEUE: usize = 16_384;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SinkTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to; made with its folder where missing.
    File(PathBuf),
    /// A syslog server; each line is a message of its own.
    Syslog(SyslogTarget),
}

enum Message {
    /// A line, with its severity where it has one of its own.
    Line(Vec<u8>, Option<Level>),
    Flush(SyncSender<()>),
}

/// A queue of lines with a writer behind it. Cheap to clone.
#[derive(Clone)]
pub struct Sink {
    queue: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    dropped: AtomicU64,
    reopen: AtomicBool,
}

impl Sink {
    /// Opens the target and starts its writer thread. Fails where the file cannot be opened; the error names it.
    pub fn open(target: SinkTarget) -> io::Result<Self> {
        let output = Output::open(&target)?;
        let (queue, lines) = sync_channel(QUEUE);
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || write_lines(&lines, output, &target, &shared))?;
        Ok(Self { queue, state })
    }

    /// Queues a line (with its line feed). Never waits; a full queue drops the line and counts it.
    pub fn line(&self, line: Vec<u8>) {
        self.send(line, None);
    }

    /// Queues a line that has a severity of its own, for syslog.
    pub fn line_of(&self, line: Vec<u8>, level: Level) {
        self.send(line, Some(level));
    }

    fn send(&self, line: Vec<u8>, level: Option<Level>) {
        if self.queue.try_send(Message::Line(line, level)).is_err() {
            self.state.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Relaxed)
    }

    /// Has the file opened anew before the next line (log rotation).
    pub fn reopen(&self) {
        self.state.reopen.store(true, Relaxed);
    }

    /// Returns when every line queued before is written.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.send(Message::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

fn linked(path: &Path, target: &str) -> bool {
    std::fs::read_link(path).is_ok_and(|found| found == Path::new(target))
}

enum Output {
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    File(File),
    Syslog(Syslog),
}

impl Output {
    fn open(target: &SinkTarget) -> io::Result<Self> {
        Ok(match target {
            SinkTarget::Stdout => Self::Stdout(io::stdout()),
            SinkTarget::Stderr => Self::Stderr(io::stderr()),
            SinkTarget::Syslog(target) => Self::Syslog(Syslog::open(target)?),
            // Images link their log files there; a standard stream that is a socket or another user's cannot be opened.
            SinkTarget::File(path) if linked(path, "/dev/stdout") => Self::Stdout(io::stdout()),
            SinkTarget::File(path) if linked(path, "/dev/stderr") => Self::Stderr(io::stderr()),
            SinkTarget::File(path) => {
                let explain = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(explain)?;
                }
                Self::File(OpenOptions::new().create(true).append(true).open(path).map_err(explain)?)
            }
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.write_all(bytes).and_then(|()| out.flush()),
            Self::Stderr(out) => out.write_all(bytes),
            Self::File(out) => out.write_all(bytes),
            // Messages went out one by one.
            Self::Syslog(_) => Ok(()),
        }
    }
}

/// Writes what is queued, many lines at a time, until every [`Sink`] is gone.
fn write_lines(lines: &Receiver<Message>, mut output: Output, target: &SinkTarget, state: &State) {
    let mut batch = Vec::with_capacity(64 * 1024);
    let mut complained = false;
    while let Ok(first) = lines.recv() {
        let mut next = Ok(first);
        let mut waiting = Vec::new();
        let mut lost = None;
        loop {
            match next {
                Ok(Message::Line(line, level)) => match &output {
                    Output::Syslog(syslog) => lost = syslog.send(&line, level).err().or(lost),
                    _ => batch.extend_from_slice(&line),
                },
                Ok(Message::Flush(done)) => waiting.push(done),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            if batch.len() > 48 * 1024 {
                break;
            }
            next = lines.try_recv();
        }
        if state.reopen.swap(false, Relaxed) {
            match Output::open(target) {
                Ok(fresh) => output = fresh,
                Err(error) => eprintln!("cannot reopen a log, the old file stays in use: {error}"),
            }
        }
        match lost.map_or_else(|| output.write(&batch), Err) {
            Ok(()) => complained = false,
            Err(error) => {
                state.dropped.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut complained, true) && *target != SinkTarget::Stderr {
                    eprintln!("cannot write a log ({target:?}), its lines are lost until it works again: {error}");
                }
            }
        }
        batch.clear();
        for done in waiting {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/access.log");
        let sink = Sink::open(SinkTarget::File(path.clone())).unwrap();
        sink.line(b"one\n".to_vec());
        sink.flush();
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        sink.reopen();
        sink.line(b"two\n".to_vec());
        sink.flush();
        assert_eq!(std::fs::read_to_string(folder.path().join("old")).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Sink::open(SinkTarget::File("/proc/none/access.log".into())).err().unwrap();
        assert!(error.to_string().contains("/proc/none/access.log"), "{error}");
    }
}
