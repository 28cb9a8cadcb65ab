//! Transactions.
//!
//! SQLite's driver hands what it is given to a thread and its answer back, which costs more than most statements, and twice
//! that for the beginning and the end of a transaction. So there the beginning goes with the first statement, and the end
//! with the last ones.

use crate::connection::{Connection, Taken, span, traced};
use crate::failure::{driver, sentence};
use crate::later::Later;
use async_trait::async_trait;
use migration::begin_writing;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    Statement, TransactionTrait,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// A reader of SQLite's write-ahead log sees the moment of its first statement.
const READING: &str = "BEGIN";
/// Takes SQLite's lock at once: a transaction that has read before it writes could no longer wait for another.
const WRITING: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// A transaction. Dropped without an end, it is rolled back.
pub(crate) enum Transaction {
    /// SeaORM's.
    Postgres(DatabaseTransaction),
    /// Our own.
    Sqlite(Mutex<Held>),
}

/// A connection to an embedded database, with a transaction on it.
pub(crate) struct Held {
    taken: Option<Taken>,
    beginning: &'static str,
    /// Whether the beginning was sent, and no end.
    open: bool,
}

impl Transaction {
    /// A transaction that writes: it begins now, or on SQLite with its first statement.
    ///
    /// # Errors
    /// Where there is no connection to be had. On SQLite the first statement may fail because another process writes for
    /// longer than the connection's busy time-out.
    pub(crate) async fn writing(db: &Connection) -> Result<Self, DbErr> {
        match db {
            Connection::Postgres(db) => begin_writing(db).await.map(Self::Postgres),
            Connection::Sqlite(embedded) => Ok(Self::held(embedded.take().await?, WRITING)),
        }
    }

    /// A transaction that sees one moment.
    pub(crate) async fn reading(db: &Connection) -> Result<Self, DbErr> {
        match db {
            Connection::Postgres(db) => db
                .begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly))
                .await
                .map(Self::Postgres),
            Connection::Sqlite(embedded) => Ok(Self::held(embedded.take().await?, READING)),
        }
    }

    fn held(taken: Taken, beginning: &'static str) -> Self {
        Self::Sqlite(Mutex::new(Held { taken: Some(taken), beginning, open: false }))
    }

    /// Commits.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        self.finish(Later::default()).await.map(drop)
    }

    /// Runs the last statements and commits; gives the rows of all of them. After an error nothing of the transaction is
    /// left.
    pub(crate) async fn finish(self, later: Later) -> Result<Vec<QueryResult>, DbErr> {
        let statements = later.statements(self.get_database_backend());
        match self {
            Self::Postgres(_) => {
                let mut rows = Vec::new();
                for statement in statements {
                    match self.query_all_raw(statement).await {
                        Ok(found) => rows.extend(found),
                        Err(error) => {
                            self.rollback().await;
                            return Err(error);
                        }
                    }
                }
                if let Self::Postgres(transaction) = self {
                    transaction.commit().await?;
                }
                Ok(rows)
            }
            Self::Sqlite(held) => held.into_inner().finish(statements).await,
        }
    }

    /// Undoes everything.
    pub(crate) async fn rollback(self) {
        match self {
            Self::Postgres(transaction) => {
                if let Err(error) = transaction.rollback().await {
                    // Nothing can be done: the connection is gone, and the transaction with it.
                    tracing::debug!(cause = sentence(&error), "a transaction was not rolled back in order");
                }
            }
            Self::Sqlite(held) => held.into_inner().end().await,
        }
    }
}

impl Held {
    /// What a statement is to run on; the beginning is put in front of the first one.
    fn begun(&mut self, statement: &mut Statement) -> Result<&mut Taken, DbErr> {
        let taken = self.taken.as_mut().ok_or_else(|| DbErr::Custom("the transaction is over".to_owned()))?;
        if !std::mem::replace(&mut self.open, true) {
            statement.sql = format!("{}; {}", self.beginning, statement.sql);
        }
        Ok(taken)
    }

    async fn all(&mut self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let taken = self.begun(&mut statement)?;
        traced(span(&statement), taken.all(&statement)).await
    }

    async fn finish(mut self, mut statements: Vec<Statement>) -> Result<Vec<QueryResult>, DbErr> {
        match statements.last_mut() {
            Some(last) => last.sql = format!("{}; {COMMIT}", last.sql),
            None if self.open => statements.push(Statement::from_string(DbBackend::Sqlite, COMMIT)),
            None => return Ok(Vec::new()),
        }
        let mut rows = Vec::new();
        for statement in statements {
            match self.all(statement).await {
                Ok(found) => rows.extend(found),
                Err(error) => {
                    self.end().await;
                    return Err(error);
                }
            }
        }
        self.open = false;
        Ok(rows)
    }

    /// Rolls back, where there is something.
    async fn end(mut self) {
        if let (Some(taken), true) = (self.taken.take(), self.open) {
            roll_back(taken).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(mut taken), true) = (self.taken.take(), self.open) {
            match Handle::try_current() {
                // Until then nobody else has the connection.
                Ok(runtime) => drop(runtime.spawn(roll_back(taken))),
                // A connection that is closed leaves nothing behind.
                Err(_) => taken.spoil(),
            }
        }
    }
}

