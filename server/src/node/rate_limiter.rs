//! The `RateLimiter` actor: keeps the table of counters free of windows that are over.
//!
//! Requests count in the table itself, which belongs to the node; if this actor dies no count is lost, and old windows
//! only stay a little longer.

use crate::supervise::Life;
use super::Panic;
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
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            actor.counters.expire(since.as_millis() as u64);
        });
    }
}



impl Handler<Panic> for RateLimiter {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}
