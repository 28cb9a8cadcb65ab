//! Redis servers that nodes share, as plugins see them: counters, and any other command.
//!
//! Nothing here knows a socket. Who asks waits for an answer that another thread brings; a handle may be taken at any
//! time, a connection is made when something is asked.

use crate::counters::{Taken, Window};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// An answer that is being waited for.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, RedisError>> + Send>>;

/// Hears what came of a command.
pub type Heard = Box<dyn FnOnce(Result<Reply, RedisError>) + Send>;

/// Why there is no answer: a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RedisError(pub Arc<str>);

impl RedisError {
    /// With this sentence.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

/// Where a Redis server is, and as whom to speak to it. Equal ones share a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisAddress {
    /// Name or IP address; an IPv6 address may stand in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User of `AUTH`; without a password it is not used.
    pub username: Option<String>,
    /// Password of `AUTH`; an empty one is none.
    pub password: Option<String>,
    /// Number of the database.
    pub database: i64,
    /// With TLS.
    pub tls: Option<RedisTls>,
    /// For each command, and for connecting where that has none of its own; zero is a minute.
    pub timeout: Duration,
    /// For connecting; zero is a minute.
    pub connect_timeout: Option<Duration>,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

/// How to speak TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedisTls {
    /// Whether the node's authorities must vouch for the server.
    pub verify: bool,
    /// The name to ask for and to verify; the host where there is none.
    pub server_name: Option<String>,
}

/// A counter on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCounter {
    /// Its key.
    pub name: Vec<u8>,
    /// How many units it may hold.
    pub limit: u64,
    /// Seconds until the server forgets it, from its first unit.
    pub lifetime: u64,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing there.
    Nil,
    /// An integer.
    Integer(i64),
    /// Bytes, or a status such as `OK`.
    Bytes(Vec<u8>),
    /// Several.
    Array(Vec<Reply>),
}

/// The Redis servers of a node.
pub trait Redis: Send + Sync {
    /// A server. Nobody is asked yet; what cannot work with any server (a TLS name that is none) is an error.
    fn server(&self, address: &RedisAddress) -> Result<Arc<dyn RedisServer>, RedisError>;
}

/// A Redis server.
pub trait RedisServer: Send + Sync {
    /// Takes one unit of every counter, or of none: atomically, whoever else asks.
    fn take(&self, counters: Vec<RemoteCounter>) -> Pending<Taken>;

    /// Adds to counters whatever their limits are, atomically; 0 reads one. The new counts, in their order.
    fn add(&self, amounts: Vec<(RemoteCounter, i64)>) -> Pending<Vec<u64>>;

    /// Adds to those of these counters that the server has, whatever their limits are. Nobody waits: what was taken a moment
    /// ago is given back, or made more.
    fn settle(&self, amounts: Vec<(RemoteCounter, i64)>);

    /// Runs a command, given as its words: `["SET", key, value, "EX", "60"]`.
    fn ask(&self, command: Vec<Vec<u8>>) -> Pending<Reply>;

    /// Runs a command whose answer nobody waits for. `done` hears what came of it on the thread of the connections, and
    /// must not take long.
    fn tell(&self, command: Vec<Vec<u8>>, done: Heard);

    /// Counts on the node, and brings node and server together this often. The same for everyone who asks with the
    /// same period, so what is counted outlives a configuration.
    fn synced(&self, every: Duration) -> Arc<dyn SyncedCounters>;
}

/// Counters of a server, counted on the node between synchronisations.
pub trait SyncedCounters: Send + Sync {
    /// Takes one unit of every window, or of none. A window is named by its key and its end; `remote` says what the
    /// windows are on the server, in the same order, and is called only where the server must be asked: for windows
    /// that this node does not know. `now` in seconds of the Unix epoch.
    fn take(&self, windows: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, now: u64) -> Taking;

    /// Adds to every window, whatever its limit is; an amount below zero takes away. Windows that this node does not know
    /// are added to on the server, where that has them. Nobody waits.
    fn add(&self, windows: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, amount: i64);
}

/// The outcome of taking where the server may have to be asked.
pub enum Taking {
    /// The node knew.
    Done(Taken),
    /// The server is being asked.
    Wait(Pending<Taken>),
}

/// For nodes and tests without Redis: every question fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRedis;

impl NoRedis {
    fn nobody() -> RedisError {
        RedisError::new("there is no Redis server")
    }

    fn refuse<T: Send + 'static>() -> Pending<T> {
        Box::pin(std::future::ready(Err(Self::nobody())))
    }
}

impl Redis for NoRedis {
    fn server(&self, _: &RedisAddress) -> Result<Arc<dyn RedisServer>, RedisError> {
        Ok(Arc::new(Self))
    }
}

impl RedisServer for NoRedis {
    fn take(&self, _: Vec<RemoteCounter>) -> Pending<Taken> {
        Self::refuse()
    }
    fn add(&self, _: Vec<(RemoteCounter, i64)>) -> Pending<Vec<u64>> {
        Self::refuse()
    }
    fn settle(&self, _: Vec<(RemoteCounter, i64)>) {}
    fn ask(&self, _: Vec<Vec<u8>>) -> Pending<Reply> {
        Self::refuse()
    }
    fn tell(&self, _: Vec<Vec<u8>>, done: Heard) {
        done(Err(Self::nobody()));
    }
    fn synced(&self, _: Duration) -> Arc<dyn SyncedCounters> {
        Arc::new(Self)
    }
}

impl SyncedCounters for NoRedis {
    fn take(&self, _: &[Window], _: &dyn Fn() -> Vec<RemoteCounter>, _: u64) -> Taking {
        Taking::Wait(Self::refuse())
    }
    fn add(&self, _: &[Window], _: &dyn Fn() -> Vec<RemoteCounter>, _: i64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let address = RedisAddress {
            host: "redis.test".into(),
            port: 6379,
            username: Some("gateway".into()),
            password: Some("secret".into()),
            database: 2,
            tls: None,
            timeout: Duration::from_secs(2),
            connect_timeout: None,
        };
        assert_eq!(format!("{address:?}"), "redis.test:6379/2");
    }
}
