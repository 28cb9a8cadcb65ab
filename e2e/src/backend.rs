//! An HTTP server behind the gateway: answers `ok` and counts, holds back what it is told to hold back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A backend on a loopback port of its own. `/slow/{ms}` answers after so long; everything else at once, unless it is told
/// to hold answers back.
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    head: Mutex<Vec<String>>,
    manner: Mutex<Manner>,
    changed: Condvar,
}

/// How it answers.
struct Manner {
    status: u16,
    held: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { status: 200, held: false }
    }
}

impl Seen {
    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let all = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = all.clone();
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, seen }
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        self.seen.manner().status = status;
    }

    /// Holds answers back from now on, or lets all of them go.
    pub fn hold(&self, held: bool) {
        self.seen.manner().held = held;
        self.seen.changed.notify_all();
    }

    /// Every value under a lower-case name in the last request.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let head = self.seen.head.lock().unwrap_or_else(PoisonError::into_inner);
        let values = head.iter().filter_map(|line| line.split_once(':'));
        values.filter(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// How many requests it has read.
    pub fn requests(&self) -> u64 {
        self.seen.requests.load(SeqCst)
    }
}

fn serve(stream: TcpStream, seen: &Seen) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut length = 0;
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).ok()?;
        *seen.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
        seen.requests.fetch_add(1, SeqCst);
        let path = first.split(' ').nth(1)?;
        if let Some((_, pause)) = path.split_once("/slow/") {
            std::thread::sleep(Duration::from_millis(pause.parse().unwrap_or(0)));
        }
        let free = seen.changed.wait_while(seen.manner(), |manner| manner.held);
        let status = free.unwrap_or_else(PoisonError::into_inner).status;
        let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok");
        writer.write_all(head.as_bytes()).ok()?;
    }
}
