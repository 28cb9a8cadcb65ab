//! Why a store refuses or fails.

use crate::record::Id;
use serde_json::{Map, Value};

/// Why a store refuses or fails. A refused batch has changed nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No such kind.
    #[error("there is no entity named '{0}'")]
    UnknownEntity(String),
    /// A record with this primary key exists.
    #[error("a '{entity}' entity with the primary key '{id}' exists already")]
    PrimaryKey {
        /// The kind.
        entity: &'static str,
        /// The taken key.
        id: Id,
    },
    /// Another record has these values.
    #[error("another '{entity}' entity has the same values of its unique fields")]
    Unique {
        /// The kind.
        entity: &'static str,
        /// The fields with the values that are taken.
        fields: Map<String, Value>,
        /// Who has them.
        holder: Id,
    },
    /// A foreign field points to nothing.
    #[error("the '{field}' of a '{entity}' entity points to '{id}', which is not among the '{reference}'")]
    Foreign {
        /// The kind of the record with the field.
        entity: &'static str,
        /// The foreign field.
        field: &'static str,
        /// The kind it should point to.
        reference: &'static str,
        /// Where it points.
        id: Id,
    },
    /// A record cannot go while others point to it.
    #[error("a '{by}' entity points to the '{entity}' entity '{id}'")]
    Referenced {
        /// The kind of the record that stays.
        entity: &'static str,
        /// Its primary key.
        id: Id,
        /// The kind that points to it.
        by: &'static str,
    },
    /// What should be changed does not exist.
    #[error("there is no '{entity}' entity with the primary key '{id}'")]
    Missing {
        /// The kind.
        entity: &'static str,
        /// The key.
        id: Id,
    },
    /// A precondition of the batch does not hold.
    #[error("the state changed meanwhile: {0}")]
    Precondition(String),
    /// Changes that old are no longer known; read everything again.
    #[error("changes are known only after revision {oldest}")]
    Forgotten {
        /// The oldest revision whose successors are all known.
        oldest: u64,
    },
    /// There is no room for what was to be written.
    #[error("the disk of the database is full; nothing was written")]
    Full,
    /// The engine cannot answer now.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}
