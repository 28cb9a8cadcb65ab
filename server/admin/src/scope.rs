//! Where a request works: one workspace, on behalf of someone. Everything the resource engine reads and writes goes
//! through here, so that nothing outside the workspace is seen or touched.

use crate::errors;
use crate::respond::Answer;
use crate::state::Shared;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Batch, Filter, Id, Operation, Precondition, Query, Record};
use uuid::Uuid;

/// Records per step of reading a whole kind.
const STEP: usize = 1000;

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |past| past.as_secs_f64())
}

/// The Admin API as one request sees it.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) shared: &'s Shared,
    /// The workspace whose entities are seen.
    pub(crate) workspace: Uuid,
    /// Who asks; goes into the change log.
    pub(crate) author: &'s str,
    /// The id of the request; goes into the change log.
    pub(crate) request_id: &'s str,
}

impl Deref for Scope<'_> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.shared
    }
}

impl Scope<'_> {
    /// The name of a kind.
    pub(crate) fn name(&self, kind: usize) -> &'static str {
        self.kinds.get(kind).name
    }

    /// The workspace that entities of a kind are in, for kinds that belong to one.
    pub(crate) fn ws(&self, kind: usize) -> Option<Uuid> {
        self.kinds.get(kind).workspaced.then_some(self.workspace)
    }

    /// The entity of a kind with this id.
    pub(crate) async fn by_id(&self, kind: usize, id: &Id) -> Result<Option<Arc<Record>>, Answer> {
        let found = self.store.get(self.name(kind), id).await.map_err(|error| errors::store(&error))?;
        Ok(found.filter(|record| record.ws == self.ws(kind)))
    }

    /// The entity of a kind with this value of a field.
    pub(crate) async fn by_field(
        &self,
        kind: usize,
        field: &str,
        value: &Value,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let found = self.store.by_unique(self.name(kind), self.ws(kind), field, value).await;
        found.map_err(|error| errors::store(&error))
    }

    /// One page of a kind.
    pub(crate) async fn read(
        &self,
        kind: usize,
        after: Option<Id>,
        size: usize,
        filter: Filter,
    ) -> Result<store::Page, Answer> {
        let query = Query { entity: self.name(kind), ws: self.ws(kind), after, size, filter };
        self.store.page(&query).await.map_err(|error| errors::store(&error))
    }

    /// All entities of a kind whose field points to `id`.
    pub(crate) async fn children(&self, kind: usize, field: &'static str, id: &Id) -> Result<Vec<Arc<Record>>, Answer> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let filter = Filter { reference: Some((field, id.clone())), tags: None };
            let page = self.read(kind, after, STEP, filter).await?;
            found.extend(page.records);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The first entity of a kind that `wanted` accepts. Reads them all, step by step.
    pub(crate) async fn search(
        &self,
        kind: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let mut after = None;
        loop {
            let page = self.read(kind, after, STEP, Filter::default()).await?;
            if let Some(found) = page.records.into_iter().find(|record| wanted(record)) {
                return Ok(Some(found));
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
        }
    }

    /// Applies operations, all or none.
    pub(crate) async fn apply(
        &self,
        operations: Vec<Operation>,
        preconditions: Vec<Precondition>,
    ) -> Result<(), store::Error> {
        let batch =
            Batch { operations, preconditions, author: self.author.to_owned(), request_id: self.request_id.to_owned() };
        self.store.apply(batch).await.map(drop)
    }
}
