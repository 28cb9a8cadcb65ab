//! The engine without a database.

use crate::Revision;
use crate::batch::{Batch, Operation, Precondition};
use crate::catalog::{Catalog, OnDelete};
use crate::changes::{Change, ChangeKind, Log};
use crate::engine::{Page, Pending, Query, Store};
use crate::error::Error;
use crate::record::{Id, Record};
use crate::view::View;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;
use uuid::Uuid;

/// How many changes are remembered unless [`Memory::with_log`] says otherwise.
const LOG: usize = 10_000;

/// Keeps everything in memory. Readers share the current [`View`]; a writer makes the next one and swaps it in, so a batch
/// that fails midway leaves no trace.
pub struct Memory {
    catalog: Arc<Catalog>,
    current: Mutex<Arc<View>>,
    // Held while a batch is applied: writers come one after the other, readers never wait for them.
    writing: Mutex<Log>,
    revision: watch::Sender<Revision>,
}

impl Memory {
    /// An empty store.
    pub fn new(catalog: Arc<Catalog>) -> Memory {
        Memory::with_log(catalog, LOG)
    }

    /// An empty store that remembers `entries` changes.
    pub fn with_log(catalog: Arc<Catalog>, entries: usize) -> Memory {
        Memory {
            current: Mutex::new(Arc::new(View::empty(catalog.clone()))),
            writing: Mutex::new(Log::beginning_after(0, entries)),
            revision: watch::Sender::new(0),
            catalog,
        }
    }

    /// The state now.
    pub fn current(&self) -> Arc<View> {
        lock(&self.current).clone()
    }

    /// Applies a batch on the calling thread.
    pub fn commit(&self, batch: Batch) -> Result<Revision, Error> {
        self.commit_if(batch, |_| Ok(()))
    }

    /// Applies a batch on the calling thread unless `accepts` refuses the state it would lead to: whoever serves from
    /// the store compiles that state first. Other writers wait meanwhile.
    pub fn commit_if<E: From<Error>>(
        &self,
        batch: Batch,
        accepts: impl FnOnce(&View) -> Result<(), E>,
    ) -> Result<Revision, E> {
        let mut log = lock(&self.writing);
        let mut next = View::clone(&self.current());
        for precondition in &batch.preconditions {
            check(&next, precondition)?;
        }
        let mut done = Vec::new();
        for operation in batch.operations {
            run(&mut next, operation, &mut done)?;
        }
        let revision = next.revision() + 1;
        next.set_revision(revision);
        accepts(&next)?;
        let (at, author, request_id) = (SystemTime::now(), Arc::from(batch.author), Arc::from(batch.request_id));
        for kind in done {
            log.push(Change { revision, at, author: Arc::clone(&author), request_id: Arc::clone(&request_id), kind });
        }
        let old = std::mem::replace(&mut *lock(&self.current), Arc::new(next));
        self.revision.send_replace(revision);
        drop(log);
        // The old state may be large: freed after the lock.
        drop(old);
        Ok(revision)
    }
}

/// A panic while a lock was held cannot have left a half-made state: states are built aside and swapped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn unix_now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs() as i64)
}

fn check(view: &View, precondition: &Precondition) -> Result<(), Error> {
    let holds = match precondition {
        Precondition::Version(revision) => view.revision() <= *revision,
        Precondition::Unchanged(record) => view.get(record.entity, &record.id).is_some_and(|found| found == record),
        Precondition::Unique { entity, ws, field, value } => view.by_unique(entity, *ws, field, value).is_none(),
        Precondition::Reference { entity, id } => view.get(entity, id).is_some(),
    };
    if holds {
        return Ok(());
    }
    Err(Error::Precondition(match precondition {
        Precondition::Version(revision) => format!("revision {revision} is no longer the newest"),
        Precondition::Unchanged(record) => format!("the '{}' entity {} was changed", record.entity, record.id),
        Precondition::Unique { entity, field, value, .. } => format!("a '{entity}' entity with {field} {value} exists"),
        Precondition::Reference { entity, id } => format!("the '{entity}' entity {id} is gone"),
    }))
}

