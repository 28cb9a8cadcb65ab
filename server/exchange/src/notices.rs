//! What plugins have to tell beside their answer, to whoever listens (event hooks).

use crate::Consumer;
use std::net::IpAddr;
use std::sync::Arc;

/// A request was refused because a limit of requests was reached.
#[derive(Clone, Debug)]
pub struct LimitExceeded {
    /// When, in seconds of the Unix epoch.
    pub at: u64,
    /// Who asked, where that is known.
    pub consumer: Option<Arc<Consumer>>,
    /// From where.
    pub ip: IpAddr,
    /// The Service that was asked for.
    pub service: Option<Arc<entities::Service>>,
    /// Requests in the window that is full.
    pub rate: u64,
    /// Requests that it holds.
    pub limit: f64,
    /// Its length: `second` … `year`.
    pub window: &'static str,
}

/// Whoever listens.
pub trait Notices: Send + Sync {
    /// Takes a notice. Never waits; what cannot be taken is lost, and counted.
    fn limit_exceeded(&self, notice: LimitExceeded);
}

/// For nodes and tests where nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNotices;

impl Notices for NoNotices {
    fn limit_exceeded(&self, _: LimitExceeded) {}
}
