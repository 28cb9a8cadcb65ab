//! What clients are told of their limits.

use super::Limit;
use crate::number;
use exchange::Headers;
use exchange::counters::Taken;
use smallvec::SmallVec;

/// What a request found, kept from access until the response's head goes out.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    /// What remains of each limit, in their order.
    remaining: SmallVec<[f64; 6]>,
    /// The limit with least left; among equals the one of the longest period.
    tightest: usize,
    /// Seconds until that one starts anew.
    reset: u64,
    /// Whether the request was refused.
    refused: bool,
}

/// The report of this plugin among what an Exchange remembers.
pub(crate) struct Told(pub(crate) Report);

impl Report {
    pub(crate) fn new(limits: &[Limit], taken: &Taken, now: u64) -> Self {
        let remaining: SmallVec<[f64; 6]> = limits
            .iter()
            .zip(&taken.used)
            .map(|(limit, used)| {
                let left = limit.limit - *used as f64;
                // This request's own unit, where it took one.
                if taken.granted { left - 1.0 } else { left }.max(0.0)
            })
            .collect();
        let mut tightest = 0;
        for (index, left) in remaining.iter().enumerate() {
            if *left <= remaining[tightest] {
                tightest = index;
            }
        }
        let reset = limits.get(tightest).map_or(1, |limit| limit.period.reset(now));
        Self { remaining, tightest, reset, refused: !taken.granted }
    }

    pub(crate) fn write(&self, limits: &[Limit], headers: &mut Headers) {
        for (index, (limit, remaining)) in limits.iter().zip(&self.remaining).enumerate() {
            let remaining = number::text(*remaining);
            headers.set_known(limit.period.limit_header(), limit.text.as_bytes());
            headers.set_known(limit.period.remaining_header(), remaining.as_bytes());
            if index == self.tightest {
                headers.set_known("RateLimit-Limit", limit.text.as_bytes());
                headers.set_known("RateLimit-Remaining", remaining.as_bytes());
            }
        }
        let reset = self.reset.to_string();
        headers.set_known("RateLimit-Reset", reset.as_bytes());
        if self.refused {
            headers.set("Retry-After", &reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limiting::period::Period;
    use smallvec::smallvec;

    fn limits(of: &[(Period, f64)]) -> Vec<Limit> {
        of.iter().map(|(period, limit)| Limit { period: *period, limit: *limit, text: number::text(*limit) }).collect()
    }

    fn written(limits: &[Limit], granted: bool, used: SmallVec<[u64; 6]>, now: u64) -> String {
        let mut headers = Headers::default();
        headers.append("ratelimit-limit", "upstream");
        Report::new(limits, &Taken { granted, used }, now).write(limits, &mut headers);
        let line = |(name, value): (&[u8], &[u8])| {
            format!(
                "{}={}",
                String::from_utf8_lossy(name).to_lowercase().replace("ratelimit", "r"),
                String::from_utf8_lossy(value)
            )
        };
        headers.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_tightest_limit_is_told_plainly() {
        let three = limits(&[(Period::Day, 3.0), (Period::Month, 50.0), (Period::Year, 200.0)]);
        assert_eq!(
            written(&three, true, smallvec![0, 0, 0], 86_400 * 10 + 400),
            "r-limit=3 x-r-limit-day=3 x-r-remaining-day=2 r-remaining=2 x-r-limit-month=50 x-r-remaining-month=49 \
             x-r-limit-year=200 x-r-remaining-year=199 r-reset=86000"
        );
        let equal = limits(&[(Period::Minute, 5.0), (Period::Hour, 5.0)]);
        assert_eq!(
            written(&equal, true, smallvec![1, 1], 3600 + 59),
            "r-limit=5 x-r-limit-minute=5 x-r-remaining-minute=3 x-r-limit-hour=5 x-r-remaining-hour=3 r-remaining=3 \
             r-reset=3541"
        );
    }

    #[test]
    fn a_refusal_takes_nothing_and_says_when_to_return() {
        let two = limits(&[(Period::Minute, 2.0), (Period::Hour, 9.0)]);
        assert_eq!(
            written(&two, false, smallvec![2, 4], 30),
            "r-limit=2 x-r-limit-minute=2 x-r-remaining-minute=0 r-remaining=0 x-r-limit-hour=9 x-r-remaining-hour=5 \
             r-reset=30 retry-after=30"
        );
        let fraction = limits(&[(Period::Minute, 2.5)]);
        assert!(written(&fraction, true, smallvec![0], 0).contains("x-r-remaining-minute=1.5"));
        assert!(written(&fraction, true, smallvec![2], 0).contains("x-r-remaining-minute=0 "));
    }
}
