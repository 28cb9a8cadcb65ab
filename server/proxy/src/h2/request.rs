//! Request heads of HTTP/2 (RFC 9113 §8.3). What HPACK yields has passed the `h2` crate: names are lower-case tokens,
//! values have no CR, LF or NUL, pseudo-header fields stand first and once, fields of an HTTP/1 connection are refused,
//! and a body is as long as its Content-Length. The rest is checked here, so that what is routed, logged and sent on by
//! HTTP/1 can be read in one way only.

use super::fields::Lines;
use crate::h1::head::{Limits, content_length};
use crate::h1::host::authority;
use crate::h1::names::{self, Name};
use crate::h1::refusal::Refusal;
use crate::h1::target;
use ::h2::ext::Protocol;
use exchange::{Request, Version};
use http::header;
use http::request::Parts;

/// Header lines that are let in.
const MAX_LINES: usize = 1000;

/// What a head says beside what goes into the Request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The client waits for `100` before it sends the body.
    pub expects_continue: bool,
    /// The stream is to become a tunnel (extended CONNECT, RFC 8441). In the Request this is HTTP/1's way of asking for
    /// the same: GET with `Upgrade`.
    pub tunnels: bool,
}

/// Reads a head into a Request. Of the Request, what follows from the connection is the caller's. Where the head is
/// refused, the Request holds what could be read of it.
pub fn read(parts: &Parts, limits: Limits, request: &mut Request) -> Result<Opening, Refusal> {
    request.version = Version::Http2;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    request.method.clear();
    request.method.extend_from_slice(parts.method.as_str().as_bytes());
    request.target.clear();
    request.target.extend_from_slice(path.as_bytes());
    let given = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut lines = Lines::with_capacity(1024);
    let mut facts = Facts::default();
    if let Some(given) = given {
        lines.add(b"Host", given);
    }
    let mut in_cookie = false;
    for (name, value) in &parts.headers {
        let value = value.as_bytes().trim_ascii();
        // Cookies may come in crumbs, which only HTTP/2 has (RFC 9113 §8.2.3).
        let cookie = *name == header::COOKIE;
        if cookie && std::mem::replace(&mut in_cookie, cookie) {
            lines.continue_last(b"; ", value);
            continue;
        }
        in_cookie = cookie;
        let name = name.as_str().as_bytes();
        facts.note(name, value);
        if given.is_some() && names::classify(name) == Name::Host {
            continue;
        }
        lines.add(name, value);
    }
    let protocol = parts.extensions.get::<Protocol>();
    let tunnels = protocol.is_some() && parts.method == http::Method::CONNECT;
    if tunnels {
        switch_by_http1(&mut lines, request, facts.has_key);
    }
    let ((longest, sum), count) = (lines.sizes(), lines.len());
    lines.settle(&mut request.headers);
    let request_line = request.method.len() + path.len() + 10;
    request.head_bytes = sum + request_line;
    if request_line > limits.line {
        return Err(Refusal::UriTooLong);
    }
    if longest > limits.line || request.head_bytes > limits.head || count > MAX_LINES {
        return Err(Refusal::HeaderTooLarge);
    }
    if !tunnels && matches!(parts.method.as_str(), "CONNECT" | "TRACE") {
        return Err(Refusal::Method);
    }
    if protocol.is_some_and(|protocol| protocol.as_str() != "websocket") {
        return Err(Refusal::Protocol);
    }
    let target = target::target(path.as_bytes())?;
    if target.authority.is_some() || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(Refusal::Malformed(":path is no path"));
    }
    if parts.uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Refusal::Malformed(":scheme is neither http nor https"));
    }
    let named = authority(facts.authority(given)?).ok_or(Refusal::Malformed("the authority is no valid host"))?;
    request.host.clear();
    request.host.extend_from_slice(named.host);
    request.host_port = named.port;
    match facts.lengths {
        0 => {}
        1 if facts.length.is_some() => {}
        1 => return Err(Refusal::Malformed("Content-Length is no number of bytes")),
        _ => return Err(Refusal::Malformed("there is more than one Content-Length")),
    }
    request.content_length = facts.length;
    Ok(Opening { expects_continue: facts.expects_continue, tunnels })
}

/// Asks for a WebSocket as HTTP/1 does (RFC 8441 §5.1 read backwards), with a key where the client, which needs none,
/// gave none.
fn switch_by_http1(lines: &mut Lines, request: &mut Request, has_key: bool) {
    request.method.clear();
    request.method.extend_from_slice(b"GET");
    lines.add(b"Connection", b"Upgrade");
    lines.add(b"Upgrade", b"websocket");
    if !has_key {
        lines.add(b"Sec-WebSocket-Key", &websocket_key(uuid::Uuid::new_v4().as_bytes()));
    }
}

/// 16 bytes in Base64 (RFC 4648 §4).
fn websocket_key(bytes: &[u8; 16]) -> [u8; 24] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key = [b'='; 24];
    for (three, out) in bytes.chunks(3).zip(key.chunks_mut(4)) {
        let bits = three.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for (at, digit) in out.iter_mut().enumerate().take(three.len() + 1) {
            *digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
        }
    }
    key
}

/// What the fields say that concerns framing and routing.
#[derive(Default)]
struct Facts<'a> {
    hosts: usize,
    host: &'a [u8],
    lengths: usize,
    length: Option<u64>,
    expects_continue: bool,
    has_key: bool,
}

impl<'a> Facts<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) {
        match names::classify(name) {
            Name::Host => {
                self.hosts += 1;
                self.host = value;
            }
            Name::ContentLength => {
                self.lengths += 1;
                self.length = content_length(value);
            }
            Name::Expect => self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            Name::Other if name == b"sec-websocket-key" => self.has_key = true,
            _ => {}
        }
    }

    /// RFC 9113 §8.3.1: `:authority`, or `Host` without it, or both where they say the same.
    fn authority(&self, given: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
        match (given, self.hosts) {
            (Some(given), 0) => Ok(given),
            (Some(given), 1) if given.eq_ignore_ascii_case(self.host) => Ok(given),
            (None, 1) => Ok(self.host),
            (None, 0) => Err(Refusal::Malformed("there is neither :authority nor Host")),
            (Some(_), 1) => Err(Refusal::Malformed(":authority and Host differ")),
            _ => Err(Refusal::Malformed("there is more than one Host")),
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod unit;
