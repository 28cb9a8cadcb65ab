//! The variables of access lines: nginx's, Kong's, and a few of Silverback's own.

use crate::access::{rfc3339_seconds, with_local_time};
use crate::syslog::hostname;
use base64::Engine;
use exchange::mask::{MASK, Masks};
use exchange::{Exchange, Source, Stamp, Try, TryError, Version};
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Argument(Vec<u8>),
    Cookie(Vec<u8>),
    /// The same in every line.
    Fixed(String),
    Known(Known),
    RequestHeader(String),
    ResponseHeader(String),
    UpstreamHeader(String),
}

macro_rules! known {
    ($($($name:literal)|+ => $variant:ident,)*) => {
        /// The variables that are nobody's in particular; several names may stand for one thing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Known { $($variant,)* }

        impl Known {
            fn parse(name: &str) -> Option<Self> {
                Some(match name { $($($name)|+ => Self::$variant,)* _ => return None })
            }
        }
    };
}

known! {
    "args" | "query_string" => Args,
    "binary_remote_addr" => BinaryRemoteAddr,
    "body_bytes_sent" => BodyBytesSent,
    "bytes_sent" => BytesSent,
    "connection" => Connection,
    "connection_requests" => ConnectionRequests,
    "host" => Host,
    "https" => Https,
    "is_args" => IsArgs,
    "msec" => Msec,
    "otel_parent_id" => ParentId,
    "otel_parent_sampled" => Sampled,
    "otel_span_id" => SpanId,
    "otel_trace_id" => TraceId,
    "pipe" => Pipe,
    "protocol" => Protocol,
    "realip_remote_addr" => PeerAddr,
    "realip_remote_port" => PeerPort,
    "remote_addr" => RemoteAddr,
    "remote_port" => RemotePort,
    "remote_user" => RemoteUser,
    "request" => Request,
    "request_id" | "kong_request_id" => RequestId,
    "request_completion" => Completion,
    "request_method" => Method,
    "request_length" | "bytes_received" => RequestLength,
    "request_time" | "session_time" => RequestTime,
    "request_uri" => RequestUri,
    "scheme" => Scheme,
    "server_addr" => ServerAddr,
    "server_port" => ServerPort,
    "server_protocol" => ServerProtocol,
    "silverback_consumer" => Consumer,
    "silverback_route" => Route,
    "silverback_service" => Service,
    "ssl_cipher" => TlsCipher,
    "ssl_protocol" => TlsProtocol,
    "ssl_server_name" | "ssl_preread_server_name" => TlsName,
    "status" => Status,
    "time_iso8601" => TimeIso,
    "time_local" => TimeLocal,
    "upstream_addr" => UpstreamAddr,
    "upstream_bytes_received" => UpstreamReceived,
    "upstream_bytes_sent" => UpstreamSent,
    "upstream_cache_status" => Nothing,
    "upstream_connect_time" => UpstreamConnect,
    "upstream_header_time" => UpstreamHeaderTime,
    "upstream_host" => UpstreamHost,
    "upstream_response_length" => UpstreamLength,
    "upstream_response_time" => UpstreamTime,
    "upstream_scheme" => UpstreamScheme,
    "upstream_status" => UpstreamStatus,
    "upstream_uri" => UpstreamUri,
    "uri" | "document_uri" => Uri,
}

