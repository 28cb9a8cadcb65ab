//! A store whose writes are told to the audit log and to event hooks: for those who write beside the Admin API.

use super::notices::ToGate;
use serde_json::Value;
use std::sync::Arc;
use store::{Batch, Catalog, Change, Id, Page, Pending, Query, Record, Revision, Store, View};
use tokio::sync::watch;
use uuid::Uuid;

/// Reads as the store does, and tells what it writes.
struct Told {
    store: Arc<dyn Store>,
    notices: Arc<ToGate>,
}

/// The same store for others than the Admin API.
pub fn told(store: Arc<dyn Store>, notices: &Arc<ToGate>) -> Arc<dyn Store> {
    Arc::new(Told { store, notices: notices.clone() })
}

impl Store for Told {
    fn catalog(&self) -> &Arc<Catalog> {
        self.store.catalog()
    }

    fn get<'a>(&'a self, entity: &'static str, id: &'a Id) -> Pending<'a, Option<Arc<Record>>> {
        self.store.get(entity, id)
    }

    fn by_unique<'a>(
        &'a self,
        entity: &'static str,
        ws: Option<Uuid>,
        field: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Option<Arc<Record>>> {
        self.store.by_unique(entity, ws, field, value)
    }

    fn page<'a>(&'a self, query: &'a Query) -> Pending<'a, Page> {
        self.store.page(query)
    }

    fn changes(&self, after: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.store.changes(after, limit)
    }

    fn history(&self, until: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.store.history(until, limit)
    }

    fn apply(&self, batch: Batch) -> Pending<'_, Revision> {
        Box::pin(async move {
            let author = batch.author.clone();
            let revision = self.store.apply(batch).await?;
            self.notices.wrote(revision, author);
            Ok(revision)
        })
    }

    fn revision(&self) -> Pending<'_, Revision> {
        self.store.revision()
    }

    fn view(&self) -> Pending<'_, Arc<View>> {
        self.store.view()
    }

    fn view_of<'a>(&'a self, entities: &'a [&'a str]) -> Pending<'a, Arc<View>> {
        self.store.view_of(entities)
    }

    fn count(&self, entity: &'static str, ws: Uuid) -> Pending<'_, usize> {
        self.store.count(entity, ws)
    }

    fn note(&self, records: Vec<Record>) -> Pending<'_, ()> {
        self.store.note(records)
    }

    fn subscribe(&self) -> watch::Receiver<Revision> {
        self.store.subscribe()
    }
}
