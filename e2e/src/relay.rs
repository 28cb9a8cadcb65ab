//! A network between a gateway and PostgreSQL that can go silent, or lose notifications.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Passes bytes on to a port of this machine, as long as it is told to.
pub struct Relay {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    ways: Arc<Ways>,
}

#[derive(Default)]
struct Ways {
    silent: AtomicBool,
    deaf: AtomicBool,
}

impl Relay {
    /// A relay to `port` without TLS.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let ways = Arc::new(Ways::default());
        let shared = ways.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let ways = shared.clone();
                std::thread::spawn(move || relay(client, port, &ways));
            }
        });
        Self { port: address.port(), ways }
    }

    /// From now on nothing passes, and nobody is told: connections stay open, those that are there and new ones.
    pub fn hold(&self) {
        self.ways.silent.store(true, SeqCst);
    }

    /// New connections work again; those that were there or came meanwhile never do.
    pub fn release(&self) {
        self.ways.silent.store(false, SeqCst);
    }

    /// From now on notifications are lost.
    pub fn deafen(&self) {
        self.ways.deaf.store(true, SeqCst);
    }
}

fn relay(client: TcpStream, port: u16, ways: &Arc<Ways>) -> Option<()> {
    let server = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
    // Once silent, always silent: what was lost on the way does not come later.
    let lost = Arc::new(AtomicBool::new(false));
    let (from_client, to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let (up_ways, up_lost) = (ways.clone(), lost.clone());
    std::thread::spawn(move || pass(from_client, to_server, &up_ways, &up_lost, false));
    pass(server, client, ways, &lost, true);
    Some(())
}

/// Passes on what comes, until one side ends. `messages`: it is what a server says, message by message.
fn pass(mut from: TcpStream, mut to: TcpStream, ways: &Ways, lost: &AtomicBool, messages: bool) {
    let mut buffer = vec![0; 1 << 16];
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        if ways.silent.load(SeqCst) {
            lost.store(true, SeqCst);
        }
        if lost.load(SeqCst) {
            continue;
        }
        let passed = match messages {
            false => to.write_all(&buffer[..count]),
            true => {
                waiting.extend_from_slice(&buffer[..count]);
                let deaf = ways.deaf.load(SeqCst);
                to.write_all(&whole_messages(&mut waiting, deaf))
            }
        };
        if passed.is_err() {
            break;
        }
    }
    // A silent network does not tell of ends either.
    if !lost.load(SeqCst) {
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}

/// Takes the messages that are complete: a byte for the kind, four for the length with themselves. `deaf`: without
/// NotificationResponse.
fn whole_messages(waiting: &mut Vec<u8>, deaf: bool) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((kind, length)) = waiting.first().zip(waiting.get(1..5)) {
        let (kind, length) = (*kind, length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
        if waiting.len() <= length {
            break;
        }
        let message: Vec<u8> = waiting.drain(..=length).collect();
        if !(deaf && kind == b'A') {
            out.extend(message);
        }
    }
    out
}
