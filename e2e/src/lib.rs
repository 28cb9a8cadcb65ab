//! The system from outside: starts the real binary, talks to it over sockets, ends it by signals.
//!
//! Invariant: knows no crate of the gateway.

mod backend;
mod collector;
mod entities;
mod gateway;
mod http;
mod pebble;
mod postgres;
mod redis;
mod relay;
pub mod tls;

pub use backend::Backend;
pub use collector::{Collector, attributes, hex, tree};
pub use entities::{create, send, serve};
pub use gateway::{Gateway, LUA_PLUGINS, binary, free_port};
pub use http::{Reply, Session, get, request};
pub use pebble::{Pebble, shown, vouched};
pub use postgres::Postgres;
pub use redis::Redis;
pub use relay::Relay;

use std::time::{Duration, Instant};

/// Asks until it holds, for half a minute at most; panics with `what` otherwise.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
