//! Plugins in other languages: Kong's protocols for external plugin servers (`pluginserver_names`) over a Unix socket,
//! MessagePack-RPC and Protocol Buffers.
//!
//! Invariants: a worker waits for a server in futures only; what a request waits for is bounded, and so is what waits;
//! a server that ends is started anew, and until then its requests are answered with 500.

mod connection;
mod described;
mod instances;
mod plugin;
mod process;
mod protobuf;
mod server;
mod servers;
mod wire;

pub use described::Definition;
pub use servers::{ServerError, Servers};
