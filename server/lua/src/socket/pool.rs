//! Connections that wait for the next who needs one, on each worker.

use super::stream::Stream;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Connections of one pool where nothing else is said (`lua_socket_pool_size`).
pub const SIZE: usize = 256;

struct Waiting {
    stream: Stream,
    uses: u32,
    until: Option<Instant>,
}

thread_local! {
    static POOLS: RefCell<HashMap<String, Vec<Waiting>>> = RefCell::default();
}

/// A connection of a pool, the one that waited shortest, and how often it was used.
pub fn take(name: &str) -> Option<(Stream, u32)> {
    POOLS.with_borrow_mut(|pools| {
        let pool = pools.get_mut(name)?;
        let now = Instant::now();
        while let Some(waiting) = pool.pop() {
            if waiting.until.is_none_or(|until| until > now) && waiting.stream.is_idle() {
                return Some((waiting.stream, waiting.uses + 1));
            }
        }
        pools.remove(name);
        None
    })
}

/// Puts a connection into a pool; one too many ends the oldest. No `idle` time is for ever.
pub fn give(name: &str, stream: Stream, uses: u32, idle: Option<Duration>, size: usize) {
    POOLS.with_borrow_mut(|pools| {
        let now = Instant::now();
        // What nobody takes is looked at when something is given.
        pools.retain(|_, pool| {
            pool.retain(|waiting| waiting.until.is_none_or(|until| until > now));
            !pool.is_empty()
        });
        let pool = pools.entry(name.to_owned()).or_default();
        if pool.len() >= size.max(1) {
            pool.remove(0);
        }
        pool.push(Waiting { stream, uses, until: idle.map(|idle| now + idle) });
    });
}
