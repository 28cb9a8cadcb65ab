//! What plugins keep in the database.

use crate::look_up::credential;
use entities::{Definitions, Fault};
use exchange::Credential;
use exchange::records::{Pending, Records, RecordsError};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::SystemTime;
use store::{Batch, Error, Id, Operation, Precondition, Record, Store};
use tokio::runtime::Handle;
use uuid::Uuid;

/// How often a change starts anew because others changed the same record meanwhile.
const ATTEMPTS: usize = 20;

/// Records of plugins' entities in a store. The work is done on a runtime of its own: who does not wait for the outcome
/// does not stop it.
pub struct PluginRecords {
    inner: Arc<Inner>,
    handle: Handle,
}

struct Inner {
    store: Arc<dyn Store>,
    definitions: Arc<Definitions>,
}

impl PluginRecords {
    /// Records in a store, with work done on the runtime of `handle`.
    pub fn new(store: Arc<dyn Store>, definitions: Arc<Definitions>, handle: Handle) -> Self {
        Self { inner: Arc::new(Inner { store, definitions }), handle }
    }

    fn work<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Pending<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RecordsError>> + Send + 'static,
    {
        let task = self.handle.spawn(work(self.inner.clone()));
        Box::pin(async move { task.await.unwrap_or_else(|error| Err(RecordsError::Unavailable(error.to_string()))) })
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
fn expiry(ttl: Option<u64>) -> Option<i64> {
    ttl.map(|ttl| (now() as i64).saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX)))
}

fn invalid(fault: Fault) -> RecordsError {
    RecordsError::Refused(match fault {
        Fault::Invalid(errors) => errors.message(),
        Fault::Unknown(name) => format!("there is no entity named '{name}'"),
    })
}

fn failed(error: Error) -> RecordsError {
    match error {
        Error::Unavailable(cause) => RecordsError::Unavailable(cause),
        refused => RecordsError::Refused(refused.to_string()),
    }
}

fn batch(operation: Operation, preconditions: Vec<Precondition>) -> Batch {
    Batch { operations: vec![operation], preconditions, author: "plugin".into(), ..Batch::default() }
}

impl Inner {
    /// The workspace of an entity's records, where they belong to one.
    fn scope(&self, entity: &str, ws: Uuid) -> Option<Uuid> {
        self.definitions.entity(entity).is_some_and(|entity| entity.workspaceable).then_some(ws)
    }

    async fn get(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Result<Option<Arc<Record>>, RecordsError> {
        let found = self.store.get(entity, &Id::Uuid(id)).await.map_err(failed)?;
        Ok(found.filter(|record| record.ws.is_none_or(|own| own == ws)))
    }
}

impl Records for PluginRecords {
    fn find(
        &self,
        ws: Uuid,
        entity: &'static str,
        field: &'static str,
        value: &str,
    ) -> Pending<Option<Arc<Credential>>> {
        let value = Value::from(value);
        self.work(move |inner| async move {
            let found = inner.store.by_unique(entity, inner.scope(entity, ws), field, &value).await.map_err(failed)?;
            Ok(found.map(|record| Arc::new(credential(&record))))
        })
    }

    fn insert(
        &self,
        ws: Uuid,
        entity: &'static str,
        fields: Map<String, Value>,
        ttl: Option<u64>,
    ) -> Pending<Arc<Credential>> {
        self.work(move |inner| async move {
            let value = inner.definitions.process_insert(entity, fields, now()).map_err(invalid)?;
            let key = inner.definitions.entity(entity).map_or(&["id"][..], |entity| entity.primary_key);
            let id = Id::of(key, &value)
                .ok_or_else(|| RecordsError::Refused(format!("a '{entity}' entity without a primary key")))?;
            let record = Record { entity, id, ws: inner.scope(entity, ws), value, expires: expiry(ttl) };
            let stored = Arc::new(credential(&record));
            inner.store.apply(batch(Operation::Insert(record), Vec::new())).await.map_err(failed)?;
            Ok(stored)
        })
    }

    fn update(
        &self,
        ws: Uuid,
        entity: &'static str,
        id: Uuid,
        changes: Map<String, Value>,
        ttl: Option<u64>,
    ) -> Pending<Option<Arc<Credential>>> {
        self.work(move |inner| async move {
            let mut last = None;
            for _ in 0..ATTEMPTS {
                let Some(existing) = inner.get(ws, entity, id).await? else { return Ok(None) };
                let value = inner
                    .definitions
                    .process_update(entity, &existing.value, changes.clone(), now())
                    .map_err(invalid)?;
                let record = Record { value, expires: expiry(ttl), ..Record::clone(&existing) };
                let stored = Arc::new(credential(&record));
                let unchanged = vec![Precondition::Unchanged(existing)];
                match inner.store.apply(batch(Operation::Update(record), unchanged)).await {
                    Ok(_) => return Ok(Some(stored)),
                    Err(error @ (Error::Precondition(_) | Error::Missing { .. })) => last = Some(error),
                    Err(error) => return Err(failed(error)),
                }
            }
            Err(last.map_or_else(|| RecordsError::Unavailable("it is changed all the time".into()), failed))
        })
    }

    fn delete(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Pending<bool> {
        self.work(move |inner| async move {
            if inner.get(ws, entity, id).await?.is_none() {
                return Ok(false);
            }
            let there = vec![Precondition::Reference { entity, id: Id::Uuid(id) }];
            match inner.store.apply(batch(Operation::Delete { entity, id: Id::Uuid(id) }, there)).await {
                Ok(_) => Ok(true),
                Err(Error::Precondition(_)) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        })
    }
}
