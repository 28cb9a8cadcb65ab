//! What plugins tell beside their answers, on its way to event hooks.

use admin::Gate;
use exchange::{LimitExceeded, Notices};
use std::sync::{Arc, OnceLock};

/// Hands notices to the gate of the Admin API once it is open; before, and on nodes without one, nobody listens.
#[derive(Default)]
pub struct ToGate(OnceLock<Arc<Gate>>);

impl ToGate {
    /// From now on this gate hears.
    pub fn open(&self, gate: Arc<Gate>) {
        let _ = self.0.set(gate);
    }

    /// How much was not told because too much waited.
    pub fn untold(&self) -> u64 {
        self.0.get().map_or(0, |gate| gate.untold())
    }
}

impl Notices for ToGate {
    fn limit_exceeded(&self, notice: LimitExceeded) {
        if let Some(gate) = self.0.get() {
            gate.limit_exceeded(notice);
        }
    }
}
