//! Which requests are traced.

/// A share of traces, decided by their ids alone, so that every node decides alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    share: f64,
    /// Traces whose id begins with less than this are in; `None` = all.
    bound: Option<u64>,
}

impl Rate {
    /// A share between 0 and 1 (`tracing_sampling_rate`): ≥ 1 is all, ≤ 0 (and no number) none.
    pub fn new(share: f64) -> Self {
        // 2^64 is the nearest double to 2^64 - 1.
        let bound = if share >= 1.0 { None } else { Some((share.max(0.0) * 18_446_744_073_709_551_616.0) as u64) };
        Self { share: if share > 0.0 { share.min(1.0) } else { 0.0 }, bound }
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.share
    }

    /// Whether a trace is in, by the first eight bytes of its id.
    pub fn takes(self, high: u64) -> bool {
        self.bound.is_none_or(|bound| high < bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_eight_bytes_decide() {
        for (share, high, expected) in [
            (0.0, 0, false),
            (-1.0, 0, false),
            (f64::NAN, 0, false),
            (1.0, u64::MAX, true),
            (2.0, u64::MAX, true),
            (0.5, u64::MAX / 2 - 1, true),
            (0.5, u64::MAX / 2 + 1, false),
            (0.01, 0, true),
            (0.01, u64::MAX / 100 + 10_000, false),
        ] {
            assert_eq!(Rate::new(share).takes(high), expected, "{share} {high}");
        }
    }
}
