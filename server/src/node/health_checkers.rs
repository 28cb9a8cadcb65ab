//! One `HealthChecker` for each Upstream that is probed, started and stopped as configurations come and go.

use super::core::Core;
use crate::supervise::Supervised;
use actix::ArbiterHandle;
use proxy::health::{HealthChecker, Stop};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The actors, by Upstream.
pub struct HealthCheckers {
    arbiter: ArbiterHandle,
    running: Mutex<HashMap<Uuid, Supervised<HealthChecker>>>,
}

impl HealthCheckers {
    /// None yet; they will run on this arbiter.
    pub fn new(arbiter: ArbiterHandle) -> Self {
        Self { arbiter, running: Mutex::default() }
    }

    /// Has exactly the Upstreams probed that want it.
    pub fn sync(&self, core: &Core) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: HashMap<Uuid, _> = core.targets.probed().into_iter().map(|peers| (peers.id(), peers)).collect();
        running.retain(|id, checker| {
            let keep = wanted.contains_key(id);
            if !keep {
                checker.stop();
                checker.tell(Stop);
            }
            keep
        });
        for (id, peers) in wanted {
            running.entry(id).or_insert_with(|| {
                let trust: Arc<_> = core.targets.trust().clone();
                Supervised::start(&self.arbiter, "HealthChecker", move |life| {
                    HealthChecker::new(peers.clone(), trust.clone(), life)
                })
            });
        }
    }

    /// The actor of an Upstream.
    pub fn of(&self, upstream: Uuid) -> Option<Supervised<HealthChecker>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&upstream).cloned()
    }
}
