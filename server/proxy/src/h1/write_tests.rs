use super::*;
use exchange::directory::Nobody;
use exchange::{Answer, ErrorTemplates, Timeline};
use std::sync::Arc;

fn exchange(lines: &[(&str, &str)]) -> Exchange {
    let request = Request {
        method: b"GET".as_slice().into(),
        target: b"/p/x?q=1".as_slice().into(),
        headers: lines.iter().copied().collect(),
        host: b"Public.Example".as_slice().into(),
        peer: Some("10.0.0.9:5000".parse().unwrap()),
        client_ip: Some("10.0.0.9".parse().unwrap()),
        port: 8000,
        ..Request::default()
    };
    let mut exchange = Exchange::new(request, Timeline::default(), Arc::new(Nobody));
    exchange.forward.path = b"/x".as_slice().into();
    exchange.forward.query = Some(b"q=1".as_slice().into());
    exchange.forward.stripped_prefix = b"/p".as_slice().into();
    exchange
}

/// The lines sent upstream, names in lower case.
fn sent(exchange: &Exchange, length: Length) -> Vec<String> {
    let mut out = Vec::new();
    request_head(&mut out, exchange, b"up.test:81", length, &ProxySettings::default());
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("\r\n\r\n"));
    text.trim_end()
        .split("\r\n")
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        })
        .collect()
}

fn value<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn the_upstream_learns_of_the_client() {
    let exchange = exchange(&[("Host", "Public.Example:8080"), ("X_Under", "1")]);
    let lines = sent(&exchange, Length::None);
    assert_eq!(lines[0], "GET /x?q=1 HTTP/1.1");
    for (name, expected) in [
        ("host", "up.test:81"),
        ("connection", "keep-alive"),
        ("x_under", "1"),
        ("x-forwarded-for", "10.0.0.9"),
        ("x-real-ip", "10.0.0.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "public.example"),
        ("x-forwarded-port", "8000"),
        ("x-forwarded-path", "/p/x"),
        ("x-forwarded-prefix", "/p"),
        ("via", "1.1 kong/3.9.1"),
        ("x-kong-request-id", exchange.id.as_str()),
    ] {
        assert_eq!(value(&lines, name), Some(expected), "{name}");
    }
    assert!(value(&lines, "content-length").is_none() && value(&lines, "te").is_none());
}

#[test]
fn what_an_untrusted_client_claims_is_replaced() {
    let given = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Path", "/evil"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-Kong-Request-Id", "mine"),
        ("Via", "1.0 edge"),
    ];
    let mut exchange = exchange(&given);
    let lines = sent(&exchange, Length::None);
    assert_eq!(lines.iter().filter(|line| line.contains("evil") || line.contains("mine")).count(), 0, "{lines:?}");
    assert_eq!(value(&lines, "x-forwarded-for"), Some("1.2.3.4, 10.0.0.9"));
    assert_eq!(value(&lines, "x-real-ip"), Some("10.0.0.9"));
    assert_eq!(value(&lines, "via"), Some("1.0 edge, 1.1 kong/3.9.1"));
    exchange.request.trusted = true;
    let lines = sent(&exchange, Length::None);
    assert_eq!(value(&lines, "x-forwarded-host"), Some("evil"));
    assert_eq!(value(&lines, "x-forwarded-prefix"), Some("/evil"));
}

#[test]
fn hop_by_hop_lines_end_here() {
    let lines = [
        ("Connection", "close, X-Hop, X-Consumer-Username, X-Forwarded-For, Keep-Alive"),
        ("X-Hop", "1"),
        ("X-Stay", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "close"),
        ("Proxy", "evil"),
        ("TE", "gzip, trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "99"),
        ("Expect", "100-continue"),
        ("Upgrade", "h2c"),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut exchange = exchange(&[]);
    let head = format!("GET /p/x HTTP/1.1\r\nHost: a\r\n{text}\r\n").replace("Content-Length: 99\r\n", "");
    super::super::head::parse(head.as_bytes(), &mut exchange.request).unwrap();
    exchange.request.headers.append("X-Consumer-Username", "ann");
    let lines = sent(&exchange, Length::Chunked);
    assert_eq!(value(&lines, "connection"), Some("keep-alive"));
    assert_eq!(value(&lines, "te"), Some("trailers"));
    assert_eq!(value(&lines, "transfer-encoding"), Some("chunked"));
    assert_eq!(value(&lines, "x-consumer-username"), Some("ann"));
    assert_eq!(value(&lines, "x-forwarded-for"), Some("10.0.0.9"));
    assert_eq!(value(&lines, "x-stay"), Some("1"));
    for name in ["x-hop", "keep-alive", "proxy-connection", "proxy", "expect", "upgrade", "content-length"] {
        assert_eq!(value(&lines, name), None, "{name}");
    }
}

#[test]
fn upgrades_pass_unless_they_concern_this_hop() {
    for (connection, protocol, passed) in [
        ("Upgrade", "websocket", Some("websocket")),
        ("keep-alive, upgrade", "WebSocket", Some("websocket")),
        ("Upgrade", "my-protocol/2", Some("my-protocol/2")),
        ("Upgrade", "h2c", None),
        ("Upgrade", "TLS/1.0, HTTP/1.1", None),
        ("close", "websocket", None),
        ("Upgrade", "", None),
    ] {
        let exchange = exchange(&[("Connection", connection), ("Upgrade", protocol)]);
        let lines = sent(&exchange, Length::None);
        assert_eq!(value(&lines, "upgrade"), passed, "{protocol}");
        assert_eq!(
            value(&lines, "connection"),
            Some(if passed.is_some() { "keep-alive, Upgrade" } else { "keep-alive" })
        );
    }
}

#[test]
fn the_client_gets_one_framing() {
    let mut response = Response { status: 200, ..Response::default() };
    for (name, value) in
        [("Content-Length", "9"), ("transfer-encoding", "chunked"), ("Server", "origin"), ("Date", "then")]
    {
        response.headers.append(name, value);
    }
    for (length, persistence, expected) in [
        (Length::Known(3), Persistence::KeepAlive, "Content-Length: 3\r\nConnection: keep-alive\r\n"),
        (Length::Chunked, Persistence::KeepAlive, "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"),
        (Length::Close, Persistence::Close, "Connection: close\r\n"),
    ] {
        let mut out = Vec::new();
        response_head(&mut out, &response, length, persistence, b"now");
        let expected = format!("HTTP/1.1 200 OK\r\nServer: origin\r\nDate: then\r\n{expected}\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    let answer = Answer::error(426, "x").header("Connection", "Upgrade").header("Upgrade", "TLS/1.2, HTTP/1.1");
    let response = answer.render(&Request::default(), &exchange::RequestId::fresh(), &ErrorTemplates::default());
    let mut out = Vec::new();
    response_head(&mut out, &response, Length::Known(0), Persistence::KeepAlive, b"now");
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("HTTP/1.1 426 \r\nUpgrade: TLS/1.2, HTTP/1.1\r\n"), "{text}");
    assert!(text.ends_with("\r\nConnection: Upgrade\r\n\r\n"), "{text}");
    assert_eq!(text.matches("onnection").count(), 1);
}