impl Variable {
    /// By its name, without `$`; `None` where there is none of that name.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(known) = Known::parse(name) {
            return Some(Self::Known(known));
        }
        Some(match name {
            "hostname" => Self::Fixed(hostname()),
            "pid" => Self::Fixed(std::process::id().to_string()),
            "server_name" => Self::Fixed("kong".into()),
            "content_type" => Self::RequestHeader("content-type".into()),
            "content_length" => Self::RequestHeader("content-length".into()),
            _ => {
                let (kind, rest) = ["upstream_http_", "sent_http_", "http_", "cookie_", "arg_"]
                    .iter()
                    .find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))
                    .filter(|(_, rest)| !rest.is_empty())?;
                let header = || rest.to_ascii_lowercase().replace('_', "-");
                match kind {
                    "upstream_http_" => Self::UpstreamHeader(header()),
                    "sent_http_" => Self::ResponseHeader(header()),
                    "http_" => Self::RequestHeader(header()),
                    "cookie_" => Self::Cookie(rest.into()),
                    _ => Self::Argument(rest.into()),
                }
            }
        })
    }

    /// Writes a value that is always there and needs no escaping. False where it is none of those.
    pub fn write_plain(&self, line: &mut Vec<u8>, exchange: &Exchange) -> bool {
        let Self::Known(known) = self else { return false };
        let (request, response) = (&exchange.request, &exchange.response);
        let _ = match known {
            Known::Status => write!(line, "{:03}", response.status),
            Known::BodyBytesSent => write!(line, "{}", response.body_sent),
            Known::BytesSent => write!(line, "{}", response.head_sent + response.body_sent),
            Known::RequestLength => write!(line, "{}", request.head_bytes as u64 + request.body_bytes),
            Known::Connection => write!(line, "{}", request.connection),
            Known::ConnectionRequests => write!(line, "{}", request.connection_requests),
            Known::RemoteAddr => write!(line, "{}", request.client_ip()),
            Known::RequestId => line.write_all(exchange.id.as_bytes()),
            Known::RequestTime => match exchange.session.is_some() {
                // Sessions last longer than stamps can tell.
                true => write!(line, "{:.3}", exchange.timeline.lasted().as_secs_f64()),
                false => seconds(line, end(exchange)),
            },
            Known::Msec => {
                let since = finished(exchange).duration_since(UNIX_EPOCH).unwrap_or_default();
                write!(line, "{}.{:03}", since.as_secs(), since.subsec_millis())
            }
            Known::TimeLocal => {
                with_local_time(finished(exchange), |text| line.extend_from_slice(text.as_bytes()));
                Ok(())
            }
            Known::TimeIso => line.write_all(rfc3339_seconds(finished(exchange)).as_bytes()),
            _ => return false,
        };
        true
    }

    /// The value; `None` where there is none.
    pub fn find<'a>(&'a self, exchange: &'a Exchange) -> Option<Cow<'a, [u8]>> {
        let request = &exchange.request;
        match self {
            Self::Known(known) => known.find(exchange),
            Self::Fixed(text) => Some(text.as_bytes().into()),
            Self::RequestHeader(name) => lines(&request.headers, name),
            Self::ResponseHeader(name) => lines(&exchange.response.headers, name),
            Self::UpstreamHeader(name) => {
                lines(&exchange.response.headers, name).filter(|_| exchange.response.source == Source::Service)
            }
            Self::Cookie(name) => {
                let cookies = request.headers.get_all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
                pick(cookies.map(<[u8]>::trim_ascii), name, |a, b| a == b)
            }
            Self::Argument(name) => {
                let pairs = request.query.as_deref()?.split(|byte| *byte == b'&');
                pick(pairs, name, <[u8]>::eq_ignore_ascii_case)
            }
        }
    }
}

impl Variable {
    /// A value without what is secret in it.
    pub fn masked<'a>(&self, value: Cow<'a, [u8]>, masks: &Masks) -> Cow<'a, [u8]> {
        let shown = match self {
            Self::Argument(name) if masks.hides_argument(name) => return Cow::Borrowed(MASK.as_bytes()),
            Self::Cookie(_) if masks.hides_header(b"cookie") => return Cow::Borrowed(MASK.as_bytes()),
            Self::RequestHeader(name) | Self::ResponseHeader(name) | Self::UpstreamHeader(name) => {
                match name.as_str() {
                    name if masks.hides_header(name.as_bytes()) => return Cow::Borrowed(MASK.as_bytes()),
                    "referer" | "location" => masks.target(&value),
                    _ => return value,
                }
            }
            Self::Known(Known::Args) => masks.query(&value),
            Self::Known(Known::RequestUri | Known::UpstreamUri) => masks.target(&value),
            Self::Known(Known::Request) => request_line(masks, &value),
            _ => return value,
        };
        let changed = match shown {
            Cow::Owned(shown) => Some(shown),
            Cow::Borrowed(_) => None,
        };
        changed.map_or(value, Cow::Owned)
    }
}

