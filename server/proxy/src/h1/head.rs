//! Request heads: where one ends, and what it says (RFC 9112 §2–§3, §5–§6).
//!
//! What two parsers could read in two ways is refused, so that a request the upstream gets is the one that was
//! routed and authenticated.

use super::chunked::Decoder;
use super::host::{Authority, authority};
use super::names::{self, Name};
use super::refusal::Refusal;
use super::target;
use exchange::{Request, Version};
use httparse::{Header, ParserConfig, Status};
use std::mem::MaybeUninit;

/// Header lines that are parsed without an allocation, and those that are parsed at all.
const LINES: usize = 64;
const MAX_LINES: usize = 1000;

/// Sizes a head must keep to, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The request line, and each header line.
    pub line: usize,
    /// The whole head.
    pub head: usize,
}

/// How the request's body is delimited (RFC 9112 §6).
#[derive(Debug, Default)]
pub enum BodyFraming {
    /// There is none.
    #[default]
    None,
    /// So many bytes, more than 0.
    Length(u64),
    /// Chunks. Boxed: rare, and a decoder is larger than the rest.
    Chunked(Box<Decoder>),
}

/// What a head says of its connection.
#[derive(Debug, Default)]
pub struct Frame {
    /// The body.
    pub body: BodyFraming,
    /// Whether the client wants to send another request on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Looks for the end of a head, over several reads; starts anew for each head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    scanned: usize,
    /// Where the line begins in which `scanned` lies.
    line: usize,
    /// Empty lines before the request line (RFC 9112 §2.2).
    pub skip: usize,
}

impl Search {
    /// Whether a head can be read without this: it is not too long, and most likely all there and all there is. Then
    /// [`parse`] may find that it is shorter than the buffer.
    #[inline]
    pub fn is_needless(&self, buffer: &[u8], limits: Limits) -> bool {
        self.scanned == 0
            && buffer.len() <= limits.line
            && buffer.ends_with(b"\r\n\r\n")
            && !matches!(buffer.first(), Some(b'\r' | b'\n'))
    }

    /// The length of the head in `buffer`, from its beginning to the empty line included; `None` where there is more
    /// to come. Empty lines before the request line are counted in [`Search::skip`] and belong to the length.
    pub fn end(&mut self, buffer: &[u8], limits: Limits) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = memchr::memchr(b'\n', &buffer[self.scanned..]) {
            let end = self.scanned + offset;
            let length = end - self.line;
            let empty = length == 0 || (length == 1 && buffer[self.line] == b'\r');
            if empty && self.line > self.skip {
                return if end + 1 - self.skip > limits.head {
                    Err(Refusal::HeaderTooLarge)
                } else {
                    Ok(Some(end + 1))
                };
            }
            if length > limits.line {
                return Err(self.too_long());
            }
            self.scanned = end + 1;
            self.line = self.scanned;
            if empty {
                self.skip = self.scanned;
                if self.skip > 64 {
                    return Err(Refusal::Malformed("empty lines instead of a request"));
                }
            }
        }
        self.scanned = buffer.len();
        if buffer.len() - self.line > limits.line {
            return Err(self.too_long());
        }
        if buffer.len() - self.skip > limits.head {
            return Err(Refusal::HeaderTooLarge);
        }
        Ok(None)
    }

    /// Where the last complete line ends.
    pub fn complete(&self) -> usize {
        self.line
    }

    fn too_long(&self) -> Refusal {
        if self.line <= self.skip { Refusal::UriTooLong } else { Refusal::HeaderTooLarge }
    }
}

