//! The connections in use. They are given up together when the database does not answer any more: on a network that was
//! cut, nothing says that an answer will never come, and whoever waits for it would wait for ever.

use crate::connect::{Database, Pools, Postgres, connect};
use crate::failure::OpenError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::Error;
use tokio::sync::{Semaphore, watch};

/// How long connections that were given up may take to close.
const FAREWELL: Duration = Duration::from_secs(5);

/// Connections to a database, made anew when it is lost.
pub(crate) struct Link {
    database: Database,
    // A place for each connection and for each who waits for one, where that is bounded.
    places: Option<Semaphore>,
    current: watch::Sender<Arc<Pools>>,
}

impl Link {
    /// Must be called on the runtime that will use the connections.
    pub(crate) fn new(database: Database, pools: Pools) -> Link {
        let places = match &database {
            Database::Postgres(Postgres { backlog: Some(backlog), pool_size, .. }) => {
                Some(Semaphore::new(backlog.saturating_add(*pool_size) as usize))
            }
            _ => None,
        };
        Link { database, places, current: watch::Sender::new(Arc::new(pools)) }
    }

    /// The connections to use now.
    pub(crate) fn pools(&self) -> Arc<Pools> {
        self.current.borrow().clone()
    }

    /// Whether the database is in this process.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }

    /// How long the database may take to say its revision: longer than a statement may, lest work is given up because the
    /// machine is slow. An embedded one is never lost.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match &self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(to) => Some(to.timeout * 2),
        }
    }

    /// Waits for `work`, or until the connections that it uses are given up. Refuses it where too many wait already.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let full = |_| Error::Unavailable("too many wait for a connection to the database".to_owned());
        let _place = self.places.as_ref().map(|places| places.try_acquire().map_err(full)).transpose()?;
        // Subscribed before the work takes its connections: those given up from here on are the ones it uses.
        let mut given_up = self.current.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            _ = given_up.changed() => Err(Error::Unavailable("the connection to the database was lost".to_owned())),
        }
    }

    /// Resolves when the connections in use now are given up.
    pub(crate) fn given_up(&self) -> impl Future<Output = ()> + use<> {
        let mut given_up = self.current.subscribe();
        async move {
            let _ = given_up.changed().await;
        }
    }

    /// Gives up connections that do not answer, and makes new ones. Must be called on the runtime that will use them.
    pub(crate) fn give_up(&self, lost: &Arc<Pools>) {
        if !Arc::ptr_eq(&self.pools(), lost) {
            return;
        }
        match connect(&self.database, None) {
            Ok(pools) => {
                let old = self.current.send_replace(Arc::new(pools));
                tokio::spawn(async move {
                    // A connection that is lost cannot be closed in order.
                    let _ = tokio::time::timeout(FAREWELL, old.close()).await;
                });
            }
            Err(error @ OpenError::Settings(_)) => tracing::error!("{error}"),
            Err(error) => tracing::debug!("{error}"),
        }
    }
}
