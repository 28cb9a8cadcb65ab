//! Circuit breaking: how much one address and one Upstream are asked to bear, and when an address that fails is left
//! alone. Beyond Kong, and off unless an Upstream says otherwise.
//!
//! * [`BreakerConfig`] is what an Upstream says of it.
//! * [`Breaker`] belongs to an address: requests at a time, requests that wait for a connection, and the circuit. A circuit
//!   is closed, and counts failures in a window of time; open, and lets nobody through for a while; or half open, and lets
//!   a few trials through: one that fails opens it again, and when all have gone well it is closed.
//! * [`RetryBudget`] belongs to an Upstream.
//!
//! All of it is shared by the workers of a node, by atomics: an address bears what the node sends it, not what a worker does.
//! Whoever passes holds a value that leaves by itself when it is dropped, so that nobody counts for ever.

mod budget;
mod circuit;
mod config;
mod guard;
mod passage;
mod tally;

pub use budget::{Retry, RetryBudget};
pub use circuit::{Circuit, Turn};
pub use config::BreakerConfig;
pub(crate) use guard::Guard;
pub use passage::{Breaker, Passage, Waiting};
pub use tally::Figures;
pub(crate) use tally::Tally;