/// Reads a head, found by [`Search`] and without what it skipped, into a Request; tells also how long it is. Of the
/// Request, what follows from the connection is the caller's. Where the head is refused, the Request holds what could be
/// read of it.
pub fn parse(head: &[u8], request: &mut Request) -> Result<(Frame, usize), Refusal> {
    request.head_bytes = head.len();
    let mut lines = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES];
    let mut config = ParserConfig::default();
    config.allow_multiple_spaces_in_request_line_delimiters(false);
    let mut parsed = httparse::Request::new(&mut []);
    let mut many;
    let status = match config.parse_request_with_uninit_headers(&mut parsed, head, &mut lines) {
        Err(httparse::Error::TooManyHeaders) => {
            many = vec![MaybeUninit::uninit(); MAX_LINES];
            parsed = httparse::Request::new(&mut []);
            config.parse_request_with_uninit_headers(&mut parsed, head, &mut many)
        }
        status => status,
    };
    // What could be read of the request line is kept, for the log.
    request.method.clear();
    request.method.extend_from_slice(parsed.method.unwrap_or_default().as_bytes());
    request.target.clear();
    request.target.extend_from_slice(parsed.path.unwrap_or_default().as_bytes());
    let length = match status {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Err(Refusal::Malformed("the head is incomplete")),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeaderTooLarge),
        Err(httparse::Error::Version) if is_other_version(head) => return Err(Refusal::Version),
        Err(error) => return Err(Refusal::Malformed(reason(error))),
    };
    request.head_bytes = length;
    let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Refusal::Malformed("the request line is incomplete"));
    };
    request.version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let base = head.as_ptr() as usize;
    let place = |text: &[u8]| {
        let start = text.as_ptr() as usize - base;
        start..start + text.len()
    };
    let headers = &mut request.headers;
    headers.restart(&head[..length]);
    let mut facts = Facts::default();
    for line in parsed.headers.iter() {
        let (name, value) = (line.name.as_bytes(), line.value);
        // An empty value may be a static slice, which lies nowhere in the head.
        let at = place(name);
        let kind = names::classify(name);
        let at_value = if value.is_empty() { at.end..at.end } else { place(value) };
        headers.push_span(at, at_value, kind);
        facts.note(kind, value);
    }
    if method == "CONNECT" || method == "TRACE" {
        return Err(Refusal::Method);
    }
    let target = target::target(path.as_bytes())?;
    if target.authority.is_some() {
        request.target.clear();
        if target.origin.first() != Some(&b'/') {
            request.target.push(b'/');
        }
        request.target.extend_from_slice(target.origin);
    }
    let authority = facts.authority(request.version, target.authority.map(|(_, authority)| authority))?;
    request.host.clear();
    request.host_port = None;
    if let Some(authority) = authority {
        request.host.extend_from_slice(authority.host);
        request.host_port = authority.port;
    }
    if let Some((given, _)) = target.authority {
        headers.set("Host", given);
    }
    let body = facts.framing(request.version)?;
    request.content_length = facts.length;
    let frame = Frame {
        body,
        keep_alive: match request.version {
            Version::Http10 => facts.keep_alive && !facts.close,
            _ => !facts.close,
        },
        expects_continue: facts.expects_continue && request.version >= Version::Http11,
    };
    Ok((frame, length))
}

/// What the header lines say that concerns framing and routing.
#[derive(Default)]
struct Facts<'a> {
    hosts: usize,
    host: &'a [u8],
    lengths: usize,
    length: Option<u64>,
    length_broken: bool,
    codings: usize,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl<'a> Facts<'a> {
    #[inline]
    fn note(&mut self, name: Name, value: &'a [u8]) {
        match name {
            Name::Host => {
                self.hosts += 1;
                self.host = value;
            }
            Name::ContentLength => {
                self.lengths += 1;
                self.length = content_length(value);
                self.length_broken |= self.length.is_none();
            }
            Name::TransferEncoding => {
                self.codings += 1;
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            Name::Connection => {
                for option in names::list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            Name::Expect => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            _ => {}
        }
    }

    /// RFC 9112 §3.2: exactly one Host in HTTP/1.1, and a valid one; the target's authority goes before it.
    fn authority(&self, version: Version, of_target: Option<Authority<'a>>) -> Result<Option<Authority<'a>>, Refusal> {
        match self.hosts {
            0 if version == Version::Http10 => return Ok(of_target),
            0 => return Err(Refusal::Malformed("there is no Host")),
            1 => {}
            _ => return Err(Refusal::Malformed("there is more than one Host")),
        }
        let of_host = authority(self.host).ok_or(Refusal::Malformed("Host is no valid host"))?;
        Ok(Some(of_target.unwrap_or(of_host)))
    }

    /// RFC 9112 §6.3, without its leniencies.
    fn framing(&self, version: Version) -> Result<BodyFraming, Refusal> {
        if self.lengths > 1 {
            return Err(Refusal::Malformed("there is more than one Content-Length"));
        }
        if self.length_broken {
            return Err(Refusal::Malformed("Content-Length is no number of bytes"));
        }
        if self.codings > 0 {
            if self.lengths > 0 {
                return Err(Refusal::Malformed("there are both Content-Length and Transfer-Encoding"));
            }
            if version == Version::Http10 {
                return Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding"));
            }
            if self.codings > 1 {
                return Err(Refusal::Malformed("there is more than one Transfer-Encoding"));
            }
            if !self.chunked {
                return Err(Refusal::TransferCoding);
            }
            return Ok(BodyFraming::Chunked(Box::default()));
        }
        Ok(match self.length {
            None | Some(0) => BodyFraming::None,
            Some(length) => BodyFraming::Length(length),
        })
    }
}

/// A Content-Length: digits only (RFC 9110 §8.6), at most `i64::MAX`.
pub fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    let length =
        value.iter().try_fold(0u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))?;
    (length <= i64::MAX as u64).then_some(length)
}

/// Whether the request line ends in the name of a version, only not of ours.
fn is_other_version(head: &[u8]) -> bool {
    let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]).trim_ascii_end();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(_), Some(_), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return false;
    };
    version
        .strip_prefix(b"HTTP/")
        .is_some_and(|number| matches!(number, [b'0'..=b'9', b'.', b'0'..=b'9'] | [b'0'..=b'9']))
}

fn reason(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header name is no token",
        httparse::Error::HeaderValue => "a header value has a forbidden character",
        httparse::Error::NewLine => "a line ends wrongly",
        httparse::Error::Token => "the request line is malformed",
        httparse::Error::Version => "the request line has no protocol version",
        _ => "the head is malformed",
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
