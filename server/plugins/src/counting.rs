//! Where windows of time are counted, for every plugin that limits: on the node, on a Redis server, or in the database.

use exchange::counters::{Counters, Taken, Window};
use exchange::meters::{Meter, Meters};
use exchange::redis::{Pending, RedisError, RedisServer, RemoteCounter, SyncedCounters, Taking};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A place of counters.
pub(crate) struct Counting {
    place: Place,
    /// The plugin, for the log.
    plugin: &'static str,
    /// Whether it was already said that the place does not answer.
    complained: AtomicBool,
}

enum Place {
    /// Each node counts for itself.
    Node(Arc<Counters>),
    /// Every request asks the server.
    Server(Arc<dyn RedisServer>),
    /// With a `sync_rate`: the node counts, and is brought together with the server so often.
    Synced(Arc<dyn SyncedCounters>),
    /// Every request asks the database.
    Database(Arc<dyn Meters>),
}

/// What windows are where nodes share them, in the windows' order.
pub(crate) trait Names {
    /// On a Redis server.
    fn counters(&self) -> Vec<RemoteCounter>;
    /// In the database.
    fn meters(&self) -> Vec<Meter>;
}

impl Counting {
    fn at(place: Place, plugin: &'static str) -> Self {
        Self { place, plugin, complained: AtomicBool::new(false) }
    }

    /// On the node.
    pub(crate) fn on_node(counters: Arc<Counters>, plugin: &'static str) -> Self {
        Self::at(Place::Node(counters), plugin)
    }

    /// On a Redis server. `sync_rate` in seconds; below zero every request asks the server.
    pub(crate) fn on_server(server: Arc<dyn RedisServer>, sync_rate: f64, plugin: &'static str) -> Self {
        let place = match sync_rate >= 0.0 {
            // A period that no Duration holds is one that never passes.
            true => Place::Synced(server.synced(Duration::try_from_secs_f64(sync_rate).unwrap_or(Duration::MAX))),
            false => Place::Server(server),
        };
        Self::at(place, plugin)
    }

    /// In the database.
    pub(crate) fn in_database(meters: Arc<dyn Meters>, plugin: &'static str) -> Self {
        Self::at(Place::Database(meters), plugin)
    }

    /// Takes one unit of every window, or of none. `now` in seconds of the Unix epoch.
    pub(crate) fn take(&self, windows: &[Window], names: &dyn Names, now: u64) -> Taking {
        match &self.place {
            Place::Node(counters) => Taking::Done(counters.try_take(windows, now)),
            Place::Synced(synced) => synced.take(windows, &|| names.counters(), now),
            Place::Server(server) => Taking::Wait(server.take(names.counters())),
            Place::Database(meters) => {
                let taken = meters.take(names.meters());
                Taking::Wait(Box::pin(async move { taken.await.map_err(RedisError::new) }))
            }
        }
    }

    /// As [`Counting::take`], and says once that the place does not answer.
    pub(crate) async fn taken(
        &self,
        windows: &[Window],
        names: &(dyn Names + Sync),
        now: u64,
    ) -> Result<Taken, RedisError> {
        match self.take(windows, names, now) {
            Taking::Done(taken) => Ok(taken),
            Taking::Wait(pending) => {
                let outcome = pending.await;
                self.note(&outcome);
                outcome
            }
        }
    }

    /// Adds to every window, whatever its limit is, down to nothing. Nobody waits: what was taken is given back, or made
    /// more, when a response is known.
    pub(crate) fn settle(&self, windows: &[Window], names: &dyn Names, amount: i64, now: u64) {
        match &self.place {
            Place::Node(counters) => windows.iter().for_each(|window| _ = counters.adjust(window, amount, now)),
            Place::Synced(synced) => synced.add(windows, &|| names.counters(), amount),
            Place::Server(server) => {
                server.settle(names.counters().into_iter().map(|counter| (counter, amount)).collect());
            }
            // Begins at once, whether or not somebody waits for it.
            Place::Database(meters) => drop(meters.add(names.meters(), amount)),
        }
    }

    /// As [`Counting::settle`], for who waits until it is done.
    pub(crate) fn change(&self, windows: &[Window], names: &dyn Names, amount: i64, now: u64) -> Pending<()> {
        match &self.place {
            Place::Server(server) => {
                let counters = names.counters().into_iter().map(|counter| (counter, amount)).collect();
                let adding = server.add(counters);
                Box::pin(async move { adding.await.map(drop) })
            }
            Place::Database(meters) => {
                let adding = meters.add(names.meters(), amount);
                Box::pin(async move { adding.await.map_err(RedisError::new) })
            }
            Place::Node(_) | Place::Synced(_) => {
                self.settle(windows, names, amount, now);
                Box::pin(std::future::ready(Ok(())))
            }
        }
    }

    fn place(&self) -> &'static str {
        match self.place {
            Place::Node(_) => "node",
            Place::Server(_) | Place::Synced(_) => "Redis server",
            Place::Database(_) => "database",
        }
    }

    /// Says once that the place does not answer, and once that it does again.
    pub(crate) fn note(&self, outcome: &Result<Taken, RedisError>) {
        match outcome {
            Ok(_) if self.complained.load(Ordering::Relaxed) => {
                if self.complained.swap(false, Ordering::Relaxed) {
                    tracing::info!(plugin = self.plugin, "the {} answers again", self.place());
                }
            }
            Ok(_) => {}
            Err(error) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::error!(plugin = self.plugin, "failed to get usage: {error}");
                }
            }
        }
    }
}
