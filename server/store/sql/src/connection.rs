//! Connections, and what runs on them: statements, each a span where there is a trace.

use crate::connect::TURN;
use async_trait::async_trait;
use futures_util::TryStreamExt;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqlitePool, SqliteQueryResult};
use sqlx::{AssertSqlSafe, Either, Executor, Sqlite};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span, info_span};

/// Connections to a database.
#[derive(Clone)]
pub(crate) enum Connection {
    /// SeaORM's.
    Postgres(DatabaseConnection),
    /// Our own over the driver's.
    Sqlite(Arc<Embedded>),
}

/// The driver's pool asks the thread behind a connection whether it is well each time one is given back, which takes as long
/// as most statements. Threads of this process are: what was taken from the pool stays here.
pub(crate) struct Embedded {
    db: DatabaseConnection,
    pool: SqlitePool,
    turns: Arc<Semaphore>,
    /// The one given back last is the next one taken, so it is warm.
    idle: Mutex<Vec<PoolConnection<Sqlite>>>,
}

/// A connection to an embedded database that nobody else uses meanwhile.
pub(crate) struct Taken {
    owner: Arc<Embedded>,
    connection: Option<PoolConnection<Sqlite>>,
    /// Whether a statement was given up half-way.
    busy: bool,
    _turn: OwnedSemaphorePermit,
}

impl Connection {
    /// Over a pool of so many connections to an embedded database, all of which are used by this alone from its first
    /// statement on.
    pub(crate) fn embedded(db: DatabaseConnection, connections: u32) -> Self {
        let pool = db.get_sqlite_connection_pool().clone();
        let turns = Arc::new(Semaphore::new(connections as usize));
        Self::Sqlite(Arc::new(Embedded { db, pool, turns, idle: Mutex::default() }))
    }

    /// For migrations, before anything else is done.
    pub(crate) fn orm(&self) -> &DatabaseConnection {
        match self {
            Self::Postgres(db) => db,
            Self::Sqlite(embedded) => &embedded.db,
        }
    }

    /// Ends them when what is under way is done.
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(db) => {
                let _ = db.clone().close().await;
            }
            Self::Sqlite(embedded) => {
                embedded.turns.close();
                embedded.clear();
                embedded.pool.close().await;
            }
        }
    }
}

impl Embedded {
    /// Waits for a connection.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Taken, DbErr> {
        let late = |_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let closed = |_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(late)?.map_err(closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(|error| match error {
                sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
                sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
                error => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
            })?,
        };
        Ok(Taken { owner: self.clone(), connection: Some(connection), busy: false, _turn: turn })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PoolConnection<Sqlite>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(let_go);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Gives a connection back to its pool; closes it where nothing runs that could.
fn let_go(connection: PoolConnection<Sqlite>) {
    match Handle::try_current() {
        Ok(_) => drop(connection),
        Err(_) => drop(connection.leak()),
    }
}

impl Taken {
    /// The rows of a statement, or of several in one text.
    pub(crate) async fn all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (connection, busy) = self.parts()?;
        *busy = true;
        let found = query(statement).fetch_all(connection).await;
        *busy = false;
        Ok(found.map_err(failed)?.into_iter().map(QueryResult::from).collect())
    }

    /// The first row.
    pub(crate) async fn one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, DbErr> {
        let (connection, busy) = self.parts()?;
        *busy = true;
        let found = query(statement).fetch_optional(connection).await;
        *busy = false;
        Ok(found.map_err(failed)?.map(QueryResult::from))
    }

    /// What the last of the statements in one text did.
    pub(crate) async fn run(&mut self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let (connection, busy) = self.parts()?;
        *busy = true;
        // Not their sum: SQLite counts what was changed before once more for a statement that changes nothing.
        let last = connection.fetch_many(query(statement)).try_fold(SqliteQueryResult::default(), |last, step| {
            std::future::ready(Ok(match step {
                Either::Left(done) => done,
                Either::Right(_) => last,
            }))
        });
        let last = last.await;
        *busy = false;
        Ok(last.map_err(failed)?.into())
    }

    fn parts(&mut self) -> Result<(&mut sqlx::SqliteConnection, &mut bool), DbErr> {
        let over = || DbErr::Custom("the connection was given back".to_owned());
        Ok((self.connection.as_deref_mut().ok_or_else(over)?, &mut self.busy))
    }

    /// Has it closed instead of used again.
    pub(crate) fn spoil(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
            self.busy = true;
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // The pool waits until what was given up is over.
        if self.busy || self.owner.turns.is_closed() {
            return let_go(connection);
        }
        self.owner.idle().push(connection);
    }
}

fn query(statement: &Statement) -> sqlx::query::Query<'_, Sqlite, SqlxValues> {
    let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// The span of a statement, where it is part of a trace: nobody looks for what a node does by itself.
pub(crate) fn span(statement: &Statement) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    // Kong's name of the system, and that of today's conventions.
    let (kong, name) = match statement.db_backend {
        DbBackend::Sqlite => ("sqlite", "sqlite"),
        _ => ("postgres", "postgresql"),
    };
    info_span!(
        "kong.database.query",
        otel.kind = "client",
        db.system = kong,
        db.system.name = name,
        db.statement = statement.sql.as_str(),
        otel.status_code = tracing::field::Empty,
    )
}

/// Runs a statement in its span.
pub(crate) async fn traced<T>(span: Span, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let done = work.instrument(span.clone()).await;
    if done.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    done
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = span(&statement);
        match self {
            Self::Postgres(db) => traced(span, db.execute_raw(statement)).await,
            Self::Sqlite(embedded) => traced(span, async { embedded.take().await?.run(&statement).await }).await,
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), text)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = span(&statement);
        match self {
            Self::Postgres(db) => traced(span, db.query_one_raw(statement)).await,
            Self::Sqlite(embedded) => traced(span, async { embedded.take().await?.one(&statement).await }).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = span(&statement);
        match self {
            Self::Postgres(db) => traced(span, db.query_all_raw(statement)).await,
            Self::Sqlite(embedded) => traced(span, async { embedded.take().await?.all(&statement).await }).await,
        }
    }
}
