//! A balancer whose addresses have breakers.

use super::{BreakerConfig, Circuit, Figures, Passage, Retry, Turn};
use crate::address::Address;
use crate::balancer::{Balancer, NoPeer};
use crate::candidates::Candidates;
use crate::health::BreakerStatus;
use crate::tried::Tried;
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// What breakers are asked by while addresses are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard<'a> {
    config: &'a BreakerConfig,
    now: u64,
}

impl Guard<'_> {
    #[inline]
    pub fn admits(&self, address: &Address) -> bool {
        address.state.breaker.admits(self.config, self.now)
    }
}

impl Balancer {
    /// Whether requests pass breakers: then [`Balancer::enter`] is asked, not [`Balancer::pick`].
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// As [`Balancer::pick`], of addresses that are below their limits and whose circuit lets requests pass. `now` is in ms.
    pub fn enter(&self, hash: Option<u32>, tried: &Tried, now: u64) -> Result<(&Arc<Address>, Passage), NoPeer> {
        let config = &self.spec().breaker;
        let checked = self.checked()?;
        // Who was free a moment ago may be so no longer.
        for _ in 0..=self.addresses().len() {
            let candidates = Candidates::new(self.addresses(), checked, tried, Some(Guard { config, now }));
            let Some(address) = self.choose(hash, &candidates) else { break };
            if let Some(passage) = address.state.breaker.enter(config, now) {
                return Ok((address, passage));
            }
        }
        self.tally().refused.add();
        Err(NoPeer::Guarded { retry_after: self.opens_after(now) })
    }

    /// When a request may pass again, in ms from now: known where every circuit is open.
    fn opens_after(&self, now: u64) -> Option<u64> {
        if !self.spec().breaker.trips() {
            return None;
        }
        let usable = self.addresses().iter().filter(|address| address.weight > 0 && self.available(address));
        let waits = usable.map(|address| address.state.breaker.open_for(now));
        waits.collect::<Option<Vec<u64>>>()?.into_iter().min()
    }

    /// Notes how a request went: an error or not, and the ms until its answer began. Returns what this changed.
    pub fn note(&self, passage: &mut Passage, error: bool, elapsed: f64, now: u64) -> Option<Turn> {
        let turn = passage.note(passage.config().is_failure(error, elapsed), now);
        if matches!(turn, Some((_, Circuit::Open))) {
            self.tally().opened.add();
        }
        turn
    }

    /// Notes that an address was passed over: too many requests wait for a connection to it.
    pub fn note_crowded(&self) {
        self.tally().crowded.add();
    }

    /// Lets a request be tried again, or not.
    pub fn retry(&self) -> Option<Retry> {
        let active =
            self.addresses().iter().fold(0u32, |sum, address| sum.saturating_add(address.state.breaker.active()));
        let retry = self.budget().retry(&self.spec().breaker, active);
        if retry.is_none() {
            self.tally().unretried.add();
        }
        retry
    }

    /// Closes the circuits of a Target's addresses, or of the one given, by hand. Returns what this changed.
    pub fn close_circuits(&self, target: Uuid, socket: Option<SocketAddr>) -> Vec<(Arc<Address>, Turn)> {
        let chosen = self
            .addresses()
            .iter()
            .filter(|address| address.target == target && socket.is_none_or(|socket| address.socket == socket));
        chosen.filter_map(|address| Some((address.clone(), address.state.breaker.close()?))).collect()
    }

    /// What the circuit of an address does now.
    pub fn circuit(&self, address: &Address, now: u64) -> Circuit {
        if self.spec().breaker.trips() { address.state.breaker.circuit(now) } else { Circuit::Closed }
    }

    /// What health output shows of the breaker of an address; `None` where there is none.
    pub(crate) fn breaker_status(&self, address: &Address, now: u64) -> Option<BreakerStatus> {
        let breaker = &address.state.breaker;
        self.guarded.then(|| BreakerStatus {
            state: self.circuit(address, now).name(),
            requests: breaker.active(),
            pending: breaker.pending(),
            retry_after: breaker.open_for(now).map(|left| left.div_ceil(1000)),
        })
    }

    /// The breakers now, and what they have done so far; `None` where there are none.
    pub fn breaker_figures(&self, now: u64) -> Option<Figures> {
        if !self.guarded {
            return None;
        }
        let tally = self.tally();
        let mut figures = Figures {
            retries: self.budget().retries().into(),
            opened: tally.opened.get(),
            refused: tally.refused.get(),
            crowded: tally.crowded.get(),
            unretried: tally.unretried.get(),
            ..Figures::default()
        };
        for address in self.addresses() {
            match self.circuit(address, now) {
                Circuit::Closed => figures.closed += 1,
                Circuit::Open => figures.open += 1,
                Circuit::HalfOpen => figures.half_open += 1,
            }
            figures.requests += u64::from(address.state.breaker.active());
            figures.pending += u64::from(address.state.breaker.pending());
        }
        Some(figures)
    }
}
