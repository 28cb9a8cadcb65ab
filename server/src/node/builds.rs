//! How often Snapshots are compiled, for what, and how long it takes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

/// Why a Snapshot is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The node begins without a configuration.
    Start,
    /// A declarative file, or `POST /config`.
    Declarative,
    /// The change log of the database.
    Database,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Start, Self::Declarative, Self::Database];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        ["start", "declarative", "database"][self as usize]
    }
}

/// Figures since the start.
#[derive(Debug, Default)]
pub struct Builds {
    of: [Build; Trigger::ALL.len()],
    /// ns of the last.
    last: AtomicU64,
    /// ns from the change to its being in use, of the last change.
    lag: AtomicU64,
}

#[derive(Debug, Default)]
struct Build {
    done: AtomicU64,
    refused: AtomicU64,
    nanos: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(nanos: &AtomicU64) -> f64 {
    Duration::from_nanos(nanos.load(Relaxed)).as_secs_f64()
}

impl Builds {
    /// Times a build, and counts how it ended.
    pub fn time<T, E>(&self, trigger: Trigger, build: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let begun = Instant::now();
        let built = build();
        let took = nanos(begun.elapsed());
        let of = &self.of[trigger as usize];
        if built.is_ok() { &of.done } else { &of.refused }.fetch_add(1, Relaxed);
        of.nanos.fetch_add(took, Relaxed);
        self.last.store(took, Relaxed);
        built
    }

    /// What was changed at that time is in use now.
    pub fn in_use(&self, changed: SystemTime) {
        self.lag.store(nanos(changed.elapsed().unwrap_or_default()), Relaxed);
    }

    /// How many ended well, and how many were refused.
    pub fn counts(&self, trigger: Trigger) -> (u64, u64) {
        let of = &self.of[trigger as usize];
        (of.done.load(Relaxed), of.refused.load(Relaxed))
    }

    /// Seconds of all of them.
    pub fn seconds(&self, trigger: Trigger) -> f64 {
        seconds(&self.of[trigger as usize].nanos)
    }

    /// Seconds of the last.
    pub fn last(&self) -> f64 {
        seconds(&self.last)
    }

    /// Seconds from the last change to its being in use.
    pub fn lag(&self) -> f64 {
        seconds(&self.lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_counted_by_what_triggered_them() {
        let builds = Builds::default();
        assert_eq!(builds.time(Trigger::Database, || Ok::<_, ()>(5)), Ok(5));
        assert_eq!(builds.time(Trigger::Database, || Err::<(), _>("no")), Err("no"));
        let counts = Trigger::ALL.map(|trigger| (trigger.name(), builds.counts(trigger)));
        assert_eq!(counts, [("start", (0, 0)), ("declarative", (0, 0)), ("database", (1, 1))]);
        assert!(builds.last() <= builds.seconds(Trigger::Database));
        builds.in_use(SystemTime::now() - Duration::from_secs(7));
        assert!(builds.lag() >= 6.0);
        // Written by a node whose clock is ahead.
        builds.in_use(SystemTime::now() + Duration::from_secs(7));
        assert!(builds.lag() < 1.0);
    }
}
