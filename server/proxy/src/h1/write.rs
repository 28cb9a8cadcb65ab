//! Heads as they are written: to upstreams, and to clients. What is written here was checked when it was read or set
//! (no line can split into two), and the framing lines are only ever the engine's own.

use super::names::{self, Name};
use crate::product::PRODUCT;
use crate::settings::ProxySettings;
use exchange::{Exchange, Headers, Request, Response, Scheme, Version};
use smallvec::SmallVec;
use std::net::IpAddr;

/// How a message's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none, and no line says so.
    None,
    /// So many bytes; 0 says that there is none.
    Known(u64),
    /// Chunks.
    Chunked,
    /// Up to the end of the connection. Responses only.
    Close,
}

/// Writes a decimal number.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        return out.push(b'0' + value as u8);
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Every octet of an address in decimal digits, and how many they are.
const OCTETS: [([u8; 3], usize); 256] = {
    let mut table = [([b'0'; 3], 1); 256];
    let mut octet = 0;
    while octet < 256 {
        let digits = [b'0' + (octet / 100) as u8, b'0' + (octet / 10 % 10) as u8, b'0' + (octet % 10) as u8];
        table[octet] = match octet {
            0..=9 => ([digits[2], 0, 0], 1),
            10..=99 => ([digits[1], digits[2], 0], 2),
            _ => (digits, 3),
        };
        octet += 1;
    }
    table
};

/// Writes an address as text.
pub fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let mut text = [b'.'; 16];
            let mut at = 0;
            for octet in ip.octets() {
                let (digits, count) = OCTETS[usize::from(octet)];
                text[at..at + 3].copy_from_slice(&digits);
                text[at + count] = b'.';
                at += count + 1;
            }
            out.extend_from_slice(&text[..at - 1]);
        }
        IpAddr::V6(ip) => out.extend_from_slice(ip.to_string().as_bytes()),
    }
}

/// Writes a line. In line, because nearly every name is a constant that is stored by a few instructions.
#[inline(always)]
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The protocol a request asks to switch to, where it is one that may be asked for on behalf of a client. Those that
/// would change what client and gateway themselves speak on this hop (`h2c`, `TLS/1.0`) are not passed on.
pub fn upgrade(request: &Request) -> Option<&[u8]> {
    let protocol = request.headers.get("upgrade")?;
    if request.version < Version::Http11 || protocol.is_empty() {
        return None;
    }
    if !request.headers.of(Name::Connection).any(|value| names::has_token(value, "upgrade")) {
        return None;
    }
    let own = |item: &[u8]| {
        let name = item.split(|byte| *byte == b'/').next().unwrap_or_default();
        ["h2c", "h2", "h3", "http", "tls"].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    };
    if names::list(protocol).any(own) {
        return None;
    }
    Some(if protocol.eq_ignore_ascii_case(b"websocket") { b"websocket" } else { protocol })
}

