//! Wrong passwords make the next attempt for the same name wait, whether there is someone of that name or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost no time.
const FREE: u32 = 4;
/// The first wait; doubles with each further failure.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3);
/// Attempts for one name that may wait at a time; more are refused at once.
const WAITING: usize = 8;
/// When failures are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(900);
/// How many names are remembered.
const NAMES: usize = 10_000;

/// How long an attempt waits after so many failures.
fn wait(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST.saturating_mul(1 << more.min(8)).min(LONGEST),
    }
}

struct Failures {
    count: u32,
    last: Instant,
    // Whoever waits holds it: attempts for one name come one after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Failures of this node by name.
#[derive(Default)]
pub(super) struct Backoff {
    names: Mutex<HashMap<String, Failures>>,
}

impl Backoff {
    /// Waits for the turn of an attempt. `false`: too many wait already.
    pub(super) async fn wait(&self, name: &str) -> bool {
        let (pause, turn) = {
            let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(known) = names.get(name).filter(|known| known.last.elapsed() < FORGOTTEN) else { return true };
            (wait(known.count), known.turn.clone())
        };
        if pause.is_zero() {
            return true;
        }
        // The map holds one reference, this attempt another.
        if Arc::strong_count(&turn) > WAITING + 2 {
            return false;
        }
        let _turn = turn.lock().await;
        tokio::time::sleep(pause).await;
        true
    }

    /// Counts a failure.
    pub(super) fn failed(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES && !names.contains_key(name) {
            names.retain(|_, known| known.last.elapsed() < FORGOTTEN);
            if names.len() >= NAMES {
                names.clear();
            }
        }
        let now = Instant::now();
        let known =
            names.entry(name.to_owned()).or_insert_with(|| Failures { count: 0, last: now, turn: Arc::default() });
        if known.last.elapsed() >= FORGOTTEN {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
    }

    /// Forgets failures.
    pub(super) fn succeeded(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_have_a_bound() {
        let millis: Vec<u128> = [0, 3, 4, 5, 6, 8, 100].map(|failures| wait(failures).as_millis()).to_vec();
        assert_eq!(millis, [0, 0, 200, 400, 800, 3000, 3000]);
    }

    #[tokio::test]
    async fn failures_are_counted_by_name_until_one_succeeds() {
        let backoff = Backoff::default();
        for _ in 0..FREE {
            assert!(backoff.wait("ann").await);
            backoff.failed("ann");
        }
        let count = |name: &str| backoff.names.lock().unwrap().get(name).map(|known| known.count);
        assert_eq!((count("ann"), count("bob")), (Some(FREE), None));
        let turn = backoff.names.lock().unwrap()["ann"].turn.clone();
        let others = [(); WAITING + 1].map(|()| turn.clone());
        assert!(!backoff.wait("ann").await);
        drop((turn, others));
        backoff.succeeded("ann");
        assert_eq!(count("ann"), None);
        assert!(backoff.wait("ann").await);
    }
}
