//! Name resolution. The older properties `dns_*` count, or with `new_dns_client` the newer `resolver_*`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::checker::Checker;

/// A step of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Whatever succeeded last time.
    Last,
    /// SRV.
    Srv,
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// CNAME.
    Cname,
}

const KINDS: &[(&str, RecordKind)] = &[
    ("LAST", RecordKind::Last),
    ("SRV", RecordKind::Srv),
    ("A", RecordKind::A),
    ("AAAA", RecordKind::Aaaa),
    ("CNAME", RecordKind::Cname),
];

/// Name resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Name servers; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// File of fixed names.
    pub hosts_file: PathBuf,
    /// Kinds in the order they are asked for.
    pub order: Vec<RecordKind>,
    /// In place of a record's own time to live.
    pub valid_ttl: Option<Duration>,
    /// How long an expired record may be used while it is asked for again.
    pub stale_ttl: Duration,
    /// Names in the cache.
    pub cache_size: u64,
    /// How long "no such name" is believed.
    pub not_found_ttl: Duration,
    /// How long a failure is believed.
    pub error_ttl: Duration,
}

impl Dns {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let newer = c.flag("new_dns_client");
        let older_servers = c.name_servers("dns_resolver");
        let newer_servers = c.name_servers("resolver_address");
        let older_order = order(c, "dns_order", KINDS);
        let newer_order = order(c, "resolver_family", &[KINDS[1], KINDS[2], KINDS[3]]);
        let older_size = c.count("dns_cache_size");
        let newer_size = c.count("resolver_lru_cache_size");
        let hosts = if newer { "resolver_hosts_file" } else { "dns_hostsfile" };
        let prefix = if newer { "resolver_" } else { "dns_" };
        let [valid, stale, error] = ["valid_ttl", "stale_ttl", "error_ttl"].map(|what| format!("{prefix}{what}"));
        Self {
            servers: if newer { newer_servers } else { older_servers },
            hosts_file: hosts_file(c, hosts),
            order: if newer { newer_order } else { older_order },
            valid_ttl: c.optional_seconds(&valid),
            stale_ttl: c.seconds(&stale),
            cache_size: if newer { newer_size } else { older_size },
            not_found_ttl: c.seconds(if newer { &error } else { "dns_not_found_ttl" }),
            error_ttl: c.seconds(&error),
        }
    }
}

fn order(c: &mut Checker<'_>, name: &str, kinds: &[(&str, RecordKind)]) -> Vec<RecordKind> {
    let order = c.words(name, kinds);
    if order.is_empty() && !c.problems.iter().any(|p| p.property == name) {
        c.wrong(name, format!("{name} must not be empty"), "such as SRV,A");
    }
    order
}

fn hosts_file(c: &mut Checker<'_>, name: &str) -> PathBuf {
    let path = c.path(name).unwrap_or_default();
    // The default may be missing, as in an image from scratch.
    if c.values.is_set(name) && !c.files.exists(&path) {
        c.wrong(name, format!("{name}: file does not exist"), "the path of a file such as /etc/hosts");
    }
    path
}
