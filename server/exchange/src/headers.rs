//! A header section: names and values in the order and case they came, in one buffer with what was set since.

use crate::names::{Name, classify};
use smallvec::SmallVec;
use std::ops::Range;

/// Memory that an emptied section may hold on to, in bytes.
const KEPT: usize = 16 * 1024;

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(range: Range<usize>) -> Self {
        Self { start: range.start as u32, len: (range.end - range.start) as u32 }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.end()
    }

    #[inline]
    fn end(self) -> usize {
        (self.start + self.len) as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Span,
    value: Span,
    kind: Name,
}

/// An ordered list of header lines. Names compare without case (RFC 9110 §5.1).
///
/// Holds no line that could split into two: [`Headers::set`] and [`Headers::append`] refuse names that are no token
/// (RFC 9110 §5.6.2) and values with CR, LF or NUL (RFC 9110 §5.5).
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// The head as it was read, and behind it what was set since, each as a whole line: what is next to each other
    /// here can be written in one piece.
    text: Vec<u8>,
    /// How much of `text` was read.
    received: usize,
    entries: SmallVec<[Entry; 24]>,
}

/// One line of a section.
#[derive(Clone, Copy)]
pub struct Line<'h> {
    headers: &'h Headers,
    entry: &'h Entry,
}

impl<'h> Line<'h> {
    /// The name as received or set.
    #[inline]
    pub fn name(self) -> &'h [u8] {
        self.headers.slice(self.entry.name)
    }

    /// The value without surrounding white space.
    #[inline]
    pub fn value(self) -> &'h [u8] {
        self.headers.slice(self.entry.value)
    }

    /// What the engine knows the name as.
    #[inline]
    pub fn kind(self) -> Name {
        self.entry.kind
    }

    /// Whether the line is as received: false where it was set or appended since.
    #[inline]
    pub fn is_received(self) -> bool {
        (self.entry.value.start as usize) < self.headers.received
    }

    /// Whether it stands in the text just as HTTP/1 writes it.
    #[inline]
    fn is_whole(self) -> bool {
        let (name, value) = (self.entry.name.end(), self.entry.value.end());
        let text = &self.headers.text;
        self.entry.value.start as usize == name + 2
            && text.get(name..name + 2) == Some(b": ")
            && text.get(value..value + 2) == Some(b"\r\n")
    }
}

impl Headers {
    /// Empties the section and takes over a head that was read (at most 2 GiB), for lines to be pushed by their places
    /// in it. Keeps what memory it had.
    pub fn restart(&mut self, head: &[u8]) {
        self.entries.clear();
        self.text.clear();
        self.text.extend_from_slice(head);
        self.received = head.len();
    }

    /// Adds a line by its place in the head that [`Headers::restart`] was given. The parser has already checked it
    /// against RFC 9112 §5, and knows what the name is.
    #[inline]
    pub fn push_span(&mut self, name: Range<usize>, value: Range<usize>, kind: Name) {
        debug_assert!(name.end <= self.received && value.end <= self.received);
        self.entries.push(Entry { name: Span::of(name), value: Span::of(value), kind });
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

    /// Every value under a name that the engine knows, in order.
    #[inline]
    pub fn of(&self, kind: Name) -> impl Iterator<Item = &[u8]> + '_ {
        self.entries.iter().filter(move |entry| entry.kind == kind).map(|entry| self.slice(entry.value))
    }

