//! What an operator reads: access and error logs, rendered from the Exchange's timeline and from `tracing` events.
//!
//! Invariants: a worker never waits for a disk or a terminal: lines go to a writer thread through a bounded queue, and
//! what does not fit is dropped and counted. A sink that fails says so once and keeps trying.

mod access;
mod error_log;
mod sink;

pub use access::{AccessFormat, AccessLog};
pub use error_log::{ErrorLog, Level};
pub use sink::{Sink, SinkTarget};
