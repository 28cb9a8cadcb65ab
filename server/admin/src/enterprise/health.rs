//! Changes of the health of Targets, on their way to event hooks.

use super::gate::Gate;
use super::hooks::Hooks;
use access::Policies;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// How many changes wait at most; those that find no place are not told.
const WAITING: usize = 1000;

/// An address of a Target came into use or went out of it, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEvent {
    /// The Upstream.
    pub upstream: Uuid,
    /// The Target's host.
    pub hostname: String,
    /// The address.
    pub address: SocketAddr,
    /// Whether it is in use now.
    pub healthy: bool,
}

impl HealthEvent {
    /// What event hooks are told.
    pub(super) fn message(&self) -> Value {
        json!({
            "source": "balancer",
            "event": "health",
            "upstream_id": self.upstream.to_string(),
            "ip": self.address.ip().to_string(),
            "port": self.address.port(),
            "hostname": self.hostname,
            "health": if self.healthy { "healthy" } else { "unhealthy" },
        })
    }
}

/// Tells event hooks of what comes, on the runtime it is called in, until the gate is gone.
pub(super) fn watch(hooks: Arc<Hooks>, policies: Arc<Policies>) -> mpsc::Sender<HealthEvent> {
    let (events, mut arriving) = mpsc::channel::<HealthEvent>(WAITING);
    tokio::spawn(async move {
        while let Some(event) = arriving.recv().await {
            match policies.now().await {
                Ok(policy) => {
                    let told: Vec<_> = policy.view().all("event_hooks").cloned().collect();
                    hooks.tell_health(&told, &event);
                }
                Err(error) => tracing::warn!(%error, "event hooks cannot be told of a change of health"),
            }
        }
    });
    events
}

impl Gate {
    /// Tells event hooks of a change of health. Never waits.
    pub fn health_changed(&self, event: HealthEvent) {
        if let Some(health) = &self.health
            && health.try_send(event).is_err()
        {
            tracing::warn!("event hooks are not told of a change of health: too many wait");
        }
    }
}
