//! Writes: one way for every kind of entity. What is sent is completed and validated by the definitions, then applied as
//! one batch; a node without a database refuses it after that.

use crate::body::Body;
use crate::errors::{self, Write};
use crate::form;
use crate::resource::Key;
use crate::respond::Answer;
use crate::scope::{Scope, now};
use entities::{Fault, random_uuid};
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Id, Operation, Precondition, Record};

/// How often a write starts anew because others wrote the same entity meanwhile. In each round one of them succeeds.
const ATTEMPTS: usize = 100;
/// How often a replacement is tried anew because the entity came or went meanwhile.
const RACES: usize = 8;

/// An entity that others point to by a field of theirs.
pub(crate) type Parent<'p> = Option<(&'static str, &'p Record)>;

impl Scope<'_> {
    /// Reads a body's members as values of a kind. `chooser`: what decides on the subschema when the body does not.
    pub(crate) fn sent(&self, kind: usize, body: Body, chooser: Option<&Map<String, Value>>) -> Map<String, Value> {
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
        members
    }

    /// Replaces references by name with references by id.
    async fn resolve(&self, kind: usize, members: &mut Map<String, Value>) -> Result<(), Answer> {
        let mut unresolved = Vec::new();
        for &(field, target) in &self.kinds.get(kind).references {
            let Some(Value::Object(reference)) = members.get(field) else { continue };
            if reference.contains_key("id") {
                continue;
            }
            let definition = self.kinds.get(target);
            let Some(key) = definition.endpoint.filter(|_| definition.endpoint_unique) else { continue };
            let Some(value) = reference.get(key).filter(|value| value.is_string()) else { continue };
            match self.by_field(target, key, value).await? {
                Some(found) => {
                    members.insert(field.to_owned(), reference_to(&found.id));
                }
                None => unresolved.push((field.to_owned(), key.to_owned(), value.clone(), definition.name.to_owned())),
            }
        }
        if unresolved.is_empty() { Ok(()) } else { Err(errors::foreign_unresolved(&unresolved)) }
    }

    /// A new entity, complete and valid.
    async fn validate_new(&self, kind: usize, mut members: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
        self.resolve(kind, &mut members).await?;
        self.kinds.definitions().check_write(self.name(kind), &members).map_err(fault)?;
        self.check_protocols(kind, &members).await?;
        self.validate(kind, members)
    }

    /// A new entity by its fields alone.
    pub(crate) fn validate(&self, kind: usize, members: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
        self.kinds.definitions().process_insert(self.name(kind), members, now()).map_err(fault)
    }

    /// An entity with a part of it changed.
    async fn validate_change(
        &self,
        kind: usize,
        existing: &Record,
        mut members: Map<String, Value>,
    ) -> Result<Map<String, Value>, Answer> {
        self.resolve(kind, &mut members).await?;
        let name = self.name(kind);
        self.kinds.definitions().check_write(name, &members).map_err(fault)?;
        const MATCHED: [&str; 3] = ["protocols", "route", "service"];
        if MATCHED.iter().any(|field| members.contains_key(*field)) {
            let merged = MATCHED.iter().filter_map(|field| {
                let value = members.get(*field).or(existing.value.get(*field))?;
                Some(((*field).to_owned(), value.clone()))
            });
            self.check_protocols(kind, &merged.collect()).await?;
        }
        let changed = self.kinds.definitions().process_update(name, &existing.value, members, now());
        let mut value = changed.map_err(fault)?;
        // Who an entity is does not change.
        for field in &self.kinds.get(kind).primary_key {
            if let Some(own) = existing.value.get(*field) {
                value.insert((*field).to_owned(), own.clone());
            }
        }
        Ok(value)
    }

    /// What is stored of a complete value. `expires`: unless the value says when.
    pub(crate) fn record(
        &self,
        kind: usize,
        mut value: Map<String, Value>,
        mut expires: Option<i64>,
    ) -> Result<Record, Answer> {
        let definition = self.kinds.get(kind);
        if definition.ttl
            && let Some(ttl) = value.shift_remove("ttl")
        {
            #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970, and 3 years at most")]
            let at = ttl.as_f64().filter(|seconds| *seconds > 0.0).map(|seconds| (now() + seconds) as i64);
            expires = at;
        }
        let id = Id::of(&definition.primary_key, &value).ok_or_else(errors::unexpected)?;
        Ok(Record { entity: definition.name, id, ws: self.ws(kind), value, expires })
    }

    /// Refuses a write where there is no database to write to.
    fn writable(&self, write: Write, kind: usize, by: Option<&str>) -> Result<(), Answer> {
        if self.kinds.definitions().database() {
            return Ok(());
        }
        let name = self.name(kind);
        // Some kinds are always written by their id.
        let by = by.filter(|_| !matches!(name, "targets" | "certificates" | "acls"));
        Err(errors::read_only(write, name, by))
    }

    /// `POST` on a collection, or below `parent`.
    pub(crate) async fn create(&self, kind: usize, body: Body, parent: Parent<'_>) -> Result<Answer, Answer> {
        let mut members = self.sent(kind, body, None);
        point_to(&mut members, parent);
        let names = self.take_names(kind, &mut members, None).await?;
        let value = self.validate_new(kind, members).await?;
        self.writable(Write::Create, kind, None)?;
        let record = self.record(kind, value, None)?;
        self.check_collision(&record).await?;
        let mut operations = vec![Operation::Insert(record.clone())];
        if let Some(names) = names {
            operations.extend(self.naming(&record, None, &names).await?);
        }
        self.apply(operations, Vec::new()).await.map_err(|error| errors::store(&error))?;
        self.shown(201, &record).await
    }

    /// `PUT` on an entity, or below `parent`.
    pub(crate) async fn upsert(
        &self,
        kind: usize,
        key: &Key,
        body: Body,
        parent: Parent<'_>,
    ) -> Result<Answer, Answer> {
        let mut members = self.sent(kind, body, None);
        point_to(&mut members, parent);
        let mut races = 0;
        loop {
            let Replacement { record, operations, existed } =
                self.replacement(kind, key, members.clone(), parent).await?;
            match self.apply(operations, Vec::new()).await {
                Ok(()) => return self.shown(200, &record).await,
                // Again and again: the key is taken where this request does not see it.
                Err(error) if races == RACES || !was_overtaken(existed, key, &error) => {
                    return Err(errors::store(&error));
                }
                Err(_) => races += 1,
            }
        }
    }

    /// An entity that takes the place of the one with this key, if there is one.
    async fn replacement(
        &self,
        kind: usize,
        key: &Key,
        mut members: Map<String, Value>,
        parent: Parent<'_>,
    ) -> Result<Replacement, Answer> {
        let existing = self.replaced(kind, key, parent).await?;
        match (key, &existing) {
            (Key::Id(id), _) => drop(members.insert("id".to_owned(), id.to_string().into())),
            (_, Some(existing)) => drop(members.insert("id".to_owned(), existing.id.to_string().into())),
            _ => {}
        }
        if let Key::Field(field, value) = key
            && *field != "snis"
        {
            members.insert((*field).to_owned(), value.as_str().into());
        }
        let own = match key {
            Key::Id(id) => Some(id),
            Key::Field(..) => existing.as_ref().map(|existing| &existing.id),
        };
        let names = self.take_names(kind, &mut members, own).await?;
        let value = self.validate_new(kind, members).await?;
        self.writable(Write::Upsert, kind, key.by())?;
        let record = self.record(kind, value, None)?;
        self.check_collision(&record).await?;
        let operation = if existing.is_some() { Operation::Update } else { Operation::Insert };
        let mut operations = vec![operation(record.clone())];
        if self.name(kind) == "certificates" {
            let names = self.names_of_put(key, existing.is_some(), names);
            operations.extend(self.naming(&record, existing.as_deref(), &names).await?);
        }
        Ok(Replacement { record, operations, existed: existing.is_some() })
    }

    /// The entity whose place a `PUT` takes.
    pub(crate) async fn replaced(
        &self,
        kind: usize,
        key: &Key,
        parent: Parent<'_>,
    ) -> Result<Option<Arc<Record>>, Answer> {
        match parent {
            Some((field, parent)) if !self.is_unique(kind, key) => self.child(kind, field, parent, key).await,
            _ => self.find(kind, key).await,
        }
    }

    /// Whether a key names at most one entity of the workspace.
    fn is_unique(&self, kind: usize, key: &Key) -> bool {
        match key {
            Key::Id(_) | Key::Field("snis", _) => true,
            Key::Field(field, _) => {
                let definition = self.kinds.get(kind);
                definition.endpoint == Some(*field) && definition.endpoint_unique
            }
        }
    }

    /// `PATCH` on an entity that exists. Two that meet are applied one after the other, whatever each of them names.
    pub(crate) async fn update(
        &self,
        kind: usize,
        mut existing: Arc<Record>,
        by: Option<&str>,
        body: Body,
    ) -> Result<Answer, Answer> {
        let members = self.sent(kind, body, Some(&existing.value));
        for _ in 1..ATTEMPTS {
            let mut members = members.clone();
            let names = self.take_names(kind, &mut members, Some(&existing.id)).await?;
            let value = self.validate_change(kind, &existing, members).await?;
            self.writable(Write::Update, kind, by)?;
            let record = self.record(kind, value, existing.expires)?;
            self.check_collision(&record).await?;
            let mut operations = vec![Operation::Update(record.clone())];
            if let Some(names) = names {
                operations.extend(self.naming(&record, Some(&existing), &names).await?);
            }
            match self.apply(operations, vec![Precondition::Unchanged(existing.clone())]).await {
                Ok(()) => return self.shown(200, &record).await,
                Err(store::Error::Precondition(_)) => {}
                Err(error) => return Err(errors::store(&error)),
            }
            let again = self.by_id(kind, &existing.id).await?;
            existing = again.ok_or_else(|| errors::no_such_id(&existing.id.to_string()))?;
        }
        Err(errors::contended())
    }

    /// `DELETE` on an entity that exists.
    pub(crate) async fn remove(&self, kind: usize, record: &Record, by: Option<&str>) -> Result<Answer, Answer> {
        self.writable(Write::Remove, kind, by)?;
        self.check_removal(record).await?;
        let mut operations = Vec::new();
        if record.entity == "certificates" {
            // Its names go with it, though nothing in their definition says so.
            operations = self.naming(record, Some(record), &[]).await?;
        }
        operations.push(Operation::Delete { entity: record.entity, id: record.id.clone() });
        self.apply(operations, Vec::new()).await.map_err(|error| errors::store(&error))?;
        Ok(Answer::empty(204))
    }

    /// `PUT` on what a foreign field points to, where it points to nothing: makes it, and points there.
    pub(crate) async fn attach(
        &self,
        kind: usize,
        field: &'static str,
        target: usize,
        mut record: Arc<Record>,
        body: Body,
    ) -> Result<Answer, Answer> {
        let members = self.sent(target, body, None);
        let key = Key::Id(Id::parse(&random_uuid()));
        for _ in 1..ATTEMPTS {
            let made = self.replacement(target, &key, members.clone(), None).await?;
            let change = Map::from_iter([(field.to_owned(), reference_to(&made.record.id))]);
            let value = self.validate_change(kind, &record, change).await?;
            let mut operations = made.operations;
            operations.push(Operation::Update(self.record(kind, value, record.expires)?));
            match self.apply(operations, vec![Precondition::Unchanged(record.clone())]).await {
                Ok(()) => return self.shown(200, &made.record).await,
                Err(store::Error::Precondition(_)) => {}
                Err(error) => return Err(errors::store(&error)),
            }
            record = self.by_id(kind, &record.id).await?.ok_or_else(errors::not_found)?;
        }
        Err(errors::contended())
    }
}

/// What a `PUT` does.
struct Replacement {
    record: Record,
    operations: Vec<Operation>,
    existed: bool,
}

/// Whether a write failed only because someone made or removed the entity between the look-up and the write.
fn was_overtaken(existed: bool, key: &Key, error: &store::Error) -> bool {
    match (error, key) {
        (store::Error::Missing { .. }, _) => existed,
        (store::Error::PrimaryKey { .. }, Key::Id(_)) => !existed,
        (store::Error::Unique { fields, .. }, Key::Field(field, _)) => !existed && fields.contains_key(*field),
        _ => false,
    }
}

/// The path decides on the parent, whatever the body says.
fn point_to(members: &mut Map<String, Value>, parent: Parent<'_>) {
    if let Some((field, parent)) = parent {
        members.insert(field.to_owned(), reference_to(&parent.id));
    }
}

pub(crate) fn reference_to(id: &Id) -> Value {
    Value::Object(Map::from_iter([("id".to_owned(), Value::from(id.to_string()))]))
}

pub(crate) fn fault(fault: Fault) -> Answer {
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
