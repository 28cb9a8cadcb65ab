//! When a responder is asked next. `chance` is between 0 and 1: nodes that began together do not ask together.

use std::time::Duration;

/// The shortest time between two answers that were good.
const SOONEST: Duration = Duration::from_secs(5);
/// The longest time between them: a revocation is known within a day.
const LATEST: Duration = Duration::from_secs(86_400);
/// The pause after the first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The time between two answers that a certificate is revoked.
const REVOKED: Duration = Duration::from_secs(3600);
/// By how much of itself a time is shorter or longer than it would be.
const JITTER: f64 = 0.1;

/// How long after a good answer that is valid for `valid` the next is asked for: after half that time.
pub fn refresh(valid: Duration, chance: f64) -> Duration {
    jittered(valid / 2, chance).clamp(SOONEST, LATEST)
}

/// How long after so many failures in a row, at least one, another try is made.
pub fn pause(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    jittered((FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE), chance)
}

/// How long after the answer that a certificate is revoked it is asked about again: it may have been on hold (RFC 5280
/// §5.3.1).
pub fn recheck(chance: f64) -> Duration {
    jittered(REVOKED, chance)
}

fn jittered(time: Duration, chance: f64) -> Duration {
    time.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshed_at_half_time() {
        for (valid, chance, expected) in [
            (7200, 0.5, 3600),
            (7200, 0.0, 3240),
            (7200, 1.0, 3960),
            (7 * 86_400, 0.5, 86_400),
            (1, 0.5, 5),
            (0, 0.0, 5),
            (7200, 9.0, 3960),
        ] {
            assert_eq!(refresh(Duration::from_secs(valid), chance).as_secs(), expected, "{valid} {chance}");
        }
    }

    #[test]
    fn pauses_double() {
        for (failures, expected) in [(0, 2), (1, 2), (2, 4), (3, 8), (9, 512), (10, 600), (u32::MAX, 600)] {
            assert_eq!(pause(failures, 0.5).as_secs(), expected, "{failures}");
        }
        assert!(pause(1, 0.0) < pause(1, 1.0));
    }
}
