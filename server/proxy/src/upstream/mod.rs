//! Connections to upstreams: made, kept, and spoken HTTP/1 on.

pub mod connect;
pub mod pool;
pub mod wire;
