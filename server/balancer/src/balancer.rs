//! The balancer of one Upstream.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::FixedState;
use thiserror::Error;
use uuid::Uuid;

use crate::address::{Address, AddressId, AddressKey, AddressState};
use crate::breaker::{BreakerConfig, RetryBudget, Tally};
use crate::candidates::Candidates;
use crate::consistent_hashing::ConsistentHashing;
use crate::hash;
use crate::health::{HealthConfig, Outcome, State, Transition};
use crate::latency::LowestLatency;
use crate::least_connections::LeastConnections;
use crate::random::Random;
use crate::round_robin::RoundRobin;
use crate::target::Target;
use crate::tried::Tried;

/// How long the state of an address that went away is kept for its return, in ms: a Target deleted and created anew,
/// or an address missing from one DNS answer, comes back with the health it had.
const RETIRED_MS: u64 = 300_000;

/// `upstream.algorithm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Targets take turns by weight.
    #[default]
    RoundRobin,
    /// The same input goes to the same Target.
    ConsistentHashing,
    /// The fewest active requests for the weight.
    LeastConnections,
    /// The lowest average response time for the weight.
    Latency,
}

/// A value `upstream.algorithm` does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "\"{0}\" is no load-balancing algorithm: it must be round-robin, consistent-hashing, least-connections or latency"
)]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "round-robin" => Self::RoundRobin,
            "consistent-hashing" => Self::ConsistentHashing,
            "least-connections" => Self::LeastConnections,
            "latency" => Self::Latency,
            other => return Err(UnknownAlgorithm(other.to_owned())),
        })
    }
}

/// What a balancer is built from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// `upstream.algorithm`.
    pub algorithm: Algorithm,
    /// `upstream.slots`: points of the continuum; other algorithms ignore it.
    pub slots: u32,
    /// `upstream.healthchecks`.
    pub health: HealthConfig,
    /// `upstream.use_srv_name`.
    pub use_srv_name: bool,
    /// `upstream.circuit_breaker`.
    pub breaker: BreakerConfig,
    /// The Targets in the order health output shows them.
    pub targets: Vec<Target>,
}

/// Why there is nobody to send a request to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoPeer {
    /// No Target has an address and a weight.
    #[error("the upstream has no target with an address and a weight above 0")]
    Empty,
    /// Too few addresses are healthy.
    #[error("the available weight of the upstream is not above its health threshold")]
    Unhealthy,
    /// Those that are healthy have as many requests as they may, or are left alone for a while.
    #[error("every available target is at its limits, or its circuit is open")]
    Guarded {
        /// ms until the first circuit may be tried, where all are open.
        retry_after: Option<u64>,
    },
}

impl NoPeer {
    /// The message of the 503 answer.
    pub const MESSAGE: &'static str = "failure to get a peer from the ring-balancer";
}

/// Why health could not be set by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// Health checks are off: 400 `no healthchecker found for <upstream>`.
    #[error("the upstream has no health checks")]
    NoHealthChecker,
    /// The Upstream has no such Target.
    #[error("the upstream has no such target")]
    UnknownTarget,
    /// The Target has no such address.
    #[error("the target has no such address")]
    UnknownAddress,
}

/// What all balancers of one Upstream share over time.
#[derive(Debug, Default)]
struct Lineage {
    /// Raised with every change of an address's state; balancers sum up availability anew when it moved.
    generation: AtomicU64,
    next_id: AtomicU32,
    budget: Arc<RetryBudget>,
    tally: Tally,
}

/// The state of an address that is gone, until a time.
type Retired = HashMap<AddressKey, (Arc<AddressState>, u64), FixedState>;

