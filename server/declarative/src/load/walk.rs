//! The entities of a file, and of the lists within them.

use super::{Input, Loader, Node, Origin, wanted};
use crate::invalid::Step;
use crate::kinds::Child;
use serde_json::{Map, Value};
use std::borrow::Cow;
use uuid::Uuid;

/// A list of entities; null and `{}` are empty lists.
pub(super) fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Null => Some(&[]),
        Value::Object(members) if members.is_empty() => Some(&[]),
        _ => None,
    }
}

impl<'a> Loader<'a> {
    /// Finds the entities of a list and of the lists within them.
    pub(super) fn walk(
        &mut self,
        kind: usize,
        name: &'a str,
        parent: Option<(usize, Option<&'static str>)>,
        items: &'a [Value],
    ) {
        self.nodes.reserve(items.len());
        for (index, item) in items.iter().enumerate() {
            let input = match item {
                Value::Object(members) => Input::Entity(Cow::Borrowed(members)),
                Value::Array(none) if none.is_empty() => Input::Entity(Cow::Owned(Map::new())),
                _ => Input::Wrong,
            };
            let node = self.add(kind, (name, index), parent, input);
            if let Value::Object(members) = item {
                self.walk_children(node, members);
            }
        }
    }

    fn add(
        &mut self,
        kind: usize,
        step: Step<'a>,
        parent: Option<(usize, Option<&'static str>)>,
        input: Input<'a>,
    ) -> usize {
        let definition = self.kinds.get(kind);
        let given_ws = if definition.workspaced { input.get("ws_id").and_then(Value::as_str) } else { None };
        let ws = given_ws.and_then(|id| Uuid::try_parse(id).ok());
        let ws = ws.or_else(|| parent.map(|(parent, _)| self.nodes[parent].ws)).unwrap_or(self.workspace);
        self.nodes.push(Node { kind, parent, step, input, ws, id: None, origin: Origin::None, errors: Map::new() });
        self.nodes.len() - 1
    }

    fn walk_children(&mut self, node: usize, members: &'a Map<String, Value>) {
        let kinds = self.kinds;
        for (name, list) in members {
            let Some(child) = kinds.get(self.nodes[node].kind).child(name) else { continue };
            let Some(items) = items(list) else {
                self.nodes[node].errors.insert(name.clone(), "expected an array".into());
                continue;
            };
            match *child {
                Child::Entities { kind, field } => self.walk(kind, name, Some((node, Some(field))), items),
                Child::Memberships { kind, field, other } => {
                    for (index, item) in items.iter().enumerate() {
                        let input = membership(item, other);
                        self.add(kind, (name, index), Some((node, Some(field))), input);
                    }
                }
            }
        }
    }
}

/// A group in a Consumer's list, or a Consumer in a group's: by name, or an object with the name or id.
fn membership<'a>(item: &Value, other: &'static str) -> Input<'a> {
    let named = match item {
        Value::String(name) => Some(name.as_str()),
        other => wanted(other),
    };
    match named {
        Some(name) => Input::Entity(Cow::Owned(Map::from_iter([(other.to_owned(), Value::from(name))]))),
        None => Input::Wrong,
    }
}
