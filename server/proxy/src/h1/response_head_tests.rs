use super::*;
use proptest::prelude::*;

fn read(text: &[u8], head_request: bool) -> Result<Option<(Answered, Response)>, HeadError> {
    let mut response = Response::default();
    let answered = take(&mut BytesMut::from(text), &mut 0, head_request, &mut response)?;
    Ok(answered.map(|answered| (answered, response)))
}

#[test]
fn framing_follows_the_head() {
    for (text, head_request, framing, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, Framing::Length(3), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, Framing::None, true),
        ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", false, Framing::Chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, Framing::Close, false),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: X-Y, close\r\n\r\n", false, Framing::Length(3), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, Framing::Length(3), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", false, Framing::Length(3), true),
        ("HTTP/1.1 200 OK\nContent-Length: 3\n\n", false, Framing::Length(3), true),
    ] {
        let (answered, _) = read(text.as_bytes(), head_request).unwrap().unwrap();
        assert_eq!((answered.framing, answered.keep_alive), (framing, keep_alive), "{text:?}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for (text, error) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n", HeadError::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", HeadError::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", HeadError::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n", HeadError::Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HeadError::Framing),
        ("\x16\x03this is not http\r\n\r\n", HeadError::Malformed),
        ("\x16", HeadError::Malformed),
        ("HTTP/2 200\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 2000 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 099 OK\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n", HeadError::Malformed),
        ("HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n", HeadError::Malformed),
    ] {
        assert_eq!(read(text.as_bytes(), false).err(), Some(error), "{text:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: 1\r\n".repeat(MAX_HEAD));
    assert_eq!(read(endless.as_bytes(), false).err(), Some(HeadError::TooLarge));
    assert!(read(b"HTTP/1.1 200 OK\r\nX", false).unwrap().is_none());
    assert!(read(b"HT", false).unwrap().is_none());
}

#[test]
fn hop_by_hop_names_are_noted() {
    let (answered, response) =
        read(b"HTTP/1.1 299 Odd Reason\r\nConnection: X-Internal, keep-alive\r\nX-Internal: 1\r\n\r\n", false)
            .unwrap()
            .unwrap();
    assert_eq!(answered.hop_by_hop.as_slice(), [b"x-internal".to_vec()]);
    assert_eq!((response.status, response.reason.as_ref()), (299, b"Odd Reason".as_slice()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), begin in any::<bool>()) {
        let text = if begin { [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat() } else { bytes };
        let _ = read(&text, false);
    }

    #[test]
    fn reads_may_be_split_anywhere(lines in "(X: [a-z]{0,4}\r?\n){0,4}", cuts in proptest::collection::vec(0usize..60, 0..4)) {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\nbody");
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut input = BytesMut::new();
        let (mut scanned, mut from) = (0, 0);
        let mut response = Response::default();
        let mut found = None;
        for to in cuts {
            input.extend_from_slice(&text.as_bytes()[from..to]);
            from = to;
            if found.is_none() {
                found = take(&mut input, &mut scanned, false, &mut response).unwrap();
            }
        }
        prop_assert!(found.is_some());
        prop_assert_eq!(input.as_ref(), b"body".as_slice());
        prop_assert_eq!(response.headers.len(), lines.matches("X: ").count());
        prop_assert!(response.headers.iter().all(|(name, _)| name == b"X"));
    }
}
