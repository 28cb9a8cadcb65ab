//! What validation says, as nested JSON and as one sentence.

use crate::lua;
use serde_json::{Map, Value};

/// The key under which a record's cross-field errors stand.
pub const ENTITY: &str = "@entity";

/// Everything wrong with one value. Never empty when returned as an `Err`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Errors {
    fields: Map<String, Value>,
}

impl Errors {
    /// From the nested form; array positions without an error are JSON null.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields }
    }

    /// One error on one field.
    pub fn of(field: &str, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert(field.to_owned(), Value::String(message.into()));
        Self { fields }
    }

    /// One cross-field error.
    pub fn entity(message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert(ENTITY.to_owned(), Value::Array(vec![Value::String(message.into())]));
        Self { fields }
    }

    /// The member `fields` of the Admin API's error body.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Takes the nested form out.
    pub fn into_fields(self) -> Map<String, Value> {
        self.fields
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The member `message`: `schema violation (host: required field missing)`, `2 schema violations (…; …)`.
    pub fn message(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if let Some(Value::Array(texts)) = self.fields.get(ENTITY) {
            parts.extend(texts.iter().filter(|t| !t.is_null()).map(text));
        }
        let mut names: Vec<&String> = self.fields.keys().filter(|name| *name != ENTITY).collect();
        names.sort();
        for name in names {
            match &self.fields[name] {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                        parts.push(format!("{name}.{}: {}", index + 1, text(item)));
                    }
                }
                Value::Object(members) => {
                    let mut keys: Vec<&String> = members.keys().collect();
                    keys.sort();
                    for key in keys {
                        parts.push(format!("{name}.{key}: {}", text(&members[key])));
                    }
                }
                other => parts.push(format!("{name}: {}", text(other))),
            }
        }
        match parts.len() {
            1 => format!("schema violation ({})", parts[0]),
            n => format!("{n} schema violations ({})", parts.join("; ")),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => lua::table(other),
    }
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Errors {}
