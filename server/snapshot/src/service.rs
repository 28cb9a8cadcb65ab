//! Routes, Services and Upstreams as requests need them.

use crate::chain::Chain;
use crate::upstream_tls::{Trust, UpstreamTls};
use exchange::{Instead, Scheme};
use router::Protocol;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A Route with everything a request needs of it.
// One cache line: with thousands of Routes most lie outside the nearest caches.
#[derive(Clone)]
#[repr(align(64))]
pub struct CompiledRoute {
    /// Its id.
    pub id: Uuid,
    /// Its Service, where it has one.
    pub service: Option<Arc<CompiledService>>,
    /// Its plugins.
    pub chain: Arc<Chain>,
    /// Which protocols it takes.
    pub protocols: Protocols,
    /// Whether the matched prefix is taken away.
    pub strip_path: bool,
    /// Whether the client's Host goes to the upstream.
    pub preserve_host: bool,
    /// Answer of an https-only Route to a cleartext request: 426, or a redirect.
    pub https_redirect_status_code: u16,
    /// Its workspace.
    pub workspace: Uuid,
    /// The entity.
    pub entity: Arc<entities::Route>,
}

const _: () = assert!(size_of::<CompiledRoute>() == 64);

/// Which protocols a Route takes: a bit for each of [`Protocol`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols(u8);

impl Protocols {
    /// By their names in the entity.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let bit = |name: &str| name.parse().map_or(0, bit);
        Self(names.map(bit).fold(0, |all, one| all | one))
    }

    /// Whether one of them is this.
    pub fn has(self, protocol: Protocol) -> bool {
        self.0 & bit(protocol) != 0
    }

    fn has_any<const N: usize>(self, protocols: [Protocol; N]) -> bool {
        protocols.into_iter().any(|protocol| self.has(protocol))
    }

    /// Whether it is a Route of the HTTP subsystem at all.
    pub fn is_http(self) -> bool {
        self.has_any([Protocol::Http, Protocol::Https]) || self.is_grpc()
    }

    /// Whether it is a Route of the stream subsystem at all. Validation keeps the two apart.
    pub fn is_stream(self) -> bool {
        self.has_any([Protocol::Tcp, Protocol::Tls, Protocol::TlsPassthrough, Protocol::Udp])
    }

    /// Whether it is a gRPC Route.
    pub fn is_grpc(self) -> bool {
        self.has_any([Protocol::Grpc, Protocol::Grpcs])
    }

    /// Whether it takes cleartext requests.
    pub fn takes_cleartext(self) -> bool {
        self.has_any([Protocol::Http, Protocol::Grpc])
    }
}

fn bit(protocol: Protocol) -> u8 {
    1 << protocol as u8
}

/// A Service with everything a request needs of it.
pub struct CompiledService {
    /// The entity.
    pub entity: Arc<entities::Service>,
    /// Scheme of its upstream connections.
    pub scheme: Scheme,
    /// Whether it speaks gRPC.
    pub grpc: bool,
    /// The host, where it is an address.
    pub ip: Option<IpAddr>,
    /// Port; counts only where `host` names no Upstream.
    pub port: u16,
    /// Limit for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Limit between two writes.
    pub write_timeout: Duration,
    /// Limit between two reads.
    pub read_timeout: Duration,
    /// Extra tries after the first.
    pub retries: u32,
    /// TLS towards the upstream, for `https`, `grpcs` and `tls`.
    pub tls: Option<Arc<UpstreamTls>>,
}

impl CompiledService {
    /// The Service as the plugins of one request want it. Errors are about TLS.
    pub fn instead(&self, wanted: &Instead, trust: &Trust) -> Result<Self, String> {
        let [connect_timeout, write_timeout, read_timeout] =
            wanted.timeouts.unwrap_or([self.connect_timeout, self.write_timeout, self.read_timeout]);
        let otherwise = wanted.verify.is_some()
            || wanted.verify_depth.is_some()
            || wanted.authorities.is_some()
            || wanted.client.is_some();
        let tls = match otherwise {
            false => self.tls.clone(),
            true => Some(trust.instead(self.tls.as_deref(), wanted)?),
        };
        Ok(Self {
            entity: self.entity.clone(),
            connect_timeout,
            write_timeout,
            read_timeout,
            retries: wanted.retries.unwrap_or(self.retries),
            tls,
            ..*self
        })
    }
}

/// Upstreams by workspace and name.
pub(crate) type Upstreams = HashMap<Uuid, HashMap<String, Arc<CompiledUpstream>, foldhash::fast::RandomState>>;

/// An Upstream with its Targets. Their addresses and health belong to the node and outlive it.
pub struct CompiledUpstream {
    /// Its workspace.
    pub workspace: Uuid,
    /// The entity.
    pub entity: Arc<entities::Upstream>,
    /// Its Targets, the newest of each address, by address.
    pub targets: Vec<Arc<entities::Target>>,
    /// TLS with the Upstream's own client certificate, where it has one.
    pub tls: Option<Arc<UpstreamTls>>,
}
