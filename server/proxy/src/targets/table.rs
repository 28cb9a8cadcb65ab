//! The Upstreams of a node.

use super::listener::HealthListener;
use super::peers::{Clock, Listener, Peers};
use super::refresh;
use super::setup::Setup;
use crate::dns::Resolver;
use arc_swap::ArcSwap;
use balancer::OverrideError;
use balancer::health::{BalancerHealth, TargetHealth};
use snapshot::{CompiledUpstream, Snapshot, Trust};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;
use uuid::Uuid;

/// The Upstreams of a node, fed by every Snapshot and by the resolver.
pub struct Targets {
    table: ArcSwap<Table>,
    /// What the Upstreams were compiled from, to tell whether they changed; only `publish` locks it.
    compiled: Mutex<HashMap<Uuid, Weak<CompiledUpstream>>>,
    resolver: Arc<Resolver>,
    trust: Arc<Trust>,
    clock: Clock,
    wake: Arc<Notify>,
    listener: Listener,
    streams: AtomicBool,
}

type ById = HashMap<Uuid, Arc<Peers>, foldhash::fast::RandomState>;

#[derive(Default)]
struct Table {
    present: ById,
    /// Upstreams of the Snapshot before that are gone: requests that began with it still go there.
    leaving: ById,
}

/// Why health could not be set by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetHealthError {
    /// There is no such Upstream on this node.
    #[error("there is no such upstream")]
    UnknownUpstream,
    /// The balancer refused.
    #[error(transparent)]
    Refused(#[from] OverrideError),
}

impl Targets {
    /// Nothing yet. Names are looked up on the resolver's runtime for as long as the value lives.
    pub fn new(resolver: Arc<Resolver>, trust: Arc<Trust>) -> Arc<Self> {
        let targets = Arc::new(Self {
            table: ArcSwap::from_pointee(Table::default()),
            compiled: Mutex::default(),
            resolver,
            trust,
            clock: Clock::start(),
            wake: Arc::default(),
            listener: Listener::default(),
            streams: AtomicBool::new(false),
        });
        let wake = targets.wake.clone();
        targets.resolver.runtime().spawn(refresh::run(Arc::downgrade(&targets), wake));
        targets
    }

    /// Says that the node has listeners of the stream subsystem: Targets are probed by connecting too.
    pub fn serve_streams(&self) {
        self.streams.store(true, Relaxed);
    }

    /// Has somebody told of every change of health from now on. Only the first one is.
    pub fn listen(&self, listener: Arc<dyn HealthListener>) {
        let _ = self.listener.set(listener);
    }

    /// Takes over the Upstreams of a Snapshot. To be called before the Snapshot is put to use. Addresses and health of
    /// Targets that stay are kept.
    pub fn publish(&self, snapshot: &Snapshot) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.table.load();
        let mut known = HashMap::with_capacity(compiled.len());
        let mut present = ById::default();
        for upstream in snapshot.upstreams() {
            let id = upstream.entity.id;
            let same = compiled.get(&id).is_some_and(|held| std::ptr::eq(held.as_ptr(), Arc::as_ptr(upstream)));
            known.insert(id, Arc::downgrade(upstream));
            match (before.present.get(&id).or_else(|| before.leaving.get(&id)), same) {
                (Some(peers), true) => _ = present.insert(id, peers.clone()),
                (peers, _) => match Setup::of(upstream) {
                    Ok(setup) => _ = present.insert(id, self.peers(id, peers, setup, upstream)),
                    Err(error) => tracing::error!(upstream = %id, error, "an upstream cannot be used"),
                },
            }
        }
        let leaving = before.present.iter().filter(|(id, _)| !present.contains_key(id));
        let leaving = leaving.map(|(id, peers)| (*id, peers.clone())).collect();
        self.table.store(Arc::new(Table { present, leaving }));
        *compiled = known;
        self.wake.notify_one();
    }

    fn peers(&self, id: Uuid, held: Option<&Arc<Peers>>, setup: Setup, upstream: &CompiledUpstream) -> Arc<Peers> {
        let Some(peers) = held else {
            return Arc::new(Peers::new(id, setup, upstream.tls.clone(), self.clock, self.listener.clone()));
        };
        peers.configure(setup, upstream.tls.clone());
        peers.clone()
    }

    /// The peers of an Upstream.
    #[inline]
    pub fn get(&self, upstream: Uuid) -> Option<Arc<Peers>> {
        let table = self.table.load();
        table.present.get(&upstream).or_else(|| table.leaving.get(&upstream)).cloned()
    }

    /// The Upstreams of the present Snapshot, in no order.
    pub fn all(&self) -> Vec<Arc<Peers>> {
        self.table.load().present.values().cloned().collect()
    }

    /// The Upstreams whose Targets are to be probed: each needs a [`crate::health::HealthChecker`].
    pub fn probed(&self) -> Vec<Arc<Peers>> {
        let streams = self.streams.load(Relaxed);
        self.table.load().present.values().filter(|peers| peers.setup().probes(streams)).cloned().collect()
    }

    /// `GET /upstreams/{u}/health`: the health of every Target; the newest first.
    pub fn health(&self, upstream: Uuid) -> Option<Vec<TargetHealth>> {
        Some(self.table.load().present.get(&upstream)?.balancer().target_health(self.clock.now()))
    }

    /// `GET /upstreams/{u}/health?balancer_health=1`
    pub fn balancer_health(&self, upstream: Uuid) -> Option<BalancerHealth> {
        Some(self.table.load().present.get(&upstream)?.balancer().balancer_health(upstream, self.clock.now()))
    }

    /// `PUT /upstreams/{u}/targets/{t}[/{address}]/healthy` and `…/unhealthy`: all addresses of a Target, or one. Healthy
    /// closes their circuits too.
    pub fn set_health(
        &self,
        upstream: Uuid,
        target: Uuid,
        address: Option<SocketAddr>,
        healthy: bool,
    ) -> Result<(), SetHealthError> {
        let table = self.table.load();
        let peers = table.present.get(&upstream).ok_or(SetHealthError::UnknownUpstream)?;
        let balancer = peers.balancer();
        if healthy {
            for (address, turn) in balancer.close_circuits(target, address) {
                peers.turned(&address, turn);
            }
        }
        match balancer.set_health(target, address, healthy) {
            Ok(changes) => peers.announce(&changes),
            Err(OverrideError::NoHealthChecker) if healthy && balancer.is_guarded() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What the node believes of Targets that are probed over TLS.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    pub(super) fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }
}

#[cfg(test)]
impl Targets {
    /// Takes over these Upstreams instead of a Snapshot's.
    pub(crate) fn publish_setups(&self, setups: Vec<(Uuid, Setup)>) {
        let before = self.table.load();
        let mut present = ById::default();
        for (id, setup) in setups {
            let peers = match before.present.get(&id).or_else(|| before.leaving.get(&id)) {
                Some(peers) => {
                    peers.configure(setup, None);
                    peers.clone()
                }
                None => Arc::new(Peers::new(id, setup, None, self.clock, self.listener.clone())),
            };
            present.insert(id, peers);
        }
        let leaving = before.present.iter().filter(|(id, _)| !present.contains_key(id));
        let leaving = leaving.map(|(id, peers)| (*id, peers.clone())).collect();
        self.table.store(Arc::new(Table { present, leaving }));
        self.wake.notify_one();
    }
}
