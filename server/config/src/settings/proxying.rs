//! Proxying: who the client is, what is added to messages, bounds, connections upstream, the router.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::checker::{Checker, invalid};
use crate::units;

/// A peer whose forwarding headers are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedPeer {
    /// A network; a single address is one of full length.
    Net(IpNet),
    /// Whoever connects to a Unix socket.
    Unix,
}

/// Where the client's address is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RealIpHeader {
    /// A request header, in lower case.
    Header(String),
    /// The PROXY protocol header.
    ProxyProtocol,
}

/// Trust in what a peer says about its client.
#[derive(Debug, Clone)]
pub struct Forwarded {
    /// `trusted_ips`.
    pub trusted: Vec<TrustedPeer>,
    /// `real_ip_header`.
    pub header: RealIpHeader,
    /// `real_ip_recursive`: whether trusted addresses at the end of the header are skipped.
    pub recursive: bool,
}

impl Forwarded {
    fn read(c: &mut Checker<'_>) -> Self {
        let mut trusted = Vec::new();
        for entry in c.list("trusted_ips") {
            match parse_peer(entry) {
                Some(peer) => trusted.push(peer),
                None => {
                    let message = format!(
                        "trusted_ips must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block \
                         or 'unix:', got '{entry}'"
                    );
                    c.wrong("trusted_ips", message, "such as 10.0.0.0/8, fd00::/8, unix:");
                }
            }
        }
        let header = match c.text("nginx_proxy_real_ip_header").unwrap_or("X-Real-IP") {
            "proxy_protocol" => RealIpHeader::ProxyProtocol,
            name if is_token(name) => RealIpHeader::Header(name.to_ascii_lowercase()),
            other => {
                let message = invalid("real_ip_header", other);
                c.wrong("nginx_proxy_real_ip_header", message, "the name of a header, or proxy_protocol");
                RealIpHeader::Header("x-real-ip".into())
            }
        };
        Self { trusted, header, recursive: c.switch("nginx_proxy_real_ip_recursive", false) }
    }
}

fn parse_peer(entry: &str) -> Option<TrustedPeer> {
    if entry == "unix:" {
        return Some(TrustedPeer::Unix);
    }
    let net = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
    Some(TrustedPeer::Net(net.trunc()))
}

/// A header name, RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Response headers that are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddedHeaders {
    /// `Server`, on answers made here.
    pub server: bool,
    /// `Via`, on proxied answers.
    pub via: bool,
    /// `X-Kong-Proxy-Latency`.
    pub proxy_latency: bool,
    /// `X-Kong-Response-Latency`.
    pub response_latency: bool,
    /// `X-Kong-Upstream-Latency`.
    pub upstream_latency: bool,
    /// `X-Kong-Admin-Latency`.
    pub admin_latency: bool,
    /// `X-Kong-Upstream-Status`.
    pub upstream_status: bool,
    /// `X-Kong-Request-Id`.
    pub request_id: bool,
    /// Whether the list names `server_tokens` itself.
    pub server_tokens: bool,
    /// Whether the list names `latency_tokens` itself.
    pub latency_tokens: bool,
}

#[derive(Clone, Copy)]
enum Token {
    Off,
    ServerTokens,
    LatencyTokens,
    Server,
    Via,
    Proxy,
    Response,
    Upstream,
    Admin,
    Status,
    RequestId,
}

const TOKENS: &[(&str, Token)] = &[
    ("off", Token::Off),
    ("server_tokens", Token::ServerTokens),
    ("latency_tokens", Token::LatencyTokens),
    ("Server", Token::Server),
    ("Via", Token::Via),
    ("X-Kong-Proxy-Latency", Token::Proxy),
    ("X-Kong-Response-Latency", Token::Response),
    ("X-Kong-Upstream-Latency", Token::Upstream),
    ("X-Kong-Admin-Latency", Token::Admin),
    ("X-Kong-Upstream-Status", Token::Status),
    ("X-Kong-Request-Id", Token::RequestId),
];

impl AddedHeaders {
    fn read(c: &mut Checker<'_>) -> Self {
        let mut on = Self::default();
        let tokens = c.words("headers", TOKENS);
        if matches!(tokens.first(), Some(Token::Off)) {
            return on;
        }
        for token in tokens {
            match token {
                Token::Off => {}
                Token::ServerTokens => {
                    (on.server_tokens, on.server, on.via) = (true, true, true);
                }
                Token::LatencyTokens => {
                    on.latency_tokens = true;
                    on.proxy_latency = true;
                    on.response_latency = true;
                    on.upstream_latency = true;
                    on.admin_latency = true;
                }
                Token::Server => on.server = true,
                Token::Via => on.via = true,
                Token::Proxy => on.proxy_latency = true,
                Token::Response => on.response_latency = true,
                Token::Upstream => on.upstream_latency = true,
                Token::Admin => on.admin_latency = true,
                Token::Status => on.upstream_status = true,
                Token::RequestId => on.request_id = true,
            }
        }
        on
    }

