//! How many of an Upstream's requests may be retries.

use super::config::BreakerConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The retries of one Upstream: where all its Targets fail, they are not asked several times as much.
#[derive(Debug, Default)]
pub struct RetryBudget(AtomicU32);

/// A retry, until it is dropped.
#[derive(Debug)]
#[must_use = "a retry counts as long as this value lives"]
pub struct Retry(Arc<RetryBudget>);

impl RetryBudget {
    /// Retries under way.
    pub fn retries(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets a request be tried again, or not. `active`: requests that the Upstream has at this time.
    pub fn retry(self: &Arc<Self>, config: &BreakerConfig, active: u32) -> Option<Retry> {
        let limit = match config.max_retries_percent {
            0 => u32::MAX,
            percent => {
                let share = u64::from(active) * u64::from(percent) / 100;
                u32::try_from(share).unwrap_or(u32::MAX).max(BreakerConfig::LEAST_RETRIES)
            }
        };
        let below = |retries: u32| (retries < limit).then(|| retries + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok().then(|| Retry(self.clone()))
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests() {
        for (percent, active, allowed) in
            [(20, 100, 20), (20, 0, 3), (20, 10, 3), (100, 7, 7), (1, 1000, 10), (0, 0, 50)]
        {
            let (budget, config) = (
                Arc::new(RetryBudget::default()),
                BreakerConfig { max_retries_percent: percent, ..Default::default() },
            );
            let retries: Vec<_> = (0..50).map_while(|_| budget.retry(&config, active)).collect();
            assert_eq!(retries.len(), allowed, "{percent} % of {active}");
            drop(retries);
            assert!(budget.retry(&config, active).is_some(), "room again");
        }
    }
}
