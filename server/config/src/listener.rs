//! `*_listen`: addresses with flags, `0.0.0.0:8443 http2 ssl reuseport backlog=16384`, or `off`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::units;

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A host name, to be resolved when the socket is bound, and a port.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Its port; none for a Unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Socket(address) => Some(address.port()),
            Self::Name { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }
}

impl ListenAddress {
    /// Whether only this host reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket(address) => address.ip().is_loopback(),
            Self::Name { host, .. } => host == "localhost",
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `so_keepalive`, TCP's own keep-alive probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// On, with the system's times.
    On,
    /// Off.
    Off,
    /// On, with times; those left out are the system's.
    Timers {
        /// Until the first probe.
        idle: Option<Duration>,
        /// Between probes.
        interval: Option<Duration>,
        /// How many.
        probes: Option<u32>,
    },
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it is bound.
    pub address: ListenAddress,
    /// TLS.
    pub ssl: bool,
    /// HTTP/2, by ALPN with TLS.
    pub http2: bool,
    /// Each connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// `TCP_DEFER_ACCEPT`.
    pub deferred: bool,
    /// A socket of its own even where a wildcard address covers it.
    pub bind: bool,
    /// `SO_REUSEPORT`: a socket per worker.
    pub reuseport: bool,
    /// Length of the queue of connections not yet accepted.
    pub backlog: Option<u32>,
    /// Whether an IPv6 wildcard leaves IPv4 alone.
    pub ipv6only: Option<bool>,
    /// TCP's keep-alive.
    pub so_keepalive: Option<KeepAlive>,
    /// Datagrams (`stream_listen` only).
    pub udp: bool,
}

/// Which flags a property allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// HTTP listeners.
    Http,
    /// TCP and UDP listeners.
    Stream,
}

/// Flags in Kong's order and notation.
const HTTP_FLAGS: &[&str] = &[
    "ssl",
    "http2",
    "proxy_protocol",
    "deferred",
    "bind",
    "reuseport",
    "backlog=%d+",
    "ipv6only=on",
    "ipv6only=off",
    "so_keepalive=on",
    "so_keepalive=off",
    "so_keepalive=%w*:%w*:%d*",
];
const STREAM_FLAGS: &[&str] = &[
    "udp",
    "ssl",
    "proxy_protocol",
    "bind",
    "reuseport",
    "backlog=%d+",
    "ipv6only=on",
    "ipv6only=off",
    "so_keepalive=on",
    "so_keepalive=off",
    "so_keepalive=%w*:%w*:%d*",
];

impl Subsystem {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Http => HTTP_FLAGS,
            Self::Stream => STREAM_FLAGS,
        }
    }

    /// Kong's message for anything that cannot be read.
    pub fn usage(self) -> String {
        format!("must be of form: [off] | <ip>:<port> [{}], [... next entry ...]", self.flags().join("] ["))
    }
}

/// The listeners of a property. The error says which part was not understood.
pub fn parse_all(entries: &[String], subsystem: Subsystem) -> Result<Vec<Listener>, String> {
    if entries.first().is_some_and(|first| first == "off") {
        return match entries.len() {
            1 => Ok(Vec::new()),
            _ => Err("off stands alone".into()),
        };
    }
    entries.iter().map(|entry| Listener::parse(entry, subsystem)).collect()
}

impl Listener {
    /// Reads one entry. The error says which word was not understood.
    pub fn parse(entry: &str, subsystem: Subsystem) -> Result<Self, String> {
        let mut words = entry.split_whitespace();
        let address = words.next().ok_or("an entry is empty")?;
        let mut listener = Self::plain(parse_address(address)?);
        for word in words {
            listener.flag(word, subsystem)?;
        }
        Ok(listener)
    }

    /// A listener without flags.
    pub fn plain(address: ListenAddress) -> Self {
        Self {
            address,
            ssl: false,
            http2: false,
            proxy_protocol: false,
            deferred: false,
            bind: false,
            reuseport: false,
            backlog: None,
            ipv6only: None,
            so_keepalive: None,
            udp: false,
        }
    }

