//! Redis servers behind the seam of [`exchange::redis`]: connections, and counters that nodes share.
//!
//! Connections live on a thread of their own, which begins with the first server that a configuration names; a
//! connection belongs to the runtime that opened it, so workers hand their questions over and wait for an answer. One
//! connection per address, with everything asked in it at the same time (pipelining); it is made anew when it breaks.

mod client;
mod connection;
mod ledger;
mod link;
mod network;
mod script;
mod synced;

pub use client::Client;
pub use network::{Network, Resolving};
