//! Wrong passwords make the next attempt for the same name wait, whether there is someone of that name or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

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
    /// Waits for the turn of an attempt, which it has until this is dropped. `None`: too many wait already.
    pub(super) async fn turn(&self, name: &str) -> Option<OwnedMutexGuard<()>> {
        let (pause, turn) = self.known(name, |known| (wait(known.count), known.turn.clone()));
        // The map holds one reference, this attempt another.
        if !pause.is_zero() && Arc::strong_count(&turn) > WAITING + 2 {
            return None;
        }
        let turn = turn.lock_owned().await;
        // Those before have failed meanwhile, or not.
        let pause = self.known(name, |known| wait(known.count));
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some(turn)
    }

    /// Counts a failure.
    pub(super) fn failed(&self, name: &str) {
        self.known(name, |known| {
            known.count = known.count.saturating_add(1);
            known.last = Instant::now();
        });
    }

    /// What is known of a name.
    fn known<Out>(&self, name: &str, look: impl FnOnce(&mut Failures) -> Out) -> Out {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES && !names.contains_key(name) {
            let counts = |known: &Failures| known.count > 0 && known.last.elapsed() < FORGOTTEN;
            names.retain(|_, known| counts(known) || Arc::strong_count(&known.turn) > 1);
            if names.len() >= NAMES {
                names.clear();
            }
        }
        let known = names.entry(name.to_owned()).or_insert_with(|| Failures {
            count: 0,
            last: Instant::now(),
            turn: Arc::default(),
        });
        if known.last.elapsed() >= FORGOTTEN {
            known.count = 0;
        }
        look(known)
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
            assert!(backoff.turn("ann").await.is_some());
            backoff.failed("ann");
        }
        let count = |name: &str| backoff.names.lock().unwrap().get(name).map(|known| known.count);
        assert_eq!((count("ann"), count("bob")), (Some(FREE), None));
        let turn = backoff.names.lock().unwrap()["ann"].turn.clone();
        let others = [(); WAITING + 1].map(|()| turn.clone());
        assert!(backoff.turn("ann").await.is_none());
        drop((turn, others));
        backoff.succeeded("ann");
        assert_eq!(count("ann"), None);
        assert!(backoff.turn("ann").await.is_some());
    }

    #[tokio::test]
    async fn attempts_for_one_name_come_one_after_the_other() {
        let backoff = Backoff::default();
        let first = backoff.turn("ann").await.unwrap();
        let second = backoff.turn("ann");
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(backoff.turn("bob").await.is_some());
        drop(first);
        assert!(second.await.is_some());
    }
}
