//! What `GET /metrics` tells of this node, beside what plugins have recorded.

use super::core::{Core, Storage};
use balancer::health::{Label, TargetHealth};
use observability::metrics::{self, NodeFigures, TargetState};
use serde_json::Value;
use std::sync::Arc;
use store::View;

/// Everything, as text.
pub fn exposition(core: &Core) -> String {
    let now = core.traffic.now();
    let plugins = Plugins::of(core);
    let memory = super::memory::memory(core);
    let figures = NodeFigures {
        node_id: core.node_id.to_string(),
        connections: vec![
            ("accepted", now.accepted),
            ("active", now.active),
            ("handled", now.accepted),
            ("reading", now.active.saturating_sub(now.writing + now.waiting)),
            ("total", now.requests),
            ("waiting", now.waiting),
            ("writing", now.writing),
        ],
        requests: now.requests,
        memory: memory.process,
        areas: memory.areas.into_iter().map(|(name, area)| (name, area.used, area.capacity)).collect(),
        datastore_reachable: core.database().is_none_or(|database| database.store.is_reachable()),
        with_requests: plugins.any,
        targets: plugins.health.then(|| targets(core)),
        own: super::figures::own(core),
    };
    metrics::exposition(&figures)
}

/// Which `prometheus` plugins are configured.
#[derive(Default)]
struct Plugins {
    any: bool,
    health: bool,
}

impl Plugins {
    fn of(core: &Core) -> Self {
        let mut found = Self::default();
        let Some(view) = view(core) else { return found };
        for record in view.all("plugins") {
            let row = &record.value;
            let is = |field: &str, value: Value| row.get(field) == Some(&value);
            if is("name", "prometheus".into()) && !is("enabled", false.into()) {
                found.any = true;
                let config = row.get("config");
                found.health |= config.and_then(|config| config["upstream_health_metrics"].as_bool()) == Some(true);
            }
        }
        found
    }
}

/// The records of the configuration in use, where they are in memory.
pub(super) fn view(core: &Core) -> Option<Arc<View>> {
    match &core.storage {
        Storage::Memory(memory) => Some(memory.current()),
        Storage::Database(_) => core.followed(),
    }
}

/// The health of every address of every Target.
fn targets(core: &Core) -> Vec<TargetState> {
    let mut states = Vec::new();
    for peers in core.targets.all() {
        let upstream = peers.setup().name.to_string();
        for health in core.targets.health(peers.id()).unwrap_or_default() {
            let TargetHealth { health, data, .. } = health;
            let target = format!("{}:{}", data.host, data.port);
            let state = |address: String, label: Label| TargetState {
                upstream: upstream.clone(),
                target: target.clone(),
                address,
                state: match label {
                    Label::Off => "healthchecks_off",
                    Label::Healthy => "healthy",
                    Label::Unhealthy => "unhealthy",
                    Label::DnsError => "dns_error",
                },
            };
            if health == Label::DnsError || data.addresses.is_empty() {
                states.push(state(String::new(), health));
                continue;
            }
            // Where the Target has no health checks, neither have its addresses.
            let of = |label| if health == Label::Off { Label::Off } else { label };
            let each = data.addresses.iter();
            states.extend(each.map(|address| state(format!("{}:{}", address.ip, address.port), of(address.health))));
        }
    }
    states.sort_by(|a, b| (&a.upstream, &a.target, &a.address).cmp(&(&b.upstream, &b.target, &b.address)));
    states
}
