//! What the connections of one thread have to send, sent by one system call for all of them (Linux' `io_uring`).
//!
//! A worker wakes up for several connections at a time, and each of them has something to write. Queued here, all of it goes
//! out when everyone has had a turn: one change into the kernel instead of one for each. What the kernel does for a send is
//! the same, and so is what the sender is told: bytes that were taken, or why none were.
//!
//! This is the one room with `unsafe` in it: the kernel is given addresses. They are those of buffers that belong to the
//! [`Outbox`] from before the kernel is told until after it has answered.

mod outbox;
mod ring;
#[cfg(test)]
mod tests;

pub use outbox::{Driving, Outbox, Sending};
