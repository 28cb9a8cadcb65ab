//! Histograms and counters that one thread writes and others read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of `kong_kong_latency_ms`, in ms.
pub const KONG_BUCKETS: &[u32] = &[1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000];

/// Upper bounds of the other latencies, in ms.
pub const BUCKETS: &[u32] = &[25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// Adds without a locked instruction: there is one writer.
pub fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// A histogram.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u32],
    /// Values up to each bound and above the one before; the last is for those above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: &'static [u32]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn note(&self, value: u32) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        add(&self.counts[at], 1);
        add(&self.sum, value.into());
    }

    /// What was noted, added to a sum of others.
    pub fn add_to(&self, sum: &mut Summed) {
        sum.bounds = self.bounds;
        sum.counts.resize(self.counts.len(), 0);
        for (into, count) in sum.counts.iter_mut().zip(&self.counts) {
            *into += count.load(Relaxed);
        }
        sum.sum += self.sum.load(Relaxed);
    }
}

/// Histograms of several threads, added up.
#[derive(Debug, Default)]
pub struct Summed {
    /// Upper bounds.
    pub bounds: &'static [u32],
    /// As in [`Histogram`].
    pub counts: Vec<u64>,
    /// Of the values.
    pub sum: u64,
}

impl Summed {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each upper bound with the values up to it; the last has none.
    pub fn cumulated(&self) -> impl Iterator<Item = (Option<u32>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_bound_counts_what_is_up_to_it(values in proptest::collection::vec(0u32..70_000, 0..100)) {
            let histogram = Histogram::new(BUCKETS);
            values.iter().for_each(|value| histogram.note(*value));
            let mut sum = Summed::default();
            histogram.add_to(&mut sum);
            prop_assert_eq!(sum.sum, values.iter().map(|value| u64::from(*value)).sum::<u64>());
            for (bound, count) in sum.cumulated() {
                let expected = values.iter().filter(|value| bound.is_none_or(|bound| **value <= bound)).count();
                prop_assert_eq!(count, expected as u64);
            }
        }
    }
}
