//! A plugin server as workers see it: connections that wait on each worker, and bounds.

use crate::connection::{CallError, Connection};
use crate::described::Protocol;
use crate::{protobuf, wire};
use crossbeam_queue::SegQueue;
use rmpv::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Requests that may be with one server.
const MOST: usize = 1024;
/// Connections that wait on one worker for the next request.
const IDLE: usize = 32;
/// How long a server that was just started is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two tries to connect to it.
const PAUSE: Duration = Duration::from_millis(20);
/// A server that has let so many calls in a row without an answer is started anew.
const SILENT: u32 = 3;

static NUMBERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static WAITING: RefCell<HashMap<usize, Vec<Open>>> = RefCell::default();
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Condition {
    /// Nobody here starts it.
    Foreign,
    /// Its process was started a moment ago.
    Starting,
    /// It was reached.
    Running,
    /// Its process has ended.
    Ended,
}

/// A plugin server.
pub struct Server {
    /// Its name in `pluginserver_names`.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    socket: PathBuf,
    /// How long it may take for one answer.
    limit: Duration,
    number: usize,
    condition: AtomicU32,
    requests: AtomicUsize,
    silent: AtomicU32,
    /// How often its process is to be ended, for the thread that watches over it.
    ends: AtomicU64,
    closing: SegQueue<(Arc<str>, i64)>,
}

/// A connection, and which life of the server it goes to.
struct Open {
    connection: Connection,
    life: Arc<str>,
}

impl Server {
    /// For a socket; `limit` for each answer.
    pub fn new(name: String, socket: PathBuf, protocol: Protocol, limit: Duration) -> Self {
        Self {
            name,
            protocol,
            socket,
            limit,
            number: NUMBERS.fetch_add(1, Relaxed),
            condition: AtomicU32::new(Condition::Foreign as u32),
            requests: AtomicUsize::new(0),
            silent: AtomicU32::new(0),
            ends: AtomicU64::new(0),
            closing: SegQueue::new(),
        }
    }

    /// Says how its process is.
    pub fn is_now(&self, condition: Condition) {
        self.condition.store(condition as u32, Relaxed);
    }

    fn is(&self, condition: Condition) -> bool {
        self.condition.load(Relaxed) == condition as u32
    }

    /// How often it was found silent: each time its process is to be ended.
    pub fn ends(&self) -> u64 {
        self.ends.load(Relaxed)
    }

    /// Has an instance of a life of the server closed, at the next occasion.
    pub fn close(&self, life: Arc<str>, instance: i64) {
        self.closing.push((life, instance));
    }

    /// A connection for one request.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, CallError> {
        let admitted = Admitted::at(self)?;
        let waiting = || WAITING.with_borrow_mut(|all| all.get_mut(&self.number)?.pop());
        while let Some(open) = waiting() {
            if open.connection.is_idle() {
                return Ok(Lease { admitted, open });
            }
        }
        let open = self.open().await?;
        Ok(Lease { admitted, open })
    }

    async fn open(&self) -> Result<Open, CallError> {
        let begun = Instant::now();
        let mut connection = loop {
            match Connection::open(&self.socket).await {
                Ok(connection) => break connection,
                Err(error)
                    if self.is(Condition::Starting)
                        && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
                        && begun.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(CallError::Unreachable(error)),
            }
        };
        // Instances are numbered anew in each life.
        let life = match self.protocol {
            Protocol::MessagePack => match connection.call("plugin.GetStatus", None, self.limit).await {
                // A server whose events hang may still tell its status.
                Ok(status) => life(&status),
                failed => life(&self.told(failed)?),
            },
            Protocol::ProtoBuf => format!("{:?}", connection.process()),
        };
        // It may have ended at once.
        let (from, to) = (Condition::Starting as u32, Condition::Running as u32);
        let _ = self.condition.compare_exchange(from, to, Relaxed, Relaxed);
        Ok(Open { connection, life: life.into() })
    }

    /// Notes whether an answer came.
    fn told<T>(&self, outcome: Result<T, CallError>) -> Result<T, CallError> {
        match &outcome {
            Ok(_) | Err(CallError::Refused(_)) => self.silent.store(0, Relaxed),
            Err(CallError::Timeout(_)) if self.silent.fetch_add(1, Relaxed) + 1 >= SILENT => {
                self.silent.store(0, Relaxed);
                self.ends.fetch_add(1, Relaxed);
            }
            Err(_) => {}
        }
        outcome
    }

    fn keep(&self, open: Open) {
        WAITING.with_borrow_mut(|all| {
            let waiting = all.entry(self.number).or_default();
            if waiting.len() < IDLE {
                waiting.push(open);
            }
        });
    }
}

/// What tells one life of a server from another: its process, and when it loaded what it runs.
fn life(status: &Value) -> String {
    let plugins = wire::member(status, "Plugins").as_map().map_or(&[][..], Vec::as_slice);
    let loaded = plugins.iter().map(|(_, plugin)| wire::member(plugin, "LoadTime").to_string());
    let mut loaded: Vec<String> = loaded.collect();
    loaded.sort_unstable();
    format!("{} {}", wire::member(status, "Pid"), loaded.join(" "))
}

/// One of the requests that may be with a server.
struct Admitted(Arc<Server>);

