//! What a newcomer sees: authentication, limits, refusals, and one client's trouble staying its own.

use e2e::{Backend, Gateway, Session, eventually, get};
use serde_json::json;

fn protected(backend: &Backend) -> serde_json::Value {
    json!({
        "_format_version": "3.0",
        "services": [{
            "name": "hello", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [
                { "name": "open", "paths": ["/open"] },
                { "name": "private", "paths": ["/private"], "plugins": [
                    { "name": "key-auth" },
                    { "name": "rate-limiting", "config": { "hour": 3, "policy": "local" } },
                ] },
            ],
        }],
        "consumers": [{ "username": "ann", "keyauth_credentials": [{ "key": "ann-secret" }] }],
    })
}

#[test]
fn a_protected_limited_api() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.configure(&protected(&backend)).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/open", &[]).status == 200);
    assert_eq!(get(gateway.proxy, "/private", &[]).json()["message"], "No API key found in request");
    let key = [("apikey", "ann-secret")];
    let statuses: Vec<_> = (0..5).map(|_| get(gateway.proxy, "/private", &key).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.configure(&protected(&backend)).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/open", &[]).status == 200);
    let broken = json!({
        "_format_version": "3.0",
        "services": [{ "name": "a", "host": "h", "port": 99_999 }, { "name": "b" }],
        "plugins": [{ "name": "no-such-plugin" }],
    });
    let refused = gateway.configure(&broken);
    assert_eq!(refused.status, 400);
    let fields = refused.json()["fields"].clone();
    assert_eq!(fields["services"][0]["port"], "value should be between 0 and 65535", "{fields}");
    assert_eq!(fields["services"][1]["host"], "required field missing", "{fields}");
    assert!(fields["plugins"][0]["name"].as_str().is_some_and(|text| text.contains("no-such-plugin")), "{fields}");
    assert_eq!(get(gateway.proxy, "/open", &[]).status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.configure(&protected(&backend)).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/open", &[]).status == 200);
    let mut session = Session::open(gateway.proxy).expect("connects");
    session.send(b"GET /open HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /open HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let statuses: Vec<_> = (0..3).map(|_| session.read_reply(false).expect("an answer").status).collect();
    assert_eq!(statuses, [200, 404, 200]);
}

/// Answers that the sockets have no room for, by both ways in which a worker writes.
#[test]
fn a_client_that_reads_late_gets_every_answer_whole() {
    const ANSWERS: usize = 1000;
    let body = "0123456789abcde".repeat(1000);
    for io_uring in ["on", "off"] {
        let gateway = Gateway::start(&[("KONG_IO_URING", io_uring)]);
        let configuration = json!({
            "_format_version": "3.0",
            "services": [{ "name": "a", "host": "127.0.0.1", "routes": [{ "name": "a", "paths": ["/a"] }], "plugins": [
                { "name": "request-termination", "config": { "status_code": 200, "body": body, "content_type": "text/plain" } },
                { "name": "correlation-id", "config": { "header_name": "x-turn", "echo_downstream": true } },
            ] }],
        });
        assert_eq!(gateway.configure(&configuration).status, 201);
        eventually("the route is there", || get(gateway.proxy, "/a", &[]).status == 200);
        let mut session = Session::open(gateway.proxy).expect("connects");
        let turn = |turn| format!("GET /a HTTP/1.1\r\nHost: a\r\nX-Turn: {turn}\r\n\r\n");
        let requests: String = (0..ANSWERS).map(turn).collect();
        session.send(requests.as_bytes()).expect("sent");
        // Others are served while this one's answers wait for it.
        for _ in 0..20 {
            assert_eq!(get(gateway.proxy, "/a", &[]).body.len(), body.len());
        }
        for turn in 0..ANSWERS {
            let reply = session.read_reply(false).expect("an answer");
            let turned = reply.header("x-turn").map(ToOwned::to_owned);
            assert_eq!((reply.status, turned), (200, Some(turn.to_string())), "io_uring = {io_uring}");
            assert!(reply.body == body.as_bytes(), "answer {turn} is another, io_uring = {io_uring}");
        }
    }
}
