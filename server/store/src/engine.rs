//! The trait every engine implements.

use crate::Revision;
use crate::batch::{Batch, Operation};
use crate::catalog::Catalog;
use crate::changes::Change;
use crate::error::Error;
use crate::record::{Id, Record};
use crate::view::View;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// An answer that may take a while.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Which tags a record must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagFilter {
    /// All of these.
    All(Vec<String>),
    /// At least one of these.
    Any(Vec<String>),
}

impl TagFilter {
    /// Whether `record` passes.
    pub fn accepts(&self, record: &Record) -> bool {
        let has = |wanted: &String| record.tags().any(|tag| tag == wanted);
        match self {
            TagFilter::All(tags) => tags.iter().all(has),
            TagFilter::Any(tags) => tags.iter().any(has),
        }
    }
}

/// Which records of a kind are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those whose foreign field has this value.
    pub reference: Option<(&'static str, Id)>,
    /// Only those with these tags.
    pub tags: Option<TagFilter>,
}

/// A request for one page of records, ordered by primary key.
#[derive(Clone, Debug)]
pub struct Query {
    /// The kind.
    pub entity: &'static str,
    /// Only this workspace; `None` reads all of them.
    pub ws: Option<Uuid>,
    /// Only what comes after this primary key.
    pub after: Option<Id>,
    /// How many records at most.
    pub size: usize,
    /// What else they must be.
    pub filter: Filter,
}

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, by ascending primary key.
    pub records: Vec<Arc<Record>>,
    /// The last primary key of this page, when another page follows.
    pub next: Option<Id>,
}

/// Records of a page where all of them are wanted.
const STRIDE: usize = 1000;

/// Where entities live. Reads never show a record whose time to live has run out.
pub trait Store: Send + Sync + 'static {
    /// The rules the engine holds its records to.
    fn catalog(&self) -> &Arc<Catalog>;

    /// The record with this primary key.
    fn get<'a>(&'a self, entity: &'static str, id: &'a Id) -> Pending<'a, Option<Arc<Record>>>;

    /// The record with this value of a unique field. A field that some [`crate::Unique`] rule of the kind names alone is
    /// looked up in an index, any other is searched for.
    fn by_unique<'a>(
        &'a self,
        entity: &'static str,
        ws: Option<Uuid>,
        field: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Option<Arc<Record>>>;

    /// One page of a kind.
    fn page<'a>(&'a self, query: &'a Query) -> Pending<'a, Page>;

    /// Every record of a kind that is so, read page by page; `ws`: `None` reads all workspaces.
    fn all(&self, entity: &'static str, ws: Option<Uuid>, filter: Filter) -> Pending<'_, Vec<Arc<Record>>> {
        Box::pin(async move {
            let mut query = Query { entity, ws, after: None, size: STRIDE, filter };
            let mut found = Vec::new();
            loop {
                let page = self.page(&query).await?;
                found.extend(page.records);
                query.after = page.next;
                if query.after.is_none() {
                    return Ok(found);
                }
            }
        })
    }

    /// The changes after a revision, oldest first, in whole batches; about `limit` of them.
    fn changes(&self, after: Revision, limit: usize) -> Pending<'_, Vec<Change>>;

    /// The changes up to a revision, this one included, in whole batches, the newest batch first and the entries of each in
    /// their order: at least one batch where there is any, and no further one once `limit` entries are reached. What the log
    /// has forgotten is left out.
    fn history(&self, until: Revision, limit: usize) -> Pending<'_, Vec<Change>>;

    /// Applies a batch: all of it, or nothing and an error.
    fn apply(&self, batch: Batch) -> Pending<'_, Revision>;

    /// The newest revision.
    fn revision(&self) -> Pending<'_, Revision>;

    /// Everything at one moment, for reading without the store.
    fn view(&self) -> Pending<'_, Arc<View>>;

    /// At least everything of these kinds at one moment. References to other kinds are in the records and may lead nowhere.
    fn view_of<'a>(&'a self, entities: &'a [&'a str]) -> Pending<'a, Arc<View>> {
        let _ = entities;
        self.view()
    }

    /// How many records of a kind a workspace has.
    fn count(&self, entity: &'static str, ws: Uuid) -> Pending<'_, usize> {
        Box::pin(async move {
            let view = self.view().await?;
            Ok(view.all(entity).filter(|record| record.ws == Some(ws)).count())
        })
    }

    /// Adds records of kinds that nobody follows (entries of the audit log), or replaces those that are there. An engine may
    /// leave them out of the change log and make no revision of them.
    fn note(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(async move {
            let operations = records.into_iter().map(Operation::Upsert).collect();
            self.apply(Batch { operations, author: "audit".to_owned(), ..Batch::default() }).await.map(drop)
        })
    }

    /// Tells the newest revision whenever it may have changed.
    fn subscribe(&self) -> watch::Receiver<Revision>;
}
