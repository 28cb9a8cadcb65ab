//! A configuration as values → the records it stands for.
//!
//! Three passes: every entity is found and its own keys are noted; ids are given; then each is validated with its
//! references filled in. References are looked up last, when everything else is well.

mod ids;
mod records;
mod rules;
mod walk;

use crate::invalid::{Invalid, Step, is_uuid};
use crate::kinds::Kinds;
use entities::{DEFAULT_WORKSPACE, deterministic_id};
use records::remark;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use store::{Id, Record};
use uuid::Uuid;
use walk::items;

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
    load_together(document, kinds, now, &|| ())
}

/// [`load`], where a second thread that a large configuration is read with begins by calling `assist`.
///
/// # Errors
/// [`Invalid`] with everything that is wrong at once.
pub fn load_together(document: &Value, kinds: &Kinds, now: f64, assist: &(dyn Fn() + Sync)) -> Result<Loaded, Invalid> {
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
    let records = loader.validate(&mut invalid, assist);
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

fn reference_to(id: String) -> Value {
    reference_to_value(Value::String(id))
}

fn reference_to_value(id: Value) -> Value {
    Value::Object(Map::from_iter([("id".to_owned(), id)]))
}

pub(crate) fn taken(entity: &str, field: &str, value: &str) -> String {
    format!("uniqueness violation: '{entity}' entity with {field} set to '{value}' already declared")
}