#[derive(Debug)]
enum Chooser {
    RoundRobin(RoundRobin),
    ConsistentHashing(ConsistentHashing),
    LeastConnections(LeastConnections),
    Latency(LowestLatency),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Availability {
    None = 0,
    Some = 1,
    All = 2,
}

/// Picks an address for each request of one Upstream. Immutable but for atomics.
#[derive(Debug)]
pub struct Balancer {
    spec: Spec,
    checks: bool,
    /// Whether requests pass breakers.
    pub(crate) guarded: bool,
    addresses: Box<[Arc<Address>]>,
    ranges: Box<[Range<usize>]>,
    chooser: Chooser,
    lineage: Arc<Lineage>,
    /// The generation it was summed up at, shifted by two, with an [`Availability`].
    summary: AtomicU64,
    retired: Retired,
}

impl Balancer {
    /// Builds a balancer. `previous` is the Upstream's balancer until now: returned as it is when nothing changed, else
    /// the source of health, latency and counts of addresses with the same IP, port and host name. `seed` shuffles the
    /// round-robin wheel; `now` is in ms of the clock used everywhere with this Upstream.
    pub fn build(spec: Spec, previous: Option<&Arc<Self>>, seed: u64, now: u64) -> Arc<Self> {
        if let Some(previous) = previous.filter(|previous| previous.spec == spec) {
            return previous.clone();
        }
        let lineage = previous
            .map(|previous| previous.lineage.clone())
            .unwrap_or_else(|| Arc::new(Lineage { generation: AtomicU64::new(1), ..Lineage::default() }));
        let mut known = previous.map(|previous| previous.memory(now)).unwrap_or_default();
        let checks = spec.health.enabled();

        let mut current: HashMap<AddressKey, Arc<AddressState>, FixedState> = HashMap::default();
        let mut addresses = Vec::new();
        let mut ranges = Vec::with_capacity(spec.targets.len());
        for target in &spec.targets {
            let start = addresses.len();
            for place in target.places(spec.use_srv_name) {
                let key = AddressKey { socket: place.socket, hostname: target.host.clone() };
                let state = current.entry(key).or_insert_with_key(|key| match known.remove(key) {
                    Some((state, _)) => state,
                    None => {
                        let id = AddressId(lineage.next_id.fetch_add(1, Ordering::Relaxed));
                        Arc::new(AddressState::new(id))
                    }
                });
                addresses.push(Arc::new(Address {
                    id: state.id,
                    socket: place.socket,
                    ip: place.ip,
                    hostname: place.hostname,
                    weight: place.weight,
                    target: target.id,
                    state: state.clone(),
                }));
            }
            ranges.push(start..addresses.len());
        }
        if !checks {
            // Checks turned on later begin with every address healthy.
            for address in &addresses {
                address.state.health.force(State::Healthy);
            }
        }
        if !spec.breaker.trips() {
            // As above.
            for address in &addresses {
                address.state.breaker.close();
            }
        }
        let chooser = match spec.algorithm {
            Algorithm::RoundRobin => Chooser::RoundRobin(RoundRobin::new(&addresses, &mut Random::new(seed))),
            Algorithm::ConsistentHashing => {
                Chooser::ConsistentHashing(ConsistentHashing::new(spec.slots, &spec.targets, &ranges, &addresses))
            }
            Algorithm::LeastConnections => Chooser::LeastConnections(LeastConnections::new(&addresses)),
            Algorithm::Latency => Chooser::Latency(LowestLatency::new(&addresses, now)),
        };
        Arc::new(Self {
            guarded: !spec.breaker.is_off(),
            spec,
            checks,
            addresses: addresses.into(),
            ranges: ranges.into(),
            chooser,
            lineage,
            summary: AtomicU64::new(0),
            retired: known,
        })
    }

    /// States of the present addresses and of those retired that have not expired.
    fn memory(&self, now: u64) -> Retired {
        let mut known: Retired = self
            .retired
            .iter()
            .filter(|(_, (_, until))| *until > now)
            .map(|(key, (state, until))| (key.clone(), (state.clone(), *until)))
            .collect();
        for (target, addresses) in self.targets() {
            for address in addresses {
                let key = AddressKey { socket: address.socket, hostname: target.host.clone() };
                known.insert(key, (address.state.clone(), now.saturating_add(RETIRED_MS)));
            }
        }
        known
    }

    /// The address for the next try of a request. `hash` is that of [`hash::HashPlan`], the same for all tries (`None`
    /// counts as empty input); only consistent hashing looks at it. Nobody in `tried` is picked again while another
    /// Target, or another address of a Target, is available and untried.
    #[inline]
    pub fn pick(&self, hash: Option<u32>, tried: &Tried) -> Result<&Arc<Address>, NoPeer> {
        let candidates = Candidates::new(&self.addresses, self.checked()?, tried, None);
        self.choose(hash, &candidates).ok_or_else(|| self.no_peer())
    }

    /// Whether health must be looked at to pick; an error where nobody can be picked.
    #[inline]
    pub(crate) fn checked(&self) -> Result<bool, NoPeer> {
        match self.availability() {
            Availability::None => Err(self.no_peer()),
            Availability::Some => Ok(true),
            Availability::All => Ok(false),
        }
    }

    #[inline]
    pub(crate) fn choose(&self, hash: Option<u32>, candidates: &Candidates<'_>) -> Option<&Arc<Address>> {
        let index = match &self.chooser {
            Chooser::RoundRobin(chooser) => chooser.pick(candidates),
            Chooser::ConsistentHashing(chooser) => chooser.pick(hash.unwrap_or(hash::EMPTY), candidates),
            Chooser::LeastConnections(chooser) => chooser.pick(candidates),
            Chooser::Latency(chooser) => chooser.pick(candidates),
        };
        index.and_then(|index| self.addresses.get(index))
    }

    pub(crate) fn budget(&self) -> &Arc<RetryBudget> {
        &self.lineage.budget
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.lineage.tally
    }

