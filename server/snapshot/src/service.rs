//! Routes, Services and Upstreams as requests need them.

use crate::chain::Chain;
use crate::upstream_tls::{Trust, UpstreamTls};
use exchange::{Instead, Scheme};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A Route with everything a request needs of it.
pub struct CompiledRoute {
    /// The entity.
    pub entity: Arc<entities::Route>,
    /// Its Service, where it has one.
    pub service: Option<Arc<CompiledService>>,
    /// Its plugins.
    pub chain: Arc<Chain>,
    /// Its workspace.
    pub workspace: Uuid,
    /// Which protocols it takes.
    pub protocols: Protocols,
    /// Whether the matched prefix is taken away.
    pub strip_path: bool,
    /// Whether the client's Host goes to the upstream.
    pub preserve_host: bool,
    /// Answer of an https-only Route to a cleartext request: 426, or a redirect.
    pub https_redirect_status_code: u16,
}

/// Which protocols a Route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    /// Cleartext HTTP.
    pub http: bool,
    /// HTTP over TLS.
    pub https: bool,
    /// Cleartext gRPC.
    pub grpc: bool,
    /// gRPC over TLS.
    pub grpcs: bool,
    /// TCP.
    pub tcp: bool,
    /// TLS that is terminated here, bytes inside.
    pub tls: bool,
    /// TLS that is passed on as it is.
    pub tls_passthrough: bool,
    /// UDP.
    pub udp: bool,
}

impl Protocols {
    /// By their names in the entity.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut protocols = Self::default();
        for name in names {
            match name {
                "http" => protocols.http = true,
                "https" => protocols.https = true,
                "grpc" => protocols.grpc = true,
                "grpcs" => protocols.grpcs = true,
                "tcp" => protocols.tcp = true,
                "tls" => protocols.tls = true,
                "tls_passthrough" => protocols.tls_passthrough = true,
                "udp" => protocols.udp = true,
                _ => {}
            }
        }
        protocols
    }

    /// Whether it is a Route of the HTTP subsystem at all.
    pub fn is_http(self) -> bool {
        self.http || self.https || self.is_grpc()
    }

    /// Whether it is a Route of the stream subsystem at all. Validation keeps the two apart.
    pub fn is_stream(self) -> bool {
        self.tcp || self.tls || self.tls_passthrough || self.udp
    }

    /// Whether it is a gRPC Route.
    pub fn is_grpc(self) -> bool {
        self.grpc || self.grpcs
    }

    /// Whether it takes cleartext requests.
    pub fn takes_cleartext(self) -> bool {
        self.http || self.grpc
    }
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
