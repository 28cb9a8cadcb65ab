//! A header section: names and values in the order and case they came, as slices of the buffer they were read into,
//! until something changes them.

use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// Marks a span that lies in the owned arena instead of the read buffer.
const OWNED: u32 = 1 << 31;

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Span,
    value: Span,
}

/// An ordered list of header lines. Names compare without case (RFC 9110 §5.1).
///
/// Holds no line that could split into two: [`Headers::set`] and [`Headers::append`] refuse names that are no token
/// (RFC 9110 §5.6.2) and values with CR, LF or NUL (RFC 9110 §5.5).
#[derive(Clone, Debug, Default)]
pub struct Headers {
    buffer: Bytes,
    owned: Vec<u8>,
    entries: SmallVec<[Entry; 24]>,
}

impl Headers {
    /// An empty section whose lines will be slices of `buffer` (at most 2 GiB).
    pub fn over(buffer: Bytes) -> Self {
        debug_assert!(buffer.len() < OWNED as usize);
        Self { buffer, owned: Vec::new(), entries: SmallVec::new() }
    }

    /// Empties the section and lets its lines be slices of `buffer` from now on; keeps what memory it had.
    pub fn restart(&mut self, buffer: Bytes) {
        debug_assert!(buffer.len() < OWNED as usize);
        self.entries.clear();
        self.owned.clear();
        self.buffer = buffer;
    }

    /// Gives the buffer that lines pushed since [`Headers::restart`] with an empty one lie in.
    pub fn attach(&mut self, buffer: Bytes) {
        debug_assert!(buffer.len() < OWNED as usize);
        self.buffer = buffer;
    }

    /// Adds a line by its place in the buffer (which [`Headers::attach`] may still have to give). The parser has already
    /// checked it against RFC 9112 §5.
    pub fn push_span(&mut self, name: Range<usize>, value: Range<usize>) {
        self.entries.push(Entry { name: span(name), value: span(value) });
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first value under a name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.position(name).map(|index| self.slice(self.entries[index].value))
    }

    /// The first value under a name, where it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value under a name, in order.
    #[inline]
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.entries
            .iter()
            .filter(move |entry| {
                entry.name.len as usize == name.len() && self.slice(entry.name).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|entry| self.slice(entry.value))
    }

    /// The values under a name joined by `, ` (RFC 9110 §5.3); `None` where there is no line.
    pub fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.get_all(name);
        let mut out = values.next()?.to_vec();
        for value in values {
            out.extend_from_slice(b", ");
            out.extend_from_slice(value);
        }
        Some(out)
    }

    /// Whether a line of that name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every line in order: name as received or set, value without surrounding white space.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.entries.iter().map(|entry| (self.slice(entry.name), self.slice(entry.value)))
    }

    /// Every line in order, and whether its value is as received: false where it was set or appended since.
    pub fn iter_with_origin(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> + '_ {
        self.entries
            .iter()
            .map(|entry| (self.slice(entry.name), self.slice(entry.value), entry.value.start & OWNED == 0))
    }

    /// Adds a line at the end. Returns false, and changes nothing, where name or value could not be one line.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let value = value.as_ref();
        if !is_token(name.as_bytes()) || !is_value(value) {
            return false;
        }
        let name = self.own(name.as_bytes());
        let value = self.own(value);
        self.entries.push(Entry { name, value });
        true
    }

    /// Adds a line at the end whose name and value are known to be good: names and values of the gateway's own making.
    pub fn append_known(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(is_token(name.as_bytes()) && is_value(value));
        self.owned.reserve(name.len() + value.len());
        let name = self.own(name.as_bytes());
        let value = self.own(value);
        self.entries.push(Entry { name, value });
    }

    /// Makes this the only line of that name, in the place of the first one (else at the end). Returns false, and
    /// changes nothing, where name or value could not be one line.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let value = value.as_ref();
        let Some(first) = self.position(name) else { return self.append(name, value) };
        if !is_value(value) {
            return false;
        }
        self.entries[first].value = self.own(value);
        let mut index = 0;
        let entries = std::mem::take(&mut self.entries);
        self.entries = entries
            .into_iter()
            .filter(|entry| {
                let keep = index <= first || !self.slice(entry.name).eq_ignore_ascii_case(name.as_bytes());
                index += 1;
                keep
            })
            .collect();
        true
    }

    /// Removes every line of that name; tells whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.position(name).is_none() {
            return false;
        }
        self.retain(|line, _| !line.eq_ignore_ascii_case(name.as_bytes()));
        true
    }

    /// Keeps the lines for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let (buffer, owned) = (&self.buffer, &self.owned);
        self.entries.retain(|entry| keep(slice(buffer, owned, entry.name), slice(buffer, owned, entry.value)));
    }

    /// Removes every line.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.owned.clear();
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.name.len as usize == name.len() && self.slice(entry.name).eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn own(&mut self, text: &[u8]) -> Span {
        let start = self.owned.len() as u32;
        self.owned.extend_from_slice(text);
        Span { start: start | OWNED, len: text.len() as u32 }
    }

    #[inline]
    fn slice(&self, span: Span) -> &[u8] {
        slice(&self.buffer, &self.owned, span)
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(lines: T) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines {
            headers.append(name.as_ref(), value);
        }
        headers
    }
}

