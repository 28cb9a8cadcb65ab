//! The request as the client sent it and as plugins have changed it, and where it is going.

use crate::{Body, Headers};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// `http` or `https`, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Cleartext.
    #[default]
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

impl Version {
    /// As in `Via` and `kong.request.get_http_version`: `1.0`, `1.1`, `2`, `3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
        }
    }
}

/// What is known of a client's TLS session.
#[derive(Clone, Debug, Default)]
pub struct TlsSession {
    /// Server name the client asked for.
    pub sni: Option<Arc<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Cipher suite by its IANA name.
    pub cipher: &'static str,
    /// The client's certificate chain, DER, leaf first; empty where it sent none.
    pub client_certificates: Vec<Arc<[u8]>>,
    /// What the listener or a plugin says of the client's certificate: `SUCCESS`, `NONE` or `FAILED:` and why.
    pub client_verify: Option<Box<str>>,
    /// Whether its requests are refused for its certificate.
    pub unwelcome: Option<Unwelcome>,
}

/// Why a listener refuses every request of a session (nginx's `ssl_verify_client`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// The client showed no certificate, where one is required.
    #[error("No required SSL certificate was sent")]
    NoCertificate,
    /// Nobody vouches for the one it showed.
    #[error("The SSL certificate error")]
    Certificate,
}

/// A request. Everything a plugin may read of it; `headers` and `body` are also what is sent on.
#[derive(Debug, Default)]
pub struct Request {
    /// Method, a token (RFC 9110 §9.1).
    pub method: SmallVec<[u8; 12]>,
    /// Whether the client sent HEAD: its response has no content, whatever a plugin makes of `method`.
    pub client_head: bool,
    /// Path and query as received: origin-form, also where the request line had the absolute form.
    pub target: SmallVec<[u8; 120]>,
    /// Normalised path, see `router::path`; what Routes match.
    pub path: SmallVec<[u8; 120]>,
    /// Query without `?`, as received; `None` where there was no `?`.
    pub query: Option<SmallVec<[u8; 56]>>,
    /// Protocol version the client speaks.
    pub version: Version,
    /// Header section, `Host` included.
    pub headers: Headers,
    /// Body.
    pub body: Body,
    /// Declared length in bytes, where there is one.
    pub content_length: Option<u64>,
    /// Whether the connection to the client is TLS.
    pub scheme: Scheme,
    /// Host of the request without port, lower case not applied (Kong compares as sent).
    pub host: SmallVec<[u8; 48]>,
    /// Port in the Host header, where there is one.
    pub host_port: Option<u16>,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// Client address after `real_ip_*`.
    pub client_ip: Option<IpAddr>,
    /// Client port after `real_ip_*`.
    pub client_port: u16,
    /// Our end of the connection.
    pub local: Option<SocketAddr>,
    /// Listener port after `port_maps`.
    pub port: u16,
    /// Whether the peer is in `trusted_ips`.
    pub trusted: bool,
    /// The TLS session, on a TLS connection.
    pub tls: Option<Arc<TlsSession>>,
    /// Serial number of the client's connection on this node, from 1.
    pub connection: u64,
    /// Number of this request on its connection, from 1.
    pub connection_requests: u64,
    /// Bytes of the head as received.
    pub head_bytes: usize,
    /// Bytes of the body as received so far, framing included.
    pub body_bytes: u64,
}

impl Request {
    /// The same request; of its body what is in memory.
    pub fn kept(&self) -> Self {
        Self {
            method: self.method.clone(),
            client_head: self.client_head,
            target: self.target.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            version: self.version,
            headers: self.headers.clone(),
            body: match &self.body {
                Body::Buffered(bytes) => Body::Buffered(bytes.clone()),
                Body::Empty | Body::Stream(_) => Body::Empty,
            },
            content_length: self.content_length,
            scheme: self.scheme,
            host: self.host.clone(),
            host_port: self.host_port,
            peer: self.peer,
            client_ip: self.client_ip,
            client_port: self.client_port,
            local: self.local,
            port: self.port,
            trusted: self.trusted,
            tls: self.tls.clone(),
            connection: self.connection,
            connection_requests: self.connection_requests,
            head_bytes: self.head_bytes,
            body_bytes: self.body_bytes,
        }
    }

    /// The method as text.
    pub fn method_str(&self) -> &str {
        std::str::from_utf8(&self.method).unwrap_or_default()
    }

