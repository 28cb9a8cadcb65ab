//! Who is who: ids that are given or made of keys, and what a reference means.

use super::{Found, Loader, Node, Origin, wanted};
use crate::invalid::is_uuid;
use crate::kinds::Kind;
use entities::{DEFAULT_WORKSPACE, deterministic_id, random_uuid};
use serde_json::{Map, Value};
use uuid::Uuid;

impl<'a> Loader<'a> {
    /// Notes under which keys entities are found.
    pub(super) fn note_keys(&mut self) {
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(key) = self.unique_key(node) {
                let scope = self.scope(node);
                self.keys.entry((node.kind, scope, key.to_owned())).or_insert(index);
            }
        }
    }

    /// The value of a node's endpoint key when that identifies it.
    pub(super) fn unique_key<'n>(&self, node: &'n Node<'a>) -> Option<&'n str> {
        let kind = self.kinds.get(node.kind);
        if !kind.endpoint_unique {
            return None;
        }
        node.input.get(kind.endpoint?).and_then(Value::as_str)
    }

    pub(super) fn scope(&self, node: &Node<'a>) -> Uuid {
        if self.kinds.get(node.kind).workspaced { node.ws } else { Uuid::nil() }
    }

    pub(super) fn give_ids(&mut self) {
        for index in 0..self.nodes.len() {
            self.give_id(index, 0);
        }
    }

    /// Gives a node its id; what it is nested in or points to gets its own first.
    fn give_id(&mut self, index: usize, depth: usize) {
        // Definitions do not go in circles; should they, a random id ends it.
        const DEEPEST: usize = 16;
        if self.nodes[index].id.is_some() {
            return;
        }
        let kind = self.kinds.get(self.nodes[index].kind);
        if !kind.has_id {
            return;
        }
        let (id, origin) = match self.nodes[index].input.get("id") {
            Some(Value::String(id)) => (id.to_ascii_lowercase(), Origin::Given),
            // Not text: validation says so, and whoever points here gets something to point to.
            Some(_) => (Uuid::nil().to_string(), Origin::Given),
            None => match if depth < DEEPEST { self.made_id(index, kind, depth) } else { None } {
                Some(id) => (id.to_string(), Origin::Key),
                None => (random_uuid(), Origin::Random),
            },
        };
        self.nodes[index].id = Some(id);
        self.nodes[index].origin = origin;
    }

    /// The id that an entity's own fields give.
    fn made_id(&mut self, index: usize, kind: &'a Kind, depth: usize) -> Option<Uuid> {
        let mut fields = Map::new();
        for field in &kind.identity {
            let value = match kind.reference(field) {
                Some(reference) => self.target_id(index, field, reference, depth).map(Value::String),
                None => self.nodes[index].input.get(field).cloned(),
            };
            if let Some(value) = value {
                fields.insert((*field).to_owned(), value);
            }
        }
        let ws = self.nodes[index].input.get("ws_id").and_then(Value::as_str).filter(|_| kind.workspaced);
        let ws = ws.and_then(|ws| Uuid::try_parse(ws).ok());
        let ws = ws.or((kind.workspaced && self.workspace != DEFAULT_WORKSPACE).then_some(self.workspace));
        let entity = self.kinds.entity(self.nodes[index].kind)?;
        let id = deterministic_id(entity, &fields, ws)?;
        // A name is unique within its workspace, and an id everywhere.
        let named = entity.cache_key.is_empty() && kind.endpoint_unique;
        let elsewhere = self.nodes[index].ws != DEFAULT_WORKSPACE && kind.workspaced;
        Some(if named && elsewhere { Uuid::new_v5(&self.nodes[index].ws, id.as_bytes()) } else { id })
    }

    /// The id that a foreign field of a node points to.
    fn target_id(&mut self, index: usize, field: &str, reference: usize, depth: usize) -> Option<String> {
        if let Some((parent, Some(via))) = self.nodes[index].parent
            && via == field
        {
            self.give_id(parent, depth + 1);
            return self.nodes[parent].id.clone();
        }
        let node = &self.nodes[index];
        let wanted = wanted(node.input.get(field)?)?;
        match self.find(reference, node.ws, wanted) {
            Found::Node(target) => {
                self.give_id(target, depth + 1);
                self.nodes[target].id.clone()
            }
            Found::Id(_) | Found::Nothing => Some(wanted.to_owned()),
        }
    }

    /// What a reference means: an entity's key, or an id.
    pub(super) fn find<'n>(&self, kind: usize, ws: Uuid, wanted: &'n str) -> Found<'n> {
        let scope = if self.kinds.get(kind).workspaced { ws } else { Uuid::nil() };
        match self.keys.get(&(kind, scope, wanted.to_owned())) {
            Some(&node) => Found::Node(node),
            None if is_uuid(wanted) => Found::Id(wanted),
            None => Found::Nothing,
        }
    }
}
