//! The peers of one Upstream.

use super::listener::{HealthChange, HealthListener};
use super::setup::Setup;
use crate::dns::{DnsError, Found};
use arc_swap::{ArcSwap, Guard};
use balancer::breaker::{Circuit, Passage, Turn};
use balancer::{Address, Balancer, Outcome, RecordKind, Resolution, Spec, Target, Transition};
use snapshot::UpstreamTls;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// The peers of one Upstream: its balancer, which changes with its Targets, their addresses and their health, and
/// outlives Snapshots.
pub struct Peers {
    id: Uuid,
    balancer: ArcSwap<Balancer>,
    setup: ArcSwap<Setup>,
    tls: ArcSwap<Option<Arc<UpstreamTls>>>,
    /// What names stand for. Only those who change something lock it.
    names: Mutex<HashMap<Arc<str>, Name>>,
    /// Counts changes of addresses and health.
    changed: watch::Sender<u64>,
    clock: Clock,
    seed: u64,
    listener: Listener,
}

/// Who is told of changes of health, once somebody wants to be.
pub(super) type Listener = Arc<OnceLock<Arc<dyn HealthListener>>>;

struct Name {
    resolution: Resolution,
    /// When to ask again; `None` while somebody is asking.
    due: Option<Instant>,
}

/// The clock of a node's balancers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How long a name that does not resolve is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// The least time between two questions for a name.
const LEAST: Duration = Duration::from_secs(1);
/// After the end of a record's life, so that nobody on the way still has the old one.
const GRACE: Duration = Duration::from_millis(500);

impl Peers {
    pub(super) fn new(id: Uuid, setup: Setup, tls: Option<Arc<UpstreamTls>>, clock: Clock, listener: Listener) -> Self {
        let seed = RandomState::new().hash_one(id);
        let peers = Self {
            id,
            balancer: ArcSwap::new(Balancer::build(Spec::default(), None, seed, 0)),
            setup: ArcSwap::from_pointee(Setup::default()),
            tls: ArcSwap::from_pointee(None),
            names: Mutex::default(),
            changed: watch::Sender::new(0),
            clock,
            seed,
            listener,
        };
        peers.configure(setup, tls);
        peers
    }

    /// The Upstream's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The balancer of the moment.
    pub fn balancer(&self) -> Guard<Arc<Balancer>> {
        self.balancer.load()
    }

    /// What the Upstream's record says.
    pub fn setup(&self) -> Guard<Arc<Setup>> {
        self.setup.load()
    }

    /// TLS with the Upstream's client certificate, where it has one.
    pub fn tls(&self) -> Option<Arc<UpstreamTls>> {
        (**self.tls.load()).clone()
    }

    /// ms of the clock that [`Balancer::observe`] and [`balancer::Schedule`] count in.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Notes what became of a proxied try (passive health checks).
    pub fn report(&self, address: &Arc<Address>, outcome: Outcome) {
        let change = self.balancer.load().report_passive(address, outcome);
        self.announce(change.as_slice());
    }

