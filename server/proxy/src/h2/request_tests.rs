use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { line: 8192, head: 32768 };

fn parts(method: &str, uri: &str, lines: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn read_of(parts: &Parts) -> (Request, Result<Opening, Refusal>) {
    let mut request = Request::default();
    let read = read(parts, LIMITS, &mut request);
    (request, read)
}

fn lines(request: &Request) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    request.headers.iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn the_authority_becomes_the_host() {
    let (request, read) = read_of(&parts("GET", "https://A.test:8443/x/y?q=1", &[("x-a", "1"), ("x-b", " 2 ")]));
    assert_eq!(read, Ok(Opening::default()));
    assert_eq!((request.version, request.method_str()), (Version::Http2, "GET"));
    assert_eq!(request.target.as_slice(), b"/x/y?q=1");
    assert_eq!((request.host.as_slice(), request.host_port), (b"A.test".as_slice(), Some(8443)));
    let expected = [("Host", "A.test:8443"), ("x-a", "1"), ("x-b", "2")];
    assert_eq!(lines(&request), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (request, read) = read_of(&parts("GET", "/x", &[("host", "b.test")]));
    assert!(read.is_ok());
    assert_eq!(request.host.as_slice(), b"b.test");
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    for (method, uri, given) in [
        ("GET", "/x", &[][..]),
        ("GET", "/x", &[("host", "a.test"), ("host", "a.test")][..]),
        ("GET", "/x", &[("host", "a b")][..]),
        ("GET", "https://a.test/x", &[("host", "b.test")][..]),
        ("GET", "https://a.test/x", &[("host", "a.test"), ("host", "a.test")][..]),
        ("GET", "https://u@a.test/x", &[][..]),
        ("GET", "ftp://a.test/x", &[][..]),
        ("OPTIONS", "*", &[("host", "a.test")][..]),
        ("POST", "https://a.test/x", &[("content-length", "+1")][..]),
        ("POST", "https://a.test/x", &[("content-length", "1"), ("content-length", "1")][..]),
    ] {
        let (_, read) = read_of(&parts(method, uri, given));
        assert!(matches!(read, Err(Refusal::Malformed(_))), "{method} {uri} {given:?}: {read:?}");
    }
    for method in ["TRACE", "CONNECT"] {
        assert_eq!(read_of(&parts(method, "https://a.test/x", &[])).1, Err(Refusal::Method));
    }
    let (_, read) = read_of(&parts("GET", "https://a.test/x", &[("host", "A.test")]));
    assert!(read.is_ok());
}

#[test]
fn sizes_are_those_of_http1() {
    let long = "a".repeat(8200);
    assert_eq!(read_of(&parts("GET", &format!("https://a.test/{long}"), &[])).1, Err(Refusal::UriTooLong));
    assert_eq!(read_of(&parts("GET", "https://a.test/", &[("x-a", &long)])).1, Err(Refusal::HeaderTooLarge));
    let piece = "a".repeat(8000);
    let many = [("x-a", piece.as_str()), ("x-b", &piece), ("x-c", &piece), ("x-d", &piece), ("x-e", &piece)];
    assert!(read_of(&parts("GET", "https://a.test/", &many[..4])).1.is_ok());
    assert_eq!(read_of(&parts("GET", "https://a.test/", &many)).1, Err(Refusal::HeaderTooLarge));
}

#[test]
fn cookie_crumbs_become_one_cookie() {
    let given = [("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3"), ("x-b", "2")];
    let (request, _) = read_of(&parts("GET", "https://a.test/", &given));
    assert_eq!(request.headers.get_all("cookie").collect::<Vec<_>>(), [b"a=1; b=2; c=3"]);
    assert_eq!(request.headers.len(), 4);
}

#[test]
fn extended_connect_asks_for_a_websocket() {
    let mut parts = parts("CONNECT", "https://a.test/chat", &[("sec-websocket-version", "13")]);
    parts.extensions.insert(Protocol::from("websocket"));
    let (request, read) = read_of(&parts);
    assert_eq!(read, Ok(Opening { expects_continue: false, tunnels: true }));
    assert_eq!(request.method_str(), "GET");
    assert_eq!(crate::h1::write::upgrade(&request), Some(b"websocket".as_slice()));
    let key = request.headers.get_str("sec-websocket-key").unwrap();
    assert!(key.len() == 24 && key.ends_with("=="));
    parts.extensions.insert(Protocol::from("connect-udp"));
    assert_eq!(read_of(&parts).1, Err(Refusal::Protocol));
}

#[test]
fn keys_are_base64() {
    for (bytes, key) in [
        ([0; 16], b"AAAAAAAAAAAAAAAAAAAAAA=="),
        ([0xff; 16], b"/////////////////////w=="),
        (*b"the sample nonce", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        assert_eq!(&websocket_key(&bytes), key);
    }
}

proptest! {
    #[test]
    fn what_is_let_in_has_one_host_and_no_line_of_its_own(
        authority in proptest::option::of("[a-z0-9.:@\\[\\]-]{1,12}"),
        lines in proptest::collection::vec(
            ("host|cookie|content-length|x-[a-z]{1,5}|te|expect", "[ -~\\t]{0,20}"), 0..8),
        path in "/[!-~&&[^<>#\"`{}^|\\\\]]{0,30}",
    ) {
        let mut request = http::Request::builder().method("GET");
        request = match &authority {
            Some(authority) => request.uri(format!("https://{authority}{path}")),
            None => request.uri(&path),
        };
        for (name, value) in &lines {
            request = request.header(name.as_str(), value.as_str());
        }
        let Ok(built) = request.body(()) else { return Ok(()) };
        let (request, read) = read_of(&built.into_parts().0);
        if read.is_ok() {
            prop_assert_eq!(request.headers.get_all("host").count(), 1);
            prop_assert!(request.headers.get_all("content-length").count() <= 1);
            prop_assert!(request.headers.get_all("cookie").count() <= 1);
            prop_assert!(!request.host.is_empty());
            for (name, value) in request.headers.iter() {
                prop_assert!(exchange::headers::is_token(name) && exchange::headers::is_value(value));
            }
            prop_assert_eq!(request.target.first(), Some(&b'/'));
        }
    }
}
