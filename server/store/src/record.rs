//! One stored entity.

use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// A primary key. Almost every entity has a UUID; a few (tags, parameters, counters) have text or a composite, whose parts
/// are joined by `:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// The `id` field.
    Uuid(Uuid),
    /// Any other primary key.
    Text(Arc<str>),
}

impl Id {
    /// Reads an id as it is written in a document: a UUID if it is one, else text.
    pub fn parse(text: &str) -> Id {
        match Uuid::try_parse(text) {
            // Braced, simple and URN spellings are UUIDs to the parser and plain text to a Kong user.
            Ok(uuid) if text.len() == 36 => Id::Uuid(uuid),
            _ => Id::Text(text.into()),
        }
    }

    /// The primary key of `value` over the fields `key`; `None` when a part is missing or neither text nor a reference.
    pub fn of(key: &[&'static str], value: &Map<String, Value>) -> Option<Id> {
        if let [field] = key {
            return value.get(*field).and_then(key_part).map(Id::parse);
        }
        let mut text = String::new();
        for (index, field) in key.iter().enumerate() {
            if index > 0 {
                text.push(':');
            }
            match value.get(*field)? {
                Value::Number(number) => text.push_str(&number.to_string()),
                other => text.push_str(key_part(other)?),
            }
        }
        Some(Id::Text(text.into()))
    }

    /// The UUID, when it is one.
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Id::Uuid(uuid) => Some(*uuid),
            Id::Text(_) => None,
        }
    }
}

/// A part of a key as text: a string, or the `id` of a reference.
pub(crate) fn key_part(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(reference) => reference.get("id").and_then(Value::as_str),
        _ => None,
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Id {
        Id::Uuid(uuid)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Uuid(uuid) => uuid.fmt(out),
            Id::Text(text) => out.write_str(text),
        }
    }
}

/// One entity as stored: complete (every field present, defaults filled), valid and normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The kind, in the plural: `services`, `keyauth_credentials`.
    pub entity: &'static str,
    /// The primary key; also in `value`.
    pub id: Id,
    /// The workspace; `None` for kinds that belong to none.
    pub ws: Option<Uuid>,
    /// Every field. References are `{"id": …}`; the workspace and the time to live are not in here.
    pub value: Map<String, Value>,
    /// When the record ceases to exist, in Unix seconds.
    pub expires: Option<i64>,
}

impl Record {
    /// The id a foreign field points to.
    pub fn reference(&self, field: &str) -> Option<Id> {
        self.value.get(field).and_then(key_part).map(Id::parse)
    }

    /// The tags, in their order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.value.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether the record's time to live has run out at `now` (Unix seconds).
    pub fn expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// A text field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field).and_then(Value::as_str)
    }
}
