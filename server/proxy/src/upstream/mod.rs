//! Connections to upstreams: made, kept, and spoken HTTP/1 on; [`call`](call::Call) hides from a request's life
//! which protocol is spoken.

pub mod call;
pub mod connect;
pub mod pool;
pub mod wire;
