//! When to probe which address: arithmetic only. The caller owns the timer and sends the probes.
//!
//! ```text
//! sync(balancer, now)       after every build
//! due(balancer, now)        when wake() says so: addresses to probe now, counted as in flight
//! finished(balancer, id, now)   after each probe, its outcome reported
//! changed(balancer, id, now)    after a state change from elsewhere (passive, by hand)
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::address::{Address, AddressId};
use crate::balancer::Balancer;
use crate::random::Random;

/// The share of an interval by which a probe may come early or late.
const JITTER: f64 = 0.05;

/// The probe times of one Upstream. An address has at most one probe in flight, and a slow one delays its next instead
/// of piling up.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    entries: HashMap<AddressId, Entry, FixedState>,
    queue: BTreeSet<(u64, AddressId)>,
    in_flight: u32,
}

#[derive(Debug)]
struct Entry {
    address: Arc<Address>,
    /// The time it waits for in the queue, if it waits.
    due: Option<u64>,
    in_flight: bool,
}

impl Schedule {
    /// An empty schedule; `seed` makes the jitter.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), entries: HashMap::default(), queue: BTreeSet::new(), in_flight: 0 }
    }

    /// Takes over the addresses of a balancer: those that stay keep their time unless their interval is now shorter,
    /// new ones are spread over the second half of their first interval, weight 0 is not probed.
    pub fn sync(&mut self, balancer: &Balancer, now: u64) {
        let mut gone = std::mem::take(&mut self.entries);
        self.queue.clear();
        for address in balancer.addresses() {
            if address.weight == 0 || self.entries.contains_key(&address.id) {
                continue;
            }
            let mut entry = match gone.remove(&address.id) {
                Some(entry) => Entry { address: address.clone(), ..entry },
                None => Entry { address: address.clone(), due: None, in_flight: false },
            };
            if !entry.in_flight {
                entry.due = interval(balancer, address).map(|interval| {
                    let latest = now.saturating_add(interval);
                    match entry.due {
                        Some(due) if due <= latest => due,
                        _ => latest.saturating_sub(self.random.below(interval / 2 + 1)),
                    }
                });
                self.queue.extend(entry.due.map(|due| (due, address.id)));
            }
            self.entries.insert(address.id, entry);
        }
        // Probes of addresses that are gone still run: `finished` will not know them.
        self.in_flight = self.entries.values().filter(|entry| entry.in_flight).count() as u32;
    }

    /// The addresses to probe now, at most as many as `concurrency` leaves room for. Each must be `finished` later.
    pub fn due(&mut self, balancer: &Balancer, now: u64) -> Vec<Arc<Address>> {
        let room = balancer.spec().health.active.concurrency.saturating_sub(self.in_flight);
        let mut found = Vec::new();
        while (found.len() as u64) < u64::from(room) {
            let Some((due, id)) = self.queue.first().copied().filter(|(due, _)| *due <= now) else { break };
            self.queue.remove(&(due, id));
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = None;
                entry.in_flight = true;
                self.in_flight += 1;
                found.push(entry.address.clone());
            }
        }
        found
    }

    /// Ends a probe and sets the time of the next by the state the address is in now.
    pub fn finished(&mut self, balancer: &Balancer, id: AddressId, now: u64) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.in_flight) else { return };
        entry.in_flight = false;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.plan(balancer, id, now);
    }

    /// Sets the next time anew after a change of state: the other interval applies from now on.
    pub fn changed(&mut self, balancer: &Balancer, id: AddressId, now: u64) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.in_flight) else { return };
        if let Some(due) = entry.due.take() {
            self.queue.remove(&(due, id));
        }
        self.plan(balancer, id, now);
    }

    /// When `due` has something to say, in ms; may be past. `None` while nothing waits.
    pub fn wake(&self) -> Option<u64> {
        self.queue.first().map(|(due, _)| *due)
    }

    fn plan(&mut self, balancer: &Balancer, id: AddressId, now: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(interval) = interval(balancer, &entry.address) else { return };
        let factor = 1.0 + JITTER * (2.0 * self.random.unit() - 1.0);
        let due = now.saturating_add(((interval as f64 * factor) as u64).max(1));
        entry.due = Some(due);
        self.queue.insert((due, id));
    }
}

/// The interval in ms for the present state of an address; `None`: not probed in this state.
fn interval(balancer: &Balancer, address: &Address) -> Option<u64> {
    let active = &balancer.spec().health.active;
    let interval = if address.state().available() { active.healthy_interval } else { active.unhealthy_interval };
    (!interval.is_zero()).then(|| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1))
}
