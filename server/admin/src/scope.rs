//! Where a request works: one workspace, on behalf of someone. Everything the resource engine reads and writes goes
//! through here, so that nothing outside the workspace is seen or touched.

use crate::enterprise::{Gate, Pass, who};
use crate::errors;
use crate::respond::Answer;
use crate::state::Shared;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Batch, Filter, Id, Operation, Precondition, Query, Record, Revision};
use uuid::Uuid;

/// Records per step of reading a whole kind.
pub(crate) const STEP: usize = 1000;

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |past| past.as_secs_f64())
}

/// Whole seconds since 1970.
#[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
pub(crate) fn seconds() -> i64 {
    now() as i64
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
    /// What it may see and touch there.
    pub(crate) pass: &'s Pass,
    /// The workspace as the path begins with it, with a slash before it; empty where it does not.
    pub(crate) prefix: &'s str,
    /// Whether answers may hold what Kong's do not (`?beyond_kong=1`).
    pub(crate) beyond: bool,
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
        Ok(found.filter(|record| record.ws == self.ws(kind) && self.pass.finds(record)))
    }

    /// The entity of a kind with this value of a field.
    pub(crate) async fn by_field(
        &self,
        kind: usize,
        field: &str,
        value: &Value,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let found = self.store.by_unique(self.name(kind), self.ws(kind), field, value).await;
        Ok(found.map_err(|error| errors::store(&error))?.filter(|record| self.pass.finds(record)))
    }

    /// One page of a kind.
    pub(crate) async fn read(
        &self,
        kind: usize,
        after: Option<Id>,
        size: usize,
        filter: Filter,
    ) -> Result<store::Page, Answer> {
        let mut query = Query { entity: self.name(kind), ws: self.ws(kind), after, size, filter };
        if self.pass.lists_all(query.ws) {
            return self.store.page(&query).await.map_err(|error| errors::store(&error));
        }
        // What may not be read leaves no gap, and its id does not show in the place where the next page begins.
        let mut records: Vec<Arc<Record>> = Vec::new();
        query.size = size.max(STEP);
        loop {
            let page = self.store.page(&query).await.map_err(|error| errors::store(&error))?;
            records.extend(page.records.into_iter().filter(|record| self.pass.lists(record)));
            query.after = page.next;
            if records.len() > size || query.after.is_none() {
                break;
            }
        }
        let more = records.len() > size;
        records.truncate(size);
        let next = if more { records.last().map(|record| record.id.clone()) } else { None };
        Ok(store::Page { records, next })
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

    /// The first entity of a kind that `wanted` accepts, in whichever workspace. Reads them all, step by step.
    pub(crate) async fn search_everywhere(
        &self,
        kind: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let mut query = Query { entity: self.name(kind), ws: None, after: None, size: STEP, filter: Filter::default() };
        loop {
            let page = self.store.page(&query).await.map_err(|error| errors::store(&error))?;
            if let Some(found) = page.records.into_iter().find(|record| wanted(record)) {
                return Ok(Some(found));
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(None);
            }
        }
    }

    /// Applies operations on entities, all or none, after checking that each may be done.
    pub(crate) async fn apply(
        &self,
        mut operations: Vec<Operation>,
        preconditions: Vec<Precondition>,
    ) -> Result<(), store::Error> {
        if self.gate().is_some() {
            self.guard(&mut operations).await?;
        }
        self.commit(operations, preconditions).await.map(drop)
    }

    /// Who is let in, on a node with a database.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.shared.gate.as_deref()
    }

    /// Applies operations that were decided on, all or none. Tells the revision they made.
    pub(crate) async fn commit(
        &self,
        operations: Vec<Operation>,
        preconditions: Vec<Precondition>,
    ) -> Result<Revision, store::Error> {
        let kinds: Vec<_> = operations.iter().filter_map(Operation::entity).collect();
        let batch =
            Batch { operations, preconditions, author: self.author.to_owned(), request_id: self.request_id.to_owned() };
        let revision = self.store.apply(batch).await?;
        self.node.changed(revision, &kinds).await;
        if let Some(gate) = self.gate() {
            let view = self.pass.policy.as_ref().map(|policy| policy.view());
            gate.recorder.changed(revision, view, who(self.pass.subject.as_deref()), self.request_id).await;
        }
        Ok(revision)
    }
}
