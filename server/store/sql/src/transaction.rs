//! Transactions.

use crate::connection::{Connection, Executor, rows, span, traced};
use crate::embedded::{Beginning, COMMIT, Embedded, Taken};
use crate::failure::{Fault, sentence};
use crate::later::Later;
use crate::row::Row;
use migration::begin_writing;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, IsolationLevel, Statement, TransactionTrait,
};
use std::sync::Arc;
use tokio::sync::Mutex;
use tracing::Span;

/// A transaction. Dropped without an end, it is rolled back.
pub(crate) enum Transaction {
    /// SeaORM's.
    Postgres(DatabaseTransaction),
    /// Our own.
    Sqlite(Mutex<Taken>),
}

impl Transaction {
    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// Where there is no connection to be had, or another process writes to an embedded database for longer than its busy
    /// time-out.
    pub(crate) async fn writing(db: &Connection) -> Result<Self, Fault> {
        match db {
            Connection::Postgres(db) => {
                let begun = async { Ok(begin_writing(db).await?) };
                traced(step(DbBackend::Postgres, "BEGIN"), begun).await.map(Self::Postgres)
            }
            Connection::Sqlite(embedded) => Self::held(embedded, Beginning::Writing).await,
        }
    }

    /// Begins a transaction that sees one moment.
    pub(crate) async fn reading(db: &Connection) -> Result<Self, Fault> {
        match db {
            Connection::Postgres(db) => {
                let (level, mode) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
                let begun = async { Ok(db.begin_with_config(Some(level), Some(mode)).await?) };
                traced(step(DbBackend::Postgres, "BEGIN"), begun).await.map(Self::Postgres)
            }
            Connection::Sqlite(embedded) => Self::held(embedded, Beginning::Reading).await,
        }
    }

    async fn held(embedded: &Arc<Embedded>, how: Beginning) -> Result<Self, Fault> {
        let begun = async { embedded.take().await?.begin(how).await };
        Ok(Self::Sqlite(Mutex::new(traced(step(DbBackend::Sqlite, how.text()), begun).await?)))
    }

    /// Commits.
    pub(crate) async fn commit(self) -> Result<(), Fault> {
        let span = step(self.backend(), COMMIT);
        match self {
            Self::Postgres(transaction) => traced(span, async { Ok(transaction.commit().await?) }).await,
            Self::Sqlite(taken) => traced(span, taken.into_inner().commit()).await,
        }
    }

    /// Runs the last statements and commits; gives the rows of all of them. After an error nothing of the transaction is
    /// left.
    pub(crate) async fn finish(self, later: Later) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        for statement in later.statements() {
            match self.all(statement).await {
                Ok(rows) => found.extend(rows),
                Err(fault) => {
                    self.rollback().await;
                    return Err(fault);
                }
            }
        }
        self.commit().await.map(|()| found)
    }

    /// Undoes everything.
    pub(crate) async fn rollback(self) {
        match self {
            Self::Postgres(transaction) => {
                if let Err(error) = transaction.rollback().await {
                    // Nothing can be done: the connection is gone, and the transaction with it.
                    tracing::debug!(cause = sentence(&error.into()), "a transaction was not rolled back in order");
                }
            }
            // It does with its end.
            Self::Sqlite(_) => {}
        }
    }
}

/// The span of a beginning or an end.
fn step(backend: DbBackend, text: &str) -> Span {
    span(&Statement::from_string(backend, text))
}

impl Executor for Transaction {
    fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn all(&self, statement: Statement) -> Result<Vec<Row>, Fault> {
        let span = span(&statement);
        match self {
            Self::Postgres(transaction) => {
                traced(span, async { rows(transaction.query_all_raw(statement).await) }).await
            }
            Self::Sqlite(taken) => traced(span, async { taken.lock().await.all(&statement).await }).await,
        }
    }

    async fn run(&self, statement: Statement) -> Result<u64, Fault> {
        let span = span(&statement);
        match self {
            Self::Postgres(transaction) => {
                traced(span, async { Ok(transaction.execute_raw(statement).await?.rows_affected()) }).await
            }
            Self::Sqlite(taken) => traced(span, async { taken.lock().await.run(&statement).await }).await,
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
        db.execute_text("CREATE TABLE t (a INTEGER PRIMARY KEY)").await.expect("makes a table");
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
        let rows = db.all(Statement::from_string(DbBackend::Sqlite, "SELECT a FROM t ORDER BY a")).await;
        rows.expect("reads").iter().map(|row| row.get(0).expect("a number")).collect()
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
            let row = transaction.all(count).await.expect("reads").remove(0);
            assert_eq!(row.get::<i64>(0), Ok(0));
            let returning = Statement::from_string(DbBackend::Sqlite, "INSERT INTO t VALUES (3) RETURNING a");
            let rows = transaction.finish(later([insert(1), insert(2), returning])).await.expect("commits");
            assert_eq!(rows.iter().map(|row| row.get::<i64>(0)).collect::<Vec<_>>(), [Ok(3)]);
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
            transaction.run(insert(1)).await.expect("inserts");
            drop(transaction);
            let transaction = Transaction::writing(db).await.expect("waits for the end of the one before");
            transaction.run(insert(1)).await.expect("inserts");
            transaction.rollback().await;
            let transaction = Transaction::writing(db).await.expect("begins");
            let broken = transaction.run(Statement::from_string(DbBackend::Sqlite, "no statement")).await;
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
            // A runtime that ends polls no more: here each step is polled once.
            if let Some(Ok(transaction)) = Transaction::writing(db).now_or_never() {
                let _ = transaction.run(insert(1)).now_or_never();
            }
            let _ = values(db).now_or_never();
            assert_eq!(values(db).await, Vec::<i64>::new());
            Transaction::writing(db).await.expect("begins").finish(later([insert(2)])).await.expect("commits");
            assert_eq!(values(db).await, [2]);
        })
        .await;
    }
}
