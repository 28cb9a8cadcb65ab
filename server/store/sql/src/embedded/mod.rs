//! SQLite, asked on the thread that asks: handing a statement to another thread and its answer back costs more than most
//! statements.
//!
//! So nothing here may wait on the thread: who finds the database locked by another process tries again later, and lets
//! others go on meanwhile.

mod connection;
mod place;
mod statement;

pub(crate) use connection::{Beginning, COMMIT, Taken};
pub(crate) use place::Place;
pub(crate) use statement::patiently;

use crate::connect::TURN;
use crate::failure::Fault;
use sea_orm::{ConnAcquireErr, DbErr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections to an embedded database.
pub(crate) struct Embedded {
    place: Place,
    /// How long to try where another process has locked the database.
    patience: Duration,
    connections: u32,
    turns: Arc<Semaphore>,
    /// The one given back last is the next one taken, so it is warm.
    idle: Mutex<Vec<rusqlite::Connection>>,
}

impl Embedded {
    /// So many connections, made when they are needed.
    pub(crate) fn new(place: Place, patience: Duration, connections: u32) -> Self {
        let turns = Arc::new(Semaphore::new(connections as usize));
        Self { place, patience, connections, turns, idle: Mutex::default() }
    }

    /// Waits for a connection.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Taken, Fault> {
        let late = |_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let closed = |_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(late)?.map_err(closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => patiently(self.patience, || self.place.open()).await?,
        };
        Ok(Taken::new(self.clone(), connection, turn))
    }

    /// Closes them when what is under way is done.
    pub(crate) async fn close(&self) {
        let _ = tokio::time::timeout(TURN, self.turns.acquire_many(self.connections)).await;
        self.turns.close();
        drop(std::mem::take(&mut *self.idle()));
    }

    fn give_back(&self, connection: rusqlite::Connection) {
        if !self.turns.is_closed() {
            self.idle().push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<rusqlite::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
