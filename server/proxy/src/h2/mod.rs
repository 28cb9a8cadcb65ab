//! HTTP/2 (RFC 9113): with clients, on the same life as HTTP/1, and with the upstreams of gRPC Services.
//!
//! Framing, HPACK and flow control are the `h2` crate's; what is bounded, and what a head may say, is decided here. A
//! stream is a task of its own; its connection's task moves the bytes.

pub mod connection;
mod fields;
mod gathered;
pub mod lines;
mod metered;
pub mod preface;
pub mod request;
mod response;
mod stream;
mod tunnel;
pub mod wire;

pub use connection::serve;

#[cfg(test)]
mod tests;
