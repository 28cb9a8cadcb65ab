//! What happens beside the Admin API, on its way to event hooks: the health of Targets, limits of requests.

use super::sources::{BALANCER, EXCEEDED, HEALTH, LIMITS, LIMITS_ADVANCED};
use super::telling::Hooks;
use crate::enterprise::gate::Gate;
use access::Policies;
use exchange::LimitExceeded;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;
use uuid::Uuid;

/// How many happenings wait at most; those that find no place are not told.
const WAITING: usize = 1000;
/// How long limits are not listened for after no hook wanted to know of one, in seconds.
const QUIET: u64 = 1;

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

/// What happened.
enum Happening {
    Health(HealthEvent),
    Limit(LimitExceeded),
}

/// Listens for what happens.
pub(in crate::enterprise) struct Ear {
    arriving: mpsc::Sender<Happening>,
    /// Until when limits are not listened for, in seconds of the Unix epoch.
    quiet: Arc<AtomicU64>,
    untold: AtomicU64,
}

impl Ear {
    /// Tells event hooks of what comes, on the runtime it is called in, until this is gone.
    pub fn open(hooks: Arc<Hooks>, policies: Arc<Policies>) -> Ear {
        let (arriving, happenings) = mpsc::channel(WAITING);
        let quiet = Arc::new(AtomicU64::new(0));
        tokio::spawn(listen(happenings, hooks, policies, quiet.clone()));
        Ear { arriving, quiet, untold: AtomicU64::new(0) }
    }

    fn hear(&self, happening: Happening) {
        if self.arriving.try_send(happening).is_err() {
            self.untold.fetch_add(1, Relaxed);
        }
    }
}

async fn listen(
    mut happenings: mpsc::Receiver<Happening>,
    hooks: Arc<Hooks>,
    policies: Arc<Policies>,
    quiet: Arc<AtomicU64>,
) {
    while let Some(happening) = happenings.recv().await {
        let policy = match policies.now().await {
            Ok(policy) => policy,
            Err(error) => {
                tracing::warn!(%error, "event hooks cannot be told of what happened");
                continue;
            }
        };
        let told: Vec<_> = policy.view().all("event_hooks").cloned().collect();
        match happening {
            Happening::Health(event) => {
                hooks.tell_of(&told, &[BALANCER], HEALTH, |_| health(&event));
            }
            Happening::Limit(notice) => {
                if !hooks.tell_of(&told, &[LIMITS, LIMITS_ADVANCED], EXCEEDED, |source| limit(source, &notice)) {
                    quiet.store(notice.at.saturating_add(QUIET), Relaxed);
                }
            }
        }
    }
}

fn health(event: &HealthEvent) -> Value {
    json!({
        "source": BALANCER,
        "event": HEALTH,
        "upstream_id": event.upstream.to_string(),
        "ip": event.address.ip().to_string(),
        "port": event.address.port(),
        "hostname": event.hostname,
        "health": if event.healthy { "healthy" } else { "unhealthy" },
    })
}

fn limit(source: &str, notice: &LimitExceeded) -> Value {
    let consumer = notice.consumer.as_ref().map(|consumer| {
        json!({"id": consumer.id.to_string(), "username": consumer.username.as_deref(), "custom_id": consumer.custom_id.as_deref()})
    });
    let service = notice.service.as_ref().map(|service| json!({"id": service.id.to_string(), "name": service.name}));
    json!({
        "source": source,
        "event": EXCEEDED,
        "consumer": consumer.unwrap_or_else(|| json!({})),
        "ip": notice.ip.to_string(),
        "service": service.unwrap_or_else(|| json!({})),
        "rate": notice.rate,
        "limit": notice.limit,
        "window": notice.window,
    })
}

impl Gate {
    /// Tells event hooks of a change of health. Never waits.
    pub fn health_changed(&self, event: HealthEvent) {
        if let Some(ear) = &self.ear {
            ear.hear(Happening::Health(event));
        }
    }

    /// Tells event hooks that a limit of requests was reached. Never waits, and costs next to nothing while no hook wants
    /// to know.
    pub fn limit_exceeded(&self, notice: LimitExceeded) {
        if let Some(ear) = &self.ear
            && ear.quiet.load(Relaxed) <= notice.at
        {
            ear.hear(Happening::Limit(notice));
        }
    }

    /// How much of what happened was not told because too much of it waited, since the start.
    pub fn untold(&self) -> u64 {
        self.ear.as_ref().map_or(0, |ear| ear.untold.load(Relaxed))
    }
}
