//! How names are looked up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Settings of the resolver; names are those of the configuration file.
#[derive(Clone, Debug)]
pub struct DnsSettings {
    /// `dns_resolver`: name servers; empty = those of `resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// `dns_hostsfile`
    pub hosts_file: PathBuf,
    /// Name servers, search list and `ndots` of the system.
    pub resolv_conf: PathBuf,
    /// `dns_order`
    pub order: Vec<Order>,
    /// `dns_valid_ttl`: in place of every record's TTL.
    pub valid_ttl: Option<Duration>,
    /// `dns_stale_ttl`: how long an answer that is too old is still given while a new one is sought.
    pub stale_ttl: Duration,
    /// `dns_not_found_ttl`: how long a name is known not to exist.
    pub not_found_ttl: Duration,
    /// `dns_error_ttl`: how long another error is remembered.
    pub error_ttl: Duration,
    /// `dns_cache_size`: how many names are remembered.
    pub cache_size: usize,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            hosts_file: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            order: vec![Order::Last, Order::Srv, Order::A, Order::Cname],
            valid_ttl: None,
            stale_ttl: Duration::from_secs(3600),
            not_found_ttl: Duration::from_secs(30),
            error_ttl: Duration::from_secs(1),
            cache_size: 10_000,
        }
    }
}

/// A record type in `dns_order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The type that was found last time.
    Last,
    /// Service records.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Aliases. Servers follow them when asked for addresses, so asking for the alias itself finds nothing more.
    Cname,
}

/// A value that `dns_order` does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dns_order: invalid entry '{0}': it must be LAST, SRV, A, AAAA or CNAME")]
pub struct UnknownOrder(String);

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "LAST" => Self::Last,
            "SRV" => Self::Srv,
            "A" => Self::A,
            "AAAA" => Self::Aaaa,
            "CNAME" => Self::Cname,
            _ => return Err(UnknownOrder(text.to_owned())),
        })
    }
}
