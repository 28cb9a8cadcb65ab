//! One address of a Target, and the counters that outlive a rebuild.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

use crate::breaker::Breaker;
use crate::health::{Health, State};
use crate::latency::Latency;

/// Names an address for the life of its Upstream on this node; rebuilds keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressId(pub(crate) u32);

/// One address of a Target.
#[derive(Debug)]
pub struct Address {
    /// Stable name of this address within its Upstream.
    pub id: AddressId,
    /// Where to connect.
    pub socket: SocketAddr,
    /// The IP as Kong writes it (IPv6 in brackets).
    pub ip: Arc<str>,
    /// The Target's host, or the service record's name with `use_srv_name`: for the Host header and SNI.
    pub hostname: Arc<str>,
    /// Share of the traffic; 0 is never picked.
    pub weight: u32,
    /// The Target it belongs to.
    pub target: Uuid,
    pub(crate) state: Arc<AddressState>,
}

impl Address {
    /// Counts a request as active on this address until the guard is dropped. Least-connections reads the count;
    /// other algorithms need no guard.
    pub fn open(&self) -> Active {
        self.state.active.fetch_add(1, Ordering::Relaxed);
        Active(self.state.clone())
    }

    /// The requests active now.
    pub fn active(&self) -> u32 {
        self.state.active.load(Ordering::Relaxed)
    }

    /// The health state, whether or not the Upstream uses health checks.
    pub fn state(&self) -> State {
        self.state.health.state()
    }

    /// The moving average of the response time at `now`, in ms; `None` before the first measurement.
    pub fn latency(&self, now: u64) -> Option<f64> {
        self.state.latency.value(now)
    }
}

/// Releases the count of [`Address::open`] on drop.
#[derive(Debug)]
#[must_use = "the request counts as active only while the guard lives"]
pub struct Active(Arc<AddressState>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What makes an address the same after a rebuild: health is counted per IP, port and host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey {
    pub socket: SocketAddr,
    pub hostname: Arc<str>,
}

/// The changing part of an address. Cache lines of its own, so that workers counting on neighbours do not collide.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct AddressState {
    pub id: AddressId,
    pub health: Health,
    pub active: AtomicU32,
    pub latency: Latency,
    pub breaker: Arc<Breaker>,
}

impl AddressState {
    pub(crate) fn new(id: AddressId) -> Self {
        Self {
            id,
            health: Health::default(),
            active: AtomicU32::new(0),
            latency: Latency::default(),
            breaker: Arc::default(),
        }
    }
}