/// A request line with its target masked.
fn request_line<'l>(masks: &Masks, line: &'l [u8]) -> Cow<'l, [u8]> {
    let end = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    match masks.target(&line[..end]) {
        Cow::Borrowed(_) => Cow::Borrowed(line),
        Cow::Owned(shown) => Cow::Owned([&shown, &line[end..]].concat()),
    }
}

fn pick<'a>(
    pairs: impl Iterator<Item = &'a [u8]>,
    name: &[u8],
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Cow<'a, [u8]>> {
    for pair in pairs {
        if let Some(at) = pair.iter().position(|byte| *byte == b'=')
            && same(&pair[..at], name)
        {
            return Some(Cow::Borrowed(&pair[at + 1..]));
        }
    }
    None
}

/// One line as it is; of several a list.
fn lines<'a>(headers: &'a exchange::Headers, name: &str) -> Option<Cow<'a, [u8]>> {
    let first = headers.get(name)?;
    let mut all = headers.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes()));
    if all.nth(1).is_none() {
        return Some(first.into());
    }
    headers.joined(name).map(Cow::Owned)
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Cow<'a, [u8]>> {
    Some(match text.into() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

impl Known {
    fn find(self, exchange: &Exchange) -> Option<Cow<'_, [u8]>> {
        let (request, forward) = (&exchange.request, &exchange.forward);
        let tls = request.tls.as_deref();
        let ip = |ip: IpAddr| text(ip.to_string());
        match self {
            Self::Args => request.query.as_deref().map(Cow::Borrowed),
            Self::BinaryRemoteAddr => Some(Cow::Owned(match request.client_ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            })),
            Self::Completion => text(if exchange.timeline.at(Stamp::Received).is_some() { "OK" } else { "" }),
            Self::Consumer => text(exchange.identity.consumer.as_ref()?.username.as_deref()?),
            Self::Host => text(String::from_utf8_lossy(&request.host).to_ascii_lowercase()),
            Self::Https => tls.and_then(|_| text("on")).or_else(|| text("")),
            Self::IsArgs => {
                text(if request.query.as_deref().is_some_and(|query| !query.is_empty()) { "?" } else { "" })
            }
            Self::Method => Some(request.method.as_slice().into()),
            Self::ParentId => text(exchange.trace?.parent?.to_string()),
            Self::PeerAddr => ip(request.peer?.ip()),
            Self::PeerPort => text(request.peer?.port().to_string()),
            Self::Pipe => text("."),
            Self::Protocol => text(exchange.session.as_ref().map_or("TCP", |session| session.transport.as_str())),
            Self::RemotePort => text(request.client_port.to_string()),
            Self::RemoteUser => remote_user(exchange),
            Self::Request => {
                let mut out = Vec::with_capacity(request.method.len() + request.target.len() + 10);
                out.extend_from_slice(&request.method);
                out.push(b' ');
                out.extend_from_slice(&request.target);
                out.extend_from_slice(b" HTTP/");
                out.extend_from_slice(version(request.version).as_bytes());
                Some(out.into())
            }
            Self::RequestUri => Some(request.target.as_slice().into()),
            Self::Route => text(exchange.route_entity()?.name.as_deref()?),
            Self::Sampled => text(if exchange.trace?.sampled { "1" } else { "0" }),
            Self::Scheme => text(request.scheme.as_str()),
            Self::ServerAddr => ip(request.local?.ip()),
            Self::ServerPort => text(request.local.map_or(request.port, |local| local.port()).to_string()),
            Self::ServerProtocol => text(format!("HTTP/{}", version(request.version))),
            Self::Service => text(exchange.service.as_ref()?.name.as_deref()?),
            Self::SpanId => text(exchange.trace?.span_id.to_string()),
            Self::TlsCipher => text(tls?.cipher),
            Self::TlsName => match exchange.session.as_deref() {
                Some(session) => text(session.sni.as_deref()?),
                None => text(tls?.sni.as_deref()?),
            },
            Self::TlsProtocol => text(tls?.version),
            Self::TraceId => text(exchange.trace?.trace_id.to_string()),
            Self::UpstreamAddr => tries(exchange, |out, tried, _| write!(out, "{}", tried.address)),
            Self::UpstreamConnect => tries(exchange, |out, tried, _| match tried.error {
                Some(TryError::Connect | TryError::ConnectTimeout | TryError::Tls) => out.write_all(b"-"),
                _ => seconds(out, tried.connect),
            }),
            Self::UpstreamHeaderTime => tries(exchange, |out, tried, _| match exchange.timeline.at(Stamp::Answered) {
                Some(at) if tried.error.is_none() => seconds(out, at.saturating_sub(tried.start)),
                _ => out.write_all(b"-"),
            }),
            Self::UpstreamHost => Some(forward.host.as_slice().into()).filter(|host: &Cow<'_, [u8]>| !host.is_empty()),
            Self::UpstreamLength => tries(exchange, |out, tried, _| match tried.error {
                Some(_) => write!(out, "0"),
                None => write!(out, "{}", exchange.response.body_sent),
            }),
            Self::UpstreamReceived => text(exchange.session.as_ref()?.upstream_received.to_string()),
            Self::UpstreamScheme => text(forward.scheme.as_str()).filter(|_| !forward.host.is_empty()),
            Self::UpstreamSent => text(exchange.session.as_ref()?.upstream_sent.to_string()),
            Self::UpstreamStatus => tries(exchange, |out, tried, _| match tried.error {
                Some(error) => write!(out, "{}", if error.is_timeout() { 504 } else { 502 }),
                None if exchange.response.upstream_status != 0 => write!(out, "{}", exchange.response.upstream_status),
                None => out.write_all(b"-"),
            }),
            Self::UpstreamTime => tries(exchange, |out, tried, next| {
                let received = exchange.timeline.at(Stamp::Received).filter(|_| tried.error.is_none());
                let until = next.map(|next| next.start).or(received).unwrap_or_else(|| end(exchange));
                seconds(out, until.saturating_sub(tried.start))
            }),
            Self::UpstreamUri => {
                let mut out = forward.path.to_vec();
                if let Some(query) = &forward.query {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
                (!out.is_empty()).then_some(out.into())
            }
            Self::Uri => Some(decoded(&request.path)),
            // Written by `write_plain`, or never there.
            _ => None,
        }
    }
}

/// What each try says, as nginx lists them; `None` where no upstream was asked.
fn tries(
    exchange: &Exchange,
    each: impl Fn(&mut Vec<u8>, &Try, Option<&Try>) -> std::io::Result<()>,
) -> Option<Cow<'_, [u8]>> {
    let all = &exchange.timeline.tries;
    let mut out = Vec::new();
    for (index, tried) in all.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        // Writing to memory does not fail.
        let _ = each(&mut out, tried, all.get(index + 1));
    }
    (!out.is_empty()).then_some(out.into())
}

