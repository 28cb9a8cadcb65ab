use super::*;
use exchange::Scheme;
use proptest::prelude::*;

const LIMITS: Limits = Limits { line: 8192, head: 32768 };

/// Search and parse of a whole text, as the connection does it.
fn read(text: &[u8]) -> Option<Result<(Frame, Request, usize), Refusal>> {
    let mut search = Search::default();
    match search.end(text, LIMITS) {
        Ok(None) => None,
        Err(refusal) => Some(Err(refusal)),
        Ok(Some(end)) => {
            let mut request = Request { scheme: Scheme::Http, ..Request::default() };
            let head = &text[search.skip..end];
            Some(parse(head, &mut request).map(|(frame, length)| {
                assert_eq!(length, head.len());
                (frame, request, end)
            }))
        }
    }
}

fn code(text: &str) -> u16 {
    match read(text.as_bytes()) {
        None => 0,
        Some(Ok(_)) => 200,
        Some(Err(refusal)) => refusal.answer().status,
    }
}

#[test]
fn heads_are_taken_or_refused() {
    let with = |lines: &str| format!("POST /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    for (text, expected) in [
        // Request lines.
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 200),
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 200),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 200),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("GET /\r\n\r\n".to_owned(), 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("GET / http/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\n".to_owned(), 505),
        ("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("(GET) / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /a\u{1} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        // Hosts.
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (with("Host: b\r\n"), 400),
        (with("host: a\r\n"), 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: \r\n\r\n".to_owned(), 400),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        // Header lines.
        (with("X-A: 1\r\n folded\r\n"), 400),
        (with("X-A: a\0b\r\n"), 400),
        (with("X-A: a\rX-B: b\r\n"), 400),
        (with(": empty\r\n"), 400),
        (with("X A: 1\r\n"), 400),
        (with("X-A : 1\r\n"), 400),
        (with("X\u{7f}: 1\r\n"), 400),
        (with("X-A\r\n"), 400),
        (with("X-A:\r\nX-B: \t \r\n"), 200),
        (with("X-A: h\u{e9}\r\n"), 200),
        // Framing.
        (with("Content-Length: 3\r\n"), 200),
        (with("Content-Length: 3\r\nContent-Length: 3\r\n"), 400),
        (with("Content-Length: 3, 3\r\n"), 400),
        (with("Content-Length: +3\r\n"), 400),
        (with("Content-Length: 0x3\r\n"), 400),
        (with("Content-Length: \r\n"), 400),
        (with("Content-Length: 99999999999999999999999\r\n"), 400),
        (with("Content-Length: 9223372036854775808\r\n"), 400),
        (with("Content-Length: 9223372036854775807\r\n"), 200),
        (with("Transfer-Encoding: chunked\r\n"), 200),
        (with("Transfer-Encoding: CHUNKED\r\n"), 200),
        (with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400),
        (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (with("Transfer-Encoding: xchunked\r\n"), 501),
        (with("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (with("Transfer-Encoding: chunked, identity\r\n"), 501),
        (with("Transfer-Encoding: chunked;q=1\r\n"), 501),
        (with("Transfer-Encoding: \r\n"), 501),
        (with("Transfer-Encoding: chunked\u{b}\r\n"), 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(code(&text), expected, "{text:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let limit = |text: String| code(&text);
    assert_eq!(limit(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(6000))), 200);
    assert_eq!(limit(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000))), 414);
    assert_eq!(limit(format!("GET /{}", "a".repeat(9000))), 414);
    assert_eq!(limit(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(9000))), 400);
    assert_eq!(limit(format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X-Many: 1\r\n".repeat(5000))), 400);
    assert_eq!(limit(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(900))), 200);
    assert_eq!(limit(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(2000))), 400);
    assert_eq!(limit("\r\n".repeat(100)), 400);
}

#[test]
fn what_a_head_says_is_understood() {
    let (frame, request, _) =
        read(b"GET http://Real.test:81/p?q HTTP/1.1\r\nX-A:  1 \r\nHost: other.test\r\nX-Empty:\r\nConnection: x, Close\r\n\r\n")
            .unwrap()
            .unwrap();
    assert!(!frame.keep_alive && matches!(frame.body, BodyFraming::None));
    assert_eq!(request.target.as_slice(), b"/p?q");
    assert_eq!((request.host.as_slice(), request.host_port), (b"Real.test".as_slice(), Some(81)));
    let lines: Vec<_> = request.headers.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    assert_eq!(lines[0], (b"X-A".to_vec(), b"1".to_vec()));
    assert_eq!(lines[1], (b"Host".to_vec(), b"Real.test:81".to_vec()));
    assert_eq!(lines[2], (b"X-Empty".to_vec(), b"".to_vec()));
    for (lines, keep_alive) in [
        ("HTTP/1.1\r\nHost: a\r\n", true),
        ("HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", false),
        ("HTTP/1.0\r\n", false),
        ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", true),
        ("HTTP/1.0\r\nConnection: Keep-Alive, close\r\n", false),
    ] {
        let (frame, ..) = read(format!("GET / {lines}\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!(frame.keep_alive, keep_alive, "{lines:?}");
    }
    let (frame, ..) =
        read(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n").unwrap().unwrap();
    assert!(frame.expects_continue && matches!(frame.body, BodyFraming::Length(4)));
}

/// Pieces of which heads good and bad are made.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("GET ".to_owned()),
        Just("POST /x HTTP/1.1\r\n".to_owned()),
        Just("GET / HTTP/1.1\r\nHost: a.test\r\n".to_owned()),
        Just("Host: b\r\n".to_owned()),
        Just("Content-Length: ".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just(" ".to_owned()),
        Just("\t".to_owned()),
        "[ -~]{0,12}",
        "[A-Za-z-]{1,8}: [ -~]{0,16}\r\n",
        "\\PC{0,4}",
        "[\\x00-\\x1f]{1,2}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_pieces_are_survived(bytes in pieces()) {
        let _ = read(&bytes);
    }

    /// Where the end of the head is found does not depend on how the bytes arrive.
    #[test]
    fn reads_may_be_split_anywhere(bytes in pieces(), cuts in proptest::collection::vec(0usize..400, 0..6)) {
        let whole = Search::default().end(&bytes, LIMITS);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut search = Search::default();
        let mut found = Ok(None);
        for cut in cuts {
            found = search.end(&bytes[..cut], LIMITS);
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(found, whole);
    }

    /// A head that is read without a search is the same one.
    #[test]
    fn the_search_may_be_left_out(bytes in pieces()) {
        let bytes = [b"GET / HTTP/1.1\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat();
        prop_assert!(Search::default().is_needless(&bytes, LIMITS));
        let mut request = Request::default();
        let direct = parse(&bytes, &mut request);
        match (read(&bytes).unwrap(), direct) {
            (Ok((frame, searched, end)), Ok((other, length))) => {
                prop_assert_eq!(end, length);
                prop_assert_eq!(searched.head_bytes, request.head_bytes);
                prop_assert_eq!(format!("{frame:?}"), format!("{other:?}"));
                prop_assert_eq!(searched.headers.iter().collect::<Vec<_>>(), request.headers.iter().collect::<Vec<_>>());
            }
            (Err(refusal), Err(other)) => prop_assert_eq!(refusal, other),
            (searched, direct) => prop_assert!(false, "{searched:?} {direct:?}"),
        }
    }

    /// What is accepted means the same when it is written again: same lines, same framing, and nothing after it.
    #[test]
    fn what_is_accepted_is_unambiguous(bytes in pieces()) {
        let Some(Ok((frame, request, _))) = read(&bytes) else { return Ok(()) };
        prop_assert!(exchange::headers::is_token(&request.method));
        prop_assert!(!request.target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f));
        let mut text = [request.method.as_slice(), b" ", request.target.as_slice(), b" HTTP/", request.version.as_str().as_bytes(), b"\r\n"].concat();
        for (name, value) in request.headers.iter() {
            prop_assert!(exchange::headers::is_token(name) && exchange::headers::is_value(value));
            text.extend([name, b": ", value, b"\r\n"].concat());
        }
        text.extend(b"\r\n");
        let (again, second, length) = read(&text).unwrap().unwrap();
        prop_assert_eq!(length, text.len());
        prop_assert_eq!(second.headers.iter().collect::<Vec<_>>(), request.headers.iter().collect::<Vec<_>>());
        prop_assert_eq!(second.host, request.host);
        prop_assert_eq!(second.content_length, request.content_length);
        prop_assert_eq!(std::mem::discriminant(&again.body), std::mem::discriminant(&frame.body));
        prop_assert_eq!(again.keep_alive, frame.keep_alive);
    }
}

/// A bounded fuzz run: valid heads with a few bytes changed, from a fixed seed.
#[test]
fn mutated_heads_are_survived() {
    let seeds: [&[u8]; 3] = [
        b"POST /a/b?c=d HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 12\r\nAccept: */*\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\n\r\n",
        b"PUT /%41 HTTP/1.0\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nExpect: 100-continue\r\n\r\n",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..60_000 {
        let mut text = seeds[round % seeds.len()].to_vec();
        for _ in 0..=random() % 4 {
            let at = (random() % text.len() as u64) as usize;
            match random() % 3 {
                0 => text[at] = random() as u8,
                1 => drop(text.remove(at)),
                _ => text.insert(at, b"\r\n :\t,;\0aA0"[(random() % 11) as usize]),
            }
        }
        if let Some(Ok((frame, request, _))) = read(&text) {
            let lengths = request.headers.get_all("content-length").count();
            let codings = request.headers.get_all("transfer-encoding").count();
            assert!(lengths + codings <= 1, "{:?}", String::from_utf8_lossy(&text));
            assert_eq!(codings == 1, matches!(frame.body, BodyFraming::Chunked(_)));
            assert!(request.headers.get_all("host").count() <= 1);
        }
    }
}
