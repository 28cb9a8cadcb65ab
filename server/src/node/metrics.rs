//! What `GET /metrics` tells of this node, beside what plugins have recorded.

use super::core::{Core, Storage};
use balancer::health::{Label, TargetHealth};
use observability::metrics::{self, NodeFigures, Own, TargetState};
use serde_json::Value;
use std::sync::Arc;
use store::View;

/// Everything, as text.
pub fn exposition(core: &Core) -> String {
    let now = core.traffic.now();
    let plugins = Plugins::of(core);
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
        datastore_reachable: core.database().is_none_or(|database| database.store.is_reachable()),
        with_requests: plugins.any,
        targets: plugins.health.then(|| targets(core)),
        own: own(core),
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

/// Metrics that other gateways do not have.
fn own(core: &Core) -> Vec<Own> {
    let plain = |value: f64| vec![(Vec::new(), value)];
    let mut metrics = vec![Own {
        name: "silverback_snapshot_generation",
        help: "Configurations compiled since the start",
        kind: "counter",
        series: plain(core.published.load().generation as f64),
    }];
    if let Some(bytes) = resident() {
        let help = "Resident memory of the process";
        metrics.push(Own { name: "process_resident_memory_bytes", help, kind: "gauge", series: plain(bytes as f64) });
    }
    let queues = core.outbound.depot.counts();
    let mut add = |name, help, kind, of: fn(&telemetry::ship::QueueCounts) -> u64| {
        let series =
            queues.iter().map(|counts| (vec![("plugin", counts.plugin.to_owned())], of(counts) as f64)).collect();
        metrics.push(Own { name, help, kind, series });
    };
    add("silverback_queue_bytes", "Bytes that wait in queues", "gauge", |counts| counts.bytes);
    add("silverback_queue_dropped_total", "Entries dropped for want of room", "counter", |counts| counts.dropped);
    add("silverback_queue_entries", "Entries that wait in queues", "gauge", |counts| counts.waiting);
    add("silverback_queue_failed_total", "Entries that could not be sent", "counter", |counts| counts.failed);
    add("silverback_queue_retries_total", "Further tries of batches", "counter", |counts| counts.retries);
    add("silverback_queue_sent_total", "Entries sent", "counter", |counts| counts.shipped);
    metrics
}

/// Resident memory of this process in bytes, as Linux tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
