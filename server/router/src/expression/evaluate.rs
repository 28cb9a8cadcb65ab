//! Whether a request satisfies an expression, and what of its path did.

use std::borrow::Cow;
use std::net::IpAddr;

use super::field::Field;
use super::tree::{Node, Operator, Predicate, Value};
use crate::path::hex_digit;
use crate::request::Request;

/// Arguments of a query that are looked at (`lua_max_uri_args`).
const MAX_QUERY_ARGUMENTS: usize = 100;

/// What the satisfied predicates on the path have left behind; the last one wins, also when the branch it stands
/// in failed later.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace {
    /// Length of the matched text.
    pub(crate) matched: Option<usize>,
    /// Id of the pattern that matched.
    pub(crate) pattern: Option<u32>,
}

/// Evaluates from left to right, and no farther than the result needs.
pub(crate) fn evaluate<R: Request + ?Sized>(node: &Node, request: &R, trace: &mut Trace) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| evaluate(node, request, trace)),
        Node::Any(nodes) => nodes.iter().any(|node| evaluate(node, request, trace)),
        Node::Not(inner) => !evaluate(inner, request, trace),
        Node::Test(predicate) => test(predicate, request, trace),
    }
}

fn test<R: Request + ?Sized>(predicate: &Predicate, request: &R, trace: &mut Trace) -> bool {
    let text = |value: &[u8]| text_holds(predicate, value, &mut Trace::default());
    match &predicate.field {
        Field::Protocol => text(request.net_protocol().as_str().as_bytes()),
        Field::Sni => request.sni().is_some_and(text),
        Field::Method => text(request.method()),
        Field::Host => text(request.host()),
        Field::Path => text_holds(predicate, request.path(), trace),
        Field::Segments(first, last) => segments(request.path(), *first, *last).is_some_and(text),
        Field::SegmentCount => number_holds(predicate, split_segments(request.path()).count() as i64),
        Field::Header(name) => {
            let mut verdict = Verdict::new(predicate.any);
            request.header_values(name, &mut |value| verdict.add(text(value)));
            verdict.holds
        }
        Field::Query(name) => {
            let mut verdict = Verdict::new(predicate.any);
            for (key, value) in arguments(request.query()).take(MAX_QUERY_ARGUMENTS) {
                if unescape(key) == name.as_bytes() && !verdict.add(text(&unescape(value))) {
                    break;
                }
            }
            verdict.holds
        }
        Field::SourceAddress => address_holds(predicate, request.source().ip()),
        Field::SourcePort => number_holds(predicate, i64::from(request.source().port())),
        Field::DestinationAddress => address_holds(predicate, request.destination().ip()),
        Field::DestinationPort => number_holds(predicate, i64::from(destination_port(request))),
    }
}

/// The port the client meant: the one in its `Host` header, else the one it connected to.
pub(crate) fn destination_port<R: Request + ?Sized>(request: &R) -> u16 {
    request.host_port().unwrap_or_else(|| request.destination().port())
}

/// The verdict over several values: all of them, or any; none is never enough.
struct Verdict {
    any: bool,
    holds: bool,
}

impl Verdict {
    fn new(any: bool) -> Self {
        Self { any, holds: false }
    }

    /// Returns whether more values can change the verdict.
    fn add(&mut self, holds: bool) -> bool {
        self.holds = holds;
        holds != self.any
    }
}

fn text_holds(predicate: &Predicate, value: &[u8], trace: &mut Trace) -> bool {
    let lowered;
    let value = if predicate.lower {
        lowered = lower(value);
        &*lowered
    } else {
        value
    };
    match (&predicate.value, predicate.operator) {
        (Value::Pattern(pattern), _) => {
            let Some(len) = pattern.matched_len(value) else { return false };
            *trace = Trace { matched: Some(len), pattern: Some(pattern.id) };
            true
        }
        (Value::Text(text), operator) => {
            let text = text.as_bytes();
            let (holds, leaves) = match operator {
                Operator::Equals => (value == text, true),
                Operator::Differs => (value != text, false),
                Operator::Prefix => (value.starts_with(text), true),
                Operator::Suffix => (value.ends_with(text), true),
                Operator::Contains => (memchr::memmem::find(value, text).is_some(), false),
                _ => (false, false),
            };
            if holds && leaves {
                trace.matched = Some(text.len());
            }
            holds
        }
        _ => false,
    }
}

