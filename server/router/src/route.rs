//! The router's input: plain data, free of storage and of wire formats.

use uuid::Uuid;

/// Which of Kong's engines decides (`router_flavor`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// The old engine: Routes ordered by category, then by `created_at`.
    Traditional,
    /// Classic fields, evaluated and ordered as expressions (Kong's default).
    TraditionalCompatible,
    /// Routes carry an `expression`; classic fields are still understood and rank below.
    Expressions,
}

impl Flavor {
    /// The path handling that really applies: only the traditional engine honours `v1`.
    pub fn path_handling(self, configured: PathHandling) -> PathHandling {
        match self {
            Self::Traditional => configured,
            Self::TraditionalCompatible | Self::Expressions => PathHandling::V0,
        }
    }
}

impl std::str::FromStr for Flavor {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "traditional" => Ok(Self::Traditional),
            "traditional_compatible" => Ok(Self::TraditionalCompatible),
            "expressions" => Ok(Self::Expressions),
            other => Err(UnknownName(other.to_owned())),
        }
    }
}

/// A name outside a closed set of names.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown name '{0}'")]
pub struct UnknownName(pub String);

/// What a Route speaks (`protocols`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `http`
    Http,
    /// `https`
    Https,
    /// `grpc`
    Grpc,
    /// `grpcs`
    Grpcs,
    /// `tcp`
    Tcp,
    /// `tls`, terminated here
    Tls,
    /// `tls_passthrough`, not terminated
    TlsPassthrough,
    /// `udp`
    Udp,
}

impl Protocol {
    /// The subsystem whose router knows this protocol.
    pub fn subsystem(self) -> Subsystem {
        match self {
            Self::Http | Self::Https | Self::Grpc | Self::Grpcs => Subsystem::Http,
            Self::Tcp | Self::Tls | Self::TlsPassthrough | Self::Udp => Subsystem::Stream,
        }
    }

    /// Its name in `protocols`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::TlsPassthrough => "tls_passthrough",
            Self::Udp => "udp",
        }
    }

    /// The `net.protocol` value a request of this protocol shows.
    pub fn net_protocol(self) -> NetProtocol {
        match self {
            Self::Http | Self::Grpc => NetProtocol::Http,
            Self::Https | Self::Grpcs => NetProtocol::Https,
            Self::Tcp | Self::TlsPassthrough => NetProtocol::Tcp,
            Self::Tls => NetProtocol::Tls,
            Self::Udp => NetProtocol::Udp,
        }
    }
}

impl std::str::FromStr for Protocol {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Ok(match text {
            "http" => Self::Http,
            "https" => Self::Https,
            "grpc" => Self::Grpc,
            "grpcs" => Self::Grpcs,
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "tls_passthrough" => Self::TlsPassthrough,
            "udp" => Self::Udp,
            other => return Err(UnknownName(other.to_owned())),
        })
    }
}

/// The two halves of the gateway; each has its own routing table and its own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subsystem {
    /// http, https, grpc, grpcs
    Http,
    /// tcp, udp, tls, tls_passthrough
    Stream,
}

/// The value of `net.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetProtocol {
    /// A cleartext HTTP request.
    Http,
    /// An HTTP request over TLS.
    Https,
    /// A TCP connection, or TLS that is not terminated.
    Tcp,
    /// A TLS connection that is terminated.
    Tls,
    /// A UDP session.
    Udp,
}

impl NetProtocol {
    /// The name that expressions compare with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }

    /// The subsystem this traffic belongs to.
    pub fn subsystem(self) -> Subsystem {
        match self {
            Self::Http | Self::Https => Subsystem::Http,
            Self::Tcp | Self::Tls | Self::Udp => Subsystem::Stream,
        }
    }

    /// One bit per protocol, for masks.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How the Service's path and the request's path are joined (`path_handling`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathHandling {
    /// Joined with exactly one slash.
    #[default]
    V0,
    /// Concatenated.
    V1,
}

/// One element of `sources` or `destinations`; at least one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrPort {
    /// An address or a CIDR, as configured.
    pub ip: Option<String>,
    /// A port.
    pub port: Option<u16>,
}

/// What the router needs of one Route. Empty lists are the same as absent fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteDefinition {
    /// The Route's id; decides between equals in the two newer flavours.
    pub id: Uuid,
    /// Seconds since the epoch; decides between equals in the traditional flavour.
    pub created_at: i64,
    /// `protocols`; the first decides the subsystem.
    pub protocols: Vec<Protocol>,
    /// `methods`, compared exactly.
    pub methods: Vec<String>,
    /// `hosts`: names, `*.x`, `x.*`, each with an optional `:port`.
    pub hosts: Vec<String>,
    /// `paths`: byte prefixes, or regexes behind a `~`.
    pub paths: Vec<String>,
    /// `headers`: name and accepted values; a value `~*…` is a regex.
    pub headers: Vec<(String, Vec<String>)>,
    /// `snis`: names, `*.x`, `x.*`.
    pub snis: Vec<String>,
    /// `sources`
    pub sources: Vec<CidrPort>,
    /// `destinations`
    pub destinations: Vec<CidrPort>,
    /// `regex_priority`; of regex paths only.
    pub regex_priority: i64,
    /// `expression`; only the expressions flavour reads it.
    pub expression: Option<String>,
    /// `priority` of the expression, 0 to 2^46 - 1.
    pub priority: u64,
    /// `strip_path`
    pub strip_path: bool,
    /// `path_handling`, as configured.
    pub path_handling: PathHandling,
}

impl Default for RouteDefinition {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            created_at: 0,
            protocols: vec![Protocol::Http, Protocol::Https],
            methods: Vec::new(),
            hosts: Vec::new(),
            paths: Vec::new(),
            headers: Vec::new(),
            snis: Vec::new(),
            sources: Vec::new(),
            destinations: Vec::new(),
            regex_priority: 0,
            expression: None,
            priority: 0,
            strip_path: true,
            path_handling: PathHandling::V0,
        }
    }
}

impl RouteDefinition {
    /// The subsystem that routes this: that of the first protocol, HTTP when there is none.
    pub fn subsystem(&self) -> Subsystem {
        self.protocols.first().map_or(Subsystem::Http, |p| p.subsystem())
    }
}

/// Splits a host at its first `:` when what follows is a decimal number, as Kong does:
/// `a.test:80` has a port, `[::1]:80` has none.
pub fn split_host(host: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = memchr::memchr(b':', host) else { return (host, None) };
    let port = &host[colon + 1..];
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return (host, None);
    }
    let number = std::str::from_utf8(port).ok().and_then(|text| text.parse().ok());
    (&host[..colon], number)
}
