//! A node's configuration, compiled: what requests read.
//!
//! Invariants: a [`Snapshot`] is immutable and is swapped whole; building one does no I/O and touches no socket; it
//! names no plugin (they come from a [`exchange::Registry`]). A configuration that cannot be compiled is an error
//! here, and the Snapshot in use stays.

mod build;
mod certificates;
mod chain;
mod client_tls;
mod compile;
mod origin;
mod people;
mod reuse;
mod secrets;
mod service;
mod upstream_tls;
mod verifier;

pub use build::{BuildError, Builder, COMPILED};
pub use certificates::{CertificateError, Certificates, Pair, certificates_in, certified_key};
pub use chain::{Chain, Slot};
pub use origin::Origin;
pub use people::People;
pub use secrets::Secrets;
pub use service::{CompiledRoute, CompiledService, CompiledUpstream, Protocols};
pub use upstream_tls::{Trust, UpstreamTls};
pub use verifier::Authorities;

use arc_swap::ArcSwap;
use exchange::{Consumer, Credential, Directory, Lookup, MatchedRoute, Request};
use std::sync::Arc;
use uuid::Uuid;

/// The place where a node's Snapshot is swapped. Workers read it through an `arc_swap::Cache` each.
pub type Published = Arc<ArcSwap<Snapshot>>;

/// A node's configuration, compiled.
pub struct Snapshot {
    /// Grows with each Snapshot of this process.
    pub generation: u64,
    router: Arc<router::Router>,
    routes: Vec<CompiledRoute>,
    global: Arc<Chain>,
    sessions: Arc<Chain>,
    certificates: Arc<Certificates>,
    authorities: client_tls::Authorities,
    asked: client_tls::Asked,
    services: Arc<compile::Services>,
    upstreams: service::Upstreams,
    directory: Arc<dyn Directory>,
    configured: build::Configured,
    // What it was compiled from: what stays the same until the next one is not compiled again.
    view: Option<store::View>,
}

/// A Route that matched.
pub struct Found<'a> {
    /// The Route with everything a request needs of it.
    pub route: &'a CompiledRoute,
    /// What of the request it matched.
    pub matched: router::Match,
}

impl Snapshot {
    /// A configuration without anything in it, generation 0.
    pub fn empty(flavor: router::Flavor) -> Self {
        let router = router::Router::build(flavor, &[]).unwrap_or_else(|_| unreachable!("no Route is wrong"));
        Self {
            generation: 0,
            router: Arc::new(router),
            routes: Vec::new(),
            global: Arc::default(),
            sessions: Arc::default(),
            certificates: Arc::default(),
            authorities: client_tls::Authorities::default(),
            asked: client_tls::Asked::default(),
            services: Arc::default(),
            upstreams: service::Upstreams::default(),
            directory: Arc::new(People::default()),
            configured: build::Configured::default(),
            view: None,
        }
    }

    /// The Route a request matches (`router_flavor`'s rules).
    pub fn find(&self, request: &Request) -> Option<Found<'_>> {
        let matched = self.router.find(request)?;
        Some(Found { route: self.routes.get(matched.route)?, matched })
    }

    /// The Route of a session of the stream subsystem.
    pub fn find_session(&self, session: &impl router::Request) -> Option<Found<'_>> {
        let matched = self.router.find(session)?;
        Some(Found { route: self.routes.get(matched.route)?, matched })
    }

    /// The captures of a match's regular expression.
    pub fn captures<'p>(&'p self, matched: &router::Match, path: &'p [u8]) -> router::Captures<'p> {
        self.router.captures(matched, path)
    }

    /// The routing table, for what joins paths.
    pub fn router(&self) -> &router::Router {
        &self.router
    }

    /// Plugins that are attached to nothing: the rewrite phase, and responses to requests that matched no Route.
    pub fn global_chain(&self) -> &Arc<Chain> {
        &self.global
    }

    /// Plugins of sessions that are attached to nothing.
    pub fn global_sessions(&self) -> &Arc<Chain> {
        &self.sessions
    }

    /// Certificates by server name.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// CA certificates, DER, in no order.
    pub fn authorities(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.authorities.all()
    }

    /// Whether a plugin needs the certificate of a client that shakes hands with this server name.
    pub fn asks_for_certificate(&self, name: Option<&str>) -> bool {
        self.asked.has(name)
    }

    /// Whether a plugin needs the certificate of any client.
    pub fn asks_anyone_for_certificate(&self) -> bool {
        !self.asked.is_nobody()
    }

    /// The Upstream of a name in a workspace.
    pub fn upstream(&self, workspace: Uuid, name: &str) -> Option<&Arc<CompiledUpstream>> {
        self.upstreams.get(&workspace)?.get(name)
    }

    /// Every Upstream.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<CompiledUpstream>> {
        self.upstreams.values().flat_map(|workspace| workspace.values())
    }

    /// Every Route, in no order.
    pub fn routes(&self) -> &[CompiledRoute] {
        &self.routes
    }
}

impl Found<'_> {
    /// The Route as an Exchange has it whose Directory the Snapshot is.
    pub fn to_exchange(&self) -> MatchedRoute {
        MatchedRoute::numbered(self.route.id, self.matched.route as u32)
    }
}

impl Directory for Snapshot {
    fn route(&self, number: u32) -> Option<&Arc<entities::Route>> {
        self.routes.get(number as usize).map(|route| &route.entity)
    }
    fn consumer(&self, ws: Uuid, id: Uuid) -> Lookup<Arc<Consumer>> {
        self.directory.consumer(ws, id)
    }
    fn consumer_by_username(&self, ws: Uuid, username: &str) -> Lookup<Arc<Consumer>> {
        self.directory.consumer_by_username(ws, username)
    }
    fn consumer_by_custom_id(&self, ws: Uuid, custom_id: &str) -> Lookup<Arc<Consumer>> {
        self.directory.consumer_by_custom_id(ws, custom_id)
    }
    fn credential(&self, ws: Uuid, entity: &'static str, key: &str) -> Lookup<Arc<Credential>> {
        self.directory.credential(ws, entity, key)
    }
    fn credential_by_id(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Lookup<Arc<Credential>> {
        self.directory.credential_by_id(ws, entity, id)
    }
    fn of_consumer(&self, ws: Uuid, entity: &'static str, consumer: Uuid) -> Lookup<Vec<Arc<Credential>>> {
        self.directory.of_consumer(ws, entity, consumer)
    }
    fn has_upstream(&self, ws: Uuid, name: &str) -> bool {
        self.upstream(ws, name).is_some()
    }
    fn authority(&self, id: Uuid) -> Option<Arc<[u8]>> {
        self.authorities.get(id)
    }
}
