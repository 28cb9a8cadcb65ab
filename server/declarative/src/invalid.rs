//! What is wrong with a configuration: nested like the input, as one sentence, by entity, and as a tree for a terminal.

use schema::{Errors, lua};
use serde_json::{Map, Value, json};
use std::fmt::{self, Write};

const ENTITY: &str = "@entity";

/// A configuration that cannot be loaded. Nothing of it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Invalid {
    /// Everything that is wrong, nested like the input; positions of a list without an error are null.
    fields: Map<String, Value>,
    /// What does not belong to an entity.
    loose: Map<String, Value>,
    /// What does, one entry per entity.
    entities: Vec<Value>,
}

/// One step on the way from the top of a file to an entity: a list's name and a position in it.
pub(crate) type Step<'a> = (&'a str, usize);

impl Invalid {
    /// The whole text is wrong.
    pub fn text(message: impl Into<String>) -> Invalid {
        let mut invalid = Invalid::default();
        invalid.loose("error", Value::String(message.into()));
        invalid
    }

    /// What a store says of records that are valid one by one.
    pub fn of_store(error: &store::Error) -> Invalid {
        let mut invalid = Invalid::default();
        match error {
            store::Error::Unique { entity, fields, .. } => {
                let names = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let shown = |value: &Value| lua::to_string(value.get("id").unwrap_or(value));
                let values = fields.values().map(shown).collect::<Vec<_>>().join(", ");
                let message =
                    format!("uniqueness violation: '{entity}' entity with {names} set to '{values}' already declared");
                invalid.loose(entity, json!([message]));
            }
            other => invalid.loose("error", other.to_string().into()),
        }
        invalid
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// An error under a top-level key.
    pub(crate) fn loose(&mut self, key: &str, error: Value) {
        self.fields.insert(key.to_owned(), error.clone());
        self.loose.insert(key.to_owned(), error);
    }

    /// An error at a position of a list under a top-level key, where Kong does not name the entity's own place.
    pub(crate) fn loose_at(&mut self, key: &str, index: usize, message: String) {
        for tree in [&mut self.fields, &mut self.loose] {
            *slot(tree, (key, index)) = Value::String(message.clone());
        }
    }

    /// Errors of a list under a top-level key, by name or position of the entity.
    pub(crate) fn named(&mut self, key: &str, at: Result<&str, usize>, message: String) {
        let tree = &mut self.fields;
        let list = match at {
            Ok(name) => {
                let entry = tree.entry(key).or_insert_with(|| json!({}));
                if let Value::Array(items) = entry {
                    // Names and positions cannot stand side by side in JSON: positions become names.
                    let items = std::mem::take(items).into_iter().enumerate().filter(|(_, item)| !item.is_null());
                    *entry = Value::Object(items.map(|(index, item)| ((index + 1).to_string(), item)).collect());
                }
                entry.as_object_mut().map(|members| members.entry(name).or_insert_with(|| json!([])))
            }
            Err(index) => match tree.get_mut(key) {
                Some(Value::Object(members)) => {
                    Some(members.entry((index + 1).to_string()).or_insert_with(|| json!([])))
                }
                _ => Some(slot(tree, (key, index))),
            },
        };
        match list {
            Some(Value::Array(messages)) => messages.push(Value::String(message)),
            Some(other) => *other = json!([message]),
            None => {}
        }
    }

    /// Errors of one entity, given by field, at its place in the file.
    pub(crate) fn entity<'a>(&mut self, path: &[Step<'a>], errors: &Map<String, Value>) {
        let Some(place) = place(&mut self.fields, path) else { return };
        match place {
            Value::Object(members) => members.extend(errors.clone()),
            other => *other = Value::Object(errors.clone()),
        }
    }

    /// One error of an entity as a whole, at its place in the file.
    pub(crate) fn at(&mut self, path: &[Step<'_>], message: &str) {
        if let Some(place) = place(&mut self.fields, path) {
            *place = Value::String(message.to_owned());
        }
    }

    /// The entry of an entity in the flattened list.
    pub(crate) fn flattened(&mut self, kind: &str, mut entity: Map<String, Value>, errors: Vec<Value>) {
        entity.shift_remove("_comment");
        entity.shift_remove("_ignore");
        let mut entry = Map::new();
        entry.insert("entity_type".into(), Value::from(kind.strip_suffix('s').unwrap_or(kind)));
        if let Some(name) = entity.get("name").filter(|name| name.is_string()) {
            entry.insert("entity_name".into(), name.clone());
        }
        if let Some(id) = entity.get("id").filter(|id| id.as_str().is_some_and(is_uuid)) {
            entry.insert("entity_id".into(), id.clone());
        }
        if let Some(Value::Array(tags)) = entity.get("tags")
            && !tags.is_empty()
            && tags.iter().all(Value::is_string)
        {
            entry.insert("entity_tags".into(), Value::Array(tags.clone()));
        }
        entry.insert("entity".into(), Value::Object(entity));
        entry.insert("errors".into(), Value::Array(errors));
        self.entities.push(Value::Object(entry));
    }

    /// The member `fields` of the answer.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The answer's body. Flattened, `fields` keeps only what belongs to no entity.
    pub fn body(&self, flatten: bool) -> Value {
        let fields = if flatten { &self.loose } else { &self.fields };
        let mut body = json!({
            "code": 14,
            "name": "invalid declarative configuration",
            "message": message(fields),
            "fields": fields,
        });
        if flatten {
            body["flattened_errors"] = Value::Array(self.entities.clone());
        }
        body
    }

    /// The errors as indented lines.
    pub fn tree(&self) -> String {
        let mut out = String::new();
        write_tree(&mut out, &self.fields, 0);
        out
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&message(&self.fields))
    }
}

