//! The store in a relational database: SQLite for one node, PostgreSQL for many.
//!
//! A [`Blueprint`] turns the store's catalog and the entities' definitions into tables with a column per field. [`Sql`]
//! implements [`store::Store`] over them. Database work runs on the tokio runtime it is given, since a pooled connection
//! belongs to the reactor that opened it; calls may come from any thread. An embedded database has no such connections:
//! threads that say [`work_here`] use it without that hop. [`Commands`] is what `silverback migrations …` does.
//!
//! Every write transaction bumps the one row of the revision table: first of all on PostgreSQL, where that row's lock puts
//! writers in a line across nodes, and last on SQLite, whose transactions begin with such a lock. So revisions are in the
//! order of commits, and what a writer has checked stays true until it commits.

mod background;
mod blueprint;
mod codec;
mod commands;
mod connect;
mod connection;
mod count;
mod embedded;
mod failure;
mod keyring;
mod later;
mod link;
mod listen;
mod log;
mod note;
mod open;
mod probe;
mod read;
mod recent;
mod rewriting;
mod row;
mod sealing;
mod sql;
mod statement;
mod transaction;
mod write;

pub use background::Background;
pub use blueprint::Blueprint;
pub use commands::{Commands, Outcome, Refusal};
pub use connect::{Database, Postgres, Sqlite, Tls};
pub use count::Counter;
pub use failure::OpenError;
pub use keyring::{Keyring, KeyringError, SHORTEST_SECRET};
pub use open::Settings;
pub use sql::{Sql, work_here};
