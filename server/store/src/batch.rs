//! What is written: operations that succeed or fail together.

use crate::Revision;
use crate::record::{Id, Record};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// One change of one record, or of everything.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Adds a record that must not exist.
    Insert(Record),
    /// Replaces a record that must exist.
    Update(Record),
    /// Adds or replaces a record.
    Upsert(Record),
    /// Removes a record and what goes with it; nothing happens when it does not exist.
    Delete {
        /// The kind.
        entity: &'static str,
        /// The primary key.
        id: Id,
    },
    /// Puts these records in the place of everything there is. References and uniqueness are checked among them.
    ReplaceAll(Vec<Record>),
}

impl Operation {
    /// The kind of the record it is about; none where it is about all of them.
    pub fn entity(&self) -> Option<&'static str> {
        match self {
            Self::Insert(record) | Self::Update(record) | Self::Upsert(record) => Some(record.entity),
            Self::Delete { entity, .. } => Some(entity),
            Self::ReplaceAll(_) => None,
        }
    }
}

/// What must hold before a batch is applied.
#[derive(Clone, Debug)]
pub enum Precondition {
    /// Nothing was written after this revision.
    Version(Revision),
    /// This record is as it was read: nobody changed or removed it since.
    Unchanged(Arc<Record>),
    /// No record has this value of this field.
    Unique {
        /// The kind.
        entity: &'static str,
        /// The workspace, for kinds that have one.
        ws: Option<Uuid>,
        /// The field.
        field: &'static str,
        /// The value.
        value: Value,
    },
    /// This record exists.
    Reference {
        /// The kind.
        entity: &'static str,
        /// The primary key.
        id: Id,
    },
}

/// Operations that are applied in their order, all or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What to change.
    pub operations: Vec<Operation>,
    /// What must hold before.
    pub preconditions: Vec<Precondition>,
    /// Who wants it: a user name, or the name of a part of this node.
    pub author: String,
    /// The request that asked for it, empty when none did.
    pub request_id: String,
}

impl Batch {
    /// A batch that replaces everything.
    pub fn replace_all(records: Vec<Record>) -> Batch {
        Batch { operations: vec![Operation::ReplaceAll(records)], ..Batch::default() }
    }
}
