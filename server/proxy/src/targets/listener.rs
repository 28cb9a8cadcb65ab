//! Who is told when the health of a Target changes.

use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// An address of a Target came into use or went out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChange {
    /// The Upstream.
    pub upstream: Uuid,
    /// The Target's host, as its record names it.
    pub hostname: Arc<str>,
    /// The address.
    pub address: SocketAddr,
    /// Whether it is in use now.
    pub healthy: bool,
}

/// Is told of every change, on whichever thread notices it: it must not wait.
pub trait HealthListener: Send + Sync {
    /// The health of an address has changed.
    fn changed(&self, change: HealthChange);
}
