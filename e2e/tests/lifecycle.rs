//! Start, stop, signals, and what survives.

use e2e::{Backend, Gateway, Session, eventually, free_port, get};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Output;

fn configuration(backend: SocketAddr) -> serde_json::Value {
    json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "host": "127.0.0.1", "port": backend.port(), "routes": [{ "name": "r", "paths": ["/s"] }] }],
    })
}

fn refused(settings: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let off = [("KONG_PROXY_LISTEN", "off"), ("KONG_ADMIN_LISTEN", "off"), ("KONG_STATUS_LISTEN", "off")];
    let output =
        Gateway::command(folder.path(), &off).envs(settings.iter().copied()).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn sigquit_finishes_what_is_in_flight() {
    let backend = Backend::start();
    let mut gateway = Gateway::start(&[]);
    assert_eq!(gateway.configure(&configuration(backend.address)).status, 201);
    eventually("the route is there", || get(gateway.proxy, "/s/x", &[]).status == 200);
    let before = backend.requests();
    let mut session = Session::open(gateway.proxy).expect("connects");
    session.send(b"GET /s/slow/700 HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    eventually("the request is in flight", || backend.requests() > before);
    gateway.signal("QUIT");
    let reply = session.read_reply(false).expect("the answer in flight arrives");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert!(gateway.wait().success());
}

#[test]
fn sigterm_ends_at_once() {
    let mut gateway = Gateway::start(&[]);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

#[test]
fn the_last_good_configuration_survives_a_restart() {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut gateway = Gateway::start_in(folder.path(), &[]);
    assert_eq!(gateway.configure(&configuration(backend.address)).status, 201);
    assert_eq!(gateway.configure(&json!({ "_format_version": "3.0", "services": [{ "name": 7 }] })).status, 400);
    gateway.signal("KILL");
    gateway.wait();
    let again = Gateway::start_in(folder.path(), &[]);
    eventually("the route is there again", || get(again.proxy, "/s/x", &[]).status == 200);
}

#[test]
fn a_watched_file_is_followed_and_a_broken_one_ignored() {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kong.yml");
    std::fs::write(&file, "_format_version: '3.0'\n").expect("written");
    let gateway = Gateway::start(&[("KONG_DECLARATIVE_CONFIG", file.to_str().expect("UTF-8"))]);
    assert_eq!(get(gateway.proxy, "/s/x", &[]).status, 404);
    std::fs::write(&file, configuration(backend.address).to_string()).expect("written");
    eventually("the new file is served", || get(gateway.proxy, "/s/x", &[]).status == 200);
    std::fs::write(&file, "_format_version: '3.0'\nservices: [{name: 7}]\n").expect("written");
    gateway.signal("HUP");
    for _ in 0..20 {
        assert_eq!(get(gateway.proxy, "/s/x", &[]).status, 200, "the running configuration stays");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = refused(&[("KONG_PROXY_LISTEN", &address)]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address), "{output:?}");
}

#[test]
fn an_unreadable_certificate_is_named() {
    let listen = format!("127.0.0.1:{} ssl", free_port());
    let output = refused(&[
        ("KONG_PROXY_LISTEN", &listen),
        ("KONG_SSL_CERT", "/nonexistent/cert.pem"),
        ("KONG_SSL_CERT_KEY", "/nonexistent/key.pem"),
    ]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/cert.pem"), "{output:?}");
}

#[test]
fn an_invalid_file_is_refused_with_every_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kong.yml");
    std::fs::write(&file, "_format_version: '3.0'\nservices: [{name: a, port: 99999}, {host: 7}]\n").expect("written");
    let output = refused(&[("KONG_DECLARATIVE_CONFIG", file.to_str().expect("UTF-8"))]);
    let text = String::from_utf8_lossy(&output.stderr);
    for part in ["kong.yml", "value should be between 0 and 65535", "expected a string"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_wrong_setting_is_told_at_once() {
    let output =
        refused(&[("KONG_LOG_LEVEL", "loud"), ("KONG_PROXY_LISTEN", "nowhere"), ("KONG_MEM_CACHE_SIZE", "much")]);
    let text = String::from_utf8_lossy(&output.stderr);
    for part in ["KONG_LOG_LEVEL", "KONG_PROXY_LISTEN", "KONG_MEM_CACHE_SIZE"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// How many threads of a process may run on this processor alone.
fn threads_on(pid: u32, processor: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
    let line = format!("Cpus_allowed_list:\t{processor}");
    tasks.map(status).filter(|status| status.lines().any(|it| it == line)).count()
}

#[test]
fn workers_run_on_the_processors_they_are_given() {
    let workers = ("KONG_NGINX_WORKER_PROCESSES", "2");
    let free = Gateway::start(&[workers]);
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !own.contains("Cpus_allowed_list:\t0-") {
        eprintln!("skipped: the first two processors may not be used");
        return;
    }
    assert_eq!(threads_on(free.pid(), "0"), 0);
    for (affinity, on_first) in [("1", 2), ("01 10", 1)] {
        let backend = Backend::start();
        // The thread of datagrams is no worker, and takes no worker's place.
        let datagrams = format!("127.0.0.1:{} udp", free_port());
        let more = [("KONG_NGINX_MAIN_WORKER_CPU_AFFINITY", affinity), ("KONG_STREAM_LISTEN", &datagrams)];
        let gateway = Gateway::start(&[&[workers], more.as_slice()].concat());
        assert_eq!(gateway.configure(&configuration(backend.address)).status, 201);
        eventually("the route is there", || get(gateway.proxy, "/s/x", &[]).status == 200);
        assert_eq!(threads_on(gateway.pid(), "0"), on_first, "{affinity}");
    }
    // One that the machine does not have.
    let (backend, mask) = (Backend::start(), format!("1{}", "0".repeat(1000)));
    let gateway = Gateway::start(&[workers, ("KONG_NGINX_MAIN_WORKER_CPU_AFFINITY", &mask)]);
    assert_eq!(gateway.configure(&configuration(backend.address)).status, 201);
    eventually("the route is there", || get(gateway.proxy, "/s/x", &[]).status == 200);
}
