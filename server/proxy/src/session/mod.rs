//! The stream subsystem (`stream_listen`): TCP, TLS and UDP, bytes and datagrams that nobody looks into.
//!
//! A session is an Exchange without HTTP: a Route is found by server name, source and destination; plugins may refuse
//! it and log it; a Target is picked and connected to; then bytes go both ways through buffers of bounded size, and
//! either side may end its half. No lock, and nothing of it is on the way of HTTP.

mod dial;
mod hello;
mod listen;
mod live;
mod tcp;
mod udp;

pub(crate) use listen::{add, begin_udp};
pub use live::{SessionSettings, Sessions};
