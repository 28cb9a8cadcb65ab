//! Where entities live, behind one record-level trait.
//!
//! An engine stores [`Record`]s, checks what must hold between them (primary keys, unique fields, references), appends every
//! change to an ordered log, and hands out immutable [`View`]s. It knows nothing of field rules: what arrives here is valid.

mod batch;
mod catalog;
mod changes;
pub mod conformance;
mod engine;
mod error;
mod memory;
mod record;
mod table;
mod view;

pub use batch::{Batch, Operation, Precondition};
pub use catalog::{Catalog, OnDelete, Reference, Rules, Unique};
pub use changes::{Change, ChangeKind, Log};
pub use engine::{Filter, Page, Pending, Query, Store, TagFilter};
pub use error::Error;
pub use memory::Memory;
pub use record::{Id, Record};
pub use view::View;

/// A position in the change log: grows by one with every applied batch, and is 0 for a store that was never written.
pub type Revision = u64;
