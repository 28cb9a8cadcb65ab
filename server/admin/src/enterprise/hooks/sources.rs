//! What can be told: sources, their events, and the fields of each.

use declarative::Kinds;
use serde_json::{Map, Value, json};

/// Changes of entities, by kind.
pub(super) const CRUD: &str = "crud";
/// Changes of entities, by operation.
pub(super) const DAO: &str = "dao:crud";
/// What balancers see.
pub(super) const BALANCER: &str = "balancer";
/// The balancer's event.
pub(super) const HEALTH: &str = "health";
/// Limits of requests.
pub(super) const LIMITS: &str = "rate-limiting";
/// The same under the name that Kong's Enterprise edition has for it.
pub(super) const LIMITS_ADVANCED: &str = "rate-limiting-advanced";
/// Their event.
pub(super) const EXCEEDED: &str = "rate-limit-exceeded";

/// What changes of entities are.
const OPERATIONS: [&str; 3] = ["create", "update", "delete"];
/// Fields of an event of changes.
const CHANGE: [&str; 4] = ["operation", "entity", "old_entity", "schema"];
/// What tells limits apart that were reached.
const WHO: [&str; 3] = ["consumer", "ip", "service"];

/// The fields of an event that tell it from others of its kind; none: all of them do.
pub(super) fn key_parts(source: &str, event: &str) -> &'static [&'static str] {
    if matches!(source, LIMITS | LIMITS_ADVANCED) && event == EXCEEDED { &WHO } else { &[] }
}

/// All of them: source, event, `fields`.
pub(super) fn all(kinds: &Kinds) -> Value {
    let fields = json!({"fields": CHANGE});
    let crud: Map<String, Value> = kinds
        .iter()
        .flat_map(|kind| {
            let each = OPERATIONS.map(|operation| format!("{}:{operation}", kind.name));
            [kind.name.to_owned()].into_iter().chain(each)
        })
        .map(|event| (event, fields.clone()))
        .collect();
    let dao = OPERATIONS.map(|event| (event.to_owned(), fields.clone()));
    let exceeded = json!({EXCEEDED: {
        "description": "Run an event when a rate limit has been exceeded",
        "fields": ["consumer", "ip", "service", "rate", "limit", "window"],
        "unique": WHO,
    }});
    json!({
        CRUD: crud,
        DAO: Map::from_iter(dao),
        BALANCER: {HEALTH: {"fields": ["upstream_id", "ip", "port", "hostname", "health"]}},
        LIMITS: exceeded,
        LIMITS_ADVANCED: exceeded,
    })
}
