//! What plugins keep in the node's database: records of their own entities (tokens, codes, sessions), with a time to live.

use crate::Credential;
use serde_json::{Map, Value};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// An outcome to wait for. The work begins when it is asked for: who needs no answer drops it.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, RecordsError>> + Send>>;

/// Why the database could not be asked, or refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The node has none.
    #[error("there is no database")]
    NoDatabase,
    /// It does not answer.
    #[error("the database cannot be asked: {0}")]
    Unavailable(String),
    /// The record is not valid, or one of its unique fields is taken.
    #[error("the database refused the record: {0}")]
    Refused(String),
}

/// Records of plugins' entities. A record whose time to live has run out is not there.
pub trait Records: Send + Sync {
    /// The record of `entity` in workspace `ws` whose unique text `field` is `value`.
    fn find(
        &self,
        ws: Uuid,
        entity: &'static str,
        field: &'static str,
        value: &str,
    ) -> Pending<Option<Arc<Credential>>>;

    /// Stores a record, completed and checked as the Admin API does it; `ttl` in seconds, `None` = for ever.
    fn insert(
        &self,
        ws: Uuid,
        entity: &'static str,
        fields: Map<String, Value>,
        ttl: Option<u64>,
    ) -> Pending<Arc<Credential>>;

    /// Changes fields of the record with that primary key, and its time to live to `ttl` seconds from now (`None` = for
    /// ever); `None` where there is no such record.
    fn update(
        &self,
        ws: Uuid,
        entity: &'static str,
        id: Uuid,
        changes: Map<String, Value>,
        ttl: Option<u64>,
    ) -> Pending<Option<Arc<Credential>>>;

    /// Removes the record with that primary key. Of several who remove the same record one is told `true`.
    fn delete(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Pending<bool>;
}

/// The records of a node without a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecords;

impl NoRecords {
    fn refuse<T: Send + 'static>() -> Pending<T> {
        Box::pin(std::future::ready(Err(RecordsError::NoDatabase)))
    }
}

impl Records for NoRecords {
    fn find(&self, _: Uuid, _: &'static str, _: &'static str, _: &str) -> Pending<Option<Arc<Credential>>> {
        Self::refuse()
    }
    fn insert(&self, _: Uuid, _: &'static str, _: Map<String, Value>, _: Option<u64>) -> Pending<Arc<Credential>> {
        Self::refuse()
    }
    fn update(
        &self,
        _: Uuid,
        _: &'static str,
        _: Uuid,
        _: Map<String, Value>,
        _: Option<u64>,
    ) -> Pending<Option<Arc<Credential>>> {
        Self::refuse()
    }
    fn delete(&self, _: Uuid, _: &'static str, _: Uuid) -> Pending<bool> {
        Self::refuse()
    }
}
