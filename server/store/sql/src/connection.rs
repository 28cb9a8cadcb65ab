//! Connections, and what runs on them: statements, each a span where there is a trace.

use crate::embedded::Embedded;
use crate::failure::Fault;
use crate::row::Row;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, StatementBuilder};
use std::future::Future;
use std::sync::Arc;
use tracing::{Instrument, Span, info_span};

/// What runs statements.
pub(crate) trait Executor: Sync {
    /// Which dialect it speaks.
    fn backend(&self) -> DbBackend;

    /// The rows of a statement.
    fn all(&self, statement: Statement) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send;

    /// How many rows a statement changed.
    fn run(&self, statement: Statement) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// The rows of a query.
    fn query_all<S: StatementBuilder + Sync>(&self, query: &S) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send {
        self.all(self.backend().build(query))
    }

    /// The row of a query that has one at most.
    fn query_one<S: StatementBuilder + Sync>(
        &self,
        query: &S,
    ) -> impl Future<Output = Result<Option<Row>, Fault>> + Send {
        let found = self.query_all(query);
        async { Ok(found.await?.into_iter().next()) }
    }

    /// Runs what is no query.
    fn execute<S: StatementBuilder + Sync>(&self, change: &S) -> impl Future<Output = Result<u64, Fault>> + Send {
        self.run(self.backend().build(change))
    }

    /// Runs a text without values.
    fn execute_text(&self, text: &str) -> impl Future<Output = Result<u64, Fault>> + Send {
        self.run(Statement::from_string(self.backend(), text))
    }
}

/// Connections to a database.
#[derive(Clone)]
pub(crate) enum Connection {
    /// SeaORM's.
    Postgres(DatabaseConnection),
    /// Our own, below which there is the library itself.
    Sqlite(Arc<Embedded>),
}

impl Connection {
    /// Ends them when what is under way is done.
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(db) => {
                let _ = db.clone().close().await;
            }
            Self::Sqlite(embedded) => embedded.close().await,
        }
    }
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
pub(crate) async fn traced<T>(span: Span, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let done = work.instrument(span.clone()).await;
    if done.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    done
}

impl Executor for Connection {
    fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn all(&self, statement: Statement) -> Result<Vec<Row>, Fault> {
        let span = span(&statement);
        match self {
            Self::Postgres(db) => traced(span, async { rows(db.query_all_raw(statement).await) }).await,
            Self::Sqlite(embedded) => traced(span, async { embedded.take().await?.all(&statement).await }).await,
        }
    }

    async fn run(&self, statement: Statement) -> Result<u64, Fault> {
        let span = span(&statement);
        match self {
            Self::Postgres(db) => traced(span, async { Ok(db.execute_raw(statement).await?.rows_affected()) }).await,
            Self::Sqlite(embedded) => traced(span, async { embedded.take().await?.run(&statement).await }).await,
        }
    }
}

/// What SeaORM found.
pub(crate) fn rows(found: Result<Vec<QueryResult>, DbErr>) -> Result<Vec<Row>, Fault> {
    Ok(found?.into_iter().map(Row::Postgres).collect())
}
