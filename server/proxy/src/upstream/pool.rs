//! Idle connections to upstreams, per worker: the last one given is the first taken.

use super::connect::UpstreamIo;
use crate::traffic::WorkerTraffic;
use foldhash::fast::RandomState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};

/// What must be the same for a connection to serve another request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where it goes.
    pub address: SocketAddr,
    /// For TLS: the way of speaking it (authorities, client certificate) and the server name.
    pub tls: Option<(u64, Box<[u8]>)>,
}

/// A connection with what is counted of it.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub io: UpstreamIo,
    /// Where it belongs in the pool.
    pub key: Key,
    /// Requests sent on it so far.
    pub requests: u32,
}

struct Idle {
    connection: Connection,
    /// ms of the worker's time.
    since: u64,
}

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Idle connections per key; 0 = none are kept.
    pub size: usize,
    /// Requests per connection; 0 = unlimited.
    pub requests: u32,
    /// ms without use; 0 = unlimited.
    pub idle: u64,
}

/// The idle connections of one worker.
pub struct Pool {
    limits: Limits,
    idle: RefCell<HashMap<Key, Vec<Idle>, RandomState>>,
    count: Cell<usize>,
    traffic: Arc<WorkerTraffic>,
}

impl Pool {
    /// An empty pool, whose use is counted in these figures.
    pub fn new(limits: Limits, traffic: Arc<WorkerTraffic>) -> Self {
        Self { limits, idle: RefCell::default(), count: Cell::new(0), traffic }
    }

    fn set_count(&self, count: usize) {
        self.count.set(count);
        self.traffic.idle(count);
    }

    /// Takes the connection that was used last, if one lives. Whatever can be read on an idle connection (its end, or
    /// bytes nobody asked for) makes it unusable.
    pub fn take(&self, key: &Key, context: &mut Context<'_>) -> Option<Connection> {
        let taken = self.find(key, context);
        self.traffic.take(taken.is_some());
        taken
    }

    fn find(&self, key: &Key, context: &mut Context<'_>) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(key)?;
        while let Some(Idle { mut connection, .. }) = stack.pop() {
            self.set_count(self.count.get() - 1);
            if is_quiet(&mut connection.io, context) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer has been read to its end, with nothing after it.
    pub fn give(&self, connection: Connection, now: u64) {
        if self.limits.size == 0 || (self.limits.requests > 0 && connection.requests >= self.limits.requests) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let entry = Idle { since: now, connection };
        match idle.get_mut(&entry.connection.key) {
            Some(stack) => {
                if stack.len() >= self.limits.size {
                    // The one at the bottom has waited longest.
                    stack.remove(0);
                } else {
                    self.set_count(self.count.get() + 1);
                }
                stack.push(entry);
            }
            None => {
                self.set_count(self.count.get() + 1);
                idle.insert(entry.connection.key.clone(), vec![entry]);
            }
        }
    }

    /// Closes what has been idle too long, and what the other side has closed.
    pub fn sweep(&self, now: u64) {
        let mut context = Context::from_waker(Waker::noop());
        let limit = self.limits.idle;
        self.idle.borrow_mut().retain(|_, stack| {
            stack.retain_mut(|idle| {
                let young = limit == 0 || now.saturating_sub(idle.since) < limit;
                young && is_quiet(&mut idle.connection.io, &mut context)
            });
            !stack.is_empty()
        });
        let count = self.idle.borrow().values().map(Vec::len).sum();
        self.set_count(count);
    }

    /// Closes every connection.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.set_count(0);
    }

    /// How many connections are idle.
    pub fn len(&self) -> usize {
        self.count.get()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn is_quiet(io: &mut UpstreamIo, context: &mut Context<'_>) -> bool {
    let mut byte = [0; 1];
    matches!(Pin::new(io).poll_read(context, &mut ReadBuf::new(&mut byte)), Poll::Pending)
}
