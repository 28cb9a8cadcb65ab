use super::*;
use proptest::prelude::*;

/// Content, trailers, and what is left over after the end.
type Whole = (Vec<u8>, Vec<(String, String)>, Vec<u8>);

/// Decodes a text that arrives cut at these places; `None` where the end did not come.
fn decode(text: &[u8], cuts: &[usize]) -> Result<Option<Whole>, ChunkError> {
    let mut decoder = Decoder::default();
    let mut input = BytesMut::new();
    let mut content = Vec::new();
    let mut from = 0;
    for to in cuts.iter().map(|cut| (*cut).min(text.len())).chain([text.len()]) {
        input.extend_from_slice(&text[from..from.max(to)]);
        from = from.max(to);
        loop {
            match decoder.next(&mut input)? {
                None => break,
                Some(Piece::Data(data)) => {
                    assert!(!data.is_empty());
                    content.extend_from_slice(&data);
                }
                Some(Piece::End(trailers)) => {
                    assert!(decoder.is_done());
                    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let lines =
                        trailers.iter().flat_map(|lines| lines.iter()).map(|(n, v)| (shown(n), shown(v))).collect();
                    return Ok(Some((content, lines, [&input, &text[from..]].concat())));
                }
            }
        }
    }
    Ok(None)
}

#[test]
fn bodies_are_taken_or_refused() {
    for (text, expected) in [
        ("0\r\n\r\n", Ok(Some(""))),
        ("3\r\nabc\r\n0\r\n\r\n", Ok(Some("abc"))),
        ("003\r\nabc\r\n00\r\n\r\n", Ok(Some("abc"))),
        ("A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", Ok(Some("0123456789x"))),
        ("3;a=b;c=\"d;\\\"e\"\r\nabc\r\n0;x\r\n\r\n", Ok(Some("abc"))),
        ("3 \t\r\nabc\r\n0\r\n\r\n", Ok(Some("abc"))),
        ("3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", Ok(Some("abc"))),
        ("3\r\nabc\r\n", Ok(None)),
        ("3\r\nab", Ok(None)),
        ("3\r\nabc\r\n0\r\n", Ok(None)),
        ("", Ok(None)),
        ("\r\n", Err(ChunkError::Size)),
        ("g\r\n", Err(ChunkError::Size)),
        ("-3\r\nabc", Err(ChunkError::Size)),
        ("+3\r\nabc", Err(ChunkError::Size)),
        ("0x3\r\nabc", Err(ChunkError::Size)),
        (" 3\r\nabc", Err(ChunkError::Size)),
        ("3 3\r\nabc", Err(ChunkError::Size)),
        ("3\nabc\r\n0\r\n\r\n", Err(ChunkError::Size)),
        ("3\rabc", Err(ChunkError::Size)),
        ("3;a\nb\r\nabc", Err(ChunkError::Size)),
        ("3;a=\"\r\nabc", Err(ChunkError::Size)),
        ("FFFFFFFFFFFFFFFFF\r\n", Err(ChunkError::SizeTooLarge)),
        ("3\r\nabcXX0\r\n\r\n", Err(ChunkError::End)),
        ("3\r\nabc\n0\r\n\r\n", Err(ChunkError::End)),
        ("0\r\nX T: 1\r\n\r\n", Err(ChunkError::Trailers)),
        ("0\r\nX: a\n\r\nY: b\r\n\r\n", Err(ChunkError::Trailers)),
    ] {
        let read =
            decode(text.as_bytes(), &[]).map(|whole| whole.map(|(content, ..)| String::from_utf8(content).unwrap()));
        assert_eq!(read.as_ref().map(|read| read.as_deref()), expected.as_ref().map(|read| *read), "{text:?}");
    }
}

#[test]
fn trailers_that_could_change_a_message_are_left_out() {
    let text = b"0\r\nX-Sum: 1\r\nContent-Length: 3\r\nHost: evil\r\nAuthorization: x\r\nX-Consumer-ID: x\r\n\r\nrest";
    let (_, trailers, rest) = decode(text, &[]).unwrap().unwrap();
    assert_eq!(trailers, [("X-Sum".to_owned(), "1".to_owned())]);
    assert_eq!(rest, b"rest");
}

#[test]
fn what_carries_nothing_is_bounded() {
    let endless = format!("1;{}", "x".repeat(MAX_EXTENSIONS + 10));
    assert_eq!(decode(endless.as_bytes(), &[]), Err(ChunkError::Extensions));
    let many = "1;xxxxxxxx\r\na\r\n".repeat(MAX_EXTENSIONS / 8 + 1);
    assert_eq!(decode(many.as_bytes(), &[]), Err(ChunkError::Extensions));
    let trailers = format!("0\r\n{}", "X: 1\r\n".repeat(MAX_TRAILERS));
    assert_eq!(decode(trailers.as_bytes(), &[]), Err(ChunkError::Trailers));
    assert_eq!(decode(format!("0\r\nX: {}", "a".repeat(MAX_TRAILERS)).as_bytes(), &[]), Err(ChunkError::Trailers));
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(|data| {
            let mut out = Vec::new();
            write_size(&mut out, data.len());
            [out, data, b"\r\n".to_vec()].concat()
        }),
        1 => Just(b"0\r\n\r\n".to_vec()),
        1 => Just(b"0\r\nX-T: 1\r\n\r\n".to_vec()),
        1 => Just(b"2;ext=1\r\nab\r\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => "[0-9a-f;\\r\\n \"]{0,6}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn reads_may_be_split_anywhere(text in pieces(), mut cuts in proptest::collection::vec(0usize..300, 0..8)) {
        cuts.sort_unstable();
        prop_assert_eq!(decode(&text, &cuts), decode(&text, &[]));
        let every: Vec<_> = (0..text.len()).collect();
        prop_assert_eq!(decode(&text, &every), decode(&text, &[]));
    }

    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&text, &[]);
    }

    #[test]
    fn what_is_written_is_read(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..6)) {
        let mut text = Vec::new();
        for part in &parts {
            write_size(&mut text, part.len());
            text.extend_from_slice(part);
            text.extend_from_slice(b"\r\n");
        }
        let trailers: Headers = [("X-T", "1")].into_iter().collect();
        write_end(&mut text, Some(&trailers));
        text.extend_from_slice(b"next");
        let (content, lines, rest) = decode(&text, &[]).unwrap().unwrap();
        prop_assert_eq!(content, parts.concat());
        prop_assert_eq!(lines, vec![("X-T".to_owned(), "1".to_owned())]);
        prop_assert_eq!(rest, b"next");
    }
}

/// A bounded fuzz run: a valid body with a few bytes changed never gives more content than it has bytes, and the same
/// however it is cut.
#[test]
fn mutated_bodies_are_survived() {
    let seed = b"5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\n";
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..40_000 {
        let mut text = seed.to_vec();
        for _ in 0..=random() % 4 {
            let at = (random() % text.len() as u64) as usize;
            match random() % 3 {
                0 => text[at] = random() as u8,
                1 => drop(text.remove(at)),
                _ => text.insert(at, b"\r\n ;0fF\"x"[(random() % 9) as usize]),
            }
        }
        let whole = decode(&text, &[]);
        let cut = (random() % text.len() as u64) as usize;
        assert_eq!(decode(&text, &[cut]), whole);
        if let Ok(Some((content, ..))) = whole {
            assert!(content.len() < text.len());
        }
    }
}
