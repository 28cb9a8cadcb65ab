//! Response heads of HTTP/2, from ours and to ours.

use super::fields::{Lines, append, map_of};
use crate::h1::head::content_length;
use crate::h1::names::{self, Name};
use crate::h1::response_head::{Answered, Framing};
use crate::h1::write::Length;
use exchange::{Response, Version};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use smallvec::SmallVec;

/// The head that goes to a client. `date` is used where the response has none.
pub(super) fn head(response: &Response, length: Length, date: &[u8]) -> http::Response<()> {
    let mut map = map_of(&response.headers, 2, |name| names::classify(name) != Name::ContentLength);
    if !map.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::from_bytes(date)
    {
        map.insert(header::DATE, date);
    }
    if let Length::Known(length) = length {
        map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    with(response.status, map)
}

/// An interim response without the lines that are for the upstream's hop.
pub(super) fn informational(response: &Response) -> http::Response<()> {
    let map = map_of(&response.headers, 0, |name| {
        matches!(names::classify(name), Name::Other | Name::Date | Name::Server | Name::Via | Name::Identity)
    });
    with(response.status, map)
}

/// The head that opens a tunnel (RFC 8441 §5): what HTTP/1 says by 101 and a key is 200 here.
pub(super) fn tunnel(response: &Response, date: &[u8]) -> http::Response<()> {
    let mut head = head(response, Length::None, date);
    *head.status_mut() = StatusCode::OK;
    head.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    head
}

fn with(status: u16, headers: HeaderMap) -> http::Response<()> {
    let mut head = http::Response::new(());
    // Statuses are 100 to 999 wherever they come from.
    *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *head.headers_mut() = headers;
    head
}

/// Bytes of a head without compression: what the log shows as sent.
pub(super) fn size(head: &http::Response<()>) -> u64 {
    head.headers().iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum::<u64>() + 13
}

/// Reads an upstream's head into a Response. `ended`: nothing follows it.
pub(super) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    ended: bool,
    head_request: bool,
    response: &mut Response,
) -> Answered {
    let mut lines = Lines::with_capacity(512);
    for (name, value) in headers {
        lines.add(name.as_str().as_bytes(), value.as_bytes());
    }
    lines.settle(&mut response.headers);
    response.status = status.as_u16();
    response.reason = bytes::Bytes::new();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
    let framing = match length {
        _ if head_request || matches!(response.status, 100..=199 | 204 | 304) => Framing::None,
        Some(length) => Framing::Length(length),
        None if ended => Framing::Length(0),
        None => Framing::Chunked,
    };
    Answered { framing, length, keep_alive: true, version: Version::Http2, hop_by_hop: SmallVec::new(), sifted: true }
}

/// The head of a request as HTTP/1 would write it (see `h1::write`), as the map HTTP/2 sends. What HTTP/2 says
/// elsewhere (request line, Host) or not at all (the connection) is left out.
pub(super) fn map_of_text(text: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(24);
    let mut rest = text;
    let mut first = true;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end.saturating_sub(1)];
        rest = &rest[end + 1..];
        if std::mem::take(&mut first) {
            continue;
        }
        if let Some(colon) = memchr::memchr(b':', line)
            && names::classify(&line[..colon]) != Name::Host
        {
            append(&mut map, &line[..colon], line[colon + 1..].trim_ascii());
        }
    }
    map
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn heads_have_a_date_and_the_engines_length() {
        let response = Response {
            status: 200,
            headers: [("Content-Length", "5"), ("Connection", "close"), ("X-A", "1")].into_iter().collect(),
            ..Response::default()
        };
        let head = head(&response, Length::Known(7), b"Thu, 01 Jan 1970 00:00:00 GMT");
        let lines: Vec<_> =
            head.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(lines, [("x-a", "1"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("content-length", "7")]);
        let unknown = super::head(&response, Length::Chunked, b"x");
        assert!(
            !unknown.headers().contains_key("content-length") && !unknown.headers().contains_key("transfer-encoding")
        );
    }

    #[test]
    fn an_upstreams_head_says_what_follows() {
        let mut map = HeaderMap::new();
        let mut of = |status: u16, ended, head_request, length: Option<&'static str>| {
            map.remove("content-length");
            if let Some(length) = length {
                map.insert("content-length", HeaderValue::from_static(length));
            }
            let status = StatusCode::from_u16(status).unwrap();
            read(status, &map, ended, head_request, &mut Response::default()).framing
        };
        assert_eq!(of(200, false, false, None), Framing::Chunked);
        assert_eq!(of(200, true, false, None), Framing::Length(0));
        assert_eq!(of(200, false, false, Some("5")), Framing::Length(5));
        assert_eq!(of(200, true, true, Some("5")), Framing::None);
        assert_eq!(of(204, true, false, None), Framing::None);
        assert_eq!(of(304, true, false, Some("5")), Framing::None);
    }

    #[test]
    fn a_written_head_becomes_a_map() {
        let text =
            b"POST /x HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nX-Empty: \r\nConnection: keep-alive\r\nTE: trailers\r\n\
            Via: 2 kong/3.9.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let map = map_of_text(text);
        let lines: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(lines, [("x-a", "1"), ("x-empty", ""), ("te", "trailers"), ("via", "2 kong/3.9.1")]);
    }
}
