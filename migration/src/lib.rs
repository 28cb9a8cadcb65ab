//! How a database gets the tables of the store, and how it follows when definitions grow.
//!
//! What is wanted is a list of [`Table`]s, made from the definitions by the store. Each is brought about by one SeaORM
//! migration whose name carries a fingerprint of the table: a definition that gained a field is a new migration, which adds
//! the column. Everything that one command does happens in one transaction under one lock, so nodes that start at the same
//! time do it once, and a failure leaves nothing half done.

mod base;
mod entity;
mod report;
mod runner;
mod table;

pub use base::{CHANGES, REVISION, TAGS};
pub use report::{Namespace, State};
pub use runner::{Error, Migrations, Processed, begin_writing};
pub use table::{Column, EXPIRES, Foreign, Kind, REST, Table, Unique, WORKSPACE};
