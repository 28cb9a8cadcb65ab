//! Sending what plugins say to the outside: queues in bounded memory, each tended on one thread of the node, and the
//! HTTP client that plugins share.
//!
//! Whoever pushes never waits. A receiver that is gone, slow or wrong costs entries and nothing else.

mod carrier;
mod client;
mod depot;
mod queue;
mod tend;
mod tunnel;

pub use client::Calls;
pub use depot::{Depot, QueueCounts};
pub use queue::Queue;
pub use tend::Yard;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// An address that is being looked up; the error is a sentence.
pub type Resolving = Pin<Box<dyn Future<Output = Result<SocketAddr, String>> + Send>>;

/// The node's network, as this crate needs it.
pub trait Network: Send + Sync {
    /// Looks a name up.
    fn resolve(&self, name: &str, port: u16) -> Resolving;

    /// How TLS is spoken; `verify`: whether the node's authorities must vouch for the server.
    fn tls(&self, verify: bool) -> Result<Arc<rustls::ClientConfig>, String>;
}

/// Looks up what may be an address already.
async fn resolve(network: &dyn Network, host: &str, port: u16) -> Result<SocketAddr, String> {
    match host.trim_matches(['[', ']']).parse() {
        Ok(ip) => Ok(SocketAddr::new(ip, port)),
        Err(_) => network.resolve(host, port).await,
    }
}