    /// Each by its name in `enabled_headers` of `GET /`.
    pub fn by_name(&self) -> [(&'static str, bool); 10] {
        [
            ("Server", self.server),
            ("Via", self.via),
            ("X-Kong-Admin-Latency", self.admin_latency),
            ("X-Kong-Proxy-Latency", self.proxy_latency),
            ("X-Kong-Request-Id", self.request_id),
            ("X-Kong-Response-Latency", self.response_latency),
            ("X-Kong-Upstream-Latency", self.upstream_latency),
            ("X-Kong-Upstream-Status", self.upstream_status),
            ("latency_tokens", self.latency_tokens),
            ("server_tokens", self.server_tokens),
        ]
    }
}

/// Request headers that are added upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpstreamAdded {
    /// `X-Kong-Request-Id`.
    pub request_id: bool,
}

impl UpstreamAdded {
    fn read(c: &mut Checker<'_>) -> Self {
        let tokens = c.words("headers_upstream", &[("off", false), ("X-Kong-Request-Id", true)]);
        Self { request_id: tokens.first() != Some(&false) && tokens.contains(&true) }
    }
}

/// Type of errors made here when a client asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultErrorType {
    /// `text/plain`.
    Plain,
    /// `application/json`.
    Json,
    /// `application/xml`.
    Xml,
    /// `text/html`.
    Html,
}

/// Texts of errors by type; none is the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorTemplates {
    /// File of the HTML one.
    pub html: Option<PathBuf>,
    /// File of the JSON one.
    pub json: Option<PathBuf>,
    /// File of the XML one.
    pub xml: Option<PathBuf>,
    /// File of the plain one.
    pub plain: Option<PathBuf>,
}

/// `large_client_header_buffers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBuffers {
    /// How many.
    pub count: u32,
    /// Bytes of each: the greatest request line, and the greatest header line.
    pub size: u64,
}

/// Bounds of a client's connection and request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// Greatest body in bytes; none is no limit.
    pub max_body_size: Option<u64>,
    /// Time for the whole request head.
    pub header_timeout: Duration,
    /// Time between two reads of a body.
    pub body_timeout: Duration,
    /// Time between two writes of an answer.
    pub send_timeout: Duration,
    /// How long an idle connection is kept; zero closes at once.
    pub keepalive_timeout: Duration,
    /// How many requests a connection may carry.
    pub keepalive_requests: u64,
    /// Bounds of the request head.
    pub header_buffers: HeaderBuffers,
}

impl ClientLimits {
    fn proxy(c: &mut Checker<'_>) -> Self {
        Self::read(c, &["nginx_proxy_", "nginx_http_"])
    }

    pub(super) fn admin(c: &mut Checker<'_>) -> Self {
        Self::read(c, &["nginx_admin_", "nginx_http_"])
    }

    /// Of the innermost block that sets a directive; nginx's own default where none does.
    fn read(c: &mut Checker<'_>, blocks: &[&str]) -> Self {
        let name = |c: &Checker<'_>, directive: &str| {
            let mut names = blocks.iter().map(|block| format!("{block}{directive}"));
            names.find(|n| c.text(n).is_some()).unwrap_or_else(|| format!("nginx_http_{directive}"))
        };
        let time = |c: &mut Checker<'_>, directive: &str, default| {
            let name = name(c, directive);
            c.time(&name, Duration::from_secs(default))
        };
        let body = name(c, "client_max_body_size");
        let requests = name(c, "keepalive_requests");
        Self {
            max_body_size: Some(c.size(&body, 0)).filter(|bytes| *bytes > 0),
            header_timeout: time(c, "client_header_timeout", 60),
            body_timeout: time(c, "client_body_timeout", 60),
            send_timeout: time(c, "send_timeout", 60),
            keepalive_timeout: keepalive_timeout(c, &name(c, "keepalive_timeout")),
            keepalive_requests: whole(c, &requests, 10_000),
            header_buffers: header_buffers(c, &name(c, "large_client_header_buffers")),
        }
    }
}

/// `<timeout> [<header timeout>]`; the second only goes into a header.
fn keepalive_timeout(c: &mut Checker<'_>, name: &str) -> Duration {
    let default = Duration::from_secs(75);
    let Some(text) = c.text(name) else { return default };
    match text.split_whitespace().next().and_then(units::time) {
        Some(time) => time,
        None => {
            c.wrong(name, invalid(name, text), "a time such as 75s; 0 closes each connection after its answer");
            default
        }
    }
}

fn header_buffers(c: &mut Checker<'_>, name: &str) -> HeaderBuffers {
    let default = HeaderBuffers { count: 4, size: 8192 };
    let Some(text) = c.text(name) else { return default };
    let parsed = text.split_once(char::is_whitespace).and_then(|(count, size)| {
        let count = count.parse().ok().filter(|n: &u32| *n > 0)?;
        Some(HeaderBuffers { count, size: units::size(size.trim()).filter(|n| *n > 0)? })
    });
    parsed.unwrap_or_else(|| {
        c.wrong(name, invalid(name, text), "a number and a size: 4 8k");
        default
    })
}

