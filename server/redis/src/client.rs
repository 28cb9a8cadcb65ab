//! The servers of a node, and the thread their connections live on.

use crate::connection::server_name;
use crate::link::Link;
use crate::network::Network;
use crate::script::{self, Command};
use crate::synced::Synced;
use exchange::counters::Taken;
use exchange::redis::{
    Heard, Pending, Redis, RedisAddress, RedisError, RedisServer, RemoteCounter, Reply, SyncedCounters,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The Redis servers of a node. Its thread ends with it, and with the thread every connection.
pub struct Client {
    network: Arc<dyn Network>,
    thread: OnceLock<Result<Thread, RedisError>>,
    servers: Mutex<HashMap<RedisAddress, Weak<Server>>>,
}

struct Thread {
    runtime: Handle,
    /// Dropped to end it.
    _until: oneshot::Sender<()>,
}

impl Client {
    /// No server is known yet, and no thread runs.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, thread: OnceLock::new(), servers: Mutex::default() }
    }

    /// Brings what was counted on the node to the servers, before a node stops; gives up after `patience`.
    pub async fn flush(&self, patience: Duration) {
        let servers: Vec<Arc<Server>> = {
            let known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            known.values().filter_map(Weak::upgrade).collect()
        };
        let flushing = async {
            for server in servers {
                for synced in server.living() {
                    synced.flush().await;
                }
            }
        };
        if tokio::time::timeout(patience, flushing).await.is_err() {
            tracing::warn!("stopped before every counter was brought to Redis");
        }
    }

    fn runtime(&self) -> Result<&Handle, RedisError> {
        let thread = self.thread.get_or_init(|| {
            start().map_err(|error| {
                RedisError::new(format_args!("the thread of Redis connections cannot be started: {error}"))
            })
        });
        thread.as_ref().map(|thread| &thread.runtime).map_err(Clone::clone)
    }
}

fn start() -> std::io::Result<Thread> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (until, end) = oneshot::channel::<()>();
    std::thread::Builder::new().name("redis".into()).spawn(move || {
        let _ = runtime.block_on(end);
    })?;
    Ok(Thread { runtime: handle, _until: until })
}

impl Redis for Client {
    fn server(&self, address: &RedisAddress) -> Result<Arc<dyn RedisServer>, RedisError> {
        if let Some(tls) = &address.tls {
            server_name(address, tls)?;
        }
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(address).and_then(Weak::upgrade) {
            return Ok(server);
        }
        let runtime = self.runtime()?;
        let (link, task) = Link::new(address.clone(), self.network.clone());
        runtime.spawn(task);
        let server =
            Arc::new(Server { link, address: address.clone(), runtime: runtime.clone(), synced: Mutex::default() });
        servers.retain(|_, server| server.strong_count() > 0);
        servers.insert(address.clone(), Arc::downgrade(&server));
        Ok(server)
    }
}

/// A server.
struct Server {
    link: Link,
    address: RedisAddress,
    runtime: Handle,
    synced: Mutex<HashMap<Duration, Weak<Synced>>>,
}

impl Server {
    fn living(&self) -> Vec<Arc<Synced>> {
        let synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        synced.values().filter_map(Weak::upgrade).collect()
    }
}

impl RedisServer for Server {
    fn take(&self, counters: Vec<RemoteCounter>) -> Pending<Taken> {
        Box::pin(self.link.take(counters))
    }

    fn add(&self, amounts: Vec<(RemoteCounter, i64)>) -> Pending<Vec<u64>> {
        let answer = self.link.add(None, amounts);
        Box::pin(async move {
            let count = |count: Option<i64>| {
                count.map(script::unsigned).ok_or_else(|| RedisError::new("a key holds no counter"))
            };
            answer.await?.into_iter().map(count).collect()
        })
    }

    fn settle(&self, amounts: Vec<(RemoteCounter, i64)>) {
        for (counter, amount) in amounts {
            self.link.tell(Command::AddIfThere(counter, amount), Box::new(drop));
        }
    }

    fn ask(&self, command: Vec<Vec<u8>>) -> Pending<Reply> {
        let answer = self.link.ask(Command::Words(command));
        Box::pin(async move { answer.await.map(script::reply) })
    }

    fn tell(&self, command: Vec<Vec<u8>>, done: Heard) {
        self.link.tell(Command::Words(command), Box::new(move |outcome| done(outcome.map(script::reply))));
    }

    fn synced(&self, every: Duration) -> Arc<dyn SyncedCounters> {
        let mut known = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(synced) = known.get(&every).and_then(Weak::upgrade) {
            return synced;
        }
        let (synced, task) = Synced::new(self.link.clone(), format!("{:?}", self.address), every);
        self.runtime.spawn(task);
        let synced = Arc::new(synced);
        known.retain(|_, synced| synced.strong_count() > 0);
        known.insert(every, Arc::downgrade(&synced));
        synced
    }
}
