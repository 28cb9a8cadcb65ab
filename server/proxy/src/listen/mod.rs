//! Listeners: sockets, the PROXY protocol, TLS, and what serves the connections.

mod bind;
mod proxy_protocol;
mod server;
#[cfg(test)]
mod tests;

pub use bind::{BindError, Bound, KeepAlive, Listener, Place, bind};
pub use proxy_protocol::{ProxyError, ProxyHeader};
pub use server::{Listening, Options, Serve, start};