    /// Logs changes of health, tells of them, and has probes follow them.
    pub(crate) fn announce(&self, changes: &[Transition]) {
        if changes.is_empty() {
            return;
        }
        for change in changes {
            let (address, from, to) = (&change.address, change.from.name(), change.to.name());
            tracing::warn!(
                upstream = %self.setup.load().name, target = %address.hostname, address = %address.socket, from, to,
                "the health of a target changed"
            );
            // Between states of the same use there is nothing to tell.
            if change.from.available() != change.to.available() {
                self.tell(address, change.to.available());
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }

    fn tell(&self, address: &Address, healthy: bool) {
        if let Some(listener) = self.listener.get() {
            listener.changed(HealthChange {
                upstream: self.id,
                hostname: address.hostname.clone(),
                address: address.socket,
                healthy,
            });
        }
    }

    /// Notes how a request that passed a breaker went: an error or not, and the ms until its answer began.
    pub fn note(&self, address: &Address, passage: &mut Passage, error: bool, elapsed: f64) {
        if let Some(turn) = self.balancer.load().note(passage, error, elapsed, self.now()) {
            self.turned(address, turn);
        }
    }

    /// Logs a change of a circuit, and tells of it: an address whose circuit opens goes out of use.
    pub(super) fn turned(&self, address: &Address, (from, to): Turn) {
        tracing::warn!(
            upstream = %self.setup.load().name, target = %address.hostname, address = %address.socket,
            from = from.name(), to = to.name(), "the circuit of a target changed"
        );
        // A trial that fails changes nothing for those who are told.
        match (from, to) {
            (Circuit::Closed, Circuit::Open) => self.tell(address, false),
            (_, Circuit::Closed) => self.tell(address, true),
            _ => {}
        }
    }

    /// Whether a name of its Targets was never looked up to the end.
    pub fn is_pending(&self) -> bool {
        let balancer = self.balancer.load();
        balancer.targets().any(|(target, _)| target.resolution == Resolution::Pending)
    }

    /// Waits until every name of its Targets has been looked up once. For the first requests of a new Upstream; the
    /// look-ups end in bounded time.
    pub async fn settled(&self) {
        let mut changes = self.changes();
        // The sender lives as long as `self`.
        while self.is_pending() && changes.changed().await.is_ok() {}
    }

    /// Tells of every change of addresses or health from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn configure(&self, setup: Setup, tls: Option<Arc<UpstreamTls>>) {
        let mut names = self.names();
        let named = |host: &Arc<str>| Target::literal(host).is_none();
        names.retain(|host, _| setup.targets.iter().any(|target| target.host == *host));
        for target in setup.targets.iter().filter(|target| named(&target.host)) {
            let fresh = || Name { resolution: Resolution::Pending, due: Some(Instant::now()) };
            names.entry(target.host.clone()).or_insert_with(fresh);
        }
        self.tls.store(Arc::new(tls));
        self.setup.store(Arc::new(setup));
        self.rebuild(&names);
    }

    /// The names to ask for now; they count as being asked for until [`Peers::resolved`].
    pub(super) fn due(&self, now: Instant) -> Vec<Arc<str>> {
        let mut names = self.names();
        let mut found = Vec::new();
        for (host, name) in names.iter_mut() {
            if name.due.is_some_and(|due| due <= now) {
                name.due = None;
                found.push(host.clone());
            }
        }
        found
    }

    /// When the next name is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.names().values().filter_map(|name| name.due).min()
    }

    pub(super) fn resolved(&self, host: &Arc<str>, found: &Found, now: Instant) {
        let mut names = self.names();
        let Some(name) = names.get_mut(host) else { return };
        let (resolution, wait) = match found {
            Ok(answer) => {
                let wait = if answer.kind == RecordKind::ZeroTtl { LEAST } else { answer.ttl.max(LEAST) + GRACE };
                (Resolution::Resolved { kind: answer.kind, records: answer.records.clone() }, wait)
            }
            Err(error) => {
                if matches!(error, DnsError::Failed(_)) || name.resolution == Resolution::Pending {
                    tracing::warn!(upstream = %self.setup.load().name, target = %host, %error, "a target does not resolve");
                }
                (Resolution::Failed(Arc::from(error.to_string())), AFTER_FAILURE)
            }
        };
        name.resolution = resolution;
        name.due = Some(now + wait);
        self.rebuild(&names);
    }

    fn rebuild(&self, names: &HashMap<Arc<str>, Name>) {
        let setup = self.setup.load();
        let resolution = |host: &Arc<str>| {
            let known = || names.get(host).map(|name| name.resolution.clone());
            Target::literal(host).or_else(known).unwrap_or(Resolution::Pending)
        };
        let targets = setup.targets.iter().map(|place| Target {
            id: place.id,
            host: place.host.clone(),
            port: place.port,
            weight: place.weight,
            resolution: resolution(&place.host),
        });
        let spec = Spec {
            algorithm: setup.algorithm,
            slots: setup.slots,
            health: setup.health.clone(),
            use_srv_name: setup.use_srv_name,
            breaker: setup.breaker,
            targets: targets.collect(),
        };
        let before = self.balancer.load_full();
        self.balancer.store(Balancer::build(spec, Some(&before), self.seed, self.clock.now()));
        self.changed.send_modify(|count| *count += 1);
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Arc<str>, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
