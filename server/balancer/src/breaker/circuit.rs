//! Closed, open, half open.

use super::config::BreakerConfig;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a circuit does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// Requests pass.
    Closed,
    /// None does.
    Open,
    /// Trials pass.
    HalfOpen,
}

impl Circuit {
    /// The name in logs and health output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A change of a circuit, seen by exactly one request: before, and after.
pub type Turn = (Circuit, Circuit);

/// Two words, each changed as a whole. `now` is in ms of the caller's clock.
#[derive(Debug, Default)]
pub(super) struct Switch {
    gate: AtomicU64,
    window: AtomicU64,
}

/// How a request passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Plainly,
    /// While the circuit was half open, in a round of trials.
    AsTrial(u32),
}

/// The state in the two highest bits: 0 is closed. Open: when it may be tried. Half open: which round of trials this is,
/// how many have begun, and how many have gone well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gate {
    Closed,
    Open { until: u64 },
    HalfOpen { round: u32, begun: u32, well: u32 },
}

const OPEN: u64 = 1 << 62;
const HALF: u64 = 2 << 62;
const VALUE: u64 = OPEN - 1;

/// Rounds are told apart by the ms in which they could begin, which differ in these bits for twelve days.
const ROUND: u64 = (1 << 30) - 1;

impl Gate {
    fn read(word: u64) -> Self {
        match word >> 62 {
            0 => Self::Closed,
            1 => Self::Open { until: word & VALUE },
            _ => Self::HalfOpen {
                round: (word >> 32 & ROUND) as u32,
                begun: (word >> 16 & 0xffff) as u32,
                well: (word & 0xffff) as u32,
            },
        }
    }

    fn word(self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Open { until } => OPEN | until.min(VALUE),
            Self::HalfOpen { round, begun, well } => {
                HALF | u64::from(round) << 32 | u64::from(begun.min(0xffff)) << 16 | u64::from(well.min(0xffff))
            }
        }
    }
}

/// A unit of a window's beginning, in ms.
const GRAIN: u64 = 128;

impl Switch {
    /// What the circuit does now.
    pub fn circuit(&self, now: u64) -> Circuit {
        match Gate::read(self.gate.load(Ordering::Acquire)) {
            Gate::Closed => Circuit::Closed,
            Gate::Open { until } if now < until => Circuit::Open,
            Gate::Open { .. } | Gate::HalfOpen { .. } => Circuit::HalfOpen,
        }
    }

    /// Whether a request could pass now.
    #[inline]
    pub fn admits(&self, config: &BreakerConfig, now: u64) -> bool {
        match Gate::read(self.gate.load(Ordering::Acquire)) {
            Gate::Closed => true,
            Gate::Open { until } => now >= until,
            // With fewer trials than there were when it opened, all of them may have gone well already.
            Gate::HalfOpen { begun, well, .. } => begun < config.trials() || well >= config.trials(),
        }
    }

    /// How long it stays open, in ms; `None` where it is not.
    pub fn open_for(&self, now: u64) -> Option<u64> {
        match Gate::read(self.gate.load(Ordering::Acquire)) {
            Gate::Open { until } => until.checked_sub(now).filter(|left| *left > 0),
            Gate::Closed | Gate::HalfOpen { .. } => None,
        }
    }

    /// Closes it, whatever was.
    pub fn close(&self) -> Option<Turn> {
        self.window.store(0, Ordering::Release);
        match Gate::read(self.gate.swap(Gate::Closed.word(), Ordering::AcqRel)) {
            Gate::Closed => None,
            Gate::Open { .. } | Gate::HalfOpen { .. } => Some((Circuit::Open, Circuit::Closed)),
        }
    }

