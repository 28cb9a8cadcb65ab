//! The state machine of one address: a word with the state and four counters, changed as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::address::Address;
use crate::health::config::{Event, Thresholds};

/// The health of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum State {
    /// In use, nothing against it.
    #[default]
    Healthy = 0,
    /// Still in use, with failures below the limit.
    MostlyHealthy = 1,
    /// Still out of use, with successes below the limit.
    MostlyUnhealthy = 2,
    /// Out of use.
    Unhealthy = 3,
}

impl State {
    /// Whether requests may go there.
    #[inline]
    pub fn available(self) -> bool {
        matches!(self, Self::Healthy | Self::MostlyHealthy)
    }

    /// The name in logs and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::MostlyHealthy => "mostly_healthy",
            Self::MostlyUnhealthy => "mostly_unhealthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A change of state, seen by exactly one reporter.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The address that changed.
    pub address: Arc<Address>,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// State in the lowest byte, then one byte each: successes, HTTP failures, TCP failures, time-outs. Limits are at most
/// 255, and a counter at its limit ends counting, so bytes are enough.
#[derive(Debug, Default)]
pub(crate) struct Health(AtomicU64);

const SUCCESSES: u32 = 8;
const HTTP_FAILURES: u32 = 16;
const TCP_FAILURES: u32 = 24;
const TIMEOUTS: u32 = 32;
const STATE: u64 = 0xff;
const SUCCESS_COUNT: u64 = 0xff << SUCCESSES;
const FAILURE_COUNTS: u64 = 0xff_ffff << HTTP_FAILURES;

impl Health {
    #[inline]
    pub(crate) fn state(&self) -> State {
        state_of(self.0.load(Ordering::Acquire))
    }

    /// Counts an event. A limit of 0 ignores it; so does a state that already is what the event speaks for. Returns the
    /// states before and after when they differ.
    pub(crate) fn report(&self, event: Event, thresholds: &Thresholds) -> Option<(State, State)> {
        let (shift, limit) = match event {
            Event::Success => (SUCCESSES, thresholds.successes),
            Event::HttpFailure => (HTTP_FAILURES, thresholds.http_failures),
            Event::TcpFailure => (TCP_FAILURES, thresholds.tcp_failures),
            Event::Timeout => (TIMEOUTS, thresholds.timeouts),
        };
        if limit == 0 {
            return None;
        }
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let next = after(word, event, shift, limit)?;
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let (from, to) = (state_of(word), state_of(next));
                    return (from != to).then_some((from, to));
                }
                Err(current) => word = current,
            }
        }
    }

    /// Sets the state by hand and clears all counters.
    pub(crate) fn force(&self, to: State) -> Option<(State, State)> {
        let from = state_of(self.0.swap(to as u64, Ordering::AcqRel));
        (from != to).then_some((from, to))
    }
}

/// The word after an event; `None` when the event does not count.
fn after(word: u64, event: Event, shift: u32, limit: u8) -> Option<u64> {
    let state = state_of(word);
    let goal = if event == Event::Success { State::Healthy } else { State::Unhealthy };
    if state == goal {
        return None;
    }
    let kept = if event == Event::Success { SUCCESS_COUNT } else { FAILURE_COUNTS };
    let count = ((word >> shift) & 0xff).saturating_add(1).min(0xff);
    let counters = (word & kept & !(0xff << shift)) | (count << shift);
    let state = if count >= u64::from(limit) {
        goal
    } else {
        match state {
            State::Healthy => State::MostlyHealthy,
            State::Unhealthy => State::MostlyUnhealthy,
            between => between,
        }
    };
    Some(counters | state as u64)
}

fn state_of(word: u64) -> State {
    match word & STATE {
        0 => State::Healthy,
        1 => State::MostlyHealthy,
        2 => State::MostlyUnhealthy,
        _ => State::Unhealthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per event: s(uccess), h(ttp failure), c(onnection failure), t(imeout), + and - by hand.
    fn run(events: &str, thresholds: &Thresholds) -> String {
        let health = Health::default();
        let mut shown = String::new();
        for event in events.chars() {
            match event {
                '+' => {
                    health.force(State::Healthy);
                }
                '-' => {
                    health.force(State::Unhealthy);
                }
                event => {
                    let event = match event {
                        's' => Event::Success,
                        'h' => Event::HttpFailure,
                        'c' => Event::TcpFailure,
                        _ => Event::Timeout,
                    };
                    health.report(event, thresholds);
                }
            }
            shown.push(match health.state() {
                State::Healthy => 'H',
                State::MostlyHealthy => 'h',
                State::MostlyUnhealthy => 'u',
                State::Unhealthy => 'U',
            });
        }
        shown
    }

    #[test]
    fn states_follow_events() {
        let t = |successes, http_failures, tcp_failures, timeouts| Thresholds {
            successes,
            http_failures,
            tcp_failures,
            timeouts,
        };
        let cases = [
            ("one failure is enough", t(1, 1, 1, 1), "hs", "UH"),
            ("three in a row", t(2, 3, 2, 2), "hhhhss", "hhUUuH"),
            ("a success clears failures", t(2, 3, 2, 2), "hhshhh", "hhhhhU"),
            ("two successes heal mostly_healthy", t(2, 3, 2, 2), "hssh", "hhHh"),
            ("a failure clears successes", t(2, 1, 1, 1), "hshss", "UuUuH"),
            ("kinds count apart", t(1, 2, 2, 2), "hctc", "hhhU"),
            ("time-outs", t(1, 0, 0, 2), "hcctt", "HHHhU"),
            ("limit 0 never counts", t(0, 0, 0, 0), "hcts", "HHHH"),
            ("without successes it stays down", t(0, 1, 1, 1), "hssss", "UUUUU"),
            ("by hand clears counters", t(2, 2, 2, 2), "h+h-ss", "hHhUuH"),
            ("the largest limit", t(1, 255, 1, 1), &"h".repeat(255), &format!("{}U", "h".repeat(254))),
        ];
        for (name, thresholds, events, expected) in cases {
            assert_eq!(run(events, &thresholds), expected, "{name}");
        }
    }
}