fn span(range: Range<usize>) -> Span {
    Span { start: range.start as u32, len: (range.end - range.start) as u32 }
}

#[inline]
fn slice<'a>(buffer: &'a [u8], owned: &'a [u8], span: Span) -> &'a [u8] {
    let (text, start) = if span.start & OWNED == 0 { (buffer, span.start) } else { (owned, span.start & !OWNED) };
    &text[start as usize..(start + span.len) as usize]
}

/// Bytes of a token (RFC 9110 §5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether text is a token (RFC 9110 §5.6.2), so it can be a header name or a method.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Whether text can be a header value: no CR, LF, NUL, nor another control character but the tab.
pub fn is_value(text: &[u8]) -> bool {
    // Without an early end, so that it is done many bytes at a time.
    !text.iter().fold(false, |bad, byte| bad | (*byte < 0x20 && *byte != b'\t') | (*byte == 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(headers: &Headers) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        headers.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn slices_and_owned_lines_keep_order_and_case() {
        let mut headers = Headers::over(Bytes::from_static(b"X-A: 1\r\nx-b: 2\r\n"));
        headers.push_span(0..3, 5..6);
        headers.push_span(8..11, 13..14);
        headers.append("X-a", "3");
        assert_eq!(headers.get_all("x-A").collect::<Vec<_>>(), [b"1", b"3"]);
        headers.set("X-A", "4");
        assert_eq!(lines(&headers), [("X-A".into(), "4".into()), ("x-b".into(), "2".into())]);
        assert!(headers.remove("X-B") && !headers.remove("X-B"));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_line_cannot_be_split() {
        let mut headers = Headers::default();
        for (name, value) in [("a b", "1"), ("", "1"), ("a", "1\r\nx: 2"), ("a", "\0"), ("a:", "1"), ("a", "x\n")] {
            assert!(!headers.append(name, value) && !headers.set(name, value), "{name:?} {value:?}");
        }
        assert!(headers.is_empty());
    }

    #[test]
    fn tokens_and_values_are_those_of_the_standard() {
        let token: Vec<u8> = (0..=255).filter(|byte| is_token(&[*byte])).collect();
        let mut expected: Vec<u8> = b"!#$%&'*+-.^_`|~".to_vec();
        expected.extend((b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z'));
        expected.sort_unstable();
        assert_eq!(token, expected);
        assert!(!is_token(b""));
        let value: Vec<u8> = (0..=255).filter(|byte| is_value(&[*byte])).collect();
        let expected: Vec<u8> = [b'\t'].into_iter().chain(0x20..=0x7e).chain(0x80..=0xff).collect();
        assert_eq!(value, expected);
    }

    proptest! {
        #[test]
        fn set_leaves_exactly_one(values in proptest::collection::vec("[a-c]{1}", 0..12), name in "[a-c]{1}") {
            let mut headers: Headers = values.iter().map(|value| (value.as_str(), "v")).collect();
            headers.set(&name, "new");
            prop_assert_eq!(headers.get_all(&name).collect::<Vec<_>>(), vec![b"new"]);
            let others = values.iter().filter(|value| **value != name).count();
            prop_assert_eq!(headers.len(), others + 1);
        }
    }
}
