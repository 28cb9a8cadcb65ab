//! Who clients are, where the configuration lives in a database: Consumers and credentials are looked up when they are
//! first needed, kept within a bound of memory, and forgotten when the change log tells that they changed. Beside it, the
//! records that plugins keep in the same database.
//!
//! Invariants: what is known is read without a lock; of any number of requests that need the same unknown key, one asks
//! the store; an answer that was asked for before a change is never kept after it.

mod cache;
mod changes;
mod inspect;
mod keys;
mod look_up;
mod people;
mod records;
mod tally;

pub use people::{People, Settings};
pub use records::PluginRecords;
