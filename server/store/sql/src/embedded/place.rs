//! Where an embedded database is.

use crate::failure::Fault;
use rusqlite::{Connection, OpenFlags};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Statements kept prepared per connection: a handful for each kind.
const STATEMENTS: usize = 512;
/// SQLite's file system for databases in memory that several connections share, by a name with a slash in front.
const MEMORY: &str = "memdb";

/// A database.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// In memory, under a name: there for as long as there is a connection.
    Memory(String),
}

impl Place {
    /// The file, or a new place in memory.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        match path {
            Some(path) => Self::File(path),
            None => Self::Memory(format!("/store-{}", COUNT.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// Whether many can read at a time, and also while one writes.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Opens a connection that waits for nobody.
    pub(crate) fn open(&self) -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let (connection, journal) = match self {
            Self::File(path) => (Connection::open_with_flags(path, flags)?, "WAL"),
            Self::Memory(name) => (Connection::open_with_flags_and_vfs(name, flags, MEMORY)?, "MEMORY"),
        };
        connection.busy_timeout(Duration::ZERO)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", journal)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    }

    /// The same for SeaORM's driver, which migrates; `patience`: how long it waits for a lock.
    pub(crate) fn options(&self, patience: Duration) -> SqliteConnectOptions {
        let options = match self {
            Self::File(path) => SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal),
            Self::Memory(name) => {
                SqliteConnectOptions::new().filename(name).vfs(MEMORY).journal_mode(SqliteJournalMode::Memory)
            }
        };
        options
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(patience)
            .foreign_keys(true)
            .thread_name(|number| format!("sqlite-{number}"))
    }
}
