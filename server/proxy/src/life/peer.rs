//! Where a try goes: the Target a balancer picks, an address, or one of a name's addresses.

use super::access;
use super::hashing::Hashable;
use crate::dns::{Answer as Found, DnsError, Resolve};
use crate::targets::Peers as Targets;
use crate::worker::Worker;
use balancer::breaker::{Passage, Retry, Waiting};
use balancer::{Active, Address, Balancer, NoPeer, Outcome, Tried};
use exchange::timeline::Look;
use exchange::{Answer, Exchange, TryError};
use snapshot::{CompiledService, CompiledUpstream, Snapshot, UpstreamTls};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who can be asked for a request.
pub(crate) enum Peers {
    /// The Targets of an Upstream.
    Balanced(Box<Balanced>),
    /// One address.
    Fixed(SocketAddr),
    /// The addresses of a name, in turns.
    Named(Arc<Found>),
}

pub(crate) struct Balanced {
    upstream: Arc<CompiledUpstream>,
    targets: Arc<Targets>,
    /// The balancer of the moment, for all tries of the request.
    pub balancer: Arc<Balancer>,
    host_header: Option<Arc<str>>,
    hash: Option<u32>,
    tried: Tried,
    /// How many addresses were passed over.
    crowded: usize,
}

/// One of them.
pub(crate) struct Peer {
    pub address: SocketAddr,
    /// The Target's address with its health.
    pub target: Option<Arc<Address>>,
    /// Counts the request where the Upstream has circuit breakers.
    passage: Option<Box<Passage>>,
}

/// Too many requests wait for a connection to a peer.
#[derive(Debug)]
pub(crate) struct Crowded;

impl Peer {
    fn plain(address: SocketAddr) -> Self {
        Self { address, target: None, passage: None }
    }

    /// Counts a request as one that waits for a connection, until what this returns is dropped.
    pub fn wait(&self) -> Result<Option<Waiting>, Crowded> {
        self.passage.as_ref().map(|passage| passage.wait().ok_or(Crowded)).transpose()
    }

    /// What counts the request, beyond the try.
    pub fn into_passage(self) -> Option<Box<Passage>> {
        self.passage
    }
}

impl Peers {
    /// Finds out who can be asked. The error is the answer to the client.
    pub async fn find(
        exchange: &mut Exchange,
        service: &CompiledService,
        snapshot: &Snapshot,
        worker: &Worker,
        cookie: &mut Option<String>,
    ) -> Result<Self, Box<Answer>> {
        let forward = &exchange.forward;
        // A plugin may have chosen another host than the Service's.
        let own = forward.host.as_slice() == service.entity.host.as_bytes();
        if let Some(ip) = if own { service.ip } else { literal(&forward.host) } {
            return Ok(Self::Fixed(SocketAddr::new(ip, forward.port)));
        }
        let Ok(name) = std::str::from_utf8(&forward.host) else { return Err(unresolved()) };
        if let Some(upstream) = snapshot.upstream(exchange.workspace, name) {
            let Some(targets) = worker.shared.targets.get(upstream.entity.id) else { return Err(no_peer()) };
            if targets.is_pending() {
                targets.settled().await;
            }
            let balancer = Arc::clone(&targets.balancer());
            let (hash, host_header) = {
                let setup = targets.setup();
                let hashed = balancer.hashes().then(|| setup.plan.hash(&Hashable(exchange)));
                let hash = hashed.map(|hashed| {
                    *cookie = hashed.set_cookie;
                    hashed.hash
                });
                (hash, setup.host_header.clone())
            };
            let upstream = upstream.clone();
            let balanced = Balanced { upstream, targets, balancer, host_header, hash, tried: Tried::new(), crowded: 0 };
            return Ok(Self::Balanced(Box::new(balanced)));
        }
        let start = access::begin(exchange);
        let asked = worker.shared.resolver.resolve(name);
        let hit = matches!(asked, Resolve::Known(_));
        let found = asked.found().await;
        if exchange.timeline.detail {
            let port = exchange.forward.port;
            let first = found.as_ref().map_err(|error| error.to_string().into());
            let result = first.and_then(|found| found.next(port).map(|at| at.ip()).ok_or_else(|| "no address".into()));
            let end = exchange.timeline.now();
            exchange.timeline.looks.push(Look { name: name.into(), port, result, hit, start, end });
        }
        match found {
            Ok(found) => Ok(Self::Named(found)),
            Err(error) => {
                tracing::error!(host = name, %error, "name resolution failed");
                Err(if error.is_unknown() { unresolved() } else { failed(name, &error) })
            }
        }
    }

    /// The peer of the next try.
    pub fn pick(&self, port: u16) -> Result<Peer, Box<Answer>> {
        match self {
            Self::Fixed(address) => Ok(Peer::plain(*address)),
            Self::Named(found) => found.next(port).map(Peer::plain).ok_or_else(unresolved),
            Self::Balanced(balanced) if balanced.balancer.is_guarded() => balanced.enter(),
            Self::Balanced(balanced) => match balanced.balancer.pick(balanced.hash, &balanced.tried) {
                Ok(address) => Ok(Peer { address: address.socket, target: Some(address.clone()), passage: None }),
                Err(_) => Err(no_peer()),
            },
        }
    }

    /// Whether the Upstream has circuit breakers.
    pub fn is_guarded(&self) -> bool {
        matches!(self, Self::Balanced(balanced) if balanced.balancer.is_guarded())
    }

    /// Lets a request be tried again as far as the Upstream's budget goes. The error: it is spent.
    pub fn retry(&self) -> Result<Option<Retry>, ()> {
        match self {
            Self::Balanced(balanced) if balanced.balancer.is_guarded() => balanced.balancer.retry().map(Some).ok_or(()),
            _ => Ok(None),
        }
    }

