//! Database errors as the store's.

use crate::blueprint::Blueprint;
use migration::{Table, Unique};
use sea_orm::{DbErr, RuntimeErr};
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Error, Id, Record};

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database has never been used and may not be set up now.
    #[error("Database needs bootstrapping: run 'silverback migrations bootstrap'")]
    NeedsBootstrap,
    /// The database is older than this program.
    #[error("New migrations available; run 'silverback migrations up' to proceed")]
    NewMigrations,
    /// Migrations were begun and not finished.
    #[error("Database has pending migrations; run 'silverback migrations finish'")]
    PendingMigrations,
    /// Migrations failed.
    #[error(transparent)]
    Migrations(#[from] migration::Error),
    /// What is encrypted cannot be read.
    #[error(
        "the {database} database cannot be read: {cause}. Give the secret that it was written with, too: keyring_secret = new, old"
    )]
    Sealed {
        /// Which, with its address or path.
        database: String,
        /// Which entity, and what is wrong.
        cause: String,
    },
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The database cannot be opened, now or later.
    #[error("could not use the {database} database: {cause}")]
    Unusable {
        /// Which, with its path.
        database: String,
        /// What is wrong.
        cause: String,
    },
    /// The database cannot be reached or failed.
    #[error("could not use the {database} database: {cause}")]
    Unavailable {
        /// Which, with its address or path.
        database: String,
        /// What went wrong.
        cause: String,
    },
}

/// Why a database did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SeaORM's or its driver's reason, or what is wrong with a row.
    Orm(DbErr),
    /// SQLite's.
    Sqlite {
        /// The extended result code; see <https://www.sqlite.org/rescode.html>.
        code: i32,
        message: String,
    },
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Orm(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(cause, message) => {
                let message = message.unwrap_or_else(|| cause.to_string());
                Self::Sqlite { code: cause.extended_code, message }
            }
            other => Self::Orm(DbErr::Query(RuntimeErr::Internal(other.to_string()))),
        }
    }
}

impl Fault {
    /// Whether another connection has locked an embedded database, which ends by itself.
    pub(crate) fn is_busy(&self) -> bool {
        // The last byte is the kind.
        matches!(self, Self::Sqlite { code, .. } if code & 0xff == rusqlite::ffi::SQLITE_BUSY)
    }

    /// Whether a database did not say anything within its time, not even no.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.driver(), Some(sqlx::Error::PoolTimedOut))
            || matches!(self, Self::Orm(DbErr::ConnectionAcquire(_) | DbErr::Custom(_)))
    }

    /// Whether there is no room for what was to be written: SQLITE_FULL, SQLITE_IOERR_SHMSIZE (the index of the write-ahead
    /// log cannot grow), PostgreSQL's disk_full.
    fn is_full(&self) -> bool {
        use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE};
        match self {
            Self::Sqlite { code, .. } => matches!(*code, SQLITE_FULL | SQLITE_IOERR_SHMSIZE),
            Self::Orm(_) => {
                matches!(self.driver(), Some(sqlx::Error::Database(cause)) if cause.code().as_deref() == Some("53100"))
            }
        }
    }

    /// The driver's error below SeaORM's.
    fn driver(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Orm(
                DbErr::Conn(RuntimeErr::SqlxError(cause))
                | DbErr::Exec(RuntimeErr::SqlxError(cause))
                | DbErr::Query(RuntimeErr::SqlxError(cause)),
            ) => Some(cause),
            _ => None,
        }
    }
}

/// A sentence about a failure that no rule of the store explains.
pub(crate) fn sentence(fault: &Fault) -> String {
    if let Fault::Sqlite { code, message } = fault {
        return match code & 0xff {
            rusqlite::ffi::SQLITE_READONLY => format!("the database file is read-only: {message}"),
            _ => message.clone(),
        };
    }
    match fault.driver() {
        Some(sqlx::Error::PoolTimedOut) => "no connection to the database could be had in time".to_owned(),
        Some(sqlx::Error::PoolClosed) => "the connections to the database are closed".to_owned(),
        Some(sqlx::Error::Io(cause)) => format!("the connection to the database failed: {cause}"),
        Some(sqlx::Error::Database(cause)) => match cause.code().as_deref() {
            // SQLite's driver, while it migrates.
            Some("8" | "264" | "520" | "776" | "1032" | "1288") => {
                format!("the database file is read-only: {}", cause.message())
            }
            // query_canceled: our own time limit.
            Some("57014") => "the database did not answer in time".to_owned(),
            _ => cause.message().to_owned(),
        },
        Some(cause) => cause.to_string(),
        None => match fault {
            Fault::Orm(DbErr::ConnectionAcquire(_)) => "no connection to the database could be had in time".to_owned(),
            // Our own sentences about what a row holds.
            Fault::Orm(DbErr::Type(text)) => text.clone(),
            Fault::Orm(other) => other.to_string(),
            Fault::Sqlite { message, .. } => message.clone(),
        },
    }
}

