//! One process takes over from another on the same sockets, under load, and nobody notices.

use e2e::{Backend, Gateway, Session, eventually, free_port, get, request};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Processes whose parent is this one.
fn children(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Past the name, which may hold spaces: state, then the parent.
        let after = stat.rsplit(')').next().unwrap_or_default().to_owned();
        after.split_whitespace().nth(1).and_then(|text| text.parse::<u32>().ok())
    };
    numbers.filter(|number| parent(number) == Some(pid)).collect()
}

/// Clients that ask without pause until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(address: SocketAddr) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..4).map(|number| {
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || match number % 2 {
                0 => anew(address, &stop, &done),
                _ => kept(address, &stop, &done),
            })
        });
        Self { clients: clients.collect(), stop, done }
    }

    fn requests(&self) -> u64 {
        self.done.load(SeqCst)
    }

    /// What failed.
    fn end(self) -> Vec<String> {
        self.stop.store(true, SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect()
    }
}

/// A connection for each request.
fn anew(address: SocketAddr, stop: &AtomicBool, done: &AtomicU64) -> Vec<String> {
    let mut failed = Vec::new();
    while !stop.load(SeqCst) {
        match request(address, "GET", "/s/x", &[], b"") {
            Ok(reply) if reply.status == 200 => _ = done.fetch_add(1, SeqCst),
            Ok(reply) => failed.push(format!("a new connection: {}", reply.status)),
            Err(error) => failed.push(format!("a new connection: {error}")),
        }
    }
    failed
}

/// One connection as long as it lasts. A connection that had been idle may be closed by either side at any time: then the
/// request goes out again on a new one (RFC 9112 §9.3.1).
fn kept(address: SocketAddr, stop: &AtomicBool, done: &AtomicU64) -> Vec<String> {
    let mut failed = Vec::new();
    let mut session: Option<Session> = None;
    while !stop.load(SeqCst) {
        let fresh = session.is_none();
        let Some(mut open) = session.take().or_else(|| Session::open(address).ok()) else {
            failed.push("no connection".into());
            continue;
        };
        let sent = open.send(b"GET /s/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        match sent.ok().and_then(|()| open.read_reply(false).ok()) {
            Some(reply) if reply.status == 200 => {
                done.fetch_add(1, SeqCst);
                session = (reply.header("connection") != Some("close")).then_some(open);
            }
            Some(reply) => failed.push(format!("a kept connection: {}", reply.status)),
            None if fresh => failed.push("a first request: no answer".into()),
            None => {}
        }
    }
    failed
}

/// In one step: who reads meanwhile finds the whole of the one or the other.
fn write(file: &Path, text: &str) {
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, text).expect("written");
    std::fs::rename(&fresh, file).expect("in place");
}

/// Asks until it holds: processes start while others keep the machine busy.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn configuration(backend: SocketAddr, echo: SocketAddr) -> Value {
    json!({
        "_format_version": "3.0",
        "services": [
            { "name": "s", "host": "127.0.0.1", "port": backend.port(), "routes": [{ "name": "r", "paths": ["/s"] }] },
            {
                "name": "t", "protocol": "tcp", "host": "127.0.0.1", "port": echo.port(),
                "routes": [{ "protocols": ["tcp"], "sources": [{ "ip": "127.0.0.0/8" }] }],
            },
        ],
    })
}

fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut io in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut byte = [0];
                while io.read_exact(&mut byte).is_ok() && io.write_all(&byte).is_ok() {}
            });
        }
    });
    address
}

fn echoes(io: &mut TcpStream) -> bool {
    let mut byte = [0];
    io.write_all(b"x").and_then(|()| io.read_exact(&mut byte)).is_ok()
}

#[test]
fn upgrades_and_changed_settings_lose_no_request() {
    let (backend, echo, port) = (Backend::start(), echo(), free_port());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kong.conf");
    write(&file, "headers = Via\n");
    let stream = format!("127.0.0.1:{port}");
    let mut command = Gateway::command(folder.path(), &[("KONG_STREAM_LISTEN", &stream)]);
    command.arg("-c").arg(&file);
    let mut gateway = Gateway::run(folder.path(), command);
    assert_eq!(gateway.configure(&configuration(backend.address, echo)).status, 201);
    eventually("the route is there", || get(gateway.proxy, "/s/x", &[]).header("via").is_some());
    let mut session = TcpStream::connect(stream.as_str()).expect("connects");
    assert!(echoes(&mut session));

    let load = Load::on(gateway.proxy);
    gateway.signal("USR2");
    soon("another process serves", || children(gateway.pid()).len() == 1);
    let first = children(gateway.pid())[0];
    let before = load.requests();
    soon("it goes on", || load.requests() > before + 200);
    assert!(echoes(&mut session), "a session that was there goes on in the old process");

    // Other settings: another process, and the one in between ends.
    write(&file, "# nothing is added\nheaders = off\n");
    gateway.signal("HUP");
    soon("the new settings act", || get(gateway.proxy, "/s/x", &[]).header("via").is_none());
    soon("the process in between ends", || {
        let now = children(gateway.pid());
        now.len() == 1 && now[0] != first
    });
    let second = children(gateway.pid());
    // The same settings: the configuration is read again, and everybody stays.
    gateway.signal("HUP");
    // Settings that are wrong: the same.
    write(&file, "headers = nonsense\n");
    gateway.signal("HUP");
    let before = load.requests();
    soon("it goes on", || load.requests() > before + 200);
    assert_eq!(children(gateway.pid()), second);
    assert_eq!(load.end(), Vec::<String>::new());

    drop(session);
    gateway.signal("QUIT");
    assert!(gateway.wait().success());
    assert!(TcpStream::connect(gateway.proxy).is_err(), "nobody listens any more");
}

#[test]
fn a_successor_that_cannot_serve_changes_nothing() {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kong.conf");
    write(&file, "headers = Via\n");
    let mut command = Gateway::command(folder.path(), &[("KONG_PROXY_ERROR_LOG", "errors.log")]);
    command.arg("-c").arg(&file);
    let gateway = Gateway::run(folder.path(), command);
    assert_eq!(gateway.configure(&configuration(backend.address, backend.address)).status, 201);
    soon("the route is there", || get(gateway.proxy, "/s/x", &[]).status == 200);
    // A port that somebody else has: the settings are fine by themselves.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = format!("stream_listen = {}\n", taken.local_addr().expect("an address"));
    write(&file, &listen);
    let load = Load::on(gateway.proxy);
    gateway.signal("HUP");
    let log = folder.path().join("errors.log");
    let tried = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("does not serve"));
    soon("one tried and ended", || tried() && children(gateway.pid()).is_empty());
    let before = load.requests();
    soon("it goes on", || load.requests() > before + 100);
    assert_eq!(load.end(), Vec::<String>::new());
    assert!(get(gateway.proxy, "/s/x", &[]).header("via").is_some());
}
