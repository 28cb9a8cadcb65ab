//! HTTP/1 on the side of the client, and the pure parts that both sides share.

pub mod chunked;
pub mod connection;
pub mod head;
pub mod host;
mod link;
pub mod names;
pub mod refusal;
pub mod response_head;
pub mod target;
pub(crate) mod tunnel;
pub mod write;

#[cfg(test)]
mod tests;