    /// Passes a peer over: too many requests wait for a connection to it. The error is the answer to the client, where
    /// every other one was passed over too.
    pub fn pass_over(&mut self, peer: &Peer) -> Result<(), Box<Answer>> {
        let (Self::Balanced(balanced), Some(target)) = (self, &peer.target) else { return Err(no_peer()) };
        balanced.balancer.note_crowded();
        balanced.tried.add(target);
        balanced.crowded += 1;
        if balanced.crowded < balanced.balancer.addresses().len() { Ok(()) } else { Err(no_peer()) }
    }

    /// Notes that a try failed.
    pub fn failed(&mut self, peer: &mut Peer, error: TryError) {
        let outcome = if error.is_timeout() { Outcome::Timeout } else { Outcome::TcpFailure };
        self.report(peer, outcome);
        self.note(peer, true, || 0.0);
        if let (Self::Balanced(balanced), Some(target)) = (self, &peer.target) {
            balanced.tried.add(target);
        }
    }

    /// Tells the health counters how a try went.
    pub fn report(&self, peer: &Peer, outcome: Outcome) {
        if let (Self::Balanced(balanced), Some(target)) = (self, &peer.target)
            && balanced.balancer.checks_health()
        {
            balanced.targets.report(target, outcome);
        }
    }

    /// Tells the circuit breaker how a try went, where there is one: an error or not, and the ms until the answer began.
    pub fn note(&self, peer: &mut Peer, error: bool, elapsed_ms: impl FnOnce() -> f64) {
        if let (Self::Balanced(balanced), Some(target), Some(passage)) = (self, &peer.target, &mut peer.passage) {
            balanced.targets.note(target, passage, error, elapsed_ms());
        }
    }

    /// Tells it that the client left before there was an answer: a failure where that took too long already.
    pub fn left(&self, peer: &mut Peer, elapsed_ms: impl FnOnce() -> f64) {
        let Some(passage) = &peer.passage else { return };
        let elapsed = elapsed_ms();
        if passage.config().is_failure(false, elapsed) {
            self.note(peer, false, || elapsed);
        }
    }

    /// Takes in how long an answer took, where the algorithm wants to know.
    pub fn observe(&self, peer: &Peer, elapsed_ms: impl FnOnce() -> f64) {
        if let (Self::Balanced(balanced), Some(target)) = (self, &peer.target)
            && balanced.balancer.measures_latency()
        {
            balanced.balancer.observe(target, elapsed_ms(), balanced.targets.now());
        }
    }

    /// Counts the request as active on a peer, where the algorithm wants to know.
    pub fn open(&self, peer: &Peer) -> Option<Active> {
        match (self, &peer.target) {
            (Self::Balanced(balanced), Some(target)) if balanced.balancer.counts_connections() => Some(target.open()),
            _ => None,
        }
    }

    /// How TLS is spoken: as the Service says, which the Snapshot has completed with the client certificate of the
    /// Upstream it names. An Upstream's own TLS says nothing of `tls_verify`, so it counts only where a plugin chose the
    /// Upstream and the Service neither verifies nor shows a certificate.
    pub fn tls<'a>(&'a self, service: &'a CompiledService) -> Option<&'a Arc<UpstreamTls>> {
        if let Self::Balanced(balanced) = self
            && let Some(tls) = &balanced.upstream.tls
            && balanced.upstream.entity.name != service.entity.host
            && service.entity.client_certificate.is_none()
            && service.entity.tls_verify != Some(true)
        {
            return Some(tls);
        }
        service.tls.as_ref()
    }

    /// The name that goes into `Host`, where nothing else fixes it.
    pub fn hostname<'a>(&'a self, peer: &'a Peer, exchange: &'a Exchange) -> &'a [u8] {
        match (self, &peer.target) {
            (Self::Balanced(balanced), Some(target)) => match &balanced.host_header {
                Some(host) => host.as_bytes(),
                None => target.hostname.as_bytes(),
            },
            _ => &exchange.forward.host,
        }
    }
}

impl Balanced {
    fn enter(&self) -> Result<Peer, Box<Answer>> {
        match self.balancer.enter(self.hash, &self.tried, self.targets.now()) {
            Ok((address, passage)) => {
                Ok(Peer { address: address.socket, target: Some(address.clone()), passage: Some(Box::new(passage)) })
            }
            Err(NoPeer::Guarded { retry_after: Some(ms) }) => {
                let seconds = ms.div_ceil(1000).max(1);
                Err(Box::new(no_peer().header("Retry-After", seconds.to_string())))
            }
            Err(_) => Err(no_peer()),
        }
    }
}

/// An IP address, IPv6 with or without brackets.
fn literal(host: &[u8]) -> Option<IpAddr> {
    let first = host.first()?;
    if !first.is_ascii_digit() && *first != b'[' && memchr::memchr(b':', host).is_none() {
        return None;
    }
    let bare = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(host);
    std::str::from_utf8(bare).ok()?.parse().ok()
}

fn no_peer() -> Box<Answer> {
    Box::new(Answer::error(503, NoPeer::MESSAGE))
}

fn unresolved() -> Box<Answer> {
    Box::new(Answer::error(503, "name resolution failed"))
}

fn failed(name: &str, error: &DnsError) -> Box<Answer> {
    Box::new(Answer::error(500, format!("failed the initial dns/balancer resolve for '{name}' with: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for (host, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("1.example", None),
            ("localhost", None),
            ("", None),
            ("999.0.0.1", None),
        ] {
            assert_eq!(literal(host.as_bytes()).map(|ip| ip.to_string()).as_deref(), expected, "{host}");
        }
    }
}