    fn no_peer(&self) -> NoPeer {
        if self.addresses.iter().any(|address| address.weight > 0) { NoPeer::Unhealthy } else { NoPeer::Empty }
    }

    /// Counts the outcome of a proxied try. Returns the change of state it caused, to be logged and announced once.
    pub fn report_passive(&self, address: &Arc<Address>, outcome: Outcome) -> Option<Transition> {
        if !self.checks {
            return None;
        }
        let event = self.spec.health.passive_event(outcome)?;
        let change = address.state.health.report(event, &self.spec.health.passive.thresholds);
        self.changed(address, change)
    }

    /// Counts the outcome of a probe; otherwise as [`Balancer::report_passive`].
    pub fn report_active(&self, address: &Arc<Address>, outcome: Outcome) -> Option<Transition> {
        if !self.checks {
            return None;
        }
        let event = self.spec.health.active_event(outcome)?;
        let change = address.state.health.report(event, &self.spec.health.active.thresholds);
        self.changed(address, change)
    }

    /// Sets the state of a Target's addresses (or the one given) by hand and clears their counters.
    pub fn set_health(
        &self,
        target: Uuid,
        socket: Option<SocketAddr>,
        healthy: bool,
    ) -> Result<Vec<Transition>, OverrideError> {
        if !self.checks {
            return Err(OverrideError::NoHealthChecker);
        }
        let (_, addresses) =
            self.targets().find(|(found, _)| found.id == target).ok_or(OverrideError::UnknownTarget)?;
        let chosen: Vec<&Arc<Address>> =
            addresses.iter().filter(|address| socket.is_none_or(|socket| address.socket == socket)).collect();
        if chosen.is_empty() && socket.is_some() {
            return Err(OverrideError::UnknownAddress);
        }
        let to = if healthy { State::Healthy } else { State::Unhealthy };
        let set = |address: &Arc<Address>| self.changed(address, address.state.health.force(to));
        Ok(chosen.into_iter().filter_map(set).collect())
    }

    fn changed(&self, address: &Arc<Address>, change: Option<(State, State)>) -> Option<Transition> {
        let (from, to) = change?;
        if from.available() != to.available() {
            self.lineage.generation.fetch_add(1, Ordering::Release);
        }
        Some(Transition { address: address.clone(), from, to })
    }

    /// Takes in the response time of a request (connect + first byte, in ms) at `now` (ms). Only the latency algorithm
    /// reads it: see [`Balancer::measures_latency`].
    pub fn observe(&self, address: &Address, elapsed: f64, now: u64) {
        address.state.latency.observe(elapsed, now);
    }

    /// Whether picks depend on [`Balancer::observe`].
    pub fn measures_latency(&self) -> bool {
        self.spec.algorithm == Algorithm::Latency
    }

    /// Whether picks depend on [`Address::open`].
    pub fn counts_connections(&self) -> bool {
        self.spec.algorithm == Algorithm::LeastConnections
    }

    /// Whether picks depend on the hash of the request.
    pub fn hashes(&self) -> bool {
        self.spec.algorithm == Algorithm::ConsistentHashing
    }

    /// What it was built from.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether health checks are on.
    pub fn checks_health(&self) -> bool {
        self.checks
    }

    /// Every address, those of weight 0 included.
    pub fn addresses(&self) -> &[Arc<Address>] {
        &self.addresses
    }

    /// Every Target with its addresses.
    pub fn targets(&self) -> impl Iterator<Item = (&Target, &[Arc<Address>])> {
        self.spec.targets.iter().zip(&self.ranges).map(|(target, range)| (target, &self.addresses[range.clone()]))
    }

    /// Whether requests may go to an address: always, without health checks.
    pub fn available(&self, address: &Address) -> bool {
        !self.checks || address.state().available()
    }

    /// Whether more than the threshold of the weight is available.
    pub fn healthy(&self) -> bool {
        self.availability() != Availability::None
    }

    /// Summed up once per change of health, not per pick.
    #[inline]
    fn availability(&self) -> Availability {
        let generation = self.lineage.generation.load(Ordering::Acquire);
        let summary = self.summary.load(Ordering::Relaxed);
        if summary >> 2 == generation {
            return match summary & 3 {
                0 => Availability::None,
                1 => Availability::Some,
                _ => Availability::All,
            };
        }
        let found = self.sum_up();
        self.summary.store(generation << 2 | found as u64, Ordering::Relaxed);
        found
    }

    #[cold]
    fn sum_up(&self) -> Availability {
        let (mut total, mut available) = (0u64, 0u64);
        for address in &self.addresses {
            total += u64::from(address.weight);
            if self.available(address) {
                available += u64::from(address.weight);
            }
        }
        if total == 0 || available as f64 / total as f64 * 100.0 <= self.spec.health.threshold {
            Availability::None
        } else if available == total {
            Availability::All
        } else {
            Availability::Some
        }
    }
}
