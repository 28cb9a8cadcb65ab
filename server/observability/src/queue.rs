//! `config.queue`: the options of a queue, as every plugin has them that sends in batches.

use exchange::QueueLimits;
use schema::Schema;
use serde::Deserialize;
use std::time::Duration;

/// Options of a queue.
#[derive(Debug, Clone, Deserialize, Schema)]
pub struct Queue {
    /// Entries that are sent together at most.
    #[field(default = 1, between(1, 1_000_000))]
    pub max_batch_size: Option<u32>,
    /// Seconds that a batch waits for further entries, from its first.
    #[field(default = 1, between(0, 3600))]
    pub max_coalescing_delay: Option<f64>,
    /// Entries that wait at most; with more, the oldest are dropped.
    #[field(default = 10_000, between(1, 1_000_000))]
    pub max_entries: Option<u32>,
    /// Bytes that wait at most; with more, the oldest entries are dropped.
    pub max_bytes: Option<i64>,
    /// Seconds for which a batch that could not be sent is tried again.
    #[field(default = 60)]
    pub max_retry_time: Option<f64>,
    /// Seconds until the first further try; doubled by each one.
    #[field(default = 0.01, between(0.001, 1_000_000))]
    pub initial_retry_delay: Option<f64>,
    /// The most seconds until a further try.
    #[field(default = 60, between(0.001, 1_000_000))]
    pub max_retry_delay: Option<f64>,
    /// 1: one batch after the other; -1: every entry by itself, at once.
    #[field(default = 1, one_of(-1, 1))]
    pub concurrency_limit: Option<i8>,
}

/// The names that options had before they were a queue's, with the values that mean nothing was said.
#[derive(Debug, Default)]
pub struct Legacy {
    /// Entries in a batch, and the old default.
    pub batch: Option<(i64, i64)>,
    /// Seconds that a batch waits, and the old default.
    pub delay: Option<(f64, f64)>,
}

impl Queue {
    /// What they say; a legacy option that is not at its old default goes before.
    pub fn limits(&self, legacy: &Legacy) -> QueueLimits {
        let batch = legacy.batch.filter(|(given, default)| given != default && *given > 0).map(|(given, _)| given);
        let delay = legacy.delay.filter(|(given, default)| given != default).map(|(given, _)| given);
        let size = |given: Option<u32>, usual: u32| usize::try_from(given.unwrap_or(usual)).unwrap_or(usize::MAX);
        QueueLimits {
            max_batch_size: batch
                .map_or_else(|| size(self.max_batch_size, 1), |batch| usize::try_from(batch).unwrap_or(usize::MAX)),
            max_coalescing_delay: seconds(delay.or(self.max_coalescing_delay).unwrap_or(1.0)),
            max_entries: size(self.max_entries, 10_000),
            max_bytes: self.max_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0)),
            max_retry_time: seconds(self.max_retry_time.unwrap_or(60.0)),
            initial_retry_delay: seconds(self.initial_retry_delay.unwrap_or(0.01)),
            max_retry_delay: seconds(self.max_retry_delay.unwrap_or(60.0)),
            concurrent: self.concurrency_limit == Some(-1),
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// ms of an option as a duration; what is not above zero is a minute.
pub fn millis(given: Option<f64>, usual: f64) -> Duration {
    let millis = given.unwrap_or(usual);
    if millis > 0.0 { seconds(millis / 1000.0) } else { Duration::from_secs(60) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn legacy_options_go_before_where_they_say_something() {
        let queue: Queue = serde_json::from_value(json!({ "max_batch_size": 5, "max_coalescing_delay": 0.5 })).unwrap();
        let of = |batch, delay| {
            let limits = queue.limits(&Legacy { batch, delay });
            (limits.max_batch_size, limits.max_coalescing_delay.as_millis())
        };
        assert_eq!(of(None, None), (5, 500));
        assert_eq!(of(Some((1, 1)), Some((2.0, 2.0))), (5, 500));
        assert_eq!(of(Some((7, 1)), Some((30.0, 2.0))), (7, 30_000));
    }

    #[test]
    fn odd_numbers_are_survived() {
        assert_eq!(millis(Some(-1.0), 1.0), Duration::from_secs(60));
        assert_eq!(millis(Some(1e300), 1.0), Duration::MAX);
        assert_eq!(millis(None, 1500.0), Duration::from_millis(1500));
    }
}
