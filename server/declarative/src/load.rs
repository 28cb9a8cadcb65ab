//! A configuration as values → the records it stands for.
//!
//! Three passes: every entity is found and its own keys are noted; ids are given; then each is validated with its
//! references filled in. References are looked up last, when everything else is well.

use crate::invalid::{Invalid, Step, flatten, is_uuid};
use crate::kinds::{Child, Kind, Kinds};
use crate::migrate;
use entities::{DEFAULT_WORKSPACE, deterministic_id, random_uuid};
use schema::Errors;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use store::{Id, Record};
use uuid::Uuid;

/// What a configuration stands for.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every entity, complete, and the workspaces they are in.
    pub records: Vec<Record>,
    /// Whether the configuration named no entity at all.
    pub empty: bool,
}

/// Reads a configuration. `document` is its content as parsed from JSON or YAML, `now` in seconds since 1970.
///
/// # Errors
/// [`Invalid`] with everything that is wrong at once.
pub fn load(document: &Value, kinds: &Kinds, now: f64) -> Result<Loaded, Invalid> {
    let Value::Object(document) = document else {
        return Err(Invalid::text("failed parsing declarative configuration: expected an object"));
    };
    let mut invalid = Invalid::default();
    let header = Header::read(document, &mut invalid);
    let workspace = header.workspace.map_or(DEFAULT_WORKSPACE, |name| workspace_id(document, kinds, name));
    let mut loader = Loader { kinds, now, header, workspace, nodes: Vec::new(), keys: HashMap::default() };
    for (name, list) in document {
        if Header::KEYS.contains(&name.as_str()) {
            continue;
        }
        let Some(kind) = kinds.position(name) else {
            invalid.loose(name, "unknown field".into());
            continue;
        };
        match items(list) {
            Some(items) => loader.walk(kind, name, None, items),
            None => invalid.loose(name, "expected an array".into()),
        }
    }
    loader.note_keys();
    loader.give_ids();
    let records = loader.validate(&mut invalid);
    if !invalid.is_empty() {
        return Err(invalid);
    }
    loader.check_uniqueness(&mut invalid);
    loader.check_references(&mut invalid);
    if !invalid.is_empty() {
        return Err(invalid);
    }
    let empty = loader.nodes.is_empty();
    let mut loaded = Loaded { records, empty };
    loader.add_workspace(&mut loaded, DEFAULT_WORKSPACE, "default");
    if let Some(name) = loader.header.workspace {
        loader.add_workspace(&mut loaded, workspace, name);
    }
    Ok(loaded)
}

/// A list of entities; null and `{}` are empty lists.
fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Null => Some(&[]),
        Value::Object(members) if members.is_empty() => Some(&[]),
        _ => None,
    }
}

/// The id of the workspace that `_workspace` names: as the file itself gives it, or made of the name.
fn workspace_id(document: &Map<String, Value>, kinds: &Kinds, name: &str) -> Uuid {
    if name == "default" {
        return DEFAULT_WORKSPACE;
    }
    let listed = document.get("workspaces").and_then(Value::as_array).into_iter().flatten();
    let named = listed.into_iter().find(|workspace| workspace.get("name").and_then(Value::as_str) == Some(name));
    let given = named.and_then(|workspace| Uuid::try_parse(workspace.get("id")?.as_str()?).ok());
    let made = || {
        let entity = kinds.entity(kinds.position("workspaces")?)?;
        deterministic_id(entity, &Map::from_iter([("name".to_owned(), Value::from(name))]), None)
    };
    given.or_else(made).unwrap_or(DEFAULT_WORKSPACE)
}

#[derive(Clone, Copy)]
struct Header<'a> {
    /// Values are transformed as by a write (secrets hashed); else they are taken as they are.
    transform: bool,
    /// The format is older than 3.0.
    old_paths: bool,
    /// The workspace that everything without one of its own is in (`_workspace`).
    workspace: Option<&'a str>,
}

