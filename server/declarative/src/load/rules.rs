//! Rules between the entities of a file, and where in it something is wrong.

use super::{Found, Input, Loader, Origin, reference_to, reference_to_value, taken, wanted};
use crate::invalid::{Invalid, Step, is_uuid};
use entities::DEFAULT_WORKSPACE;
use serde_json::{Map, Value};
use std::collections::HashMap;
use uuid::Uuid;

impl<'a> Loader<'a> {
    /// No two entities have the same endpoint key, and no two the same primary key.
    pub(super) fn check_uniqueness(&self, invalid: &mut Invalid) {
        let mut seen: HashMap<(usize, &str), usize, foldhash::fast::RandomState> = HashMap::default();
        for (index, node) in self.nodes.iter().enumerate() {
            let kind = self.kinds.get(node.kind);
            if let Some(key) = self.unique_key(node)
                && self.keys.get(&(node.kind, self.scope(node), key.to_owned())) != Some(&index)
            {
                let field = kind.endpoint.unwrap_or("key");
                let message = taken(kind.name, field, key);
                // For a nested entity Kong names the list of its kind and the position within its parent.
                if node.parent.is_some() {
                    invalid.loose_at(kind.name, node.step.1, message);
                } else {
                    self.whole(invalid, index, &message);
                }
                continue;
            }
            let Some(id) = node.id.as_deref() else { continue };
            if seen.insert((node.kind, id), index).is_some() {
                self.whole(invalid, index, &taken(kind.name, "primary key", id));
            }
        }
    }

    /// An error of an entity as a whole, at its place.
    fn whole(&self, invalid: &mut Invalid, index: usize, message: &str) {
        invalid.at(&self.path(index), message);
        let errors = vec![serde_json::json!({"type": "entity", "message": message})];
        invalid.flattened(self.kinds.get(self.nodes[index].kind).name, self.shown(index, true), errors);
    }

    /// Every reference leads to an entity of the file.
    pub(super) fn check_references(&self, invalid: &mut Invalid) {
        let mut by_id: HashMap<(usize, &str), Uuid, foldhash::fast::RandomState> = HashMap::default();
        for node in &self.nodes {
            if let Some(id) = node.id.as_deref() {
                by_id.insert((node.kind, id), node.ws);
            }
        }
        let default_ws = DEFAULT_WORKSPACE.to_string();
        let workspaces = self.kinds.position("workspaces");
        for (index, node) in self.nodes.iter().enumerate() {
            let Input::Entity(input) = &node.input else { continue };
            let kind = self.kinds.get(node.kind);
            let mut messages = Vec::new();
            for (name, field) in input.iter() {
                let (reference, is_ws) = match kind.reference(name) {
                    Some(reference) => (reference, false),
                    None if name == "ws_id" && kind.workspaced => match workspaces {
                        Some(workspaces) => (workspaces, true),
                        None => continue,
                    },
                    None => continue,
                };
                let Some(wanted) = wanted(field) else { continue };
                let found = match self.find(reference, node.ws, wanted) {
                    Found::Node(_) => true,
                    Found::Id(id) => {
                        let id = id.to_ascii_lowercase();
                        let target_is_workspaced = self.kinds.get(reference).workspaced;
                        (is_ws && id == default_ws)
                            || by_id.get(&(reference, &*id)).is_some_and(|ws| !target_is_workspaced || *ws == node.ws)
                    }
                    Found::Nothing => false,
                };
                if !found {
                    let target = self.kinds.get(reference).name;
                    messages.push(format!("invalid reference '{name}: {wanted}' (no such entry in '{target}')"));
                }
            }
            if messages.is_empty() {
                continue;
            }
            let own_key = self.unique_key(node).or(node.id.as_deref().filter(|_| node.origin != Origin::Random));
            let errors = messages.iter().map(|text| serde_json::json!({"type": "entity", "message": text})).collect();
            for message in messages {
                invalid.named(kind.name, own_key.ok_or(node.step.1), message);
            }
            invalid.flattened(kind.name, self.shown(index, true), errors);
        }
    }

    /// The way from the top of the file to an entity.
    pub(super) fn path(&self, mut index: usize) -> Vec<Step<'a>> {
        let mut path = vec![self.nodes[index].step];
        while let Some((parent, _)) = self.nodes[index].parent {
            path.push(self.nodes[parent].step);
            index = parent;
        }
        path.reverse();
        path
    }

    /// An entity as it was written, without what is nested in it; with its parent's id when that is known.
    pub(super) fn shown(&self, index: usize, with_ids: bool) -> Map<String, Value> {
        let node = &self.nodes[index];
        let kind = self.kinds.get(node.kind);
        let Input::Entity(input) = &node.input else { return Map::new() };
        let mut shown = Map::new();
        for (name, field) in input.iter().filter(|(name, _)| kind.child(name).is_none()) {
            let cut = match (kind.reference(name), field) {
                (Some(_), Value::Object(reference)) => match reference.get("id") {
                    Some(id) => reference_to_value(id.clone()),
                    None => field.clone(),
                },
                _ => field.clone(),
            };
            shown.insert(name.clone(), cut);
        }
        if with_ids
            && node.origin == Origin::Key
            && let Some(id) = &node.id
        {
            shown.insert("id".to_owned(), Value::String(id.clone()));
        }
        if let Some((parent, Some(field))) = node.parent {
            let parent = &self.nodes[parent];
            let known = parent.origin == Origin::Given || (with_ids && parent.origin == Origin::Key);
            if let Some(id) = parent.id.as_deref().filter(|id| known && is_uuid(id)) {
                shown.insert(field.to_owned(), reference_to(id.to_owned()));
            }
        }
        shown
    }
}