impl std::error::Error for Invalid {}

fn message(fields: &Map<String, Value>) -> String {
    format!("declarative config is invalid: {}", lua::table_inline(&Value::Object(fields.clone())))
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn place<'t>(tree: &'t mut Map<String, Value>, path: &[Step<'_>]) -> Option<&'t mut Value> {
    let (first, rest) = path.split_first()?;
    let mut at = slot(tree, *first);
    for step in rest {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = slot(at.as_object_mut()?, *step);
    }
    Some(at)
}

/// The place number `index` of the list `key`, which grows as needed.
fn slot<'t>(tree: &'t mut Map<String, Value>, (key, index): Step<'_>) -> &'t mut Value {
    let list = tree.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(items) = list else { return list };
    if items.len() <= index {
        items.resize(index + 1, Value::Null);
    }
    &mut items[index]
}

/// An entity's errors as a list: dotted path and message for fields, the message for what concerns the whole.
pub(crate) fn flatten(errors: &Errors) -> Vec<Value> {
    let mut out = Vec::new();
    flatten_into(&mut out, "", errors.fields());
    out
}

fn flatten_into(out: &mut Vec<Value>, prefix: &str, errors: &Map<String, Value>) {
    for (key, error) in errors {
        if key == ENTITY {
            let messages = match error {
                Value::Array(messages) => messages.as_slice(),
                other => std::slice::from_ref(other),
            };
            out.extend(
                messages.iter().filter(|text| !text.is_null()).map(|text| json!({"type": "entity", "message": text})),
            );
            continue;
        }
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        flatten_value(out, &path, error);
    }
}

fn flatten_value(out: &mut Vec<Value>, path: &str, error: &Value) {
    match error {
        Value::Object(members) => flatten_into(out, path, members),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                flatten_value(out, &format!("{path}.{}", index + 1), item);
            }
        }
        text => out.push(json!({"type": "field", "field": path, "message": text})),
    }
}

fn write_tree(out: &mut String, errors: &Map<String, Value>, level: usize) {
    let indent = "  ".repeat(level);
    let mut keys: Vec<&String> = errors.keys().collect();
    keys.sort();
    for key in keys {
        match &errors[key] {
            Value::Object(members) => {
                let _ = writeln!(out, "{indent}in '{key}':");
                write_tree(out, members, level + 1);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                    let entry = index + 1;
                    match item {
                        Value::Object(members) => {
                            let _ = writeln!(out, "{indent}- in entry {entry} of '{key}':");
                            write_tree(out, members, level + 1);
                        }
                        text => {
                            let _ = writeln!(out, "{indent}- in entry {entry} of '{key}': {}", lua::to_string(text));
                        }
                    }
                }
            }
            text => {
                let _ = writeln!(out, "{indent}in '{key}': {}", lua::to_string(text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_at_the_place_of_the_entity() {
        let mut invalid = Invalid::default();
        let errors = json!({"paths": [null, "bad"]});
        invalid.entity(&[("services", 1), ("routes", 0)], errors.as_object().unwrap());
        assert_eq!(
            Value::Object(invalid.fields.clone()),
            json!({"services": [null, {"routes": [{"paths": [null, "bad"]}]}]})
        );
        assert_eq!(
            invalid.to_string(),
            "declarative config is invalid: {services={[2]={routes={{paths={[2]=\"bad\"}}}}}}"
        );
        assert_eq!(
            invalid.tree(),
            "- in entry 2 of 'services':\n  - in entry 1 of 'routes':\n    - in entry 2 of 'paths': bad\n"
        );
    }

    #[test]
    fn entity_errors_flatten_to_dotted_paths() {
        let errors =
            json!({"config": {"redis": {"host": "h"}, "@entity": ["e"]}, "paths": [null, "p"], "@entity": ["t"]});
        let flat = flatten(&Errors::new(errors.as_object().unwrap().clone()));
        assert_eq!(
            Value::Array(flat),
            json!([
                {"type": "field", "field": "config.redis.host", "message": "h"},
                {"type": "entity", "message": "e"},
                {"type": "field", "field": "paths.2", "message": "p"},
                {"type": "entity", "message": "t"},
            ])
        );
    }

    #[test]
    fn names_and_positions_of_references_mix() {
        let mut invalid = Invalid::default();
        invalid.named("routes", Err(1), "m1".into());
        invalid.named("routes", Ok("r"), "m2".into());
        invalid.named("routes", Ok("r"), "m3".into());
        assert_eq!(Value::Object(invalid.fields), json!({"routes": {"2": ["m1"], "r": ["m2", "m3"]}}));
    }
}