    fn flag(&mut self, word: &str, subsystem: Subsystem) -> Result<(), String> {
        let http = subsystem == Subsystem::Http;
        match word {
            "ssl" => self.ssl = true,
            "http2" if http => self.http2 = true,
            "proxy_protocol" => self.proxy_protocol = true,
            "deferred" if http => self.deferred = true,
            "bind" => self.bind = true,
            "reuseport" => self.reuseport = true,
            "udp" if !http => self.udp = true,
            "ipv6only=on" => self.ipv6only = Some(true),
            "ipv6only=off" => self.ipv6only = Some(false),
            "so_keepalive=on" => self.so_keepalive = Some(KeepAlive::On),
            "so_keepalive=off" => self.so_keepalive = Some(KeepAlive::Off),
            _ => {
                let unknown = || format!("{word} is not a flag");
                if let Some(backlog) = word.strip_prefix("backlog=") {
                    let backlog: u32 = digits(backlog).ok_or_else(unknown)?;
                    if backlog == 0 || backlog > i32::MAX as u32 {
                        return Err(format!("{word}: a backlog is at least 1"));
                    }
                    self.backlog = Some(backlog);
                } else if let Some(timers) = word.strip_prefix("so_keepalive=") {
                    self.so_keepalive = Some(timers_of(timers).ok_or_else(unknown)?);
                } else {
                    return Err(unknown());
                }
            }
        }
        Ok(())
    }

    /// The flags that are on, in Kong's notation and order: the pattern, and the text where it is on.
    fn flags(&self, subsystem: Subsystem) -> Vec<(&'static str, Option<String>)> {
        let on = |set: bool, name: &str| set.then(|| name.to_owned());
        subsystem
            .flags()
            .iter()
            .map(|&pattern| {
                let text = match pattern {
                    "ssl" => on(self.ssl, pattern),
                    "http2" => on(self.http2, pattern),
                    "proxy_protocol" => on(self.proxy_protocol, pattern),
                    "deferred" => on(self.deferred, pattern),
                    "bind" => on(self.bind, pattern),
                    "reuseport" => on(self.reuseport, pattern),
                    "udp" => on(self.udp, pattern),
                    "ipv6only=on" => on(self.ipv6only == Some(true), pattern),
                    "ipv6only=off" => on(self.ipv6only == Some(false), pattern),
                    "so_keepalive=on" => on(self.so_keepalive == Some(KeepAlive::On), pattern),
                    "so_keepalive=off" => on(self.so_keepalive == Some(KeepAlive::Off), pattern),
                    "backlog=%d+" => self.backlog.map(|n| format!("backlog={n}")),
                    _ => match self.so_keepalive {
                        Some(KeepAlive::Timers { idle, interval, probes }) => {
                            let time = |t: Option<Duration>| t.map(|t| t.as_secs().to_string()).unwrap_or_default();
                            let probes = probes.map(|n| n.to_string()).unwrap_or_default();
                            Some(format!("so_keepalive={}:{}:{probes}", time(idle), time(interval)))
                        }
                        _ => None,
                    },
                };
                (pattern, text)
            })
            .collect()
    }