fn run(view: &mut View, operation: Operation, done: &mut Vec<ChangeKind>) -> Result<(), Error> {
    match operation {
        Operation::Insert(record) => {
            let now = unix_now();
            match view.get(record.entity, &record.id) {
                Some(found) if !found.expired(now) => {
                    let (_, rules) = view.rules(record.entity)?;
                    Err(Error::PrimaryKey { entity: rules.entity, id: record.id })
                }
                _ => put(view, record, done),
            }
        }
        Operation::Update(record) => {
            if view.get(record.entity, &record.id).is_none() {
                let (_, rules) = view.rules(record.entity)?;
                return Err(Error::Missing { entity: rules.entity, id: record.id });
            }
            put(view, record, done)
        }
        Operation::Upsert(record) => put(view, record, done),
        Operation::Delete { entity, id } => delete(view, entity, &id, done),
        Operation::ReplaceAll(records) => {
            let before = view.len();
            let catalog = view.catalog().clone();
            *view = View::of(catalog, records, view.revision())?;
            // Whoever follows the log starts anew here; what came before in this batch no longer matters.
            done.clear();
            done.push(ChangeKind::Replaced { before, after: view.len() });
            Ok(())
        }
    }
}

fn put(view: &mut View, record: Record, done: &mut Vec<ChangeKind>) -> Result<(), Error> {
    let references = view.check_references(&record);
    let record = Arc::new(record);
    let before = loop {
        match view.put(record.clone()) {
            // The value may be held by a record that is only waiting to be swept.
            Err(Error::Unique { entity, holder, .. })
                if view.get(entity, &holder).is_some_and(|found| found.expired(unix_now())) =>
            {
                delete(view, entity, &holder, done)?;
            }
            other => break other?,
        }
    };
    // Told after a value that is taken, as databases do: their constraints on references are checked last.
    references?;
    done.push(ChangeKind::Record {
        entity: record.entity,
        id: record.id.clone(),
        ws: record.ws,
        before,
        after: Some(record),
    });
    Ok(())
}

fn delete(view: &mut View, entity: &'static str, id: &Id, done: &mut Vec<ChangeKind>) -> Result<(), Error> {
    let Some(removed) = view.remove(entity, id)? else { return Ok(()) };
    let catalog = view.catalog().clone();
    // Removed first: records that point to each other do not keep one another alive.
    for (rules, reference) in catalog.pointing_to(entity) {
        let children: Vec<Arc<Record>> = view.children(rules.entity, reference.field, id).cloned().collect();
        for child in children {
            match reference.on_delete {
                OnDelete::Restrict if child.expired(unix_now()) => delete(view, rules.entity, &child.id, done)?,
                OnDelete::Restrict => {
                    return Err(Error::Referenced { entity: removed.entity, id: id.clone(), by: rules.entity });
                }
                OnDelete::Cascade => delete(view, rules.entity, &child.id, done)?,
                OnDelete::Null => {
                    let mut changed = Record::clone(&child);
                    changed.value.insert(reference.field.to_owned(), Value::Null);
                    let changed = Arc::new(changed);
                    view.put(changed.clone())?;
                    done.push(ChangeKind::Record {
                        entity: rules.entity,
                        id: child.id.clone(),
                        ws: child.ws,
                        before: Some(child),
                        after: Some(changed),
                    });
                }
            }
        }
    }
    done.push(ChangeKind::Record { entity, id: id.clone(), ws: removed.ws, before: Some(removed), after: None });
    Ok(())
}

impl Store for Memory {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    fn get<'a>(&'a self, entity: &'static str, id: &'a Id) -> Pending<'a, Option<Arc<Record>>> {
        let view = self.current();
        Box::pin(async move {
            view.rules(entity)?;
            Ok(view.get(entity, id).filter(|record| !record.expired(unix_now())).cloned())
        })
    }

    fn by_unique<'a>(
        &'a self,
        entity: &'static str,
        ws: Option<Uuid>,
        field: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Option<Arc<Record>>> {
        let view = self.current();
        Box::pin(async move {
            view.rules(entity)?;
            Ok(view.by_unique(entity, ws, field, value).filter(|record| !record.expired(unix_now())).cloned())
        })
    }

    fn page<'a>(&'a self, query: &'a Query) -> Pending<'a, Page> {
        let view = self.current();
        Box::pin(async move { view.page(query, unix_now()) })
    }

    fn changes(&self, after: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        Box::pin(async move { lock(&self.writing).after(after, limit) })
    }

    fn history(&self, until: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        Box::pin(async move { Ok(lock(&self.writing).until(until, limit)) })
    }

    fn apply(&self, batch: Batch) -> Pending<'_, Revision> {
        Box::pin(async move { self.commit(batch) })
    }

    fn revision(&self) -> Pending<'_, Revision> {
        let revision = self.current().revision();
        Box::pin(async move { Ok(revision) })
    }

    fn view(&self) -> Pending<'_, Arc<View>> {
        let view = self.current();
        Box::pin(async move { Ok(view) })
    }

    fn subscribe(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }
}

#[cfg(test)]
mod tests;