impl<'a> Header<'a> {
    const KEYS: [&'static str; 5] = ["_format_version", "_transform", "_comment", "_ignore", "_workspace"];

    fn read(document: &'a Map<String, Value>, invalid: &mut Invalid) -> Header<'a> {
        let mut header = Header { transform: true, old_paths: false, workspace: None };
        let wrong = match document.get("_format_version") {
            None | Some(Value::Null) => Some("required field missing"),
            Some(Value::String(version)) => match version.as_str() {
                "3.0" => None,
                "1.1" | "2.1" => {
                    header.old_paths = true;
                    None
                }
                _ => Some("expected one of: 1.1, 2.1, 3.0"),
            },
            Some(_) => Some("expected a string"),
        };
        if let Some(message) = wrong {
            invalid.loose("_format_version", message.into());
        }
        match document.get("_transform") {
            None | Some(Value::Null) => {}
            Some(Value::Bool(transform)) => header.transform = *transform,
            Some(_) => invalid.loose("_transform", "expected a boolean".into()),
        }
        match document.get("_workspace") {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if !name.is_empty() => header.workspace = Some(name),
            Some(_) => invalid.loose("_workspace", "expected the name of a workspace".into()),
        }
        for key in ["_comment", "_ignore"] {
            if let Some(message) = document.get(key).and_then(|value| remark(key, value)) {
                invalid.loose(key, message.into());
            }
        }
        header
    }
}

/// What is wrong with a `_comment` or `_ignore`.
fn remark(key: &str, value: &Value) -> Option<&'static str> {
    match (key, value) {
        (_, Value::Null) | ("_comment", Value::String(_)) | ("_ignore", Value::Array(_)) => None,
        ("_ignore", Value::Object(members)) if members.is_empty() => None,
        ("_comment", _) => Some("expected a string"),
        _ => Some("expected an array"),
    }
}

/// One entity of the file.
struct Node<'a> {
    kind: usize,
    /// The entity it is nested in, and its own field that points there.
    parent: Option<(usize, Option<&'static str>)>,
    /// Where it stands: the list's name and the position in it.
    step: Step<'a>,
    input: Input<'a>,
    ws: Uuid,
    id: Option<String>,
    origin: Origin,
    /// Lists in the input that are not lists of entities.
    errors: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Written in the file.
    Given,
    /// Made of the entity's key.
    Key,
    /// Random.
    Random,
    /// The kind has no `id`.
    None,
}

enum Input<'a> {
    Entity(Cow<'a, Map<String, Value>>),
    /// Something that is no entity.
    Wrong,
}

impl Input<'_> {
    fn get(&self, field: &str) -> Option<&Value> {
        match self {
            Input::Entity(members) => members.get(field).filter(|value| !value.is_null()),
            Input::Wrong => None,
        }
    }
}

type ByKey = HashMap<(usize, Uuid, String), usize, foldhash::fast::RandomState>;

struct Loader<'a> {
    kinds: &'a Kinds,
    now: f64,
    header: Header<'a>,
    /// Where entities are that name no workspace.
    workspace: Uuid,
    nodes: Vec<Node<'a>>,
    /// Who is found under an endpoint key: (kind, workspace, key), the first of equal ones.
    keys: ByKey,
}

impl<'a> Loader<'a> {
    /// Finds the entities of a list and of the lists within them.
    fn walk(&mut self, kind: usize, name: &'a str, parent: Option<(usize, Option<&'static str>)>, items: &'a [Value]) {
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

