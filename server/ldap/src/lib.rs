//! Directory servers behind the seam of [`exchange::ldap`]: connections, and what they said a moment ago.
//!
//! Connections live on a thread of their own, which begins with the first question; a connection belongs to the runtime
//! that opened it, so workers hand their questions over and wait for an answer.

mod answers;
mod client;
mod network;
mod pool;

pub use client::Client;
pub use network::{Network, Resolving};
