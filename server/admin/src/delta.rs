//! What becomes of entities between two states of the configuration.

use crate::secrets::Masks;
use access::Action;
use declarative::{Kind, Kinds};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use store::{Change, ChangeKind, Id, Record, Revision};
use uuid::Uuid;

/// Kinds that declarative files hold and that are no configuration: what nodes and people leave behind.
const LEFT_BEHIND: [&str; 5] = ["acme_storage", "oauth2_tokens", "parameters", "tags", "workspaces"];

/// Whether entities of a kind are configuration, which is compared and brought back.
pub(crate) fn is_configuration(kind: &Kind) -> bool {
    kind.exported && !LEFT_BEHIND.contains(&kind.name)
}

/// One entity in two states, of which at most one lacks it.
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    pub(crate) entity: &'static str,
    pub(crate) id: Id,
    pub(crate) before: Option<Arc<Record>>,
    pub(crate) after: Option<Arc<Record>>,
}

impl Delta {
    /// The entity in its later state, or in its earlier one where it is gone.
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The workspace.
    pub(crate) fn ws(&self) -> Option<Uuid> {
        self.record().and_then(|record| record.ws)
    }

    /// What leads from the one state to the other.
    pub(crate) fn action(&self) -> Action {
        match (&self.before, &self.after) {
            (None, _) => Action::Create,
            (_, Some(_)) => Action::Update,
            (_, None) => Action::Delete,
        }
    }

    /// The way back.
    pub(crate) fn reversed(self) -> Delta {
        Delta { before: self.after, after: self.before, ..self }
    }

    /// Whether both states are the same, whenever they were written.
    fn is_nothing(&self) -> bool {
        match (&self.before, &self.after) {
            (None, None) => true,
            (Some(before), Some(after)) => {
                before.ws == after.ws
                    && before.expires == after.expires
                    && differing(&before.value, &after.value, &[]).is_empty()
            }
            _ => false,
        }
    }

    /// As it is shown: without secrets, of which only the names are told when they change.
    pub(crate) fn shown(&self, masks: &Masks) -> Value {
        let text = |record: &Option<Arc<Record>>| record.as_deref().map(|record| masks.shown(record));
        let mut shown = json!({
            "entity": self.entity,
            "id": self.id.to_string(),
            "workspace": self.ws().map(|ws| ws.to_string()),
            "operation": self.action().name(),
            "before": text(&self.before),
            "after": text(&self.after),
        });
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            let mut fields = differing(&before.value, &after.value, &[]);
            if before.expires != after.expires {
                fields.push("ttl".to_owned());
            }
            shown["fields"] = fields.into();
        }
        shown
    }
}

