//! Runs migrations: all that are due, in one transaction, under one lock.

use crate::base::{Base, CHANGES, REVISION, TAGS};
use crate::entity::{Shape, quote};
use crate::report::{Namespace, State, grouped};
use crate::table::Table;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTraitSelf;
use sea_orm_migration::prelude::{DynIden, IntoIden, MigrationTrait, Query, SchemaManager};
use std::time::Duration;

/// Where executed migrations are recorded.
const EXECUTED: &str = "silverback_migrations";
/// What nodes that migrate the same database agree on: an arbitrary constant, "silverba" in ASCII.
const LOCK: i64 = 0x7369_6c76_6572_6261;

/// Why migrations did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another node holds the lock.
    #[error("aborted: another node is performing database changes")]
    Locked,
    /// The database has tables of another product.
    #[error(
        "the database holds tables of Kong Gateway: give Silverback a database of its own (pg_database) or a schema of \
         its own (pg_schema), and bring the configuration over with `config db_export` there and `config db_import` here"
    )]
    Foreign,
    /// The database refused or failed.
    #[error("{0}")]
    Database(#[from] DbErr),
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processed {
    /// The migrations that were executed, none when there was nothing to do.
    pub executed: Vec<Namespace>,
}

impl Processed {
    /// A line per migration, as commands print them.
    pub fn lines(&self, database: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for namespace in &self.executed {
            lines.push(format!("migrating {} on database '{database}'...", namespace.name));
            for migration in &namespace.migrations {
                lines.push(format!("{} migrated up to: {migration} (executed)", namespace.name));
            }
        }
        let count: usize = self.executed.iter().map(|namespace| namespace.migrations.len()).sum();
        if count > 0 {
            lines.push(format!("{count} migration{} processed", if count == 1 { "" } else { "s" }));
            lines.push(format!("{count} executed"));
        }
        lines
    }
}

/// The migrations of a set of tables.
#[derive(Clone, Debug)]
pub struct Migrations {
    tables: Vec<Table>,
    schema: Option<String>,
}

impl MigratorTraitSelf for Migrations {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut all: Vec<Box<dyn MigrationTrait>> = vec![Box::new(Base)];
        all.extend(self.shapes().map(|shape| Box::new(shape) as Box<dyn MigrationTrait>));
        all
    }

    fn migration_table_name(&self) -> DynIden {
        EXECUTED.into_iden()
    }
}

/// Begins a transaction that writes. SQLite takes its lock at once: a transaction that has read before it writes could no
/// longer wait for another.
///
/// # Errors
/// Where the database does not answer; on SQLite also where another writes longer than the connection's busy time-out.
pub async fn begin_writing(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await
}

impl Migrations {
    /// Migrations that lead to these tables; in `schema`, when one is named.
    pub fn new(tables: Vec<Table>, schema: Option<String>) -> Migrations {
        Migrations { tables, schema }
    }

    fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.tables.iter().map(|table| Shape { version: table.version(), table: table.clone() })
    }

    /// What is done and what is not. Changes nothing.
    pub async fn state(&self, db: &DatabaseConnection) -> Result<State, Error> {
        // One reader at one moment: a node that bootstraps meanwhile is seen before or after.
        let executed = executed(db).await?;
        let Some(executed) = executed else {
            let all: Vec<String> = self.migrations().iter().map(|migration| migration.name().to_owned()).collect();
            let new = grouped(all.iter().map(String::as_str));
            return Ok(State { needs_bootstrap: true, new, ..State::default() });
        };
        let migrations = self.migrations();
        let new = migrations
            .iter()
            .map(|migration| migration.name())
            .filter(|name| !executed.iter().any(|done| done == name));
        Ok(State {
            needs_bootstrap: false,
            new: grouped(new),
            executed: grouped(executed.iter().map(String::as_str)),
            pending: Vec::new(),
        })
    }

    /// Makes everything in an empty database. Whoever comes second finds it done: `executed` is empty then.
    pub async fn bootstrap(&self, db: &DatabaseConnection, patience: Duration) -> Result<Processed, Error> {
        let transaction = self.lock(db, patience).await?;
        if executed(&transaction).await?.is_some() {
            return Ok(Processed::default());
        }
        if SchemaManager::new(&transaction).has_table("schema_meta").await? {
            return Err(Error::Foreign);
        }
        self.run(transaction).await
    }

    /// Executes what is new in a database that was bootstrapped before.
    pub async fn up(&self, db: &DatabaseConnection, patience: Duration) -> Result<Processed, Error> {
        let transaction = self.lock(db, patience).await?;
        self.run(transaction).await
    }

    /// Removes every table of ours, with what is in it.
    pub async fn reset(&self, db: &DatabaseConnection, patience: Duration) -> Result<(), Error> {
        let transaction = self.lock(db, patience).await?;
        let recorded = executed(&transaction).await?.unwrap_or_default();
        let mut tables: Vec<String> = [REVISION, CHANGES, TAGS, EXECUTED].map(str::to_owned).to_vec();
        // Also those of kinds that this release no longer has.
        tables.extend(recorded.iter().filter_map(|version| {
            let (_, migration) = version.split_once('/')?;
            let (table, fingerprint) = migration.rsplit_once('_')?;
            (fingerprint.len() == 8).then(|| table.to_owned())
        }));
        tables.sort();
        tables.dedup();
        if transaction.get_database_backend() == DbBackend::Sqlite {
            transaction.execute_unprepared("PRAGMA defer_foreign_keys = ON").await?;
        }
        let cascade = if transaction.get_database_backend() == DbBackend::Postgres { " CASCADE" } else { "" };
        for table in tables {
            transaction.execute_unprepared(&format!("DROP TABLE IF EXISTS {}{cascade}", quote(&table))).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Begins a transaction that no other migrating node is in.
    async fn lock(&self, db: &DatabaseConnection, patience: Duration) -> Result<DatabaseTransaction, Error> {
        // On SQLite the busy time-out of the connection is the patience.
        let transaction = begin_writing(db).await.map_err(locked)?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            let patience = patience.as_millis().max(1);
            // Tables are built without the time limit of ordinary statements.
            for text in [format!("SET LOCAL lock_timeout = {patience}"), "SET LOCAL statement_timeout = 0".to_owned()] {
                transaction.execute_unprepared(&text).await?;
            }
            let lock =
                Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_advisory_xact_lock($1)", [LOCK.into()]);
            transaction.execute_raw(lock).await.map_err(locked)?;
            if let Some(schema) = &self.schema {
                let text = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema));
                let known = Statement::from_sql_and_values(
                    DbBackend::Postgres,
                    "SELECT 1 AS found FROM pg_namespace WHERE nspname = $1",
                    [schema.as_str().into()],
                );
                // A user who may not create schemas can use one that is there.
                if transaction.query_one_raw(known).await?.is_none() {
                    transaction.execute_unprepared(&text).await?;
                }
            }
        }
        Ok(transaction)
    }

    async fn run(&self, transaction: DatabaseTransaction) -> Result<Processed, Error> {
        self.install(&transaction).await?;
        let done = executed(&transaction).await?.unwrap_or_default();
        let manager = SchemaManager::new(&transaction);
        let mut ran = Vec::new();
        for migration in self.migrations() {
            if !done.iter().any(|name| name == migration.name()) {
                migration.up(&manager).await?;
                record(&transaction, migration.name()).await?;
                ran.push(migration.name().to_owned());
            }
        }
        if !ran.is_empty() {
            for shape in self.shapes() {
                shape.references(&manager).await?;
            }
        }
        transaction.commit().await?;
        Ok(Processed { executed: grouped(ran.iter().map(String::as_str)) })
    }
}

/// The names of executed migrations in their order; `None` when there is no record of any.
async fn executed<C: ConnectionTrait>(db: &C) -> Result<Option<Vec<String>>, DbErr> {
    let backend = db.get_database_backend();
    let there = match backend {
        DbBackend::Postgres => {
            "SELECT 1 AS found FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relname = $1"
        }
        _ => "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = $1",
    };
    let there = Statement::from_sql_and_values(backend, there, [EXECUTED.into()]);
    if db.query_one_raw(there).await?.is_none() {
        return Ok(None);
    }
    let rows = Statement::from_string(backend, format!("SELECT version FROM {EXECUTED} ORDER BY applied_at, version"));
    let rows = db.query_all_raw(rows).await?;
    let names = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<Vec<String>, _>>()?;
    Ok((!names.is_empty()).then_some(names))
}

async fn record(db: &DatabaseTransaction, version: &str) -> Result<(), DbErr> {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |past| past.as_secs() as i64);
    let row = Query::insert()
        .into_table(EXECUTED)
        .columns(["version", "applied_at"])
        .values_panic([version.into(), now.into()])
        .take();
    db.execute(&row).await.map(drop)
}

/// Tells a lock that is taken from other failures.
fn locked(error: DbErr) -> Error {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = &error
    else {
        return Error::Database(error);
    };
    // PostgreSQL: lock_not_available; SQLite: SQLITE_BUSY.
    match cause.as_database_error().and_then(|error| error.code()) {
        Some(code) if code == "55P03" || code == "5" => Error::Locked,
        _ => Error::Database(error),
    }
}
