//! The server's objections, at the fields they are about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::field::{Field, Kind, find};
use super::path::Path;

/// Messages by field, and those that belong to none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    at: BTreeMap<Path, Vec<String>>,
    general: Vec<String>,
}

impl Errors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty() && self.general.is_empty()
    }

    /// Adds one at a field; at the root it is a general one.
    pub fn add(&mut self, path: &Path, message: impl Into<String>) {
        if path.steps().is_empty() {
            self.general.push(message.into());
        } else {
            self.at.entry(path.clone()).or_default().push(message.into());
        }
    }

    /// One that belongs to no field.
    pub fn general(message: impl Into<String>) -> Self {
        Self { general: vec![message.into()], at: BTreeMap::new() }
    }

    /// What is said about this field itself.
    pub fn at(&self, path: &Path) -> Option<String> {
        self.at.get(path).map(|messages| messages.join("; "))
    }

    /// Whether something is said about this field or one inside it.
    pub fn within(&self, path: &Path) -> bool {
        self.at.range(path..).take_while(|(other, _)| other.starts_with(path)).next().is_some()
    }

    /// Forgets what is said about this field and those inside: it is being changed.
    pub fn clear(&mut self, path: &Path) {
        self.at.retain(|other, _| !other.starts_with(path));
    }

    /// All messages with where they belong, those of no field first.
    pub fn all(&self) -> Vec<(Option<Path>, String)> {
        let general = self.general.iter().map(|message| (None, message.clone()));
        let placed = self.at.iter().map(|(path, messages)| (Some(path.clone()), messages.join("; ")));
        general.chain(placed).collect()
    }
}

/// Puts the `fields` of an error answer where they belong. An answer without them becomes one general message.
pub fn place(answer: &Value, fields: &[Field]) -> Errors {
    let mut errors = Errors::default();
    let name = answer["name"].as_str().unwrap_or_default();
    let said = answer.get("fields").and_then(Value::as_object);
    // For these two the members are the values that clash, not messages.
    let clash = match name {
        "unique constraint violation" => Some(t!("is already taken")),
        "foreign key violation" => Some(t!("does not exist")),
        _ => None,
    };
    let root = Path::default();
    for (member, about) in said.into_iter().flatten() {
        match clash {
            Some(clash) if find(fields, member).is_some() => errors.add(&root.key(member), clash),
            Some(clash) => errors.add(&root, format!("{}: {clash}", super::label(member))),
            None => place_member(&mut errors, &root, fields, member, about),
        }
    }
    if errors.is_empty() {
        errors.add(&root, answer["message"].as_str().unwrap_or(t!("The server gave no reason.")).to_owned());
    }
    errors
}

fn place_member(errors: &mut Errors, parent: &Path, fields: &[Field], member: &str, about: &Value) {
    if member == "@entity" {
        for message in messages(about) {
            errors.add(parent, message);
        }
        return;
    }
    if let Some(field) = find(fields, member) {
        return place_at(errors, &parent.key(member), &field.kind, about);
    }
    // Shorthand names of a plugin's configuration are reported at the top.
    if parent.steps().is_empty() {
        let config = find(fields, "config").map_or(&[] as &[Field], Field::members);
        if let Some(field) = find(config, member) {
            return place_at(errors, &parent.key("config").key(member), &field.kind, about);
        }
    }
    for message in messages(about) {
        errors.add(parent, format!("{member}: {message}"));
    }
}

fn place_at(errors: &mut Errors, path: &Path, kind: &Kind, about: &Value) {
    match (kind, about) {
        (Kind::Record(fields), Value::Object(members)) => {
            for (member, about) in members {
                place_member(errors, path, fields, member, about);
            }
        }
        (Kind::List(element), Value::Array(elements)) => {
            for (index, about) in elements.iter().enumerate().filter(|(_, about)| !about.is_null()) {
                place_at(errors, &path.index(index), &element.kind, about);
            }
        }
        (Kind::Tokens(_) | Kind::Choices(_), Value::Array(elements)) => {
            for (index, about) in elements.iter().enumerate().filter(|(_, about)| !about.is_null()) {
                errors.add(
                    path,
                    t!("{number}. entry: {message}", number = index + 1, message = messages(about).join("; ")),
                );
            }
        }
        // A map's errors do not say which entry they mean; a reference's are about its id.
        (_, about) => {
            for message in messages(about) {
                errors.add(path, message);
            }
        }
    }
}