    /// Lets a request pass, or not.
    pub fn pass(&self, config: &BreakerConfig, now: u64) -> Option<Passed> {
        let mut word = self.gate.load(Ordering::Acquire);
        loop {
            let (next, round) = match Gate::read(word) {
                Gate::Closed => return Some(Passed::Plainly),
                Gate::Open { until } if now < until => return None,
                Gate::Open { until } => {
                    let round = (until & ROUND) as u32;
                    (Gate::HalfOpen { round, begun: 1, well: 0 }, round)
                }
                Gate::HalfOpen { well, .. } if well >= config.trials() => {
                    self.close();
                    return Some(Passed::Plainly);
                }
                Gate::HalfOpen { begun, .. } if begun >= config.trials() => return None,
                Gate::HalfOpen { round, begun, well } => (Gate::HalfOpen { round, begun: begun + 1, well }, round),
            };
            match self.gate.compare_exchange_weak(word, next.word(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Passed::AsTrial(round)),
                Err(current) => word = current,
            }
        }
    }

    /// A request that passed is over. `failed`: how it went, where that is known. Returns what this changed.
    pub fn count(&self, passed: Passed, failed: Option<bool>, config: &BreakerConfig, now: u64) -> Option<Turn> {
        let mut word = self.gate.load(Ordering::Acquire);
        loop {
            let (round, begun, well) = match Gate::read(word) {
                Gate::Closed => return failed.and_then(|failed| self.note(failed, config, now)),
                Gate::HalfOpen { round, begun, well } if passed == Passed::AsTrial(round) => (round, begun, well),
                // What passed before the circuit opened, or in a round that is over, says nothing of now.
                _ => return None,
            };
            let (next, turn) = match failed {
                Some(true) => (Gate::Open { until: config.tried_at(now) }, Some((Circuit::HalfOpen, Circuit::Open))),
                Some(false) if well + 1 >= config.trials() => {
                    self.window.store(0, Ordering::Release);
                    (Gate::Closed, Some((Circuit::HalfOpen, Circuit::Closed)))
                }
                Some(false) => (Gate::HalfOpen { round, begun, well: well + 1 }, None),
                // A trial that nobody knows the end of: somebody else may try.
                None => (Gate::HalfOpen { round, begun: begun.saturating_sub(1).max(well), well }, None),
            };
            match self.gate.compare_exchange_weak(word, next.word(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return turn,
                Err(current) => word = current,
            }
        }
    }

    /// Counts a request of a closed circuit: the window's beginning in the upper half, then requests, then failures.
    fn note(&self, failed: bool, config: &BreakerConfig, now: u64) -> Option<Turn> {
        if config.failure_percent == 0 {
            return None;
        }
        let unit = (now / GRAIN) as u32;
        let length = i32::try_from(config.window() / GRAIN).unwrap_or(i32::MAX);
        let mut word = self.window.load(Ordering::Acquire);
        let (requests, failures) = loop {
            let (start, requests, failures) = ((word >> 32) as u32, word as u32 >> 16, word as u32 & 0xffff);
            // Another worker's clock may have been read later, and counted before: then the difference is negative.
            let over = (unit.wrapping_sub(start) as i32) >= length;
            let (start, requests, failures) = match over || requests == 0 {
                true => (unit, 0, 0),
                // Half of each keeps the share, and leaves room.
                false if requests == 0xffff => (start, requests / 2, failures / 2),
                false => (start, requests, failures),
            };
            let (requests, failures) = (requests + 1, failures + u32::from(failed));
            let next = u64::from(start) << 32 | u64::from(requests << 16 | failures);
            match self.window.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break (requests, failures),
                Err(current) => word = current,
            }
        };
        let enough = requests >= config.min_requests.max(1);
        let many = u64::from(failures) * 100 >= u64::from(config.failure_percent) * u64::from(requests);
        let opened = failed && enough && many && {
            let open = Gate::Open { until: config.tried_at(now) }.word();
            self.gate.compare_exchange(Gate::Closed.word(), open, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        opened.then_some((Circuit::Closed, Circuit::Open))
    }
}
