//! Which method a request means, and what it is called with.

use super::template::Template;
use crate::form;
use crate::protobuf::{self, Definitions};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bindings of a file by HTTP method, in the order of the file.
#[derive(Debug)]
pub(super) struct Rules(BTreeMap<&'static str, Vec<Rule>>);

/// A binding.
#[derive(Debug)]
pub(super) struct Rule {
    template: Template,
    /// Path of the call.
    pub(super) path: String,
    /// What it is called with.
    pub(super) input: MessageDescriptor,
    /// What comes back.
    pub(super) output: MessageDescriptor,
    /// The field that the body is, or `*` for all of the message; `None`: arguments of the query are.
    body: Option<String>,
}

/// Why no binding fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmatched {
    /// None has the method.
    Method,
    /// None of the method has the path.
    Path,
}

impl Rules {
    /// Those of all methods; a template that is none is left out, with a line in the log.
    pub(super) fn of(definitions: &Definitions) -> Self {
        let mut rules: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for method in definitions.methods() {
            for (verb, template, body) in definitions.bindings(method) {
                let Some(compiled) = Template::new(&template) else {
                    tracing::error!(plugin = "grpc-gateway", template, "this is no path template");
                    continue;
                };
                rules.entry(verb).or_default().push(Rule {
                    template: compiled,
                    path: protobuf::path(method),
                    input: method.input(),
                    output: method.output(),
                    body,
                });
            }
        }
        Self(rules)
    }

    /// The first that fits, with what its template has taken from the path.
    pub(super) fn find(&self, method: &str, path: &[u8]) -> Result<(&Rule, Map<String, Value>), Unmatched> {
        let rules = self.0.get(method).ok_or(Unmatched::Method)?;
        for rule in rules {
            if let Some(variables) = rule.template.variables(path) {
                let mut payload = Map::new();
                for (name, value) in variables {
                    put(&mut payload, &rule.input, name, Value::String(value));
                }
                return Ok((rule, payload));
            }
        }
        Err(Unmatched::Path)
    }
}

impl Rule {
    /// Members of the message: what the path says, with what body or query say.
    pub(super) fn payload(
        &self,
        mut payload: Map<String, Value>,
        body: &[u8],
        query: &[u8],
    ) -> Result<Map<String, Value>, String> {
        let Some(variable) = &self.body else {
            for (name, value) in form::table(query) {
                put(&mut payload, &self.input, &name, value);
            }
            return Ok(payload);
        };
        if body.is_empty() {
            return Ok(payload);
        }
        let value = serde_json::from_slice(body).map_err(|error| format!("decode json err: {error}"))?;
        match value {
            value if variable != "*" => {
                payload.insert(variable.clone(), value);
            }
            Value::Object(members) => payload.extend(members),
            // A list has no member that is a field.
            Value::Array(_) => {}
            _ => return Err("body must be a table".to_owned()),
        }
        Ok(payload)
    }
}

/// Puts text at a dotted path of fields; one that does not exist is left out.
fn put(payload: &mut Map<String, Value>, message: &MessageDescriptor, path: &str, value: Value) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = message.get_field_by_name(name) else { return };
    match (rest, field.kind()) {
        (None, _) => {
            payload.insert(name.to_owned(), fitted(&field, value));
        }
        (Some(rest), Kind::Message(inner)) if !field.is_list() && !field.is_map() => {
            let slot = payload.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(members) = slot {
                put(members, &inner, rest, value);
            }
        }
        (Some(_), _) => {}
    }
}

/// Text as a field wants it: `0` and `false` are no, one value makes a list.
fn fitted(field: &FieldDescriptor, value: Value) -> Value {
    match value {
        value if field.is_list() => {
            let items = match value {
                Value::Array(items) => items,
                single => vec![single],
            };
            Value::Array(items.into_iter().map(|item| boolean(field, item)).collect())
        }
        value => boolean(field, value),
    }
}

fn boolean(field: &FieldDescriptor, value: Value) -> Value {
    match &value {
        Value::String(text) if field.kind() == Kind::Bool => Value::Bool(!matches!(text.as_str(), "0" | "false")),
        _ => value,
    }
}
