//! What plugins tell and write beside their answers, on its way to event hooks and the audit log.

use admin::Gate;
use exchange::{LimitExceeded, Notices};
use std::sync::{Arc, OnceLock};
use store::Revision;

/// Hands notices to the gate of the Admin API once it is open; before, and on nodes without one, nobody listens.
#[derive(Default)]
pub struct ToGate(OnceLock<Arc<Gate>>);

impl ToGate {
    /// From now on this gate hears.
    pub fn open(&self, gate: Arc<Gate>) {
        let _ = self.0.set(gate);
    }

    /// Somebody beside the Admin API has written. Must be called within a runtime, which goes on with it.
    pub fn wrote(&self, revision: Revision, author: String) {
        if let Some(gate) = self.0.get().filter(|gate| gate.heeds_changes()).cloned() {
            tokio::spawn(async move { gate.wrote(revision, author).await });
        }
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
