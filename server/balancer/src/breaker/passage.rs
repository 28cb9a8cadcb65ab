//! The breaker of one address.

use super::circuit::{Circuit, Passed, Switch, Turn};
use super::config::BreakerConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What one address bears. `now` is in ms of the caller's clock. On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Breaker {
    active: AtomicU32,
    pending: AtomicU32,
    switch: Switch,
}

/// A request that passed, until it is dropped. Dropped without [`Passage::note`], nobody knows how it went.
#[derive(Debug)]
#[must_use = "a request counts as long as this value lives"]
pub struct Passage {
    breaker: Arc<Breaker>,
    config: BreakerConfig,
    passed: Passed,
    over: bool,
}

/// A request that waits for a connection, until this is dropped.
#[derive(Debug)]
#[must_use = "a request waits as long as this value lives"]
pub struct Waiting(Arc<Breaker>);

/// One more, where there may be; zero is no limit.
fn up(counter: &AtomicU32, limit: u32) -> bool {
    let below = |count: u32| (limit == 0 || count < limit).then(|| count.saturating_add(1));
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
}

impl Breaker {
    /// What the circuit does now.
    pub fn circuit(&self, now: u64) -> Circuit {
        self.switch.circuit(now)
    }

    /// Requests that this address has.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Of these, those that wait for a connection.
    pub fn pending(&self) -> u32 {
        self.pending.load(Ordering::Relaxed)
    }

    /// How long the circuit stays open, in ms; `None` where it is not.
    pub fn open_for(&self, now: u64) -> Option<u64> {
        self.switch.open_for(now)
    }

    /// Closes the circuit and forgets what was counted.
    pub fn close(&self) -> Option<Turn> {
        self.switch.close()
    }

    /// Whether a request could pass now: a balancer looks elsewhere where none can.
    #[inline]
    pub fn admits(&self, config: &BreakerConfig, now: u64) -> bool {
        (config.max_requests == 0 || self.active() < config.max_requests)
            && (!config.trips() || self.switch.admits(config, now))
    }

    /// Lets a request pass, or not: what [`Breaker::admits`] said a moment ago may be over.
    pub fn enter(self: &Arc<Self>, config: &BreakerConfig, now: u64) -> Option<Passage> {
        if !up(&self.active, config.max_requests) {
            return None;
        }
        let passed = if config.trips() { self.switch.pass(config, now) } else { Some(Passed::Plainly) };
        let Some(passed) = passed else {
            self.active.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        Some(Passage { breaker: self.clone(), config: *config, passed, over: false })
    }
}

impl Passage {
    /// Notes how the request went, once that is known: the first time counts. Returns what this changed. The request is
    /// counted as active until the value is dropped.
    pub fn note(&mut self, failed: bool, now: u64) -> Option<Turn> {
        match std::mem::replace(&mut self.over, true) {
            false => self.breaker.switch.count(self.passed, Some(failed), &self.config, now),
            true => None,
        }
    }

    /// Lets the request wait for a connection, or not.
    pub fn wait(&self) -> Option<Waiting> {
        up(&self.breaker.pending, self.config.max_pending).then(|| Waiting(self.breaker.clone()))
    }

