//! Weighted round-robin: a shuffled wheel and a pointer that workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::address::Address;
use crate::candidates::Candidates;
use crate::random::Random;

/// A wheel never holds more entries than this, or eight per address where that is more: coprime weights of many
/// Targets would need millions.
const MAX_ENTRIES: u64 = 65_536;

/// A pointer on a cache line of its own: every worker steps it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Cursor(AtomicUsize);

impl Cursor {
    /// The present position, moved on by one.
    #[inline]
    pub(crate) fn step(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct RoundRobin {
    wheel: Box<[u32]>,
    cursor: Cursor,
}

impl RoundRobin {
    pub(crate) fn new(addresses: &[Arc<Address>], random: &mut Random) -> Self {
        let weights: Vec<u32> = addresses.iter().map(|address| address.weight).collect();
        let mut wheel = Vec::new();
        for (index, entries) in entries(&weights).into_iter().enumerate() {
            wheel.extend(std::iter::repeat_n(index as u32, entries as usize));
        }
        random.shuffle(&mut wheel);
        Self { wheel: wheel.into(), cursor: Cursor::default() }
    }

    /// The next admitted entry within one turn. The walk is local and the pointer moved by what was skipped, so that
    /// two workers walking at once cannot hide entries from each other.
    #[inline]
    pub(crate) fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let length = self.wheel.len();
        if length == 0 {
            return None;
        }
        let mut position = self.cursor.step() % length;
        for skipped in 0..length {
            let index = self.wheel[position] as usize;
            if candidates.admits(index) {
                if skipped > 0 {
                    self.cursor.0.fetch_add(skipped, Ordering::Relaxed);
                }
                return Some(index);
            }
            position = if position + 1 == length { 0 } else { position + 1 };
        }
        None
    }
}

/// Wheel entries per address: weight / gcd, scaled down (but never to nothing) when the wheel would be too large.
fn entries(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().fold(0u64, |sofar, weight| gcd(sofar, u64::from(*weight))).max(1);
    let reduced: Vec<u64> = weights.iter().map(|weight| u64::from(*weight) / divisor).collect();
    let total: u64 = reduced.iter().sum();
    let limit = MAX_ENTRIES.max(8 * weights.len() as u64);
    if total <= limit {
        return reduced;
    }
    let scaled = |weight: u64| {
        let share = (u128::from(weight) * u128::from(limit) + u128::from(total / 2)) / u128::from(total);
        (share as u64).max(u64::from(weight > 0))
    };
    reduced.into_iter().map(scaled).collect()
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_the_fewest_entries() {
        let cases: [(&[u32], &[u64]); 6] = [
            (&[100, 100, 100], &[1, 1, 1]),
            (&[10, 30], &[1, 3]),
            (&[250, 750], &[1, 3]),
            (&[1, 4], &[1, 4]),
            (&[0, 50], &[0, 1]),
            (&[0, 0], &[0, 0]),
        ];
        for (weights, expected) in cases {
            assert_eq!(entries(weights), expected, "{weights:?}");
        }
    }

    #[test]
    fn huge_weights_are_scaled_and_nobody_is_lost() {
        let mut weights: Vec<u32> = (0..1_000).map(|n| 65_535 - n).collect();
        weights.push(1);
        weights.push(u32::MAX);
        let entries = entries(&weights);
        assert!(entries.iter().all(|count| *count > 0));
        assert!(entries.iter().sum::<u64>() < 2 * MAX_ENTRIES);
    }
}
