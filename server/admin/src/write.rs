//! Writes: what is sent is validated first, as if it were to be stored. A node without a database then refuses it.

use crate::body::Body;
use crate::errors::{self, Write};
use crate::form;
use crate::resource::{Key, now};
use crate::respond::Answer;
use crate::state::Shared;
use entities::{DEFAULT_WORKSPACE, Fault};
use serde_json::{Map, Value};
use store::{Id, Record};

/// A body's members as values of a kind.
pub(crate) struct Sent {
    pub(crate) members: Map<String, Value>,
}

impl Shared {
    /// Reads a body as an entity of a kind. `chooser`: what decides on the subschema when the body does not.
    pub(crate) fn sent(&self, kind: usize, body: Body, chooser: Option<&Map<String, Value>>) -> Sent {
        let (mut members, texts) = body.into_members();
        if texts {
            let definition = self.kinds.entity(kind);
            let chosen =
                definition.and_then(|entity| entity.subschema_key).is_some_and(|key| members.contains_key(key));
            let by = if chosen { None } else { chooser };
            let record =
                self.kinds.record_for(kind, by.unwrap_or(&members)).or(definition.map(|entity| &*entity.record));
            if let Some(record) = record {
                form::infer(&mut members, record);
            }
        }
        Sent { members }
    }

    /// Replaces references by name with references by id.
    async fn resolve(&self, kind: usize, members: &mut Map<String, Value>) -> Result<(), Answer> {
        let mut unresolved = Vec::new();
        for &(field, target) in &self.kinds.get(kind).references {
            let Some(Value::Object(reference)) = members.get(field) else { continue };
            if reference.contains_key("id") {
                continue;
            }
            let target = self.kinds.get(target);
            let Some(key) = target.endpoint.filter(|_| target.endpoint_unique) else { continue };
            let Some(value) = reference.get(key).filter(|value| value.is_string()) else { continue };
            let ws = target.workspaced.then_some(DEFAULT_WORKSPACE);
            let found =
                self.store.by_unique(target.name, ws, key, value).await.map_err(|error| errors::store(&error))?;
            match found {
                Some(found) => {
                    members.insert(field.to_owned(), reference_to(&found.id));
                }
                None => unresolved.push((field.to_owned(), key.to_owned(), value.clone(), target.name.to_owned())),
            }
        }
        if unresolved.is_empty() { Ok(()) } else { Err(errors::foreign_unresolved(&unresolved)) }
    }

    /// Validates a new entity.
    pub(crate) async fn validate_new(
        &self,
        kind: usize,
        mut members: Map<String, Value>,
    ) -> Result<Map<String, Value>, Answer> {
        self.resolve(kind, &mut members).await?;
        self.kinds.definitions().check_write(self.kinds.get(kind).name, &members).map_err(fault)?;
        self.validate(kind, members)
    }

    /// Validates a new entity by its fields alone.
    pub(crate) fn validate(&self, kind: usize, members: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
        let name = self.kinds.get(kind).name;
        self.kinds.definitions().process_insert(name, members, now()).map_err(fault)
    }

    async fn validate_change(
        &self,
        kind: usize,
        existing: &Record,
        mut members: Map<String, Value>,
    ) -> Result<(), Answer> {
        self.resolve(kind, &mut members).await?;
        let name = self.kinds.get(kind).name;
        self.kinds.definitions().check_write(name, &members).map_err(fault)?;
        self.kinds.definitions().process_update(name, &existing.value, members, now()).map(drop).map_err(fault)
    }

    fn refuse(&self, write: Write, kind: usize, by: Option<&str>) -> Answer {
        let name = self.kinds.get(kind).name;
        // Some kinds are always written by their id.
        let by = by.filter(|_| !matches!(name, "targets" | "certificates" | "acls"));
        errors::read_only(write, name, by)
    }

    /// `POST` on a collection, or below `parent`.
    pub(crate) async fn create(
        &self,
        kind: usize,
        body: Body,
        parent: Option<(&'static str, &Record)>,
    ) -> Result<Answer, Answer> {
        let mut sent = self.sent(kind, body, None);
        if let Some((field, parent)) = parent {
            sent.members.insert(field.to_owned(), reference_to(&parent.id));
        }
        self.validate_new(kind, sent.members).await?;
        Err(self.refuse(Write::Create, kind, None))
    }

    /// `PUT` on an entity, or below `parent`.
    pub(crate) async fn upsert(
        &self,
        kind: usize,
        key: &Key,
        body: Body,
        parent: Option<(&'static str, &Record)>,
    ) -> Result<Answer, Answer> {
        let mut sent = self.sent(kind, body, None);
        match key {
            Key::Id(id) => sent.members.insert("id".to_owned(), id.to_string().into()),
            Key::Field("snis", _) => None,
            Key::Field(field, value) => sent.members.insert((*field).to_owned(), value.as_str().into()),
        };
        if let Some((field, parent)) = parent {
            sent.members.insert(field.to_owned(), reference_to(&parent.id));
        }
        self.validate_new(kind, sent.members).await?;
        Err(self.refuse(Write::Upsert, kind, key.by()))
    }

    /// `PATCH` on an entity that exists.
    pub(crate) async fn update(
        &self,
        kind: usize,
        existing: &Record,
        by: Option<&str>,
        body: Body,
    ) -> Result<Answer, Answer> {
        let sent = self.sent(kind, body, Some(&existing.value));
        self.validate_change(kind, existing, sent.members).await?;
        Err(self.refuse(Write::Update, kind, by))
    }

    /// `DELETE` on an entity that exists.
    pub(crate) fn remove(&self, kind: usize, by: Option<&str>) -> Answer {
        self.refuse(Write::Remove, kind, by)
    }
}

fn reference_to(id: &Id) -> Value {
    Value::Object(Map::from_iter([("id".to_owned(), Value::from(id.to_string()))]))
}

fn fault(fault: Fault) -> Answer {
    match fault {
        Fault::Invalid(errors) => errors::schema_violation(errors),
        Fault::Unknown(name) => errors::plain(404, &format!("No entity named '{name}'")),
    }
}

/// What was not found, for a change of it.
pub(crate) fn nothing_to_change(key: &Key) -> Answer {
    match key {
        Key::Id(id) => errors::no_such_id(&id.to_string()),
        Key::Field(field, value) => errors::no_such_key(field, value),
    }
}