/// Writes the head of the request to an upstream. `host` is the value of `Host`.
pub fn request_head(out: &mut Vec<u8>, exchange: &Exchange, host: &[u8], length: Length, settings: &ProxySettings) {
    let request = &exchange.request;
    let forward = &exchange.forward;
    out.extend_from_slice(&request.method);
    out.push(b' ');
    out.extend_from_slice(&forward.path);
    if let Some(query) = &forward.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    line(out, b"Host", host);
    let listed = connection_options(&request.headers);
    let mut via: SmallVec<[&[u8]; 1]> = SmallVec::new();
    let mut given = Forwarded::default();
    let mut trailers_wanted = false;
    let mut upgrade_given = false;
    request.headers.write(out, |line| {
        match line.kind() {
            // What the client lists in Connection is for this hop only (RFC 9110 §7.6.1); what a plugin has set
            // since, such as who the client is, is not the client's to take away.
            Name::Other | Name::Date | Name::Server => {
                return listed.is_empty() || !line.is_received() || !is_listed(line.name(), &listed);
            }
            Name::Via => via.push(line.value()),
            Name::XForwardedFor => given.addresses.push(line.value()),
            Name::XForwardedProto => given.proto = Some(line.value()),
            Name::XForwardedHost => given.host = Some(line.value()),
            Name::XForwardedPort => given.port = Some(line.value()),
            Name::XForwardedPath => given.path = Some(line.value()),
            Name::XForwardedPrefix => given.prefix = Some(line.value()),
            Name::Te => {
                trailers_wanted |= names::list(line.value()).any(|item| item.eq_ignore_ascii_case(b"trailers"));
            }
            Name::Upgrade => upgrade_given = true,
            Name::Trailer => return length == Length::Chunked,
            Name::Identity => return true,
            Name::XKongRequestId => return !settings.request_id_upstream,
            _ => {}
        }
        false
    });
    match upgrade_given.then(|| upgrade(request)).flatten() {
        Some(protocol) => {
            out.extend_from_slice(b"Connection: keep-alive, Upgrade\r\n");
            line(out, b"Upgrade", protocol);
        }
        None => out.extend_from_slice(b"Connection: keep-alive\r\n"),
    }
    if trailers_wanted {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    out.extend_from_slice(b"Via: ");
    for value in via {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(request.version.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(PRODUCT.as_bytes());
    out.extend_from_slice(b"\r\n");
    forwarded(out, exchange, &given);
    if settings.request_id_upstream {
        line(out, b"X-Kong-Request-Id", exchange.id.as_bytes());
    }
    framing(out, length);
    out.extend_from_slice(b"\r\n");
}

/// What the client says of the connections before it.
#[derive(Default)]
struct Forwarded<'a> {
    addresses: SmallVec<[&'a [u8]; 1]>,
    proto: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    port: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    prefix: Option<&'a [u8]>,
}

fn forwarded<'a>(out: &mut Vec<u8>, exchange: &Exchange, given: &Forwarded<'a>) {
    let request = &exchange.request;
    let believed = |value: Option<&'a [u8]>| value.filter(|value| request.trusted && !value.is_empty());
    out.extend_from_slice(b"X-Real-IP: ");
    let start = out.len();
    address(out, request.client_ip());
    let end = out.len();
    out.extend_from_slice(b"\r\nX-Forwarded-For: ");
    let mut some = false;
    for value in given.addresses.iter().filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
        some = true;
    }
    match request.peer {
        Some(peer) if some => address(out, peer.ip()),
        _ => out.extend_from_within(start..end),
    }
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    match believed(given.proto) {
        Some(value) => out.extend_from_slice(value),
        None => out.extend_from_slice(request.scheme.as_str().as_bytes()),
    }
    out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
    match believed(given.host) {
        Some(value) => out.extend_from_slice(value),
        None => {
            let host = request.host.strip_suffix(b".").unwrap_or(&request.host);
            out.extend(host.iter().map(u8::to_ascii_lowercase));
        }
    }
    out.extend_from_slice(b"\r\nX-Forwarded-Port: ");
    match believed(given.port) {
        Some(value) => out.extend_from_slice(value),
        None => number(out, u64::from(request.port)),
    }
    out.extend_from_slice(b"\r\nX-Forwarded-Path: ");
    match believed(given.path) {
        Some(value) => out.extend_from_slice(value),
        None => {
            let end = memchr::memchr2(b'?', b'#', &request.target).unwrap_or(request.target.len());
            out.extend_from_slice(&request.target[..end]);
        }
    }
    out.extend_from_slice(b"\r\n");
    match believed(given.prefix) {
        Some(value) => line(out, b"X-Forwarded-Prefix", value),
        None if exchange.forward.stripped_prefix.is_empty() => {}
        None => line(out, b"X-Forwarded-Prefix", &exchange.forward.stripped_prefix),
    }
}

fn framing(out: &mut Vec<u8>, length: Length) {
    match length {
        Length::None | Length::Close => {}
        Length::Known(length) => {
            out.extend_from_slice(b"Content-Length: ");
            number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Length::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

/// Names of end-to-end headers that `Connection` makes hop-by-hop; empty for nearly every request.
fn connection_options(headers: &Headers) -> SmallVec<[&[u8]; 2]> {
    headers
        .of(Name::Connection)
        .flat_map(names::list)
        .filter(|option| names::classify(option) == Name::Other && !option.eq_ignore_ascii_case(b"close"))
        .collect()
}

fn is_listed(name: &[u8], listed: &[&[u8]]) -> bool {
    listed.iter().any(|option| option.eq_ignore_ascii_case(name))
}

/// What the head of a response says of the connection to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Another request may follow.
    KeepAlive,
    /// This response is the last.
    Close,
    /// The protocol changes.
    Upgrade,
}

/// Writes the head of a response to a client. `date` is used where the response has none.
pub fn response_head(out: &mut Vec<u8>, response: &Response, length: Length, persistence: Persistence, date: &[u8]) {
    status_line(out, response);
    let mut dated = false;
    let mut own_connection = None;
    response.headers.write(out, |line| {
        match line.kind() {
            Name::ContentLength | Name::TransferEncoding | Name::KeepAlive | Name::ProxyConnection => return false,
            // Only an answer made here has one (426): options for the client beside persistence.
            Name::Connection => {
                own_connection = own_connection.or(Some(line.value()));
                return false;
            }
            Name::Date => dated = true,
            _ => {}
        }
        true
    });
    if !dated {
        line(out, b"Date", date);
    }
    framing(out, length);
    match (persistence, own_connection) {
        (Persistence::Upgrade, _) => out.extend_from_slice(b"Connection: upgrade\r\n"),
        (Persistence::KeepAlive, None) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Persistence::Close, None) => out.extend_from_slice(b"Connection: close\r\n"),
        (_, Some(options)) => {
            out.extend_from_slice(b"Connection: ");
            out.extend_from_slice(options);
            out.extend_from_slice(if persistence == Persistence::Close { b", close\r\n".as_slice() } else { b"\r\n" });
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim response (RFC 9110 §15.2) without the lines that are for the upstream's hop.
pub fn informational(out: &mut Vec<u8>, response: &Response) {
    status_line(out, response);
    response
        .headers
        .write(out, |line| matches!(line.kind(), Name::Other | Name::Date | Name::Server | Name::Via | Name::Identity));
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, response: &Response) {
    if response.status == 200 && response.reason.is_empty() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(response.status));
    out.push(b' ');
    if response.reason.is_empty() {
        out.extend_from_slice(reason(response.status).as_bytes());
    } else {
        out.extend_from_slice(&response.reason);
    }
    out.extend_from_slice(b"\r\n");
}

/// Registered reason phrases, as far as nginx writes them: it has none for 426, for instance.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// The default port of a scheme, where the port is it, is not part of `Host`.
pub fn host_value(out: &mut Vec<u8>, host: &[u8], port: u16, scheme: Scheme) {
    out.extend_from_slice(host);
    if port != scheme.default_port() {
        out.push(b':');
        number(out, u64::from(port));
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
