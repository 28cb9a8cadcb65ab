//! What an Upstream's record says, read once.

use balancer::breaker::BreakerConfig;
use balancer::hash::{HashOn, HashPlan};
use balancer::health::Subsystem;
use balancer::{Algorithm, HealthConfig};
use serde::Deserialize;
use snapshot::CompiledUpstream;
use std::sync::Arc;
use uuid::Uuid;

/// An Upstream as the balancer needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// `name`
    pub name: Arc<str>,
    /// What is hashed of a request.
    pub plan: HashPlan,
    /// `host_header`
    pub host_header: Option<Arc<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) slots: u32,
    pub(super) health: HealthConfig,
    pub(super) use_srv_name: bool,
    pub(super) breaker: BreakerConfig,
    /// The newest first.
    pub(super) targets: Vec<Place>,
}

/// A Target as configured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub id: Uuid,
    pub host: Arc<str>,
    pub port: u16,
    pub weight: u32,
}

/// The fields that count, whatever else there is.
#[derive(Deserialize)]
struct Fields {
    name: Arc<str>,
    algorithm: Option<String>,
    slots: Option<f64>,
    hash_on: Option<String>,
    hash_fallback: Option<String>,
    hash_on_header: Option<String>,
    hash_fallback_header: Option<String>,
    hash_on_cookie: Option<String>,
    hash_on_cookie_path: Option<String>,
    hash_on_query_arg: Option<String>,
    hash_fallback_query_arg: Option<String>,
    hash_on_uri_capture: Option<String>,
    hash_fallback_uri_capture: Option<String>,
    #[serde(default)]
    healthchecks: HealthConfig,
    host_header: Option<Arc<str>>,
    use_srv_name: Option<bool>,
    circuit_breaker: Option<BreakerConfig>,
}

#[derive(Deserialize)]
struct TargetFields {
    id: Uuid,
    target: String,
    weight: Option<f64>,
    created_at: Option<f64>,
}

impl Setup {
    /// From a Snapshot's Upstream. The error is a sentence; records that passed validation have none.
    pub(super) fn of(compiled: &CompiledUpstream) -> Result<Self, String> {
        let fields = serde_json::to_value(&*compiled.entity).map_err(|error| error.to_string())?;
        let fields = Fields::deserialize(fields).map_err(|error| error.to_string())?;
        let mut targets = Vec::with_capacity(compiled.targets.len());
        for target in &compiled.targets {
            let value = serde_json::to_value(&**target).map_err(|error| error.to_string())?;
            targets.push(TargetFields::deserialize(value).map_err(|error| error.to_string())?);
        }
        Ok(Self::read(fields, targets))
    }

    fn read(fields: Fields, mut targets: Vec<TargetFields>) -> Self {
        targets.sort_by(|a, b| {
            let age = |target: &TargetFields| target.created_at.unwrap_or_default();
            age(b).total_cmp(&age(a)).then(b.id.cmp(&a.id))
        });
        let kind =
            |given: &Option<String>, header: &Option<String>, query: &Option<String>, capture: &Option<String>| {
                let kind = given.as_deref().unwrap_or("none");
                let name = match kind {
                    "header" => header.as_deref(),
                    "cookie" => fields.hash_on_cookie.as_deref(),
                    "query_arg" => query.as_deref(),
                    "uri_capture" => capture.as_deref(),
                    _ => None,
                };
                HashOn::from_fields(kind, name, fields.hash_on_cookie_path.as_deref()).unwrap_or_default()
            };
        let on = kind(&fields.hash_on, &fields.hash_on_header, &fields.hash_on_query_arg, &fields.hash_on_uri_capture);
        let fallback = kind(
            &fields.hash_fallback,
            &fields.hash_fallback_header,
            &fields.hash_fallback_query_arg,
            &fields.hash_fallback_uri_capture,
        );
        Self {
            plan: HashPlan { on, fallback },
            algorithm: fields.algorithm.and_then(|name| name.parse().ok()).unwrap_or_default(),
            slots: fields.slots.unwrap_or(10_000.0) as u32,
            health: fields.healthchecks,
            use_srv_name: fields.use_srv_name.unwrap_or(false),
            breaker: fields.circuit_breaker.unwrap_or_default(),
            host_header: fields.host_header.filter(|host| !host.is_empty()),
            name: fields.name,
            targets: targets.iter().map(place).collect(),
        }
    }

    /// Whether its Targets are probed: an interval is set, and the type is one of HTTP, or of streams where the node
    /// has listeners for them.
    pub fn probes(&self, streams: bool) -> bool {
        let active = &self.health.active;
        self.health.probes() && (active.runs_in(Subsystem::Http) || streams && active.runs_in(Subsystem::Stream))
    }
}

/// Port of a Target that names none.
const DEFAULT_PORT: u16 = 8000;

fn place(target: &TargetFields) -> Place {
    // `[::1]:80` and `a.test:80`; validation has put the port there.
    let (host, port) = match target.target.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().unwrap_or(DEFAULT_PORT))
        }
        _ => (target.target.as_str(), DEFAULT_PORT),
    };
    Place { id: target.id, host: Arc::from(host), port, weight: target.weight.unwrap_or(100.0) as u32 }
}

#[cfg(test)]
impl Setup {
    /// From the JSON of an Upstream with its Targets under `targets`.
    pub(crate) fn from_json(value: serde_json::Value) -> Self {
        let targets = value.get("targets").cloned().unwrap_or_default();
        let targets: Vec<TargetFields> = Option::deserialize(targets).unwrap().unwrap_or_default();
        Self::read(Fields::deserialize(value).unwrap(), targets)
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_read() {
        let id = Uuid::from_u128(7);
        let setup = Setup::from_json(json!({
            "name": "u", "algorithm": "consistent-hashing", "slots": 100, "hash_on": "header", "hash_on_header": "X-A",
            "hash_fallback": "cookie", "hash_on_cookie": "c", "hash_on_cookie_path": "/p", "host_header": "",
            "healthchecks": {"active": {"healthy": {"interval": 1}}}, "use_srv_name": null,
            "circuit_breaker": {"max_requests": 5, "window": 3},
            "targets": [
                {"id": id, "target": "a.test:80", "weight": 5}, {"id": id, "target": "[0:0::1]:81"},
                {"id": id, "target": "a.test"}, {"id": id, "target": "::1"},
            ],
        }));
        assert_eq!(setup.plan.on, HashOn::Header("X-A".into()));
        assert_eq!(setup.plan.fallback, HashOn::Cookie { name: "c".into(), path: "/p".into() });
        assert_eq!(
            (setup.algorithm, setup.slots, setup.host_header.clone()),
            (Algorithm::ConsistentHashing, 100, None)
        );
        assert!(setup.probes(false));
        assert_eq!(setup.breaker, BreakerConfig { max_requests: 5, window: 3, ..BreakerConfig::default() });
        let shown: Vec<_> = setup.targets.iter().map(|t| format!("{} {} {}", t.host, t.port, t.weight)).collect();
        assert_eq!(shown, ["a.test 80 5", "[0:0::1] 81 100", "a.test 8000 100", "::1 8000 100"]);
        let tcp = json!({"name": "u", "healthchecks": {"active": {"type": "tcp", "healthy": {"interval": 1}}}});
        let tcp = Setup::from_json(tcp);
        assert!(tcp.breaker.is_off());
        assert!(!tcp.probes(false) && tcp.probes(true));
    }
}
