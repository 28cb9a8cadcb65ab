//! What the engine is told when it starts.

use exchange::ErrorTemplates;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Settings of the proxy, read once. Property names are those of the configuration file.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// `client_max_body_size` in bytes; 0 = unlimited. Larger bodies are answered with 413.
    pub client_max_body_size: u64,
    /// Longest request line and longest header line, in bytes (`large_client_header_buffers`).
    pub header_line_limit: usize,
    /// Largest request head, in bytes.
    pub header_limit: usize,
    /// Time for a request's whole head, from its first byte.
    pub client_header_timeout: Duration,
    /// Time between two reads of a request's body.
    pub client_body_timeout: Duration,
    /// Time between two writes to the client.
    pub send_timeout: Duration,
    /// Time a client's connection may be idle between two requests.
    pub keepalive_timeout: Duration,
    /// Requests on one client connection.
    pub keepalive_requests: u64,
    /// `upstream_keepalive_pool_size`: idle connections per upstream address and worker; 0 = none are kept.
    pub upstream_keepalive_pool_size: usize,
    /// `upstream_keepalive_max_requests`: requests on one upstream connection; 0 = unlimited.
    pub upstream_keepalive_max_requests: u32,
    /// `upstream_keepalive_idle_timeout`; zero = unlimited.
    pub upstream_keepalive_idle_timeout: Duration,
    /// `trusted_ips`.
    pub trusted_ips: Vec<IpNet>,
    /// Whether `trusted_ips` names `unix:`.
    pub trust_unix: bool,
    /// `real_ip_header`.
    pub real_ip_header: RealIpHeader,
    /// `real_ip_recursive`.
    pub real_ip_recursive: bool,
    /// `headers`.
    pub headers: HeaderTokens,
    /// `headers_upstream` names `X-Kong-Request-Id`.
    pub request_id_upstream: bool,
    /// `allow_debug_header`.
    pub allow_debug_header: bool,
    /// `request_debug`: the token with which clients that are not on this machine may ask for timings; `None` = nobody may.
    pub debug_token: Option<Arc<str>>,
    /// `error_template_*` and `error_default_type`.
    pub errors: ErrorTemplates,
    /// Largest part of a request's body that is gathered before the upstream is asked (`client_body_buffer_size`),
    /// where the Route has `request_buffering`. What is gathered whole can be sent again to another Target.
    pub body_gather_limit: usize,
    /// `io_uring`: what cleartext connections have to send goes out together, where the system can.
    pub io_uring: bool,
}

/// Where the client's address is found when the peer is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RealIpHeader {
    /// A header with one address, or a list of them (`X-Real-IP`, `X-Forwarded-For`).
    Header(String),
    /// The PROXY protocol of the listener.
    ProxyProtocol,
}

/// Which of its own headers the gateway adds to responses (`headers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderTokens {
    /// `Server`
    pub server: bool,
    /// `Via`
    pub via: bool,
    /// `X-Kong-Proxy-Latency`
    pub proxy_latency: bool,
    /// `X-Kong-Upstream-Latency`
    pub upstream_latency: bool,
    /// `X-Kong-Response-Latency`
    pub response_latency: bool,
    /// `X-Kong-Upstream-Status`
    pub upstream_status: bool,
    /// `X-Kong-Request-Id`
    pub request_id: bool,
}

impl Default for HeaderTokens {
    /// `server_tokens, latency_tokens, X-Kong-Request-Id`
    fn default() -> Self {
        Self {
            server: true,
            via: true,
            proxy_latency: true,
            upstream_latency: true,
            response_latency: true,
            upstream_status: false,
            request_id: true,
        }
    }
}

impl HeaderTokens {
    /// Nothing is added.
    pub const OFF: Self = Self {
        server: false,
        via: false,
        proxy_latency: false,
        upstream_latency: false,
        response_latency: false,
        upstream_status: false,
        request_id: false,
    };

    /// From the values of `headers`, case aside. `off` as the first one disables all. The error is the unknown value.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut tokens = Self::OFF;
        for (index, value) in values.into_iter().enumerate() {
            match value.to_ascii_lowercase().as_str() {
                "off" if index == 0 => return Ok(Self::OFF),
                "server_tokens" => (tokens.server, tokens.via) = (true, true),
                "latency_tokens" => {
                    (tokens.proxy_latency, tokens.upstream_latency, tokens.response_latency) = (true, true, true);
                }
                "server" => tokens.server = true,
                "via" => tokens.via = true,
                "x-kong-proxy-latency" => tokens.proxy_latency = true,
                "x-kong-upstream-latency" => tokens.upstream_latency = true,
                "x-kong-response-latency" => tokens.response_latency = true,
                "x-kong-upstream-status" => tokens.upstream_status = true,
                "x-kong-request-id" => tokens.request_id = true,
                "x-kong-admin-latency" => {}
                _ => return Err(value),
            }
        }
        Ok(tokens)
    }
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            client_max_body_size: 0,
            header_line_limit: 8 * 1024,
            header_limit: 32 * 1024,
            client_header_timeout: Duration::from_secs(60),
            client_body_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 10_000,
            upstream_keepalive_pool_size: 512,
            upstream_keepalive_max_requests: 10_000,
            upstream_keepalive_idle_timeout: Duration::from_secs(60),
            trusted_ips: Vec::new(),
            trust_unix: false,
            real_ip_header: RealIpHeader::Header("X-Real-IP".into()),
            real_ip_recursive: false,
            headers: HeaderTokens::default(),
            request_id_upstream: true,
            allow_debug_header: false,
            debug_token: None,
            errors: ErrorTemplates::default(),
            body_gather_limit: 256 * 1024,
            io_uring: true,
        }
    }
}

impl ProxySettings {
    /// Whether an address is in `trusted_ips`.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted_ips.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_tokens_are_read() {
        assert_eq!(
            HeaderTokens::parse(["server_tokens", "latency_tokens", "X-Kong-Request-Id"]),
            Ok(HeaderTokens::default())
        );
        assert_eq!(HeaderTokens::parse(["OFF", "Via"]), Ok(HeaderTokens::OFF));
        assert_eq!(HeaderTokens::parse(["via"]), Ok(HeaderTokens { via: true, ..HeaderTokens::OFF }));
        assert_eq!(HeaderTokens::parse(["via", "off"]), Err("off"));
        assert_eq!(HeaderTokens::parse(["nonsense"]), Err("nonsense"));
    }
}
