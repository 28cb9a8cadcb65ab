//! A connection in use.

use super::{Embedded, statement};
use crate::failure::{Fault, sentence};
use crate::row::Row;
use rusqlite::Connection;
use sea_orm::{DbErr, Statement};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// As many rows take about a millisecond.
const MANY: usize = 200;

/// How a transaction begins.
#[derive(Clone, Copy)]
pub(crate) enum Beginning {
    /// It sees the moment of its first statement.
    Reading,
    /// It takes SQLite's lock at once: one that has read before it writes could no longer wait for another.
    Writing,
}

impl Beginning {
    /// The statement.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Reading => "BEGIN",
            Self::Writing => "BEGIN IMMEDIATE",
        }
    }
}

/// Ends a transaction.
pub(crate) const COMMIT: &str = "COMMIT";

/// A connection that nobody else uses meanwhile. A transaction on it that was not ended is rolled back with its end.
pub(crate) struct Taken {
    owner: Arc<Embedded>,
    connection: Option<Connection>,
    _turn: OwnedSemaphorePermit,
}

impl Taken {
    pub(super) fn new(owner: Arc<Embedded>, connection: Connection, turn: OwnedSemaphorePermit) -> Self {
        Self { owner, connection: Some(connection), _turn: turn }
    }

    /// The rows of a statement.
    pub(crate) async fn all(&mut self, statement: &Statement) -> Result<Vec<Row>, Fault> {
        let patience = self.owner.patience;
        let connection = self.connection()?;
        let done = statement::patiently(patience, move || statement::all(connection, statement)).await;
        // Nothing here waits, so it gives way of its own accord: to threads, and to tasks of this one.
        std::thread::yield_now();
        match &done {
            Ok(rows) if rows.len() >= MANY => tokio::task::yield_now().await,
            _ => tokio::task::coop::consume_budget().await,
        }
        done
    }

    /// How many rows a statement changed.
    pub(crate) async fn run(&mut self, statement: &Statement) -> Result<u64, Fault> {
        self.all(statement).await?;
        Ok(self.connection()?.changes())
    }

    /// Begins a transaction.
    pub(crate) async fn begin(mut self, how: Beginning) -> Result<Self, Fault> {
        self.plain(how.text()).await?;
        Ok(self)
    }

    /// Commits the transaction that was begun.
    pub(crate) async fn commit(mut self) -> Result<(), Fault> {
        self.plain(COMMIT).await
    }

    async fn plain(&mut self, text: &str) -> Result<(), Fault> {
        let patience = self.owner.patience;
        let connection = self.connection()?;
        let attempt = move || Ok(connection.prepare_cached(text)?.raw_execute().map(drop)?);
        let done = statement::patiently(patience, attempt).await;
        std::thread::yield_now();
        done
    }

    fn connection(&mut self) -> Result<&mut Connection, Fault> {
        self.connection.as_mut().ok_or_else(|| DbErr::Custom("the connection was given back".to_owned()).into())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // SQLite ends a transaction itself where there is no room.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            // With the connection goes what was done on it.
            tracing::debug!(cause = sentence(&error.into()), "a transaction was not rolled back in order");
            return;
        }
        self.owner.give_back(connection);
    }
}