/// Every text in there, with the names that lead to it.
fn messages(about: &Value) -> Vec<String> {
    match about {
        Value::Null => Vec::new(),
        Value::String(message) => vec![message.clone()],
        Value::Array(list) => list.iter().flat_map(messages).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, about)| {
                let inner = messages(about).into_iter();
                inner.map(|m| if name == "@entity" { m } else { format!("{name}: {m}") }).collect::<Vec<_>>()
            })
            .collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::fields;

    #[test]
    fn every_message_finds_its_place() {
        let description = json!({"fields": [
            {"name": {"type": "string"}},
            {"service": {"type": "foreign", "reference": "services"}},
            {"paths": {"type": "array", "elements": {"type": "string"}}},
            {"sources": {"type": "set", "elements": {"type": "record", "fields": [{"port": {"type": "integer"}}]}}},
            {"limits": {"type": "map", "keys": {"type": "string"}, "values": {"type": "record", "fields": []}}},
            {"config": {"type": "record", "fields": [
                {"redis": {"type": "record", "fields": [{"host": {"type": "string"}}]}},
                {"redis_port": {"type": "integer"}},
            ]}},
        ]});
        let fields = fields(&description);
        let root = Path::default();
        let config = root.key("config");
        let violation =
            |fields: Value| json!({"code": 2, "name": "schema violation", "message": "m", "fields": fields});
        let cases = [
            (violation(json!({"name": "bad"})), Some(root.key("name")), "bad"),
            (
                violation(json!({"config": {"redis": {"host": "required field missing"}}})),
                { Some(config.key("redis").key("host")) },
                "required field missing",
            ),
            (violation(json!({"config": {"@entity": ["one of a, b"]}})), Some(config.clone()), "one of a, b"),
            (violation(json!({"config": "nonsense"})), Some(config.clone()), "nonsense"),
            (
                violation(json!({"redis_port": "expected an integer"})),
                Some(config.key("redis_port")),
                "expected an integer",
            ),
            (violation(json!({"paths": [null, "bad path"]})), Some(root.key("paths")), "2. entry: bad path"),
            (
                violation(json!({"sources": [null, {"port": "too big"}]})),
                { Some(root.key("sources").index(1).key("port")) },
                "too big",
            ),
            (violation(json!({"limits": {"foo": "unknown field"}})), Some(root.key("limits")), "foo: unknown field"),
            (
                violation(json!({"service": {"id": "missing primary key"}})),
                Some(root.key("service")),
                "id: missing primary key",
            ),
            (violation(json!({"@entity": ["all or none"]})), None, "all or none"),
            (violation(json!({"strange": "unknown field"})), None, "strange: unknown field"),
            (violation(json!({})), None, "m"),
            (json!({"message": "no"}), None, "no"),
            (json!("nothing"), None, "The server gave no reason."),
            (
                json!({"name": "unique constraint violation", "fields": {"name": "x"}, "message": "UNIQUE"}),
                Some(root.key("name")),
                "is already taken",
            ),
            (
                json!({"name": "foreign key violation", "fields": {"service": {"id": "1"}}, "message": "f"}),
                Some(root.key("service")),
                "does not exist",
            ),
        ];
        for (answer, path, message) in cases {
            assert_eq!(place(&answer, &fields).all(), [(path, message.to_owned())], "{answer}");
        }
    }

    #[test]
    fn a_group_knows_what_is_said_inside() {
        let mut errors = Errors::default();
        let config = Path::default().key("config");
        errors.add(&config.key("redis").key("host"), "bad");
        assert!(errors.within(&config) && errors.within(&config.key("redis")) && !errors.within(&config.key("a")));
        errors.clear(&config.key("redis"));
        assert!(errors.is_empty());
    }
}