/// A failure of reading, or one that no rule explains.
pub(crate) fn unavailable(fault: impl Into<Fault>) -> Error {
    let fault = fault.into();
    if fault.is_full() {
        return Error::Full;
    }
    Error::Unavailable(sentence(&fault))
}

/// A broken constraint.
#[derive(Debug, PartialEq)]
pub(crate) enum Broken<'t> {
    /// The primary key.
    Key(&'t Table),
    /// A unique rule, by its position.
    Unique(&'t Table, usize),
    /// A reference, by its position.
    Foreign(&'t Table, usize),
}

/// Which constraint a database says was broken. PostgreSQL names it; SQLite names an index with expressions, or else lists
/// the columns of the index; for references it names nothing.
pub(crate) fn broken<'t>(blueprint: &'t Blueprint, fault: &Fault) -> Option<Broken<'t>> {
    let tables = || blueprint.layouts().iter().map(|layout| &layout.table);
    let message = match fault {
        Fault::Sqlite { message, .. } => message,
        Fault::Orm(_) => {
            let Some(sqlx::Error::Database(cause)) = fault.driver() else { return None };
            let name = cause.constraint()?;
            return tables().find_map(|table| by_name(table, name));
        }
    };
    let columns = message.strip_prefix("UNIQUE constraint failed: ")?;
    if let Some(name) = columns.strip_prefix("index '") {
        return tables().find_map(|table| by_name(table, name.trim_end_matches('\'')));
    }
    tables().find_map(|table| {
        let listed = |unique: &Unique| {
            let scope = (!unique.across_workspaces).then_some(migration::WORKSPACE);
            let columns = scope.into_iter().chain(unique.columns.iter().map(String::as_str));
            columns.map(|column| format!("{}.{column}", table.name)).collect::<Vec<_>>().join(", ")
        };
        if columns == format!("{}.{}", table.name, table.key.name) {
            return Some(Broken::Key(table));
        }
        table.unique.iter().position(|unique| listed(unique) == columns).map(|rule| Broken::Unique(table, rule))
    })
}

fn by_name<'t>(table: &'t Table, name: &str) -> Option<Broken<'t>> {
    if name == format!("{}_pkey", table.name) {
        return Some(Broken::Key(table));
    }
    let unique = table.unique.iter().position(|unique| table.unique_name(unique) == name);
    let foreign = || table.foreign.iter().position(|foreign| table.foreign_name(foreign) == name);
    unique.map(|rule| Broken::Unique(table, rule)).or_else(|| foreign().map(|index| Broken::Foreign(table, index)))
}

/// The values of a unique rule's fields in a record.
pub(crate) fn values(fields: &[&'static str], record: &Record) -> Map<String, Value> {
    let value = |field: &str| record.value.get(field).cloned().unwrap_or(Value::Null);
    fields.iter().map(|field| ((*field).to_owned(), value(field))).collect()
}

/// The store's error for a constraint that the database held when the engine's own checks did not: someone wrote past it.
/// `written` are the records of the batch.
pub(crate) fn violation(blueprint: &Blueprint, fault: Fault, written: &[Arc<Record>]) -> Error {
    let Some(broken) = broken(blueprint, &fault) else { return unavailable(fault) };
    let (Broken::Key(table) | Broken::Unique(table, _) | Broken::Foreign(table, _)) = broken;
    let culprit = written.iter().rev().find(|record| record.entity == table.name);
    let (Some(record), Ok((_, rules))) = (culprit, blueprint.layout(&table.name)) else { return unavailable(fault) };
    match broken {
        Broken::Key(_) => Error::PrimaryKey { entity: rules.entity, id: record.id.clone() },
        Broken::Unique(_, rule) => Error::Unique {
            entity: rules.entity,
            fields: values(&rules.unique[rule].fields, record),
            // Whoever wrote past the engine is not known by now.
            holder: Id::Text("unknown".into()),
        },
        Broken::Foreign(table, index) => {
            let column = &table.foreign[index].column;
            let reference = rules.references.iter().find(|reference| reference.field == column);
            match (reference, record.reference(column)) {
                (Some(reference), Some(id)) => {
                    Error::Foreign { entity: rules.entity, field: reference.field, reference: reference.entity, id }
                }
                _ => unavailable(fault),
            }
        }
    }
}