/// The fields in which two values differ, with dots; the time of the last change is none of them, and `apart` are not looked
/// at.
pub(crate) fn differing(before: &Map<String, Value>, after: &Map<String, Value>, apart: &[&str]) -> Vec<String> {
    fn descend(
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        path: &str,
        apart: &[&str],
        out: &mut Vec<String>,
    ) {
        let new = after.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(new) {
            if path.is_empty() && (name == "updated_at" || apart.contains(&name.as_str())) {
                continue;
            }
            let dotted = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match (before.get(name), after.get(name)) {
                (Some(Value::Object(before)), Some(Value::Object(after))) if !is_reference(before) => {
                    descend(before, after, &dotted, apart, out);
                }
                // What is not there is null.
                (before, after) if before.unwrap_or(&Value::Null) != after.unwrap_or(&Value::Null) => out.push(dotted),
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    descend(before, after, "", apart, &mut out);
    out.sort();
    out
}

fn is_reference(value: &Map<String, Value>) -> bool {
    value.len() == 1 && value.contains_key("id")
}

/// What changes come to: of each entity the state before the first and the state after the last of them, in the order in
/// which they were first touched.
#[derive(Debug, Default)]
pub(crate) struct Net {
    found: Vec<Delta>,
    places: HashMap<(&'static str, Id), usize>,
}

impl Net {
    /// Adds the changes that come next.
    ///
    /// # Errors
    /// The revision that replaced everything, if one did: what was there before is not known then.
    pub(crate) fn add(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), Revision> {
        for change in changes {
            let ChangeKind::Record { entity, id, before, after, .. } = change.kind else { return Err(change.revision) };
            match self.places.get(&(entity, id.clone())) {
                Some(&place) => self.found[place].after = after,
                None => {
                    self.places.insert((entity, id.clone()), self.found.len());
                    self.found.push(Delta { entity, id, before, after });
                }
            }
        }
        Ok(())
    }

    /// What they come to. What ends as it began is left out.
    pub(crate) fn end(mut self) -> Vec<Delta> {
        self.found.retain(|delta| !delta.is_nothing());
        self.found
    }
}

/// What some changes come to; see [`Net`].
pub(crate) fn net(changes: impl IntoIterator<Item = Change>) -> Result<Vec<Delta>, Revision> {
    let mut net = Net::default();
    net.add(changes)?;
    Ok(net.end())
}

/// How many entities of which kind are created, updated and deleted.
pub(crate) fn counts<'d>(deltas: impl IntoIterator<Item = &'d Delta>) -> Value {
    let mut counts: Map<String, Value> = Map::new();
    for delta in deltas {
        let kind = counts.entry(delta.entity).or_insert_with(|| json!({"create": 0, "update": 0, "delete": 0}));
        let known = &mut kind[delta.action().name()];
        *known = (known.as_u64().unwrap_or(0) + 1).into();
    }
    counts.into()
}

/// The position of a kind, for an order with parents before children.
pub(crate) fn rank(kinds: &Kinds, entity: &str) -> usize {
    kinds.position(entity).unwrap_or(usize::MAX)
}

/// The values of a record that no other of its kind may have: the number of the rule, and the values as text.
pub(crate) fn unique_keys(kinds: &Kinds, record: &Record) -> Vec<(usize, String)> {
    let Some(rules) = kinds.catalog().get(record.entity) else { return Vec::new() };
    let keys = rules.unique.iter().enumerate().filter_map(|(number, unique)| {
        let values: Vec<&Value> =
            unique.fields.iter().map(|field| record.value.get(*field).unwrap_or(&Value::Null)).collect();
        if !unique.nulls && values.iter().any(|value| value.is_null()) {
            return None;
        }
        let ws = if unique.across_workspaces { None } else { record.ws };
        Some((number, format!("{ws:?} {}", json!(values))))
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn record(id: u128, value: Value) -> Arc<Record> {
        let Value::Object(value) = value else { panic!("an object") };
        Arc::new(Record { entity: "services", id: Id::Uuid(Uuid::from_u128(id)), ws: None, value, expires: None })
    }

    fn change(revision: u64, before: Option<&Arc<Record>>, after: Option<&Arc<Record>>) -> Change {
        let known = after.or(before).expect("one of them");
        let (entity, id) = (known.entity, known.id.clone());
        let kind = ChangeKind::Record { entity, id, ws: None, before: before.cloned(), after: after.cloned() };
        Change { revision, at: SystemTime::UNIX_EPOCH, author: "a".into(), request_id: "r".into(), kind }
    }

    #[test]
    fn differences_are_told_by_their_fields() {
        for (before, after, wanted) in [
            (json!({"a": 1, "updated_at": 1}), json!({"a": 1, "updated_at": 2}), vec![]),
            (json!({"a": 1}), json!({"a": 2}), vec!["a"]),
            (json!({"a": null}), json!({}), vec![]),
            (json!({}), json!({"b": 1}), vec!["b"]),
            (json!({"c": {"x": 1, "y": {"z": [1]}}}), json!({"c": {"x": 1, "y": {"z": [2]}}}), vec!["c.y.z"]),
            (json!({"c": {"updated_at": 1}}), json!({"c": {"updated_at": 2}}), vec!["c.updated_at"]),
            (json!({"service": {"id": "1"}}), json!({"service": {"id": "2"}}), vec!["service"]),
            (json!({"service": {"id": "1"}}), json!({"service": null}), vec!["service"]),
            (json!({"id": 1, "a": 1}), json!({"id": 2, "a": 2}), vec!["a"]),
        ] {
            let (before, after) = (before.as_object().expect("an object"), after.as_object().expect("an object"));
            assert_eq!(differing(before, after, &["id"]), wanted, "{before:?} {after:?}");
        }
    }

    #[test]
    fn changes_of_one_entity_come_to_one() {
        let (old, new) = (record(1, json!({"a": 1})), record(1, json!({"a": 2})));
        let other = record(2, json!({"a": 1}));
        let found = net([
            change(1, Some(&old), Some(&new)),
            change(1, None, Some(&other)),
            change(2, Some(&new), None),
            change(3, None, Some(&new)),
            change(3, Some(&other), None),
        ])
        .expect("changes of entities");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].before.as_ref(), found[0].after.as_ref()), (Some(&old), Some(&new)));
        assert_eq!(counts(&found), json!({"services": {"create": 0, "update": 1, "delete": 0}}));
        let back = found[0].clone().reversed();
        assert_eq!(back.after.as_ref(), Some(&old));
        let mut replaced = change(4, None, Some(&old));
        replaced.kind = ChangeKind::Replaced { before: 1, after: 2 };
        assert_eq!(net([change(3, None, Some(&old)), replaced]).err(), Some(4));
    }
}
