//! Ids that are the same each time the same declarative configuration is loaded.

use crate::Entity;
use schema::{Auto, Field, Map, Value};
use uuid::Uuid;

/// The id of the workspace `default`.
pub const DEFAULT_WORKSPACE: Uuid = uuid::uuid!("0dc6f45b-8f8d-40d2-a504-473544ee190b");

const NAMESPACE: Uuid = uuid::uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5");

/// The id of an entity that was declared without one, `None` when nothing identifies it (an unnamed Route).
///
/// `data` is the entity as declared, with its parent's id in the foreign field when it is nested; `ws` is its
/// workspace's id when it declares one.
pub fn deterministic_id(entity: &Entity, data: &Map<String, Value>, ws: Option<Uuid>) -> Option<Uuid> {
    let key = if entity.cache_key.is_empty() { endpoint_key(entity, data, ws)? } else { cache_key(entity, data, ws)? };
    let namespace = Uuid::new_v5(&NAMESPACE, entity.name.as_bytes());
    Some(Uuid::new_v5(&namespace, key.as_bytes()))
}

fn cache_key(entity: &Entity, data: &Map<String, Value>, ws: Option<Uuid>) -> Option<String> {
    let ws = ws.map_or_else(|| "*".to_owned(), |id| id.to_string());
    let mut key = format!("{}:{ws}", entity.name);
    for name in entity.cache_key {
        let field = entity.record.get(name);
        key.push(':');
        match data.get(*name).and_then(text) {
            Some(text) => key.push_str(&text),
            None if field.is_some_and(|f| f.is_required() || f.auto_value().is_some_and(|a| a != Auto::Elsewhere)) => {
                return None;
            }
            None => {}
        }
    }
    if entity.name == "plugins"
        && let Some(group) = data.get("consumer_group").and_then(text)
    {
        key.push(':');
        key.push_str(&group);
    }
    Some(key)
}

fn endpoint_key(entity: &Entity, data: &Map<String, Value>, ws: Option<Uuid>) -> Option<String> {
    let name = entity.endpoint_key?;
    let mut key = data.get(name).and_then(text)?;
    if !entity.record.get(name).is_some_and(Field::is_unique) {
        for (field, _, _) in entity.references() {
            if let Some(parent) = data.get(field).and_then(text) {
                key.push(':');
                key.push_str(&parent);
            }
        }
        if let Some(ws) = ws {
            key.push(':');
            key.push_str(&ws.to_string());
        }
    }
    Some(key)
}

/// A key's text; of a foreign value its id.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(members) => members.get("id").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}
