use super::*;
use exchange::{Request, Stamp, Timeline, TlsSession, Try, TryError, Version};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn exchange() -> Exchange {
    let request = Request {
        method: b"GET".as_slice().into(),
        target: b"/a%20\"\x01?b=1&C=2".as_slice().into(),
        path: b"/a%20\"\x01".as_slice().into(),
        query: Some(b"b=1&C=2".as_slice().into()),
        host: b"Example.TEST".as_slice().into(),
        client_ip: Some([10, 0, 0, 1].into()),
        client_port: 4711,
        peer: Some(([10, 9, 9, 9], 1).into()),
        local: Some(([10, 0, 0, 2], 8000).into()),
        connection: 7,
        connection_requests: 3,
        head_bytes: 100,
        body_bytes: 11,
        headers: [
            ("User-Agent", "curl/8"),
            ("X-Two", "a"),
            ("X-Two", "b"),
            ("X-Empty", ""),
            ("Cookie", "one=1; two=zwei"),
            ("Authorization", "Basic bWU6c2VjcmV0"),
        ]
        .into_iter()
        .collect(),
        ..Request::default()
    };
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    let nobody = Arc::new(exchange::directory::Nobody);
    let mut exchange = Exchange::new(request, Timeline::starting(Instant::now(), wall), nobody);
    exchange.timeline = Timeline::starting(Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    exchange.timeline.mark_at(Stamp::Finished, 250_400);
    exchange.response.status = 404;
    exchange.response.body_sent = 12;
    exchange.response.head_sent = 100;
    exchange.response.headers.append("X-Answer", "\u{e4}\"");
    exchange
}

fn tried(port: u16, start: u32, connect: u32, error: Option<TryError>) -> Try {
    Try { address: ([10, 1, 1, 1], port).into(), start, connect, tls: 0, pooled: false, error }
}

fn line(format: &LogFormat, exchange: &Exchange) -> String {
    let mut line = Vec::new();
    format.write(&mut line, exchange, &exchange::mask::Masks::default());
    String::from_utf8(line).unwrap()
}

fn render(text: &str, escape: Escape, exchange: &Exchange) -> String {
    line(&LogFormat::compile(text, escape).unwrap(), exchange)
}

#[test]
fn the_known_formats_are_kong_s_and_nginx_s() {
    let exchange = exchange();
    let id = exchange.id.as_str();
    let combined =
        "10.0.0.1 - me [14/Nov/2023:22:13:20 +0000] \"GET /a%20\\x22\\x01?b=1&C=2 HTTP/1.1\" 404 12 \"-\" \"curl/8\"";
    assert_eq!(line(&LogFormat::kong(), &exchange), format!("{combined} kong_request_id: \"{id}\""));
    assert_eq!(line(&LogFormat::combined(), &exchange), combined);
    let basic = "10.0.0.1 [14/Nov/2023:22:13:20 +0000] TCP 404 112 111 0.250";
    assert_eq!(line(&LogFormat::basic(), &exchange), basic);
}

#[test]
fn variables_are_what_nginx_says() {
    let mut exchange = exchange();
    exchange.request.tls = Some(Arc::new(TlsSession {
        sni: Some("sni.test".into()),
        version: "TLSv1.3",
        cipher: "C",
        ..TlsSession::default()
    }));
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("${host}x", "example.testx"),
        ("$request_method $request_uri", "GET /a%20\\x22\\x01?b=1&C=2"),
        ("$uri|$document_uri", "/a \\x22\\x01|/a \\x22\\x01"),
        ("$args$is_args$query_string", "b=1&C=2?b=1&C=2"),
        ("$arg_b $arg_c $arg_d", "1 2 -"),
        ("$cookie_two $cookie_three", "*** -"),
        ("$http_x_two", "a, b"),
        ("[$http_x_empty] [$http_none]", "[] [-]"),
        ("$sent_http_x_answer", "\\xC3\\xA4\\x22"),
        ("$status $body_bytes_sent $bytes_sent $request_length", "404 12 112 111"),
        ("$request_time $msec", "0.250 1700000000.250"),
        ("$time_iso8601", "2023-11-14T22:13:20+00:00"),
        ("$time_local", "14/Nov/2023:22:13:20 +0000"),
        ("$remote_addr:$remote_port $realip_remote_addr:$realip_remote_port", "10.0.0.1:4711 10.9.9.9:1"),
        ("$server_addr:$server_port $server_protocol $server_name", "10.0.0.2:8000 HTTP/1.1 kong"),
        ("$scheme $https", "http on"),
        ("$ssl_protocol $ssl_cipher $ssl_server_name", "TLSv1.3 C sni.test"),
        ("$connection/$connection_requests", "7/3"),
        ("$remote_user", "me"),
        ("$upstream_addr $upstream_status $upstream_response_time", "- - -"),
        ("$otel_trace_id $silverback_route", "- -"),
    ] {
        assert_eq!(render(text, Escape::Default, &exchange), expected, "{text}");
    }
    let id = exchange.id.as_str().to_owned();
    assert_eq!(render("$request_id $kong_request_id", Escape::Default, &exchange), format!("{id} {id}"));
    exchange.request.version = Version::Http2;
    exchange.response.status = 0;
    assert_eq!(render("$server_protocol $status", Escape::Default, &exchange), "HTTP/2.0 000");
}

