//! W3C Trace Context: the headers `traceparent` and `tracestate`.

use exchange::{SpanId, TraceId};

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Members that one `tracestate` may have (§3.3.1.1).
const MAX_MEMBERS: usize = 32;

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
    /// Whether the caller records it.
    pub sampled: bool,
}

/// Reads a `traceparent` (§3.2). Lower case only; ids of zeros and version ff are invalid; a later version is read as
/// far as 00 goes, and may go on after another `-`.
pub fn parse(header: &[u8]) -> Option<Parent> {
    let [version] = digits::<1>(header.get(..2)?)?;
    let fits = match version {
        0xff => false,
        0 => header.len() == LENGTH,
        _ => header.len() == LENGTH || header.get(LENGTH) == Some(&b'-'),
    };
    let dashes = [2, 35, 52].iter().all(|at| header.get(*at) == Some(&b'-'));
    if !fits || !dashes {
        return None;
    }
    let trace_id = digits::<16>(header.get(3..35)?)?;
    let span_id = digits::<8>(header.get(36..52)?)?;
    let [flags] = digits::<1>(header.get(53..55)?)?;
    if trace_id == [0; 16] || span_id == [0; 8] {
        return None;
    }
    Some(Parent { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled: flags & 1 == 1 })
}

/// The `traceparent` that tells of a parent, version 00. Other flags than `sampled` are not passed on (§3.2.2.5).
pub fn format(parent: &Parent) -> [u8; LENGTH] {
    let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write(&mut out[3..35], &parent.trace_id.0);
    write(&mut out[36..52], &parent.span_id.0);
    out[54] = if parent.sampled { b'1' } else { b'0' };
    out
}

/// Whether the lines of `tracestate`, in order, are one valid list (§3.3). One that is not is not passed on.
pub fn is_tracestate<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut members = 0;
    for line in lines {
        for member in line.split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            members += 1;
            let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return false };
            if members > MAX_MEMBERS || !is_key(&member[..equals]) || !is_state(&member[equals + 1..]) {
                return false;
            }
        }
    }
    true
}

fn is_key(key: &[u8]) -> bool {
    let (tenant, system) = match key.iter().position(|byte| *byte == b'@') {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    };
    let word = |text: &[u8], most: usize, digit_first: bool| {
        let first = text.first().is_some_and(|byte| byte.is_ascii_lowercase() || digit_first && byte.is_ascii_digit());
        let rest = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
        first && text.len() <= most && text.iter().all(rest)
    };
    match system {
        Some(system) => word(tenant, 241, true) && word(system, 14, false),
        None => word(tenant, 256, false),
    }
}

fn is_state(value: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, 0x20..=0x7e) && !b",=".contains(byte);
    (1..=256).contains(&value.len()) && value.iter().all(printable)
}

fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == N * 2).then_some(out)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn write(out: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [b"0123456789abcdef"[usize::from(byte >> 4)], b"0123456789abcdef"[usize::from(byte & 15)]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    #[test]
    fn only_what_the_standard_allows_is_a_parent() {
        for (header, sampled) in [
            (format!("00-{ID}-01"), Some(true)),
            (format!("00-{ID}-00"), Some(false)),
            (format!("00-{ID}-03"), Some(true)),
            (format!("00-{ID}-fe"), Some(false)),
            (format!("01-{ID}-01"), Some(true)),
            (format!("cc-{ID}-01-what-comes-later"), Some(true)),
            (format!("cc-{ID}-01."), None),
            (format!("cc-{ID}-01x"), None),
            (format!("ff-{ID}-01"), None),
            (format!("00-{ID}-01-x"), None),
            (format!("00-{ID}-01 "), None),
            (format!("00-{ID}-1"), None),
            (format!("00-{ID}-0g"), None),
            (format!("0-{ID}-01"), None),
            (format!("00_{ID}-01"), None),
            (format!("00-{}-01", ID.to_uppercase()), None),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)), None),
            (String::new(), None),
            ("00".into(), None),
        ] {
            assert_eq!(parse(header.as_bytes()).map(|parent| parent.sampled), sampled, "{header}");
        }
    }

    #[test]
    fn only_a_list_of_members_is_a_tracestate() {
        for (lines, expected) in [
            (&["congo=t61rcWkgMzE"][..], true),
            (&["congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"], true),
            (&["a=1", "b=2,,"], true),
            (&["fw529a3039@dt=FfYxG", "0a@v=1"], true),
            (&[""], true),
            (&["congo"], false),
            (&["=1"], false),
            (&["a="], false),
            (&["A=1"], false),
            (&["0a=1"], false),
            (&["a@0v=1"], false),
            (&["a=1=2"], false),
            (&["a=\u{fc}"], false),
        ] {
            assert_eq!(is_tracestate(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
        }
        let many = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert!(is_tracestate([many(32).as_bytes()].into_iter()));
        assert!(!is_tracestate([many(33).as_bytes()].into_iter()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), sampled: bool) {
            let parent = Parent { trace_id: TraceId(trace), span_id: SpanId(span), sampled };
            let valid = trace != [0; 16] && span != [0; 8];
            prop_assert_eq!(parse(&format(&parent)), valid.then_some(parent));
        }

        #[test]
        fn any_bytes_are_survived_and_version_00_is_canonical(
            header in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-0[01].{0,2}".prop_map(String::into_bytes),
            ]
        ) {
            if let Some(parent) = parse(&header) {
                let again = format(&parent);
                prop_assert_eq!(parse(&again), Some(parent));
                prop_assert_eq!(&again[3..52], &header[3..52]);
                prop_assert!(&header[..2] != b"00" || header.len() == 55);
            }
        }
    }
}
