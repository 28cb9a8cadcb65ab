//! Actors die under traffic: no request fails, no count is lost, and each is started anew.

use config::{Files, Sources, load};
use serde_json::{Value, json};
use silverback::node::{Node, Panic, Patience};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Answers every request with 200.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer), Ok(1..)) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Status of a GET on a connection of its own; 0 where there was none.
fn get(address: SocketAddr, path: &str) -> u16 {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().ok().and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
}

fn post(address: SocketAddr, path: &str, body: &Value) -> u16 {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        );
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().ok().and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
}

fn configuration(backend: SocketAddr, comment: &str) -> Value {
    let limit =
        json!({ "name": "rate-limiting", "config": { "year": 1_000_000, "policy": "local", "limit_by": "service" } });
    json!({
        "_format_version": "3.0", "_comment": comment,
        "upstreams": [{
            "name": "up", "targets": [{ "target": backend.to_string() }],
            "healthchecks": { "active": { "http_path": "/", "healthy": { "interval": 0.1, "successes": 1 },
                                          "unhealthy": { "interval": 0.1, "tcp_failures": 3 } } },
        }],
        "services": [{ "id": "0a2f3a60-7d3c-4e5a-9a3b-000000000001", "name": "s", "host": "up", "plugins": [limit],
                       "routes": [{ "name": "r", "paths": ["/s"] }] }],
    })
}

fn settings(prefix: &std::path::Path) -> config::Loaded {
    let environment = HashMap::from(
        [
            ("KONG_DATABASE", "off"),
            ("KONG_PREFIX", prefix.to_str().expect("UTF-8")),
            ("KONG_PROXY_LISTEN", "127.0.0.1:0"),
            ("KONG_ADMIN_LISTEN", "127.0.0.1:0"),
            ("KONG_STATUS_LISTEN", "off"),
            ("KONG_ADMIN_GUI_LISTEN", "off"),
            ("KONG_PROXY_ACCESS_LOG", "off"),
            ("KONG_NGINX_WORKER_PROCESSES", "2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let files: &dyn Files = &config::Disk;
    load(&Sources { file: None, environment, overrides: Vec::new(), files }).expect("the settings are right")
}

#[test]
fn actors_that_panic_cost_no_request_and_no_count() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("first");
    let folder = tempfile::tempdir().expect("a folder");
    let backend = backend();
    let loaded = settings(folder.path());
    actix_rt::System::new().block_on(async move {
        let node = Node::start(&loaded, Patience::default(), Default::default()).await.expect("the node starts");
        let (proxy, admin) = (node.proxy[0], node.admin[0]);
        let configure = move |comment: &'static str| {
            actix_rt::task::spawn_blocking(move || post(admin, "/config", &configuration(backend, comment)))
        };
        assert_eq!(configure("first").await.expect("no panic"), 201);
        let stop = Arc::new(AtomicBool::new(false));
        let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (stop, good, bad) = (stop.clone(), good.clone(), bad.clone());
                std::thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        let counter = if get(proxy, "/s/x") == 200 { &good } else { &bad };
                        counter.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        let upstream = node.core.published.load().upstreams().next().expect("one upstream").entity.id;
        for round in 1..=3 {
            node.actors.route_table.tell(Panic);
            node.actors.rate_limiter.tell(Panic);
            node.actors.stapler.tell(Panic);
            let checker = node.actors.health_checkers.of(upstream).expect("it is probed");
            checker.tell(proxy::health::Panic);
            let deadline = Instant::now() + Duration::from_secs(10);
            let restarts = || {
                [
                    node.actors.route_table.restarts(),
                    node.actors.rate_limiter.restarts(),
                    node.actors.stapler.restarts(),
                    checker.restarts(),
                ]
            };
            while restarts().iter().any(|count| *count < round) {
                assert!(Instant::now() < deadline, "not restarted: {:?}", restarts());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // What the actors do works again: a configuration is published.
            assert_eq!(configure(["a", "b", "c"][round as usize - 1]).await.expect("no panic"), 201);
        }
        stop.store(true, SeqCst);
        let joined = actix_rt::task::spawn_blocking(move || clients.into_iter().all(|client| client.join().is_ok()));
        assert!(joined.await.expect("no panic"));
        let (good, bad) = (good.load(SeqCst), bad.load(SeqCst));
        assert!(good > 0 && bad == 0, "{good} good, {bad} bad");
        let remaining = remaining(proxy).expect("the header is there");
        assert_eq!(1_000_000 - remaining, good + 1, "every request was counted");
    });
}

/// `RateLimit-Remaining` of one more request.
fn remaining(proxy: SocketAddr) -> Option<u64> {
    let mut stream = TcpStream::connect(proxy).ok()?;
    write!(stream, "GET /s/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("x-ratelimit-remaining-year:"))?;
    line.split(':').nth(1)?.trim().parse().ok()
}
