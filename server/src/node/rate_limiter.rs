//! The `RateLimiter` actor: keeps the table of counters free of windows that are over.
//!
//! Requests count in the table itself, which belongs to the node; if this actor dies no count is lost, and old windows
//! only stay a little longer.

use super::Panic;
use crate::supervise::Life;
use actix::{Actor, AsyncContext, Context, Handler};
use exchange::counters::Counters;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often windows that are over are removed.
const EXPIRY: Duration = Duration::from_secs(10);

/// Removes windows that are over.
pub struct RateLimiter {
    counters: Arc<Counters>,
    _life: Life,
}

impl RateLimiter {
    /// An actor over the node's counters.
    pub fn new(counters: Arc<Counters>, life: Life) -> Self {
        Self { counters, _life: life }
    }
}

impl Actor for RateLimiter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(EXPIRY, |actor, _| {
            expire(&actor.counters, SystemTime::now());
        });
    }
}

/// Windows end at seconds of the Unix epoch.
fn expire(counters: &Counters, now: SystemTime) {
    counters.expire(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
}

impl Handler<Panic> for RateLimiter {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::counters::Window;

    #[test]
    fn only_windows_that_are_over_leave() {
        let counters = Counters::new(1 << 16);
        let window = |end: u64| Window { key: counters.key(&[b"a"]), limit: 9, expires_at: end };
        let now = 1_700_000_000;
        for end in [now - 60, now, now + 1, now + 3600] {
            counters.try_take(&[window(end)], now - 100);
        }
        expire(&counters, SystemTime::UNIX_EPOCH + Duration::from_millis(now * 1000 + 999));
        assert_eq!(counters.live(), 2);
        assert_eq!(counters.usage(window(now + 1).key, now + 1), 1);
    }
}
