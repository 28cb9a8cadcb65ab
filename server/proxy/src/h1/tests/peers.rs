//! Both ends: upstreams that follow a script, and raw clients.

use crate::settings::ProxySettings;
use crate::testing::Node;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes that comes at all.
const LONG: Duration = Duration::from_secs(20);

/// An upstream, and what it was sent: one text per request.
pub(super) struct Upstream {
    pub port: u16,
    pub seen: Rc<RefCell<Vec<String>>>,
    pub connections: Rc<Cell<usize>>,
}

impl Upstream {
    /// Serves each connection, which is told its number (from 1).
    pub async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Peer, usize) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let connections = Rc::new(Cell::new(0));
        let upstream = Self { port, seen: seen.clone(), connections: connections.clone() };
        actix_rt::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                connections.set(connections.get() + 1);
                actix_rt::spawn(serve(Peer { io, read: Vec::new(), seen: seen.clone() }, connections.get()));
            }
        });
        upstream
    }

    /// Answers every request with the same bytes and keeps the connection.
    pub async fn always(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Rc::new(answer.into());
        Self::start(move |mut peer, _| {
            let answer = answer.clone();
            async move {
                while peer.request().await {
                    peer.send(&answer).await;
                }
            }
        })
        .await
    }

    /// What was sent with the only request.
    pub fn only(&self) -> String {
        let seen = self.seen.borrow();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

/// The upstream's end of a connection.
pub(super) struct Peer {
    pub io: TcpStream,
    read: Vec<u8>,
    seen: Rc<RefCell<Vec<String>>>,
}

impl Peer {
    /// Reads until the text so far satisfies `enough`; false where the connection ends before.
    pub async fn until(&mut self, enough: impl Fn(&str) -> bool) -> bool {
        loop {
            if enough(&String::from_utf8_lossy(&self.read)) {
                return true;
            }
            match self.io.read_buf(&mut self.read).await {
                Ok(1..) => {}
                _ => return false,
            }
        }
    }

    /// Reads a whole request and notes it.
    pub async fn request(&mut self) -> bool {
        if !self.until(|text| length(text).is_some_and(|length| text.len() >= length)).await {
            return false;
        }
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let rest = text.split_at(length(&text).unwrap()).1.to_owned();
        self.note();
        self.read = rest.into_bytes();
        true
    }

    /// Notes what was read so far as a request.
    pub fn note(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned();
        self.seen.borrow_mut().push(text);
    }

    /// What was noted last.
    pub fn last(&self) -> String {
        self.seen.borrow().last().cloned().unwrap_or_default()
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
    }

    /// Closes with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.io).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// The length of the message a text begins with; `None` where more is to come.
fn length(text: &str) -> Option<usize> {
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text[..head].to_ascii_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        let end = text[head..].find("\r\n0\r\n").map(|at| at + 2).or(text[head..].starts_with("0\r\n").then_some(0))?;
        let trailers = text[head + end..].find("\r\n\r\n")?;
        return Some(head + end + trailers + 4);
    }
    let declared = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let whole = head + declared.unwrap_or(0);
    (text.len() >= whole).then_some(whole)
}

/// A node with one Route to an upstream. `service` are more fields of the Service.
pub(super) fn node_with(port: u16, service: Value, settings: ProxySettings) -> Node {
    let mut entity = json!({"name": "s", "host": "127.0.0.1", "port": port, "routes": [{"name": "r", "paths": ["/"]}]});
    for (name, value) in service.as_object().unwrap() {
        entity[name] = value.clone();
    }
    Node::start(json!({"services": [entity]}), settings)
}

pub(super) fn node(port: u16) -> Node {
    node_with(port, json!({}), ProxySettings::default())
}

/// A client's connection.
pub(super) struct Client {
    pub io: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub async fn to(address: SocketAddr) -> Self {
        Self { io: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.io.write_all(text.as_ref()).await.unwrap();
        self
    }

    /// Sends a GET.
    pub async fn get(&mut self, path: &str) -> &mut Self {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: front.test\r\n\r\n")).await
    }

    /// Reads one message: a head, and a body as it says (none after `head_only` requests).
    pub async fn answer(&mut self) -> String {
        self.message(length).await
    }

    /// Reads one head.
    pub async fn head(&mut self) -> String {
        self.message(|text| Some(text.find("\r\n\r\n")? + 4)).await
    }

    /// Reads so many bytes.
    pub async fn bytes(&mut self, count: usize) -> String {
        self.message(|_| Some(count)).await
    }

    async fn message(&mut self, length: impl Fn(&str) -> Option<usize>) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(length) = length(&text)
                && text.len() >= length
            {
                self.read.drain(..length);
                return text[..length].to_owned();
            }
            match timeout(LONG, self.io.read_buf(&mut self.read)).await.expect("an answer") {
                Ok(1..) => {}
                end => panic!("{end:?} after {text:?}"),
            }
        }
    }

    /// Reads to the end of the connection; the second value tells whether it ended with a reset.
    pub async fn rest(&mut self) -> (String, bool) {
        loop {
            match timeout(LONG, self.io.read_buf(&mut self.read)).await.expect("an end") {
                Ok(0) => return (String::from_utf8_lossy(&self.read).into_owned(), false),
                Ok(_) => {}
                Err(_) => return (String::from_utf8_lossy(&self.read).into_owned(), true),
            }
        }
    }
}

/// Waits until something holds.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
