//! Latency: the lowest peak-EWMA of the response time, divided by the weight.
//!
//! The average decays by e^(-dt / 10 s). All addresses decay alike, so the order of their averages does not change with
//! time: each keeps ln(average) + touched / 10 s, and a pick compares those without asking the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::address::{Address, AddressState};
use crate::candidates::Candidates;
use crate::round_robin::Cursor;

/// The time in which an average falls to 1/e.
const DECAY_MS: f64 = 10_000.0;

/// Shorter response times count as this: ln(0) would beat every weight for ever.
const FLOOR_MS: f64 = 0.001;

/// The moving average of one address.
#[derive(Debug)]
pub(crate) struct Latency {
    /// ln(average in ms) + touched / decay, the bits of an f64; negative infinity before the first measurement.
    level: AtomicU64,
    /// The time of the last measurement in ms.
    touched: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { level: AtomicU64::new(f64::NEG_INFINITY.to_bits()), touched: AtomicU64::new(0) }
    }
}

impl Latency {
    /// Takes in one response time (ms). A slower answer than the average counts at once, a faster one by its age. Two
    /// workers at the same instant may weigh the age by each other's time: an error below one measurement.
    pub(crate) fn observe(&self, elapsed: f64, now: u64) {
        if !elapsed.is_finite() {
            return;
        }
        let elapsed = elapsed.max(FLOOR_MS);
        let touched = self.touched.fetch_max(now, Ordering::Relaxed);
        let now = touched.max(now);
        let keep = (-((now - touched) as f64) / DECAY_MS).exp();
        let mut bits = self.level.load(Ordering::Relaxed);
        loop {
            let before = (f64::from_bits(bits) - touched as f64 / DECAY_MS).exp();
            let after = if elapsed >= before { elapsed } else { before * keep + elapsed * (1.0 - keep) };
            let level = after.ln() + now as f64 / DECAY_MS;
            match self.level.compare_exchange_weak(bits, level.to_bits(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => bits = current,
            }
        }
    }

    /// Starts an address that has no measurement at this average (ms).
    pub(crate) fn begin(&self, average: f64, now: u64) {
        if self.level() == f64::NEG_INFINITY {
            self.observe(average, now);
        }
    }

    /// The average at `now` in ms, `None` before the first measurement.
    pub(crate) fn value(&self, now: u64) -> Option<f64> {
        let level = self.level();
        (level != f64::NEG_INFINITY).then(|| (level - now as f64 / DECAY_MS).exp())
    }

    #[inline]
    fn level(&self) -> f64 {
        f64::from_bits(self.level.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
pub(crate) struct LowestLatency {
    /// ln(weight) (`None` for 0) and counters of each address.
    entries: Box<[(Option<f64>, Arc<AddressState>)]>,
    cursor: Cursor,
}

impl LowestLatency {
    /// Addresses without a measurement start at the mean of the others.
    pub(crate) fn new(addresses: &[Arc<Address>], now: u64) -> Self {
        let known: Vec<f64> = addresses.iter().filter_map(|address| address.latency(now)).collect();
        if !known.is_empty() {
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            for address in addresses {
                address.state.latency.begin(mean, now);
            }
        }
        let entries = addresses
            .iter()
            .map(|address| ((address.weight > 0).then(|| f64::from(address.weight).ln()), address.state.clone()))
            .collect();
        Self { entries, cursor: Cursor::default() }
    }

    pub(crate) fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let length = self.entries.len();
        if length == 0 {
            return None;
        }
        let start = self.cursor.step() % length;
        let mut best: Option<(f64, usize)> = None;
        for index in (start..length).chain(0..start) {
            let (Some(weight), state) = &self.entries[index] else { continue };
            let score = state.latency.level() - weight;
            if best.is_none_or(|(lowest, _)| score < lowest) && candidates.admits(index) {
                best = Some((score, index));
            }
        }
        best.map(|(_, index)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap_or(f64::NAN);
        assert!((found - expected).abs() < 1e-6 * expected.max(1.0), "{found} is not {expected}");
    }

    #[test]
    fn a_peak_counts_at_once_and_then_decays() {
        let latency = Latency::default();
        assert_eq!(latency.value(0), None);
        latency.observe(20.0, 1_000);
        near(latency.value(1_000), 20.0);
        latency.observe(200.0, 1_000);
        near(latency.value(1_000), 200.0);
        near(latency.value(11_000), 200.0 / std::f64::consts::E);
        let keep = (-1.0f64).exp();
        latency.observe(10.0, 11_000);
        near(latency.value(11_000), 200.0 * keep + 10.0 * (1.0 - keep));
    }

    #[test]
    fn odd_measurements_do_no_harm() {
        let latency = Latency::default();
        for elapsed in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            latency.observe(elapsed, 5);
        }
        assert_eq!(latency.value(5), None);
        latency.observe(-3.0, 5);
        near(latency.value(5), FLOOR_MS);
        latency.observe(7.0, 3);
        near(latency.value(5), 7.0);
        assert!(latency.value(u64::MAX).is_some_and(|value| value.is_finite()));
    }
}
