//! Response heads of upstreams (RFC 9112 §4–§6).

use super::head::content_length;
use super::names::{self, Name};
use super::write;
use bytes::{Buf, Bytes, BytesMut};
use exchange::{Response, Version};
use httparse::{Header, ParserConfig, Status};
use smallvec::SmallVec;
use std::mem::MaybeUninit;

const LINES: usize = 64;
const MAX_LINES: usize = 1000;

/// The largest head an upstream may send, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// How a response's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: the request was HEAD, or the status has none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Up to the end of the connection.
    Close,
}

/// What a head says beside what goes into the Response.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The body.
    pub framing: Framing,
    /// `Content-Length`, also where there is no body.
    pub length: Option<u64>,
    /// Whether the upstream keeps the connection.
    pub keep_alive: bool,
    /// Version the upstream speaks.
    pub version: Version,
    /// Names listed in `Connection`, lower case, those that every hop removes anyway left out.
    pub hop_by_hop: SmallVec<[Vec<u8>; 0]>,
    /// Whether lines are left that must be looked at before the client gets them: `Upgrade`, `Trailer`, and those
    /// that `Connection` lists. Other lines for the connection alone are left out when the head is read.
    pub sifted: bool,
}

/// Why an upstream's head is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// No HTTP/1.
    #[error("the upstream's answer is no HTTP/1 response")]
    Malformed,
    /// Beyond [`MAX_HEAD`].
    #[error("the upstream's response head is too large")]
    TooLarge,
    /// Lengths that contradict each other, or a coding nobody asked for.
    #[error("the upstream's response has ambiguous framing")]
    Framing,
}

/// The length of the head at the beginning of `buffer`; `None` where there is more to come. `scanned` remembers how
/// far it was looked.
pub fn end(buffer: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadError> {
    while let Some(offset) = memchr::memchr(b'\n', &buffer[*scanned..]) {
        let at = *scanned + offset;
        match buffer.get(at + 1..) {
            Some([b'\n', ..]) => return limit(at + 2),
            Some([b'\r', b'\n', ..]) => return limit(at + 3),
            Some([] | [b'\r']) => break,
            _ => *scanned = at + 1,
        }
        // The first line tells whether this is HTTP at all; no need to wait for more.
        if !is_http(buffer) {
            return Err(HeadError::Malformed);
        }
    }
    if !is_http(buffer) {
        return Err(HeadError::Malformed);
    }
    if buffer.len() > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(None) }
}

fn limit(length: usize) -> Result<Option<usize>, HeadError> {
    if length > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(Some(length)) }
}

fn is_http(buffer: &[u8]) -> bool {
    let start = b"HTTP/1.";
    let length = buffer.len().min(start.len());
    buffer[..length] == start[..length]
}

/// Takes a head out of `input` and reads it into a Response; `None` where there is more to come. `scanned` remembers how
/// far it was looked, and is 0 for a new head. `head_request` tells that the request's method was HEAD.
pub fn take(
    input: &mut BytesMut,
    scanned: &mut usize,
    head_request: bool,
    response: &mut Response,
) -> Result<Option<Answered>, HeadError> {
    // Most heads come in one piece: they are read at once. Others are first looked through for their end, so that a
    // head which comes byte by byte costs no more than one.
    let limit = input.len().min(MAX_HEAD);
    let read = match *scanned {
        0 => parse(&input[..limit], head_request, response)?,
        _ => None,
    };
    let (answered, length) = match read {
        Some(read) => read,
        None => {
            let Some(length) = end(input, scanned)? else { return Ok(None) };
            parse(&input[..length], head_request, response)?.ok_or(HeadError::Malformed)?
        }
    };
    *scanned = 0;
    input.advance(length);
    Ok(Some(answered))
}

/// Reads a head, and tells its length; `None` where it has no end.
fn parse(head: &[u8], head_request: bool, response: &mut Response) -> Result<Option<(Answered, usize)>, HeadError> {
    let mut lines = [const { MaybeUninit::<Header<'_>>::uninit() }; LINES];
    let config = ParserConfig::default();
    let mut parsed = httparse::Response::new(&mut []);
    let mut many;
    let status = match config.parse_response_with_uninit_headers(&mut parsed, head, &mut lines) {
        Err(httparse::Error::TooManyHeaders) => {
            many = vec![MaybeUninit::uninit(); MAX_LINES];
            parsed = httparse::Response::new(&mut []);
            config.parse_response_with_uninit_headers(&mut parsed, head, &mut many)
        }
        status => status,
    };
    let length = match status {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        _ => return Err(HeadError::Malformed),
    };
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else { return Err(HeadError::Malformed) };
    if !(100..=999).contains(&status) {
        return Err(HeadError::Malformed);
    }
    let base = head.as_ptr() as usize;
    let place = |text: &[u8]| {
        let start = text.as_ptr() as usize - base;
        start..start + text.len()
    };
    response.status = status;
    response.reason = match parsed.reason {
        // The usual one is written without being kept.
        Some(reason) if !reason.is_empty() && reason != write::reason(status) => {
            Bytes::copy_from_slice(reason.as_bytes())
        }
        _ => Bytes::new(),
    };
    response.headers.restart(&head[..length]);
    let (mut lengths, mut declared, mut codings, mut chunked) = (0, None, 0, false);
    let (mut close, mut keep_alive) = (false, false);
    let mut hop_by_hop = SmallVec::new();
    let mut sifted = false;
    for line in parsed.headers.iter() {
        let (name, value) = (line.name.as_bytes(), line.value);
        let mut passes = true;
        let kind = names::classify(name);
        match kind {
            Name::Other => {}
            Name::ContentLength => {
                lengths += 1;
                declared = Some(content_length(value).ok_or(HeadError::Framing)?);
            }
            Name::TransferEncoding => {
                passes = false;
                codings += 1;
                chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            Name::KeepAlive | Name::ProxyConnection | Name::Te => passes = false,
            Name::Upgrade | Name::Trailer => sifted = true,
            Name::Connection => {
                passes = false;
                for option in names::list(value) {
                    let is = |other: &str| option.eq_ignore_ascii_case(other.as_bytes());
                    if is("keep-alive") {
                        keep_alive = true;
                    } else if is("close") {
                        close = true;
                    } else if !is("upgrade") && matches!(names::classify(option), Name::Other | Name::Identity) {
                        hop_by_hop.push(option.to_ascii_lowercase());
                        sifted = true;
                    }
                }
            }
            _ => {}
        }
        if passes {
            let at = place(name);
            let value = if value.is_empty() { at.end..at.end } else { place(value) };
            response.headers.push_span(at, value, kind);
        }
    }
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let bodiless = head_request || matches!(status, 100..=199 | 204 | 304);
    if lengths > 1 || codings > 1 || (codings == 1 && (lengths > 0 || !chunked)) {
        return Err(HeadError::Framing);
    }
    let framing = match (codings, declared) {
        _ if bodiless => Framing::None,
        (1, _) => Framing::Chunked,
        (_, Some(length)) => Framing::Length(length),
        _ => Framing::Close,
    };
    let keep_alive = match version {
        Version::Http10 => keep_alive && !close && codings == 0,
        _ => !close,
    };
    let keep_alive = keep_alive && framing != Framing::Close;
    Ok(Some((Answered { framing, length: declared, keep_alive, version, hop_by_hop, sifted }, length)))
}

#[cfg(test)]
#[path = "response_head_tests.rs"]
mod tests;