fn number_holds(predicate: &Predicate, value: i64) -> bool {
    let Value::Number(number) = predicate.value else { return false };
    match predicate.operator {
        Operator::Equals => value == number,
        Operator::Differs => value != number,
        Operator::Greater => value > number,
        Operator::GreaterOrEqual => value >= number,
        Operator::Less => value < number,
        Operator::LessOrEqual => value <= number,
        _ => false,
    }
}

fn address_holds(predicate: &Predicate, value: IpAddr) -> bool {
    let value = value.to_canonical();
    match (&predicate.value, predicate.operator) {
        (Value::Address(address), Operator::Equals) => value == *address,
        (Value::Address(address), Operator::Differs) => value != *address,
        (Value::Network(network), Operator::In) => network.contains(&value),
        (Value::Network(network), Operator::NotIn) => !network.contains(&value),
        _ => false,
    }
}

/// Lower case, of letters beyond ASCII too where the bytes are text.
pub(crate) fn lower(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.is_ascii()
        && let Ok(text) = std::str::from_utf8(value)
    {
        return Cow::Owned(text.to_lowercase().into_bytes());
    }
    if value.iter().any(u8::is_ascii_uppercase) { Cow::Owned(value.to_ascii_lowercase()) } else { Cow::Borrowed(value) }
}

/// The first slash begins the first segment, and the last one ends the last segment.
fn split_segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.split(|byte| *byte == b'/').take(if path.is_empty() { 0 } else { usize::MAX })
}

fn segments(path: &[u8], first: usize, last: usize) -> Option<&[u8]> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    let mut start = 0;
    for _ in 0..first {
        start += memchr::memchr(b'/', &path[start..])? + 1;
    }
    let mut end = start;
    for number in first..=last {
        if number > first {
            // Another segment needs the slash that ended the one before.
            if end == path.len() {
                return None;
            }
            end += 1;
        }
        end = memchr::memchr(b'/', &path[end..]).map_or(path.len(), |slash| end + slash);
    }
    Some(&path[start..end])
}

/// Names and values as sent; an argument without `=` has an empty value, one without a name does not count.
fn arguments(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').filter_map(|argument| {
        let (name, value) = match memchr::memchr(b'=', argument) {
            Some(equals) => (&argument[..equals], &argument[equals + 1..]),
            None => (argument, &b""[..]),
        };
        (!name.is_empty()).then_some((name, value))
    })
}

fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Cow::Owned(out),
            [b'+', after @ ..] => {
                out.push(b' ');
                after
            }
            [b'%', high, low, after @ ..] if hex_digit(*high).is_some() && hex_digit(*low).is_some() => {
                out.push(hex_digit(*high).unwrap_or(0) << 4 | hex_digit(*low).unwrap_or(0));
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_ranges() {
        for (path, first, last, expected) in [
            ("/a/b/c", 0, 0, Some("a")),
            ("/a/b/c", 2, 2, Some("c")),
            ("/a/b/c", 3, 3, None),
            ("/a/b/c/", 3, 3, None),
            ("/a/b/c", 0, 2, Some("a/b/c")),
            ("/a/b/c", 1, 2, Some("b/c")),
            ("/a/b/c", 1, 3, None),
            ("/", 0, 0, None),
            ("", 0, 0, None),
        ] {
            let seen = segments(path.as_bytes(), first, last).map(String::from_utf8_lossy);
            assert_eq!(seen.as_deref(), expected, "{path} {first} {last}");
        }
        for (path, count) in [("/", 0), ("/a", 1), ("/a/", 1), ("/a/b", 2), ("", 0)] {
            assert_eq!(split_segments(path.as_bytes()).count(), count, "{path}");
        }
    }

    #[test]
    fn query_arguments() {
        let seen: Vec<_> = arguments(b"a=1&b&=x&&c=d=e").collect();
        assert_eq!(seen, [(&b"a"[..], &b"1"[..]), (b"b", b""), (b"c", b"d=e")]);
        assert_eq!(&*unescape(b"x+y%20%zz%4"), b"x y %zz%4");
    }
}
