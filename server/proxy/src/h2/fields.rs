//! Header sections between HTTP/2's map and ours.

use crate::h1::names::{self, Name};
use exchange::Headers;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;
use std::ops::Range;

/// Lines copied into one buffer as HTTP/1 writes them, which becomes a section's.
#[derive(Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    spans: SmallVec<[(Range<usize>, Range<usize>); 32]>,
}

impl Lines {
    /// Empty, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), spans: SmallVec::new() }
    }

    /// Adds a line. Space around the value, which no field may have (RFC 9113 §8.2.1), goes.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.put(name);
        self.text.extend_from_slice(b": ");
        let value = self.put(value.trim_ascii());
        self.text.extend_from_slice(b"\r\n");
        self.spans.push((name, value));
    }

    /// Continues the value of the line added last.
    pub fn continue_last(&mut self, separator: &[u8], value: &[u8]) {
        let Some((_, whole)) = self.spans.last_mut() else { return };
        self.text.truncate(whole.end);
        self.text.extend_from_slice(separator);
        self.text.extend_from_slice(value.trim_ascii());
        whole.end = self.text.len();
        self.text.extend_from_slice(b"\r\n");
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The length of the longest line, and of all, as HTTP/1 would write them, in bytes.
    pub fn sizes(&self) -> (usize, usize) {
        let lengths = self.spans.iter().map(|(name, value)| name.len() + value.len() + 2);
        lengths.fold((0, 0), |(longest, sum), length| (longest.max(length), sum + length + 2))
    }

    /// Makes them the lines of a section, in place of what it had.
    pub fn settle(self, headers: &mut Headers) {
        headers.restart(&self.text);
        for (name, value) in self.spans {
            let kind = names::classify(&self.text[name.clone()]);
            headers.push_span(name, value, kind);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }
}

/// A section as the map HTTP/2 sends: without what only has a meaning on an HTTP/1 connection (RFC 9113 §8.2.2), and
/// without lines that HTTP/2 could not carry. `keep` chooses among the rest.
pub(super) fn map_of(headers: &Headers, room: usize, mut keep: impl FnMut(&[u8]) -> bool) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + room);
    for (name, value) in headers.iter() {
        if keep(name) {
            append(&mut map, name, value);
        }
    }
    map
}

/// Adds a line where the map can hold it.
pub(super) fn append(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if is_of_connection(name) {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        // It holds more names than any head that is let in can have.
        let _ = map.try_append(name, value);
    }
}

/// Whether a field describes an HTTP/1 connection.
fn is_of_connection(name: &[u8]) -> bool {
    matches!(
        names::classify(name),
        Name::Connection | Name::KeepAlive | Name::ProxyConnection | Name::TransferEncoding | Name::Upgrade
    )
}

/// Trailers that came in a map; `None` where none of them may stand there.
pub(super) fn trailers_of(map: &HeaderMap) -> Option<Headers> {
    let mut lines = Lines::default();
    for (name, value) in map {
        if names::may_trail(name.as_str().as_bytes()) {
            lines.add(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if lines.len() == 0 {
        return None;
    }
    let mut headers = Headers::default();
    lines.settle(&mut headers);
    Some(headers)
}

/// Trailers as a map; `None` where none may be sent.
pub(super) fn trailer_map(headers: &Headers) -> Option<HeaderMap> {
    let map = map_of(headers, 0, names::may_trail);
    (!map.is_empty()).then_some(map)
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_belongs_to_a_connection_does_not_cross() {
        let headers: Headers = [
            ("Connection", "X-A"),
            ("Keep-Alive", "timeout=1"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("Proxy-Connection", "close"),
            ("X-A", "1"),
            ("Set-Cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]
        .into_iter()
        .collect();
        let map = map_of(&headers, 0, |_| true);
        let lines: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(lines, [("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    }

    #[test]
    fn trailers_that_would_speak_for_the_head_are_dropped() {
        let mut map = HeaderMap::new();
        for (name, value) in [("grpc-status", "0"), ("content-length", "5"), ("x-consumer-id", "1"), ("host", "a")] {
            map.insert(name, HeaderValue::from_static(value));
        }
        let headers = trailers_of(&map).unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [(b"grpc-status".as_slice(), b"0".as_slice())]);
        assert_eq!(trailer_map(&headers).unwrap().len(), 1);
        map.remove("grpc-status");
        assert!(trailers_of(&map).is_none());
    }

    proptest! {
        #[test]
        fn lines_come_out_as_they_went_in(
            lines in proptest::collection::vec(("[a-z][a-z0-9_-]{0,20}", "[!-~]([ -~]{0,30}[!-~])?"), 0..40),
        ) {
            let mut given = Lines::default();
            for (name, value) in &lines {
                given.add(name.as_bytes(), value.as_bytes());
            }
            let mut headers = Headers::default();
            given.settle(&mut headers);
            let read: Vec<(String, String)> = headers
                .iter()
                .map(|(name, value)| (String::from_utf8_lossy(name).into(), String::from_utf8_lossy(value).into()))
                .collect();
            prop_assert_eq!(&read, &lines);
            let map = map_of(&headers, 0, |_| true);
            for (name, _) in lines.iter().filter(|(name, _)| !is_of_connection(name.as_bytes())) {
                let sent: Vec<&[u8]> = map.get_all(name.as_str()).iter().map(HeaderValue::as_bytes).collect();
                prop_assert_eq!(sent, headers.get_all(name).collect::<Vec<_>>());
            }
        }
    }
}
