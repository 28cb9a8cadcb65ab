//! An HTTP server behind the gateway: answers `ok` and counts, holds back what it is told to hold back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A backend on a loopback port of its own. `/slow/{ms}` answers after so long; everything else at once.
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
    head: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(AtomicU64::new(0));
        let head = Arc::new(Mutex::new(Vec::new()));
        let (count, last) = (requests.clone(), head.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, last) = (count.clone(), last.clone());
                std::thread::spawn(move || serve(stream, &count, &last));
            }
        });
        Self { address, requests, head }
    }

    /// Every value under a lower-case name in the last request.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let values = head.iter().filter_map(|line| line.split_once(':'));
        values.filter(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// How many requests it has read.
    pub fn requests(&self) -> u64 {
        self.requests.load(SeqCst)
    }
}

fn serve(stream: TcpStream, count: &AtomicU64, last: &Mutex<Vec<String>>) -> Option<()> {
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
        *last.lock().unwrap_or_else(PoisonError::into_inner) = head;
        count.fetch_add(1, SeqCst);
        let path = first.split(' ').nth(1)?;
        if let Some((_, pause)) = path.split_once("/slow/") {
            std::thread::sleep(Duration::from_millis(pause.parse().unwrap_or(0)));
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok").ok()?;
    }
}