async fn roll_back(mut taken: Taken) {
    if let Err(error) = taken.run(&Statement::from_string(DbBackend::Sqlite, ROLLBACK)).await {
        // The beginning had failed, or SQLite had ended the transaction itself: it does when there is no room.
        let over = matches!(driver(&error), Some(sqlx::Error::Database(cause))
            if cause.message().contains("no transaction is active"));
        if !over {
            tracing::debug!(cause = sentence(&error), "a transaction was not rolled back in order");
            taken.spoil();
        }
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(transaction) => traced(span(&statement), transaction.execute_raw(statement)).await,
            Self::Sqlite(held) => {
                let mut held = held.lock().await;
                let taken = held.begun(&mut statement)?;
                traced(span(&statement), taken.run(&statement)).await
            }
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), text)).await
    }

    async fn query_one_raw(&self, mut statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Postgres(transaction) => traced(span(&statement), transaction.query_one_raw(statement)).await,
            Self::Sqlite(held) => {
                let mut held = held.lock().await;
                let taken = held.begun(&mut statement)?;
                traced(span(&statement), taken.one(&statement)).await
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(transaction) => traced(span(&statement), transaction.query_all_raw(statement)).await,
            Self::Sqlite(held) => held.lock().await.all(statement).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{Database, Sqlite, connect};
    use futures_util::FutureExt;

    async fn table(database: &Database) -> Connection {
        let db = connect(database, None).expect("connects").write;
        db.execute_unprepared("CREATE TABLE t (a INTEGER PRIMARY KEY)").await.expect("makes a table");
        db
    }

    fn insert(value: i64) -> Statement {
        Statement::from_sql_and_values(DbBackend::Sqlite, "INSERT INTO t VALUES (?)", [value.into()])
    }

    fn later(statements: impl IntoIterator<Item = Statement>) -> Later {
        let mut later = Later::default();
        statements.into_iter().for_each(|statement| later.push(statement));
        later
    }

    async fn values(db: &Connection) -> Vec<i64> {
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, "SELECT a FROM t ORDER BY a")).await;
        rows.expect("reads").iter().map(|row| row.try_get_by_index(0).expect("a number")).collect()
    }

    /// In memory and in a file, both with one connection to write with.
    async fn everywhere(test: impl AsyncFn(&Connection)) {
        test(&table(&Database::Sqlite(Sqlite::memory())).await).await;
        let folder = tempfile::tempdir().expect("a folder");
        test(&table(&Database::Sqlite(Sqlite::file(folder.path().join("db")))).await).await;
    }

    #[tokio::test]
    async fn what_is_finished_is_there() {
        everywhere(async |db| {
            let transaction = Transaction::writing(db).await.expect("begins");
            let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM t");
            let row = transaction.query_one_raw(count).await.expect("reads").expect("a row");
            assert_eq!(row.try_get_by_index::<i64>(0), Ok(0));
            let returning = Statement::from_string(DbBackend::Sqlite, "INSERT INTO t VALUES (3) RETURNING a");
            let rows = transaction.finish(later([insert(1), insert(2), returning])).await.expect("commits");
            assert_eq!(rows.iter().map(|row| row.try_get_by_index::<i64>(0)).collect::<Vec<_>>(), [Ok(3)]);
            assert_eq!(values(db).await, [1, 2, 3]);
            let nothing = Transaction::writing(db).await.expect("begins");
            nothing.commit().await.expect("nothing was begun");
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_dropped_or_undone_or_fails_leaves_nothing() {
        everywhere(async |db| {
            let transaction = Transaction::writing(db).await.expect("begins");
            transaction.execute_raw(insert(1)).await.expect("inserts");
            drop(transaction);
            let transaction = Transaction::writing(db).await.expect("waits for the end of the one before");
            transaction.execute_raw(insert(1)).await.expect("inserts");
            transaction.rollback().await;
            let transaction = Transaction::writing(db).await.expect("begins");
            let broken = transaction.execute_raw(Statement::from_string(DbBackend::Sqlite, "no statement")).await;
            assert!(broken.is_err());
            transaction.rollback().await;
            let transaction = Transaction::writing(db).await.expect("begins");
            assert!(transaction.finish(later([insert(1), insert(1)])).await.is_err());
            assert_eq!(values(db).await, Vec::<i64>::new());
            Transaction::writing(db).await.expect("begins").finish(later([insert(4)])).await.expect("commits");
            assert_eq!(values(db).await, [4]);
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_given_up_half_way_leaves_nothing() {
        everywhere(async |db| {
            let transaction = Transaction::writing(db).await.expect("begins");
            // Most often the thread has not answered by then.
            let _ = transaction.execute_raw(insert(1)).now_or_never();
            drop(transaction);
            let _ = values(db).now_or_never();
            assert_eq!(values(db).await, Vec::<i64>::new());
            Transaction::writing(db).await.expect("begins").finish(later([insert(2)])).await.expect("commits");
            assert_eq!(values(db).await, [2]);
        })
        .await;
    }
}
