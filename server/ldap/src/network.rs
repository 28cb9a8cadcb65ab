//! What the node knows of the network.

use rustls::ClientConfig;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// A name that is being looked up; the error is a sentence.
pub type Resolving = Pin<Box<dyn Future<Output = Result<SocketAddr, String>> + Send>>;

/// Names and trust of the node.
pub trait Network: Send + Sync + 'static {
    /// The next address of a name; `port` goes where the name's records say nothing of one.
    fn resolve(&self, name: &str, port: u16) -> Resolving;

    /// How to speak TLS: `verify` says whether the node's authorities must vouch for the server.
    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String>;
}