impl Admitted {
    fn at(server: &Arc<Server>) -> Result<Self, CallError> {
        let admitted = Self(server.clone());
        match server.requests.fetch_add(1, Relaxed) {
            ..MOST => Ok(admitted),
            _ => Err(CallError::Crowded(MOST)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A connection while a request has it. Dropped, it is closed.
pub struct Lease {
    admitted: Admitted,
    open: Open,
}

impl Lease {
    /// The life of the server that it goes to.
    pub fn life(&self) -> &Arc<str> {
        &self.open.life
    }

    /// Calls a method with a map.
    pub async fn call(&mut self, method: &str, argument: Value) -> Result<Value, CallError> {
        let server = &self.admitted.0;
        let outcome = self.open.connection.call(method, Some(argument), server.limit).await;
        server.told(outcome)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), CallError> {
        let server = &self.admitted.0;
        let outcome = self.open.connection.send(frame, server.limit).await;
        // Whoever takes what it is sent may yet be silent.
        if outcome.is_err() { server.told(outcome) } else { outcome }
    }

    /// The next frame.
    pub async fn receive(&mut self) -> Result<Vec<u8>, CallError> {
        let server = &self.admitted.0;
        let outcome = self.open.connection.receive(server.limit).await;
        server.told(outcome)
    }

    /// Starts an instance of a plugin with a configuration, JSON text; its number.
    pub async fn start(&mut self, plugin: &str, config: &str) -> Result<i64, CallError> {
        let number = match self.admitted.0.protocol {
            Protocol::ProtoBuf => protobuf::start(self, plugin, config).await?,
            Protocol::MessagePack => {
                let given = wire::map([("Name", plugin.into()), ("Config", config.into())]);
                wire::member(&self.call("plugin.StartInstance", given).await?, "Id").as_i64()
            }
        };
        let none = || CallError::Refused("the plugin server has started an instance without an id".to_owned());
        number.ok_or_else(none)
    }

    async fn close(&mut self, instance: i64) -> Result<(), CallError> {
        match self.admitted.0.protocol {
            Protocol::MessagePack => self.call("plugin.CloseInstance", instance.into()).await.map(drop),
            Protocol::ProtoBuf => protobuf::close(self, instance).await,
        }
    }

    /// Leaves the connection to the next request of this worker. Instances that nobody needs any more are closed on
    /// the way.
    pub fn give_back(mut self) {
        let server = self.admitted.0.clone();
        match server.closing.pop() {
            None => server.keep(self.open),
            Some((life, instance)) if life == self.open.life => {
                tokio::task::spawn_local(async move {
                    match self.close(instance).await {
                        Ok(()) | Err(CallError::Refused(_)) => self.give_back(),
                        Err(_) => {}
                    }
                });
            }
            // That life is over, and its instances with it.
            Some(_) => self.give_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};

    /// Answers `plugin.GetStatus` at once, and `plugin.HandleEvent` never.
    async fn serve(mut stream: UnixStream) {
        let mut received = Vec::new();
        while matches!(stream.read_buf(&mut received).await, Ok(1..)) {
            let Ok(Value::Array(request)) = rmpv::decode::read_value(&mut received.as_slice()) else { continue };
            received.clear();
            if request[2].as_str() == Some("plugin.HandleEvent") {
                continue;
            }
            let status = wire::map([("Pid", 7.into()), ("Plugins", Value::Map(Vec::new()))]);
            let mut reply = Vec::new();
            let message = Value::Array(vec![1.into(), request[1].clone(), Value::Nil, status]);
            rmpv::encode::write_value(&mut reply, &message).expect("memory");
            // Who asked may have gone.
            let _ = stream.write_all(&reply).await;
        }
    }

    fn within(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, work);
    }

    #[test]
    fn what_is_silent_is_given_up_and_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        within(async {
            let listener = UnixListener::bind(&path).expect("a socket");
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve(stream));
                }
            });
            let server = Arc::new(Server::new(
                "fake".to_owned(),
                path.clone(),
                Protocol::MessagePack,
                Duration::from_millis(50),
            ));
            for asked in 1..=SILENT {
                let mut lease = server.lease().await.expect("connected");
                assert_eq!(&**lease.life(), "7 ");
                let silent = lease.call("plugin.HandleEvent", Value::Nil).await;
                assert!(matches!(silent, Err(CallError::Timeout(_))), "{asked}");
                assert_eq!(server.ends(), u64::from(asked == SILENT));
            }
            let mut lease = server.lease().await.expect("connected");
            lease.call("plugin.CloseInstance", 1.into()).await.expect("answered");
            lease.give_back();
            assert_eq!(WAITING.with_borrow(|all| all[&server.number].len()), 1);
            drop(server.lease().await.expect("the same connection"));
            assert_eq!(WAITING.with_borrow(|all| all[&server.number].len()), 0);
            assert_eq!(server.requests.load(Relaxed), 0);
        });
    }

    #[test]
    fn who_is_not_there_and_who_is_one_too_many_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, limit) = (folder.path().join("socket"), Duration::from_secs(1));
        let server = Arc::new(Server::new("gone".to_owned(), path, Protocol::MessagePack, limit));
        within(async {
            assert!(matches!(server.lease().await, Err(CallError::Unreachable(_))));
            let all: Vec<_> = (0..MOST).map(|_| Admitted::at(&server).expect("a place")).collect();
            assert!(matches!(server.lease().await, Err(CallError::Crowded(MOST))));
            drop(all);
            assert!(Admitted::at(&server).is_ok());
        });
    }

    #[test]
    fn a_life_is_a_process_and_its_plugins() {
        let status = |pid: u64, loaded: f64| {
            let plugin = wire::map([("LoadTime", Value::F64(loaded))]);
            wire::map([("Pid", pid.into()), ("Plugins", wire::map([("a", plugin)]))])
        };
        assert_eq!(life(&status(7, 1.5)), "7 1.5");
        assert_ne!(life(&status(7, 1.5)), life(&status(7, 2.5)));
        assert_eq!(life(&Value::Nil), "nil ");
    }
}