#[test]
fn every_try_is_listed() {
    let mut exchange = exchange();
    exchange.timeline.tries.push(tried(1, 1000, 5000, Some(TryError::Connect)));
    exchange.timeline.tries.push(tried(2, 11_000, 2000, Some(TryError::ReadTimeout)));
    exchange.timeline.tries.push(tried(3, 101_000, 2000, None));
    exchange.timeline.mark_at(Stamp::Answered, 201_000);
    exchange.timeline.mark_at(Stamp::Received, 221_000);
    exchange.response.upstream_status = 200;
    for (text, expected) in [
        ("$upstream_addr", "10.1.1.1:1, 10.1.1.1:2, 10.1.1.1:3"),
        ("$upstream_status", "502, 504, 200"),
        ("$upstream_connect_time", "-, 0.002, 0.002"),
        ("$upstream_header_time", "-, -, 0.100"),
        ("$upstream_response_time", "0.010, 0.090, 0.120"),
        ("$upstream_response_length", "0, 0, 12"),
    ] {
        assert_eq!(render(text, Escape::Default, &exchange), expected, "{text}");
    }
}

#[test]
fn escaping_is_nginx_s() {
    let mut exchange = exchange();
    exchange.request.headers.set("X-Odd", "q\" b\\ t\t \u{e4}");
    for (escape, expected) in [
        (Escape::Default, "q\\x22 b\\x5C t\\x09 \\xC3\\xA4 -"),
        (Escape::Json, "q\\\" b\\\\ t\\t \u{e4} "),
        (Escape::None, "q\" b\\ t\t \u{e4} "),
    ] {
        assert_eq!(render("$http_x_odd $http_none", escape, &exchange), expected, "{escape:?}");
    }
    let json = render("{\"uri\":\"$request_uri\"}", Escape::Json, &exchange);
    assert_eq!(json, "{\"uri\":\"/a%20\\\"\\u0001?b=1&C=2\"}");
    assert_eq!(Escape::parse("json"), Ok(Escape::Json));
    assert_eq!(Escape::parse("xml"), Err(FormatError::Escape("xml".into())));
}

#[test]
fn what_is_wrong_with_a_format_is_named() {
    for (text, named) in [
        ("a $nonsense b", "\"$nonsense\""),
        ("$http_", "\"$http_\""),
        ("${remote_addr", "\"${remote_addr\""),
        ("costs 5$", "\"$\""),
        ("$ x", "\"$ x\""),
        ("${}", "\"${}\""),
    ] {
        let error = LogFormat::compile(text, Escape::Default).unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_compiles_or_is_refused(text in "[ -~\\n\u{e4}$]{0,40}", escape in 0..3) {
        let escape = [Escape::Default, Escape::Json, Escape::None][escape as usize];
        if let Ok(format) = LogFormat::compile(&text, escape) {
            line(&format, &exchange());
        }
    }

    #[test]
    fn a_value_cannot_break_a_line(value in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        for escape in [Escape::Default, Escape::Json, Escape::None] {
            let mut out = Vec::new();
            write_escaped(&mut out, &value, escape);
            proptest::prop_assert!(!out.contains(&b'\n'));
            if escape == Escape::Json && let Ok(text) = std::str::from_utf8(&value) {
                let read: String = serde_json::from_slice(&[b"\"", &out[..], b"\""].concat()).unwrap();
                proptest::prop_assert_eq!(read, text);
            }
        }
    }
}