    /// Client address, after `real_ip_*`; the unspecified address where the transport has none (Unix sockets).
    pub fn client_ip(&self) -> IpAddr {
        self.client_ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    /// Scheme for the outside world: a trusted peer's `X-Forwarded-Proto`, else the connection's.
    pub fn forwarded_scheme(&self) -> &str {
        match self.headers.get_str("x-forwarded-proto") {
            Some(value) if self.trusted && !value.is_empty() => value,
            _ => self.scheme.as_str(),
        }
    }

    /// Host for the outside world: a trusted peer's `X-Forwarded-Host`, else the request's.
    pub fn forwarded_host(&self) -> &[u8] {
        match self.headers.get("x-forwarded-host") {
            Some(value) if self.trusted && !value.is_empty() => value,
            _ => &self.host,
        }
    }

    /// Port for the outside world: a trusted peer's `X-Forwarded-Port`, else the mapped listener port.
    pub fn forwarded_port(&self) -> u16 {
        let given = self.headers.get_str("x-forwarded-port").filter(|_| self.trusted);
        given.and_then(|value| value.parse().ok()).unwrap_or(self.port)
    }

    /// The TLS server name.
    pub fn sni(&self) -> Option<&str> {
        self.tls.as_ref().and_then(|tls| tls.sni.as_deref())
    }
}

impl router::Request for Request {
    fn method(&self) -> &[u8] {
        &self.method
    }
    fn host(&self) -> &[u8] {
        &self.host
    }
    fn host_port(&self) -> Option<u16> {
        self.host_port
    }
    fn path(&self) -> &[u8] {
        &self.path
    }
    fn query(&self) -> &[u8] {
        self.query.as_deref().unwrap_or_default()
    }
    fn net_protocol(&self) -> router::NetProtocol {
        match self.scheme {
            Scheme::Http => router::NetProtocol::Http,
            Scheme::Https => router::NetProtocol::Https,
        }
    }
    fn sni(&self) -> Option<&[u8]> {
        Request::sni(self).map(str::as_bytes)
    }
    fn source(&self) -> SocketAddr {
        SocketAddr::new(self.client_ip(), self.client_port)
    }
    fn destination(&self) -> SocketAddr {
        let ip = self.local.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |local| local.ip());
        SocketAddr::new(ip, self.port)
    }
    fn header_values<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]) -> bool) {
        for (line, value) in self.headers.iter().take(MAX_ROUTED_HEADERS) {
            if router::header_name_matches(line, name) && !each(value) {
                return;
            }
        }
    }
}

/// Header lines that Routes may look at (`lua_max_req_headers`).
const MAX_ROUTED_HEADERS: usize = 100;

/// Where a request is going: set from the Service after routing, changed by plugins before balancing.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    /// Scheme of the upstream connection.
    pub scheme: Scheme,
    /// Host name, IP text or name of an Upstream.
    pub host: SmallVec<[u8; 48]>,
    /// Port.
    pub port: u16,
    /// Path to send, escaped, with its first `/`; no query.
    pub path: SmallVec<[u8; 120]>,
    /// Query to send, without `?`; `None` sends no `?`.
    pub query: Option<SmallVec<[u8; 56]>>,
    /// `Host` to send where a plugin or `preserve_host` fixed it; else it follows from the Target.
    pub host_header: Option<SmallVec<[u8; 48]>>,
    /// The prefix that `strip_path` took away, for `X-Forwarded-Prefix`; empty = none.
    pub stripped_prefix: SmallVec<[u8; 48]>,
    /// What a plugin wants otherwise than the Service says.
    pub instead: Option<Box<Instead>>,
}

/// Properties of a Service that a plugin set for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instead {
    /// Limits for connecting, between two writes, and between two reads.
    pub timeouts: Option<[Duration; 3]>,
    /// Extra tries after the first.
    pub retries: Option<u32>,
    /// Whether the upstream's certificate is verified.
    pub verify: Option<bool>,
    /// How many intermediate authorities may stand above it.
    pub verify_depth: Option<u32>,
    /// The authorities that may vouch for it, DER, instead of the Service's or the node's.
    pub authorities: Option<Vec<Vec<u8>>>,
    /// PEM of the client certificate, with its chain, and of its key.
    pub client: Option<(Arc<str>, Arc<str>)>,
    /// A stream goes on in cleartext, whatever its Service's protocol is.
    pub cleartext: bool,
}

/// Says where else to: a host and a port, or why that is not known.
type Elsewhere = dyn Fn(&mut crate::Exchange) -> Result<(Vec<u8>, u16), String>;

/// Kept in [`Exchange::state`](crate::Exchange::state) by a plugin that says where a request goes after a try that
/// failed: host and port, or why it goes nowhere else.
#[derive(Clone)]
pub struct Retarget(pub Rc<Elsewhere>);