pub(super) fn whole(c: &mut Checker<'_>, name: &str, default: u64) -> u64 {
    let Some(text) = c.text(name) else { return default };
    text.parse().unwrap_or_else(|_| {
        c.wrong(name, invalid(name, text), "a whole number");
        default
    })
}

/// How connections to upstreams are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamKeepalive {
    /// Idle connections per pool; 0 keeps none.
    pub pool_size: u64,
    /// Requests per connection; none is no limit.
    pub max_requests: Option<u64>,
    /// How long one stays idle; none is for ever.
    pub idle_timeout: Option<Duration>,
}

/// Router engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterFlavor {
    /// `traditional`.
    Traditional,
    /// `traditional_compatible`.
    TraditionalCompatible,
    /// `expressions`.
    Expressions,
}

/// How many names of a request plugins look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsingLimits {
    /// Request headers.
    pub request_headers: u32,
    /// Response headers.
    pub response_headers: u32,
    /// Query arguments.
    pub query_arguments: u32,
    /// Form arguments.
    pub form_arguments: u32,
}

/// Proxying.
#[derive(Debug, Clone)]
pub struct Proxying {
    /// Bounds of clients.
    pub limits: ClientLimits,
    /// Trust in forwarding headers.
    pub forwarded: Forwarded,
    /// Connections upstream.
    pub upstream_keepalive: UpstreamKeepalive,
    /// Headers added to answers.
    pub headers: AddedHeaders,
    /// Headers added to requests.
    pub headers_upstream: UpstreamAdded,
    /// Type of errors.
    pub error_default_type: DefaultErrorType,
    /// Texts of errors.
    pub error_templates: ErrorTemplates,
    /// `allow_debug_header`: honour `Kong-Debug`.
    pub allow_debug_header: bool,
    /// `io_uring`: whether what cleartext connections have to send goes out together.
    pub io_uring: bool,
    /// The router.
    pub router_flavor: RouterFlavor,
    /// `nginx_sproxy_proxy_protocol`: TCP upstreams of `stream_listen` are told the client's address.
    pub send_proxy_protocol: bool,
    /// Bounds of parsing for plugins.
    pub parsing: ParsingLimits,
}

impl Proxying {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        check_update_frequency(c);
        let keepalive = |c: &mut Checker<'_>, what: &str| c.count(&format!("upstream_keepalive_{what}"));
        let limit =
            |c: &mut Checker<'_>, name: &str| c.integer(name, 1..=1000, "must be an integer between 1 and 1000") as u32;
        let template = |c: &mut Checker<'_>, kind: &str| c.readable(&format!("error_template_{kind}"));
        Self {
            limits: ClientLimits::proxy(c),
            forwarded: Forwarded::read(c),
            upstream_keepalive: UpstreamKeepalive {
                pool_size: keepalive(c, "pool_size"),
                max_requests: Some(keepalive(c, "max_requests")).filter(|n| *n > 0),
                idle_timeout: Some(c.seconds("upstream_keepalive_idle_timeout")).filter(|t| !t.is_zero()),
            },
            headers: AddedHeaders::read(c),
            headers_upstream: UpstreamAdded::read(c),
            error_default_type: c.choice(
                "error_default_type",
                &[
                    ("application/json", DefaultErrorType::Json),
                    ("application/xml", DefaultErrorType::Xml),
                    ("text/html", DefaultErrorType::Html),
                ],
                DefaultErrorType::Plain,
            ),
            error_templates: ErrorTemplates {
                html: template(c, "html"),
                json: template(c, "json"),
                xml: template(c, "xml"),
                plain: template(c, "plain"),
            },
            allow_debug_header: c.flag("allow_debug_header"),
            io_uring: c.flag("io_uring"),
            router_flavor: c.choice(
                "router_flavor",
                &[("traditional", RouterFlavor::Traditional), ("expressions", RouterFlavor::Expressions)],
                RouterFlavor::TraditionalCompatible,
            ),
            send_proxy_protocol: c.flag("nginx_sproxy_proxy_protocol"),
            parsing: ParsingLimits {
                request_headers: limit(c, "lua_max_req_headers"),
                response_headers: limit(c, "lua_max_resp_headers"),
                query_arguments: limit(c, "lua_max_uri_args"),
                form_arguments: limit(c, "lua_max_post_args"),
            },
        }
    }
}

/// `worker_state_update_frequency` has no effect, and is refused where Kong refuses it.
fn check_update_frequency(c: &mut Checker<'_>) {
    let name = "worker_state_update_frequency";
    if c.number(name).is_some_and(|n| n <= 0.0) {
        c.wrong(name, format!("{name} must be greater than 0"), "a number of seconds");
    }
}
