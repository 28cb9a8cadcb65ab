//! What breakers of one Upstream have done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the Upstream is known; touched only where something is refused or opens.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Circuits that opened.
    pub opened: Count,
    /// Picks that found nobody.
    pub refused: Count,
    /// Addresses passed over because too many requests waited for a connection to them.
    pub crowded: Count,
    /// Retries that were not made.
    pub unretried: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The breakers of one Upstream at a moment, and what they have done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Addresses whose circuit is closed.
    pub closed: u64,
    /// Addresses whose circuit is open.
    pub open: u64,
    /// Addresses whose circuit is half open.
    pub half_open: u64,
    /// Requests that addresses have.
    pub requests: u64,
    /// Of these, those that wait for a connection.
    pub pending: u64,
    /// Retries under way.
    pub retries: u64,
    /// How often a circuit opened.
    pub opened: u64,
    /// How often nobody could be asked: every address at its limit, or its circuit open.
    pub refused: u64,
    /// How often an address was passed over because too many requests waited for a connection to it.
    pub crowded: u64,
    /// Retries that the budget had no room for.
    pub unretried: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.closed += other.closed;
        self.open += other.open;
        self.half_open += other.half_open;
        self.requests += other.requests;
        self.pending += other.pending;
        self.retries += other.retries;
        self.opened += other.opened;
        self.refused += other.refused;
        self.crowded += other.crowded;
        self.unretried += other.unretried;
    }
}