    /// As `proxy_listeners` and the like show it in `GET /`.
    pub fn to_json(&self, subsystem: Subsystem) -> Json {
        let mut object = Map::new();
        let mut text = self.address.to_string();
        for (pattern, flag) in self.flags(subsystem) {
            match flag {
                Some(flag) => {
                    text.push(' ');
                    text.push_str(&flag);
                    object.insert(flag, Json::Bool(true));
                }
                None => {
                    object.insert(pattern.to_owned(), Json::Bool(false));
                }
            }
        }
        let ip = match &self.address {
            ListenAddress::Socket(SocketAddr::V6(address)) => format!("[{}]", address.ip()),
            ListenAddress::Socket(address) => address.ip().to_string(),
            ListenAddress::Name { host, .. } => host.clone(),
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        object.insert("ip".into(), Json::String(ip));
        if let Some(port) = self.address.port() {
            object.insert("port".into(), Json::from(port));
        }
        object.insert("listener".into(), Json::String(text));
        object.sort_keys();
        Json::Object(object)
    }
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn timers_of(text: &str) -> Option<KeepAlive> {
    let mut parts = text.split(':');
    let (idle, interval, probes) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (idle.is_empty() && interval.is_empty() && probes.is_empty()) {
        return None;
    }
    let time = |t: &str| if t.is_empty() { Some(None) } else { units::time(t).map(Some) };
    let probes = if probes.is_empty() { None } else { Some(digits(probes)?) };
    Some(KeepAlive::Timers { idle: time(idle)?, interval: time(interval)?, probes })
}

/// `<ip>:<port>`, `[<ipv6>]:<port>`, `<name>:<port>`, `*:<port>`, `unix:<path>`.
fn parse_address(text: &str) -> Result<ListenAddress, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("unix: wants a path".into()),
            path => Ok(ListenAddress::Unix(PathBuf::from(path))),
        };
    }
    let no_port = || format!("{text} has no port");
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    let port: u16 = digits(port).ok_or_else(|| format!("{text}: {port} is not a port (0 to 65535)"))?;
    if let Some(inner) = host.strip_prefix('[') {
        let ip = inner.strip_suffix(']').and_then(|i| i.parse().ok());
        let ip = ip.ok_or_else(|| format!("{host} is not an IPv6 address"))?;
        return Ok(ListenAddress::Socket(SocketAddr::new(IpAddr::V6(ip), port)));
    }
    if host.contains(':') {
        return Err(format!("{text}: an IPv6 address stands in brackets, [::]:8000"));
    }
    if host == "*" {
        return Ok(ListenAddress::Socket(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port)));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(ListenAddress::Socket(SocketAddr::new(ip, port)));
    }
    let name = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && host.bytes().any(|b| b.is_ascii_alphabetic());
    match name {
        true => Ok(ListenAddress::Name { host: host.to_owned(), port }),
        false => Err(format!("{host} is not an address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(entry: &str) -> Result<Listener, String> {
        Listener::parse(entry, Subsystem::Http)
    }

    #[test]
    fn addresses() {
        for text in ["127.0.0.1:8000", "[::1]:8444", "localhost:8001", "unix:/run/admin.sock", "0.0.0.0:0"] {
            assert_eq!(listener(text).unwrap().address.to_string(), text);
        }
        assert_eq!(listener("*:80").unwrap().address.to_string(), "0.0.0.0:80");
        for text in
            ["", "8000", "127.0.0.1", "127.0.0.1:99999", "::1:8000", "[::1:80", "1.2.3:80", ":80", "a b:1", "unix:"]
        {
            assert!(listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags() {
        let all = listener(
            "0.0.0.0:8443 ssl http2 proxy_protocol deferred bind reuseport backlog=16384 ipv6only=off so_keepalive=30m::10",
        )
        .unwrap();
        assert!(all.ssl && all.http2 && all.proxy_protocol && all.deferred && all.bind && all.reuseport);
        assert_eq!((all.backlog, all.ipv6only), (Some(16384), Some(false)));
        assert_eq!(
            all.so_keepalive,
            Some(KeepAlive::Timers { idle: Some(Duration::from_secs(1800)), interval: None, probes: Some(10) })
        );
        for text in [
            "0.0.0.0:1 sll",
            "0.0.0.0:1 backlog=",
            "0.0.0.0:1 backlog=x",
            "0.0.0.0:1 so_keepalive=maybe",
            "0.0.0.0:1 udp",
            "0.0.0.0:1 backlog=0",
            "0.0.0.0:1 0.0.0.0:2",
        ] {
            assert!(listener(text).is_err(), "{text}");
        }
        let datagrams = Listener::parse("0.0.0.0:53 udp reuseport", Subsystem::Stream).unwrap();
        assert!(datagrams.udp && datagrams.reuseport);
        assert!(Listener::parse("0.0.0.0:53 http2", Subsystem::Stream).is_err());
    }

    #[test]
    fn off_stands_alone() {
        assert_eq!(parse_all(&["off".into()], Subsystem::Http), Ok(vec![]));
        assert!(parse_all(&["off".into(), "0.0.0.0:1".into()], Subsystem::Http).is_err());
        assert!(parse_all(&["0.0.0.0:1".into(), "off".into()], Subsystem::Http).is_err());
    }

    #[test]
    fn as_json() {
        let json = listener("127.0.0.1:8443 ssl backlog=5").unwrap().to_json(Subsystem::Http);
        assert_eq!(json["backlog=5"], true);
        assert!(json.get("backlog=%d+").is_none());
        assert_eq!(json["ssl"], true);
        assert_eq!(json["http2"], false);
        assert_eq!(json["port"], 8443);
        assert_eq!(json["listener"], "127.0.0.1:8443 ssl backlog=5");
    }
}
