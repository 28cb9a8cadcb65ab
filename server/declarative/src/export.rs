//! Records → a configuration that stands for them.

use crate::kinds::Kinds;
use crate::yaml;
use indexmap::IndexMap;
use schema::Field;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use store::{Record, View};

/// What an export is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// People and `POST /config`: without workspaces.
    Show,
    /// This node after a restart: with workspaces.
    Keep,
}

/// The configuration of everything in `view`: flat lists, references as ids, nothing to be transformed again.
/// `now` is in Unix seconds; what has expired is left out.
pub fn document(view: &View, kinds: &Kinds, purpose: Purpose, now: i64) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("_format_version".into(), "3.0".into());
    document.insert("_transform".into(), false.into());
    for kind in kinds.iter() {
        if !kind.exported || (purpose == Purpose::Show && kind.name == "workspaces") {
            continue;
        }
        let records = view.all(kind.name).filter(|record| !record.expired(now));
        let list: Vec<Value> = records.map(|record| Value::Object(entity(record, kinds, purpose, now))).collect();
        if !list.is_empty() {
            document.insert(kind.name.into(), Value::Array(list));
        }
    }
    document
}

/// [`document`] as YAML text, the answer of `GET /config`.
pub fn text(view: &View, kinds: &Kinds, now: i64) -> String {
    yaml::write(&document(view, kinds, Purpose::Show, now))
}

fn entity(record: &Record, kinds: &Kinds, purpose: Purpose, now: i64) -> Map<String, Value> {
    let mut out = record.value.clone();
    let Some(position) = kinds.position(record.entity) else { return out };
    let kind = kinds.get(position);
    if let Some(definition) = kinds.entity(position) {
        // A file without what Kong does not have is one that Kong takes.
        let beyond = |name: &str| definition.record.get(name).is_some_and(Field::is_beyond);
        out.retain(|name, value| !(value.is_null() && beyond(name)));
    }
    for (name, value) in &mut out {
        if kind.reference(name).is_some()
            && let Some(id) = value.get("id").cloned()
        {
            *value = id;
        }
    }
    if let Some(expires) = record.expires {
        out.insert("ttl".into(), (expires - now).max(1).into());
    }
    if let (Purpose::Keep, Some(ws)) = (purpose, record.ws) {
        out.insert("ws_id".into(), ws.to_string().into());
    }
    out
}

/// Records by kind and id, as JSON text: the answer to a loaded configuration. Workspaces are left out.
pub fn by_id<'r>(records: impl IntoIterator<Item = &'r Record>) -> String {
    let mut kinds: IndexMap<&str, OfKind<'_>> = IndexMap::new();
    for record in records {
        if record.entity != "workspaces" {
            kinds.entry(record.entity).or_default().0.push(record);
        }
    }
    serde_json::to_string(&kinds).unwrap_or_default()
}

/// Records of one kind, written as an object with their ids as keys.
#[derive(Default)]
struct OfKind<'r>(Vec<&'r Record>);

impl Serialize for OfKind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|record| (record.id.to_string(), &record.value)))
    }
}
