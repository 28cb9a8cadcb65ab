//! Counting what many threads do, without their getting in each other's way.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Places for threads; those beyond share them.
const PLACES: usize = 32;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: usize = THREADS.fetch_add(1, Relaxed) % PLACES;
}

/// A counter with a place for each thread, added up when someone asks.
#[derive(Debug)]
pub struct Tally([Place; PLACES]);

/// On a line of the processor's cache by itself.
#[derive(Debug)]
#[repr(align(128))]
struct Place(AtomicU64);

impl Default for Tally {
    fn default() -> Self {
        Self(array::from_fn(|_| Place(AtomicU64::new(0))))
    }
}

impl Tally {
    /// One more.
    #[inline]
    pub fn count(&self) {
        let place = PLACE.with(|place| *place);
        if let Some(Place(counter)) = self.0.get(place) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// How many there were.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|Place(counter)| counter.load(Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..PLACES + 3 {
                scope.spawn(|| (0..100).for_each(|_| tally.count()));
            }
        });
        assert_eq!(tally.sum(), 100 * (PLACES as u64 + 3));
    }
}
