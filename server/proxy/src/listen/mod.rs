//! Listeners: sockets, the PROXY protocol, TLS, and what serves the connections.

mod bind;
mod proxy_protocol;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use bind::Bind;
pub use bind::{BindError, Bound, KeepAlive, Listener, Place, bind};
pub(crate) use proxy_protocol::read as read_proxy_header;
pub use proxy_protocol::{ProxyError, ProxyHeader};
pub use server::{Listening, Options, Serve, Streams, start, start_with};