/// The user of Basic credentials.
fn remote_user(exchange: &Exchange) -> Option<Cow<'_, [u8]>> {
    let value = exchange.request.headers.get("authorization")?;
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut plain = base64::engine::general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    plain.truncate(colon);
    (!plain.is_empty()).then_some(plain.into())
}

fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b'%') {
        return path.into();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        match (byte, digit(path.get(at + 1)), digit(path.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out.into()
}

/// µs as seconds with three digits.
fn seconds(out: &mut Vec<u8>, micros: u32) -> std::io::Result<()> {
    write!(out, "{}.{:03}", micros / 1_000_000, micros / 1000 % 1000)
}

/// µs from the start to the end, or until now.
fn end(exchange: &Exchange) -> u32 {
    exchange.timeline.at(Stamp::Finished).unwrap_or_else(|| exchange.timeline.now())
}

/// When the last byte was written.
pub(crate) fn finished(exchange: &Exchange) -> SystemTime {
    let timeline = &exchange.timeline;
    if exchange.session.is_some() {
        return timeline.wall() + timeline.lasted();
    }
    timeline.wall() + Duration::from_micros(u64::from(timeline.at(Stamp::Finished).unwrap_or(0)))
}

/// As in a request line.
pub(crate) fn version(version: Version) -> &'static str {
    match version {
        Version::Http2 => "2.0",
        Version::Http3 => "3.0",
        other => other.as_str(),
    }
}
