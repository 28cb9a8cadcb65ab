//! What the Admin API takes from hostile and slow clients, and what it warns of.

use e2e::{Gateway, Session, eventually, request, send};
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const YAML: [(&str, &str); 1] = [("Content-Type", "text/yaml")];

fn answer(gateway: &Gateway, path: &str, lines: &[(&str, &str)], body: &str) -> u16 {
    let reply = request(gateway.admin, "POST", path, lines, body.as_bytes());
    reply.unwrap_or_else(|error| panic!("{path}: {error}")).status
}

#[test]
fn bombs_are_refused() {
    let (with, without) = (Gateway::start(&[("KONG_DATABASE", "sqlite")]), Gateway::start(&[]));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"name\":\"s\",\"host\":\"a.test\",\"tags\":{deep}}}");
    let aliases: String = (1..12)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(",")))
        .collect();
    let laughs = format!("_format_version: '3.0'\na0: &a0 [x]\n{aliases}services: *a11\n");
    let long = format!("{{\"name\":\"{}\",\"host\":\"a.test\"}}", "n".repeat(11 << 20));
    for (gateway, path, lines, body, expected) in [
        (&with, "/services", &JSON, &nested, 400),
        (&with, "/services", &JSON, &long, 413),
        (&with, "/services", &JSON, &"{\"name\":".to_owned(), 400),
        (&without, "/config", &JSON, &nested, 400),
        (&without, "/config", &YAML, &format!("services: {deep}"), 400),
        (&without, "/config", &YAML, &laughs, 400),
    ] {
        assert_eq!(answer(gateway, path, lines, body), expected, "{path}");
        assert_eq!(send(gateway.admin, "GET", "/status", &Value::Null).status, 200, "it is alive");
    }
}

#[test]
fn slow_clients_hold_nobody() {
    let gateway = Gateway::start(&[("KONG_DATABASE", "sqlite")]);
    let slow: Vec<Session> = (0..200)
        .map(|number| {
            let mut session = Session::open(gateway.admin).expect("connects");
            // Half of a head, or half of a body.
            let part = match number % 2 {
                0 => "POST /services HTTP/1.1\r\nHost: loc",
                _ => "POST /services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"na",
            };
            session.send(part.as_bytes()).expect("sent");
            session
        })
        .collect();
    for number in 0..50 {
        let made = send(gateway.admin, "POST", "/services", &json!({ "name": format!("s{number}"), "host": "a.test" }));
        assert_eq!(made.status, 201, "{}", made.text());
    }
    drop(slow);
}

#[test]
fn connections_are_kept_as_configured() {
    for (settings, closes) in [(&[][..], false), (&[("KONG_NGINX_ADMIN_KEEPALIVE_TIMEOUT", "0")][..], true)] {
        let gateway = Gateway::start(settings);
        let mut session = Session::open(gateway.admin).expect("connects");
        let reply = session.exchange("GET", "/status", &[], b"").expect("an answer");
        assert_eq!((reply.status, reply.header("connection") == Some("close")), (200, closes));
    }
}

#[test]
fn patience_is_as_configured() {
    let patient = Gateway::start(&[]);
    let short = [("KONG_NGINX_ADMIN_CLIENT_HEADER_TIMEOUT", "1s"), ("KONG_NGINX_ADMIN_CLIENT_BODY_TIMEOUT", "6s")];
    let hasty = Gateway::start(&short);
    let head = "GET /status HTTP/1.1\r\nHost: local";
    let body = "POST /config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nna";
    let begin = |gateway: &Gateway, part: &str| {
        let mut session = Session::open(gateway.admin).expect("connects");
        session.send(part.as_bytes()).expect("sent");
        session
    };
    let (mut kept, mut half_head, mut half_body) = (begin(&patient, head), begin(&hasty, head), begin(&hasty, body));
    assert_eq!(half_head.read_reply(false).expect("an answer").status, 408);
    assert_eq!(half_body.read_reply(false).expect("an answer").status, 408);
    // Longer than both of the others.
    kept.send(b"host\r\n\r\n").expect("sent");
    assert_eq!(kept.read_reply(false).expect("an answer").status, 200);
}

#[test]
fn an_open_door_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = e2e::free_port();
    let mut command = Gateway::command(
        folder.path(),
        &[("KONG_PROXY_LISTEN", "off"), ("KONG_STATUS_LISTEN", "off"), ("KONG_PROXY_ERROR_LOG", "errors.log")],
    );
    let mut child = command.env("KONG_ADMIN_LISTEN", format!("0.0.0.0:{port}")).spawn().expect("starts");
    let log = folder.path().join("errors.log");
    let mut told = String::new();
    eventually("it is warned of", || {
        told = std::fs::read_to_string(&log).unwrap_or_default();
        told.contains("is reached from other hosts")
    });
    assert!(told.contains("enforce_rbac"), "{told}");
    let _ = child.kill();
    let _ = child.wait();
}