    /// What holds for it.
    pub fn config(&self) -> &BreakerConfig {
        &self.config
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.breaker.active.fetch_sub(1, Ordering::Relaxed);
        if !self.over {
            // Of a trial that leaves the count nobody asks when.
            self.breaker.switch.count(self.passed, None, &self.config, 0);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config() -> BreakerConfig {
        BreakerConfig { failure_percent: 50, min_requests: 4, window: 10, open_for: 5, trials: 2, ..Default::default() }
    }

    fn leave(mut passage: Passage, failed: Option<bool>, now: u64) -> Option<Circuit> {
        failed.and_then(|failed| passage.note(failed, now)).map(|(_, now)| now)
    }

    /// One request per letter: `o`k, `f`ailed, `?` unknown, each over at once; a digit lets so many seconds pass. What
    /// the circuit does after each, by its first letter; `-` for who did not pass.
    fn run(config: &BreakerConfig, story: &str) -> String {
        let (breaker, mut now) = (Arc::new(Breaker::default()), 1_000_000);
        story
            .chars()
            .map(|letter| {
                if let Some(seconds) = letter.to_digit(10) {
                    now += u64::from(seconds) * 1000;
                } else {
                    let failed = match letter {
                        'o' => Some(false),
                        'f' => Some(true),
                        _ => None,
                    };
                    match breaker.enter(config, now) {
                        Some(passage) => _ = leave(passage, failed, now),
                        None => return '-',
                    }
                }
                breaker.circuit(now).name().chars().next().unwrap_or('?')
            })
            .collect()
    }

    #[test]
    fn circuits_open_try_and_close() {
        for (story, expected) in [
            ("ffff", "ccco"),
            ("oooof", "ccccc"),
            ("oofff", "ccco-"),
            // Of a window that is over nothing is left.
            ("fff9of", "ccccco"),
            ("fff92f", "cccccc"),
            ("ffff4f1oo", "cccoo-hhc"),
            ("ffff5of", "cccohho"),
            // A trial without an end is no trial.
            ("ffff5o?o", "cccohhhc"),
        ] {
            assert_eq!(run(&config(), story), expected, "{story}");
        }
        assert_eq!(run(&BreakerConfig::default(), "ffffffffffffffffffffffffffffff"), "c".repeat(30), "off");
    }

    #[test]
    fn trials_of_a_round_that_is_over_say_nothing() {
        let (breaker, config) = (Arc::new(Breaker::default()), config());
        for _ in 0..4 {
            leave(breaker.enter(&config, 0).unwrap(), Some(true), 0);
        }
        let (late, failing) = (breaker.enter(&config, 5000).unwrap(), breaker.enter(&config, 5000).unwrap());
        assert!(breaker.enter(&config, 5000).is_none(), "two trials at a time");
        assert_eq!(leave(failing, Some(true), 5001), Some(Circuit::Open));
        let trial = breaker.enter(&config, 10_001).unwrap();
        assert_eq!(leave(late, Some(true), 10_002), None);
        assert_eq!(breaker.circuit(10_002), Circuit::HalfOpen);
        assert_eq!(leave(trial, Some(false), 10_003), None);
        let mut last = breaker.enter(&config, 10_004).unwrap();
        assert_eq!(last.note(false, 10_005), Some((Circuit::HalfOpen, Circuit::Closed)));
        assert_eq!((last.note(true, 10_006), breaker.active()), (None, 1));
    }

    #[test]
    fn only_so_many_pass_and_wait_at_a_time() {
        let config = BreakerConfig { max_requests: 2, max_pending: 1, ..Default::default() };
        let breaker = Arc::new(Breaker::default());
        let (one, two) = (breaker.enter(&config, 0).unwrap(), breaker.enter(&config, 0).unwrap());
        assert!(breaker.enter(&config, 0).is_none() && !breaker.admits(&config, 0));
        drop(one);
        assert!(breaker.admits(&config, 0) && breaker.enter(&config, 0).is_some());
        drop(two);
        assert_eq!(breaker.active(), 0);
        let passage = breaker.enter(&config, 0).unwrap();
        let waiting = passage.wait().unwrap();
        assert!(passage.wait().is_none() && breaker.pending() == 1);
        drop(waiting);
        assert!(passage.wait().is_some());
    }

    #[test]
    fn settings_may_change_in_the_middle() {
        let (breaker, config) = (Arc::new(Breaker::default()), BreakerConfig { trials: 3, ..config() });
        for _ in 0..4 {
            leave(breaker.enter(&config, 0).unwrap(), Some(true), 0);
        }
        assert_eq!((breaker.open_for(0), breaker.open_for(5000)), (Some(5000), None));
        // Nothing opens any more, so nothing that is open counts.
        let limits = BreakerConfig { failure_percent: 0, max_requests: 9, ..config };
        assert!(!breaker.admits(&config, 0) && breaker.admits(&limits, 0) && breaker.enter(&limits, 0).is_some());
        leave(breaker.enter(&config, 5000).unwrap(), Some(false), 5000);
        leave(breaker.enter(&config, 5000).unwrap(), Some(false), 5000);
        let fewer = BreakerConfig { trials: 2, ..config };
        assert!(breaker.admits(&fewer, 5000) && breaker.enter(&fewer, 5000).is_some());
        assert_eq!(breaker.circuit(5000), Circuit::Closed, "both trials had gone well");
        for _ in 0..4 {
            leave(breaker.enter(&config, 6000).unwrap(), Some(true), 6000);
        }
        assert_eq!(breaker.close(), Some((Circuit::Open, Circuit::Closed)));
        assert_eq!((breaker.close(), breaker.circuit(6000)), (None, Circuit::Closed));
    }

    #[test]
    fn slow_answers_are_failures_where_they_are_to_be() {
        assert!(!config().is_failure(false, 1e9) && config().is_failure(true, 0.0));
        let config = BreakerConfig { slow_after: 100, ..config() };
        assert!(config.is_failure(false, 100.5) && !config.is_failure(false, 100.0));
        assert!(BreakerConfig { slow_after: 1, ..Default::default() }.is_off() && !config.is_off());
    }

    #[test]
    fn a_clock_that_was_read_earlier_begins_no_window() {
        let (breaker, config) = (Arc::new(Breaker::default()), config());
        for now in [10_000, 9_000, 10_000, 9_500] {
            leave(breaker.enter(&config, now).unwrap(), Some(true), now);
        }
        assert_eq!(breaker.circuit(10_000), Circuit::Open);
    }

    proptest! {
        #[test]
        fn nobody_passes_an_open_circuit_and_trials_are_few(
            steps in prop::collection::vec((0u64..3000, 0usize..4, prop::option::of(any::<bool>())), 1..300),
        ) {
            let config = BreakerConfig { max_requests: 3, ..config() };
            let (breaker, mut now) = (Arc::new(Breaker::default()), 0);
            let mut inside: Vec<Passage> = Vec::new();
            let mut opened_at = None;
            for (wait, leaving, failed) in steps {
                now += wait;
                let before = breaker.circuit(now);
                let admitted = breaker.admits(&config, now);
                let passage = breaker.enter(&config, now);
                // With one caller at a time the forecast is right.
                prop_assert_eq!(admitted, passage.is_some());
                if let Some(passage) = passage {
                    prop_assert_ne!(before, Circuit::Open);
                    prop_assert_eq!(passage.passed != Passed::Plainly, before == Circuit::HalfOpen);
                    inside.push(passage);
                }
                prop_assert!(inside.len() <= 3 && breaker.active() as usize == inside.len());
                if leaving < inside.len() {
                    match leave(inside.swap_remove(leaving), failed, now) {
                        Some(Circuit::Open) => {
                            prop_assert_eq!(failed, Some(true));
                            opened_at = Some(now);
                        }
                        Some(circuit) => {
                            prop_assert_eq!((circuit, failed), (Circuit::Closed, Some(false)));
                            opened_at = None;
                        }
                        None => {}
                    }
                }
                if let Some(at) = opened_at.filter(|at| now < at + 5000) {
                    prop_assert_eq!(breaker.circuit(now), Circuit::Open, "opened at {}", at);
                }
            }
            drop(inside);
            prop_assert_eq!(breaker.active(), 0);
        }
    }
}
