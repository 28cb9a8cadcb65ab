//! The SQL engine on real databases: SQLite, and a PostgreSQL server that the tests start.

mod commands;
mod definitions;
mod durability;
mod embedded;
mod equivalence;
mod failures;
mod keyring;
mod limits;
mod many;
mod nodes;
mod postgres;
mod suite;
mod support;