    /// Notes under which keys entities are found.
    fn note_keys(&mut self) {
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(key) = self.unique_key(node) {
                let scope = self.scope(node);
                self.keys.entry((node.kind, scope, key.to_owned())).or_insert(index);
            }
        }
    }

    /// The value of a node's endpoint key when that identifies it.
    fn unique_key<'n>(&self, node: &'n Node<'a>) -> Option<&'n str> {
        let kind = self.kinds.get(node.kind);
        if !kind.endpoint_unique {
            return None;
        }
        node.input.get(kind.endpoint?).and_then(Value::as_str)
    }

    fn scope(&self, node: &Node<'a>) -> Uuid {
        if self.kinds.get(node.kind).workspaced { node.ws } else { Uuid::nil() }
    }

    fn give_ids(&mut self) {
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
    fn find<'n>(&self, kind: usize, ws: Uuid, wanted: &'n str) -> Found<'n> {
        let scope = if self.kinds.get(kind).workspaced { ws } else { Uuid::nil() };
        match self.keys.get(&(kind, scope, wanted.to_owned())) {
            Some(&node) => Found::Node(node),
            None if is_uuid(wanted) => Found::Id(wanted),
            None => Found::Nothing,
        }
    }

    /// Validates every entity. What is wrong goes to `invalid`; the records are complete only if nothing is.
    fn validate(&self, invalid: &mut Invalid) -> Vec<Record> {
        let mut records = Vec::with_capacity(self.nodes.len());
        for index in 0..self.nodes.len() {
            match self.record(index) {
                Ok(record) => records.push(record),
                Err(Some(errors)) => {
                    let path = self.path(index);
                    invalid.entity(&path, errors.fields());
                    invalid.flattened(
                        self.kinds.get(self.nodes[index].kind).name,
                        self.shown(index, false),
                        flatten(&errors),
                    );
                }
                Err(None) => invalid.at(&self.path(index), "expected a record"),
            }
        }
        records
    }

    /// One entity as a record; `Err(None)` when it is no entity at all.
    fn record(&self, index: usize) -> Result<Record, Option<Errors>> {
        let node = &self.nodes[index];
        let kind = self.kinds.get(node.kind);
        let Input::Entity(input) = &node.input else { return Err(None) };
        let mut errors = node.errors.clone();
        let mut value = Map::with_capacity(input.len() + 2);
        let mut expires = None;
        for (name, field) in input.iter() {
            match name.as_str() {
                "_comment" | "_ignore" => {
                    if let Some(message) = remark(name, field) {
                        errors.insert(name.clone(), message.into());
                    }
                }
                "ws_id" if kind.workspaced => {
                    if !field.is_null() && !field.as_str().is_some_and(is_uuid) {
                        errors.insert(name.clone(), "expected a valid UUID".into());
                    }
                }
                "ttl" if kind.ttl => match ttl(field) {
                    Ok(seconds) => {
                        #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
                        let now = self.now as i64;
                        expires = seconds.map(|seconds| now + seconds);
                    }
                    Err(message) => {
                        errors.insert(name.clone(), message.into());
                    }
                },
                "id" if kind.has_id && field.is_null() => {}
                _ if kind.child(name).is_some() => {}
                _ => match kind.reference(name) {
                    Some(reference) => {
                        if let Some(reference) = self.foreign(node, name, field, reference, &mut errors) {
                            value.insert(name.clone(), reference);
                        }
                    }
                    None => {
                        value.insert(name.clone(), field.clone());
                    }
                },
            }
        }
        if let Some((parent, Some(field))) = node.parent {
            let id = self.nodes[parent].id.as_deref().filter(|id| is_uuid(id));
            let id = id.map_or_else(|| Uuid::nil().to_string(), str::to_owned);
            value.insert(field.to_owned(), reference_to(id));
        }
        if let (Some(id), Origin::Key | Origin::Random) = (&node.id, node.origin) {
            value.insert("id".to_owned(), Value::String(id.clone()));
        }
        if self.header.old_paths && kind.name == "routes" {
            migrate::route_paths(&mut value);
        }
        match self.kinds.complete(node.kind, value, self.header.transform, self.now) {
            Ok(value) if errors.is_empty() => {
                let id = Id::of(&kind.primary_key, &value)
                    .ok_or_else(|| Some(Errors::of("id", "required field missing")))?;
                Ok(Record { entity: kind.name, id, ws: kind.workspaced.then_some(node.ws), value, expires })
            }
            Ok(_) => Err(Some(Errors::new(errors))),
            Err(found) => {
                let mut all = found.into_fields();
                all.extend(errors);
                Err(Some(Errors::new(all)))
            }
        }
    }

    /// A foreign field as validation wants it. A reference that leads nowhere is told later.
    fn foreign(
        &self,
        node: &Node<'a>,
        name: &str,
        field: &Value,
        reference: usize,
        errors: &mut Map<String, Value>,
    ) -> Option<Value> {
        if node.parent.is_some_and(|(_, via)| via == Some(name)) {
            if !field.is_null() {
                errors.insert(name.to_owned(), "value must be null".into());
            }
            return None;
        }
        let Some(wanted) = wanted(field) else { return Some(field.clone()) };
        Some(match self.find(reference, node.ws, wanted) {
            Found::Node(target) => {
                let id = self.nodes[target].id.clone().filter(|id| is_uuid(id));
                reference_to(id.unwrap_or_else(|| Uuid::nil().to_string()))
            }
            Found::Id(id) => reference_to(id.to_ascii_lowercase()),
            Found::Nothing => reference_to(Uuid::nil().to_string()),
        })
    }

    /// No two entities have the same endpoint key, and no two the same primary key.
    fn check_uniqueness(&self, invalid: &mut Invalid) {
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
    fn check_references(&self, invalid: &mut Invalid) {
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
    fn path(&self, mut index: usize) -> Vec<Step<'a>> {
        let mut path = vec![self.nodes[index].step];
        while let Some((parent, _)) = self.nodes[index].parent {
            path.push(self.nodes[parent].step);
            index = parent;
        }
        path.reverse();
        path
    }

    /// An entity as it was written, without what is nested in it; with its parent's id when that is known.
    fn shown(&self, index: usize, with_ids: bool) -> Map<String, Value> {
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

    /// The default workspace, and the one that everything is in, exist even if the file does not list them.
    fn add_workspace(&self, loaded: &mut Loaded, id: Uuid, name: &str) {
        let id = Id::Uuid(id);
        let Some(kind) = self.kinds.position("workspaces") else { return };
        if loaded.records.iter().any(|record| record.entity == "workspaces" && record.id == id) {
            return;
        }
        let mut value = Map::new();
        value.insert("id".into(), Value::String(id.to_string()));
        value.insert("name".into(), name.into());
        if let Ok(value) = self.kinds.complete(kind, value, false, self.now) {
            loaded.records.push(Record { entity: self.kinds.get(kind).name, id, ws: None, value, expires: None });
        }
    }
}

enum Found<'n> {
    Node(usize),
    /// An id that is no key; whether it exists is another question.
    Id(&'n str),
    Nothing,
}

/// What a foreign field names: text, or an object with an id or a name.
fn wanted(field: &Value) -> Option<&str> {
    match field {
        Value::String(text) => Some(text),
        Value::Object(reference) => match reference.get("id").filter(|id| !id.is_null()) {
            Some(id) => id.as_str().filter(|id| is_uuid(id)),
            None => ["name", "username"].iter().find_map(|key| reference.get(*key)?.as_str()),
        },
        _ => None,
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

fn reference_to(id: String) -> Value {
    reference_to_value(Value::String(id))
}

fn reference_to_value(id: Value) -> Value {
    Value::Object(Map::from_iter([("id".to_owned(), id)]))
}

fn ttl(field: &Value) -> Result<Option<i64>, &'static str> {
    const LONGEST: i64 = 100_000_000;
    match field {
        Value::Null => Ok(None),
        Value::Number(seconds) => match seconds.as_i64() {
            Some(0) => Ok(None),
            Some(seconds) if (0..=LONGEST).contains(&seconds) => Ok(Some(seconds)),
            Some(_) => Err("must be an integer between 0 and 100000000"),
            None => Err("expected an integer"),
        },
        _ => Err("expected an integer"),
    }
}

pub(crate) fn taken(entity: &str, field: &str, value: &str) -> String {
    format!("uniqueness violation: '{entity}' entity with {field} set to '{value}' already declared")
}