    /// Every line in order: name as received or set, value without surrounding white space.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.entries.iter().map(|entry| (self.slice(entry.name), self.slice(entry.value)))
    }

    /// Every line in order.
    #[inline]
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.entries.iter().map(|entry| Line { headers: self, entry })
    }

    /// Writes the lines for which `keep` holds as HTTP/1 does. Those that follow each other as they were received or
    /// set, which is nearly all of them, go out in one copy.
    #[inline]
    pub fn write<'h>(&'h self, out: &mut Vec<u8>, mut keep: impl FnMut(Line<'h>) -> bool) {
        let mut run = 0..0;
        for line in self.lines() {
            if !keep(line) {
                continue;
            }
            let start = line.entry.name.start as usize;
            if start != run.end {
                out.extend_from_slice(&self.text[run]);
                run = start..start;
            }
            if line.is_whole() {
                run.end = line.entry.value.end() + 2;
                continue;
            }
            out.extend_from_slice(&self.text[run]);
            run = 0..0;
            out.extend_from_slice(line.name());
            out.extend_from_slice(b": ");
            out.extend_from_slice(line.value());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.text[run]);
    }

    /// Adds a line at the end. Returns false, and changes nothing, where name or value could not be one line.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let value = value.as_ref();
        if !is_token(name.as_bytes()) || !is_value(value) {
            return false;
        }
        self.put(name.as_bytes(), value, classify(name.as_bytes()));
        true
    }

    /// Adds a line at the end whose name and value are known to be good: names and values of the gateway's own making.
    // In line, so that the name is stored by a few instructions; the same below.
    #[inline(always)]
    pub fn append_known(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(is_token(name.as_bytes()) && is_value(value));
        self.put(name.as_bytes(), value, classify(name.as_bytes()));
    }

    /// Makes this the only line of that name, in the place of the first one (else at the end). Returns false, and
    /// changes nothing, where name or value could not be one line.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let value = value.as_ref();
        let Some(first) = self.position(name) else { return self.append(name, value) };
        if !is_value(value) {
            return false;
        }
        let Entry { name: kept, kind, .. } = self.entries[first];
        self.entries[first] = self.line(|text| text.extend_from_within(kept.range()), value, kind);
        let mut index = 0;
        self.retain(|line, _| {
            index += 1;
            index <= first + 1 || !line.eq_ignore_ascii_case(name.as_bytes())
        });
        true
    }

    /// As [`Headers::set`], for a value that is known to be good.
    pub fn set_known(&mut self, name: &'static str, value: &[u8]) {
        if self.contains(name) {
            self.set(name, value);
        } else {
            self.append_known(name, value);
        }
    }

    /// Removes every line of that name; tells whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.position(name).is_none() {
            return false;
        }
        self.retain(|line, _| !line.eq_ignore_ascii_case(name.as_bytes()));
        true
    }

    /// Removes every line whose name the engine knows as this.
    pub fn remove_known(&mut self, kind: Name) {
        if self.entries.iter().any(|entry| entry.kind == kind) {
            self.entries.retain(|entry| entry.kind != kind);
        }
    }

    /// Keeps the lines for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let text = &self.text;
        self.entries.retain(|entry| keep(&text[entry.name.range()], &text[entry.value.range()]));
    }

    /// Removes every line. Keeps what memory it had, unless that is unusually much.
    pub fn clear(&mut self) {
        self.restart(&[]);
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.name.len as usize == name.len() && self.slice(entry.name).eq_ignore_ascii_case(name.as_bytes())
        })
    }

    #[inline(always)]
    fn put(&mut self, name: &[u8], value: &[u8], kind: Name) {
        let entry = self.line(|text| text.extend_from_slice(name), value, kind);
        self.entries.push(entry);
    }

    /// Writes a line behind the text there is.
    #[inline(always)]
    fn line(&mut self, write_name: impl FnOnce(&mut Vec<u8>), value: &[u8], kind: Name) -> Entry {
        let text = &mut self.text;
        let start = text.len();
        write_name(text);
        let name = Span::of(start..text.len());
        text.extend_from_slice(b": ");
        let start = text.len();
        text.extend_from_slice(value);
        let value = Span::of(start..text.len());
        text.extend_from_slice(b"\r\n");
        Entry { name, value, kind }
    }

    #[inline]
    fn slice(&self, span: Span) -> &[u8] {
        &self.text[span.range()]
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
        let mut headers = Headers::default();
        headers.restart(b"X-A: 1\r\nx-b: 2\r\n");
        headers.push_span(0..3, 5..6, Name::Other);
        headers.push_span(8..11, 13..14, Name::Other);
        headers.append("X-a", "3");
        assert_eq!(headers.get_all("x-A").collect::<Vec<_>>(), [b"1", b"3"]);
        headers.set("X-A", "4");
        assert_eq!(lines(&headers), [("X-A".into(), "4".into()), ("x-b".into(), "2".into())]);
        assert!(headers.remove("X-B") && !headers.remove("X-B"));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn lines_are_written_as_they_stand_or_anew() {
        let mut headers = Headers::default();
        headers.restart(b"GET / HTTP/1.1\r\nA: 1\r\nB:2\r\nVia: x\r\nC: 3\nD: 4 \r\nE:\r\nF: 6\r\n\r\n");
        let text = headers.text.clone();
        let place = |part: &[u8]| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        };
        for line in text.split_inclusive(|byte| *byte == b'\n').skip(1) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let value = if value.is_empty() { &line[colon..colon] } else { value };
            headers.push_span(place(name), place(value), classify(name));
        }
        headers.append("G", "7");
        headers.set("f", "8");
        let written = |keep: fn(Line<'_>) -> bool| {
            let mut out = Vec::new();
            headers.write(&mut out, keep);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(|_| true), "A: 1\r\nB: 2\r\nVia: x\r\nC: 3\r\nD: 4\r\nE: \r\nF: 8\r\nG: 7\r\n");
        assert_eq!(
            written(|line| line.kind() != Name::Via && line.name() != b"B"),
            "A: 1\r\nC: 3\r\nD: 4\r\nE: \r\nF: 8\r\nG: 7\r\n"
        );
        assert_eq!(written(|line| !line.is_received()), "F: 8\r\nG: 7\r\n");
        assert_eq!(written(|_| false), "");
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
        fn what_is_written_is_what_is_there(
            lines in proptest::collection::vec(("[A-Ca-c]{1,2}", "[x-z ]{0,3}"), 0..12),
            changes in proptest::collection::vec(("[A-Ca-c]{1,2}", "[0-9]{0,3}", 0..3u8), 0..6),
        ) {
            let mut headers: Headers = lines.iter().map(|(name, value)| (name, value)).collect();
            for (name, value, change) in &changes {
                match change {
                    0 => headers.set(name, value),
                    1 => headers.append(name, value),
                    _ => headers.remove(name),
                };
            }
            let mut out = Vec::new();
            headers.write(&mut out, |_| true);
            let expected: Vec<u8> =
                headers.iter().flat_map(|(name, value)| [name, b": ", value, b"\r\n"].concat()).collect();
            prop_assert_eq!(out, expected);
        }

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
