//! `GET /nodes`: the nodes on this database, as each last told of itself.

use crate::errors;
use crate::respond::Answer;
use crate::state::{NODE_BEAT, NODE_ENTITY, Shared};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Filter, Record, Revision};

/// Beats that a node may miss before it is silent.
const MISSED: u64 = 3;
/// What a node tells of itself that is text in the database, and a number here.
const NUMBERS: [&str; 3] = ["revision", "started_at", "workers"];

impl Shared {
    /// `GET /nodes`: this node alone without a database.
    pub(crate) async fn nodes(&self) -> Result<Answer, Answer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if !self.kinds.definitions().database() {
            let own = json!({
                "id": self.facts.node_id,
                "hostname": self.facts.hostname,
                "version": schema::KONG_VERSION,
                "last_ping": now,
                "status": "up",
                "workers": self.facts.workers,
            });
            return Ok(Answer::json(200, &json!({"data": [own], "next": null})));
        }
        let newest = self.store.revision().await.map_err(|error| errors::store(&error))?;
        let nodes =
            self.store.all(NODE_ENTITY, None, Filter::default()).await.map_err(|error| errors::store(&error))?;
        let nodes: Vec<Value> = nodes.iter().map(|node| shown(node, now, newest)).collect();
        Ok(Answer::json(200, &json!({"data": nodes, "next": null})))
    }
}

fn shown(record: &Record, now: u64, newest: Revision) -> Value {
    let seen = record.value.get("last_seen").and_then(Value::as_u64).unwrap_or(0);
    let is_up = seen + NODE_BEAT.as_secs() * MISSED >= now;
    let told = |name: &str| record.value.get("labels")?.get(name)?.as_str()?.parse::<u64>().ok();
    let mut node = Map::from_iter([
        ("id".to_owned(), Value::from(record.id.to_string())),
        ("last_ping".to_owned(), seen.into()),
        ("status".to_owned(), (if is_up { "up" } else { "silent" }).into()),
    ]);
    for name in ["hostname", "ip", "version"] {
        node.insert(name.to_owned(), record.value.get(name).cloned().unwrap_or_default());
    }
    for name in NUMBERS {
        node.insert(name.to_owned(), told(name).map_or(Value::Null, Value::from));
    }
    if let Some(serves) = told("revision") {
        node.insert("behind".to_owned(), newest.saturating_sub(serves).into());
    }
    Value::Object(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Id;
    use uuid::Uuid;

    #[test]
    fn a_node_is_up_until_it_has_missed_three_beats() {
        let id = Uuid::from_u128(7);
        let value = json!({
            "id": id.to_string(), "last_seen": 1000, "hostname": "one", "ip": "10.0.0.1", "version": "3.9.1",
            "labels": {"revision": "40", "started_at": "900", "workers": "2"},
        });
        let Value::Object(value) = value else { unreachable!() };
        let record = Record { entity: NODE_ENTITY, id: Id::from(id), ws: None, value, expires: None };
        for (now, status) in [(1000, "up"), (1030, "up"), (1031, "silent")] {
            let node = shown(&record, now, 42);
            assert_eq!(node["status"], status, "{now}");
            assert_eq!((&node["behind"], &node["revision"], &node["workers"]), (&json!(2), &json!(40), &json!(2)));
            assert_eq!(node["last_ping"], 1000);
        }
    }
}
