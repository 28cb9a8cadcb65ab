//! What an Upstream says of circuit breaking.

use serde::Deserialize;

/// `circuit_breaker` of an Upstream; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BreakerConfig {
    /// Requests that one address has at a time.
    pub max_requests: u32,
    /// Of these, those that wait for a connection to it.
    pub max_pending: u32,
    /// Retries at a time, in per cent of the Upstream's requests at that time, and [`BreakerConfig::LEAST_RETRIES`] in any
    /// case.
    pub max_retries_percent: u32,
    /// Per cent of failures in a window that open the circuit. Zero: it never opens.
    pub failure_percent: u32,
    /// ms; answers that take longer to begin count as failures.
    pub slow_after: u32,
    /// Length of a window, in seconds.
    pub window: u32,
    /// With fewer requests in a window a circuit stays closed.
    pub min_requests: u32,
    /// How long a circuit stays open, in seconds.
    pub open_for: u32,
    /// Trials while it is half open; all must go well.
    pub trials: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            max_requests: 0,
            max_pending: 0,
            max_retries_percent: 0,
            failure_percent: 0,
            slow_after: 0,
            window: 10,
            min_requests: 20,
            open_for: 30,
            trials: 3,
        }
    }
}

impl BreakerConfig {
    /// Retries that are always allowed at a time.
    pub const LEAST_RETRIES: u32 = 3;

    /// Whether nothing is limited: nobody needs to ask a breaker.
    pub fn is_off(&self) -> bool {
        self.max_requests == 0 && self.max_pending == 0 && self.max_retries_percent == 0 && self.failure_percent == 0
    }

    /// Whether an answer that took so long (ms) and was an error or not counts as a failure.
    pub fn is_failure(&self, error: bool, elapsed: f64) -> bool {
        error || self.slow_after > 0 && elapsed > f64::from(self.slow_after)
    }

    /// Whether circuits open at all.
    #[inline]
    pub fn trips(&self) -> bool {
        self.failure_percent > 0
    }

    pub(super) fn trials(&self) -> u32 {
        self.trials.clamp(1, 0xffff)
    }

    /// When a circuit that opens now may be tried; ms.
    pub(super) fn tried_at(&self, now: u64) -> u64 {
        now.saturating_add(u64::from(self.open_for) * 1000)
    }

    /// Length of a window, in ms.
    pub(super) fn window(&self) -> u64 {
        u64::from(self.window.max(1)) * 1000
    }
}
