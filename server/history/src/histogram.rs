//! Durations in logarithmic buckets: eight for each power of two, so that what is read is within 6.25 % of what was.

/// The bucket of a duration in µs.
#[inline]
pub fn bucket(micros: u32) -> u8 {
    if micros < 8 {
        return micros as u8;
    }
    let exponent = micros.ilog2();
    ((exponent - 2) * 8 + ((micros >> (exponent - 3)) & 7)) as u8
}

/// The middle of a bucket, in µs.
pub fn middle(bucket: u8) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < 8 {
        return bucket;
    }
    let (exponent, part) = (bucket / 8 + 2, bucket % 8);
    let width = 1u64 << (exponent - 3);
    (8 + part) * width + width / 2
}

/// How many durations fell into which bucket; only those that occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(pub(crate) Vec<(u8, u32)>);

impl Histogram {
    /// Adds durations of a bucket.
    pub fn add(&mut self, bucket: u8, count: u32) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            self.add(*bucket, *count);
        }
    }

    /// The duration that a share of all (0 to 1) does not exceed, µs; `None` of none.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.0.iter().map(|(_, count)| u64::from(*count)).sum();
        let wanted = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        self.0.iter().find_map(|(bucket, count)| {
            seen += u64::from(*count);
            (seen >= wanted).then(|| middle(*bucket))
        })
    }

    /// Joins neighbours until there are at most so many.
    pub(crate) fn thin(&mut self, most: usize) {
        while self.0.len() > most.max(1) {
            let lightest = (1..self.0.len()).min_by_key(|at| u64::from(self.0[*at].1) + u64::from(self.0[at - 1].1));
            let Some(at) = lightest else { return };
            let (bucket, count) = self.0.remove(at);
            let before = &mut self.0[at - 1];
            if count > before.1 {
                before.0 = bucket;
            }
            before.1 = before.1.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_near_what_was(micros in any::<u32>()) {
            let read = middle(bucket(micros)) as f64;
            prop_assert!((read - f64::from(micros)).abs() <= f64::from(micros) * 0.0625 + 0.5, "{} {}", micros, read);
        }

        #[test]
        fn buckets_are_in_order(one in any::<u32>(), other in any::<u32>()) {
            prop_assert!(one > other || bucket(one) <= bucket(other));
        }

        #[test]
        fn nothing_is_lost_by_thinning(counts in proptest::collection::vec((any::<u8>(), 1u32..1000), 1..60), most in 1usize..10) {
            let mut histogram = Histogram::default();
            counts.iter().for_each(|(bucket, count)| histogram.add(*bucket, *count));
            let before: u32 = histogram.0.iter().map(|(_, count)| count).sum();
            histogram.thin(most);
            prop_assert!(histogram.0.len() <= most && histogram.0.is_sorted());
            prop_assert_eq!(before, histogram.0.iter().map(|(_, count)| count).sum::<u32>());
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=1000 {
            histogram.add(bucket(micros), 1);
        }
        for (share, expected) in [(0.0, 1.0), (0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let read = histogram.quantile(share).unwrap() as f64;
            assert!((read - expected).abs() <= expected * 0.07, "{share}: {read}");
        }
    }
}
