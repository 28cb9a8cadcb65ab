//! The way to one server: a queue of questions, and a connection that is made when there are any.

use crate::connection;
use crate::network::Network;
use crate::script::{self, Command};
use exchange::redis::{RedisAddress, RedisError};
use redis::Value;
use redis::aio::MultiplexedConnection;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a connection is kept that nobody uses (Kong: keepalive of 10 s).
const IDLE: Duration = Duration::from_secs(10);

/// Stands for a time-out of zero (Kong: `lua_socket_*_timeout`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

type Outcome = Result<Value, RedisError>;

struct Job {
    command: Command,
    listener: Listener,
}

/// Who hears what comes of a command.
enum Listener {
    /// Somebody who waits, and may have gone.
    Waiting(oneshot::Sender<Outcome>),
    /// Nobody waits, and it is done all the same.
    Beside(Box<dyn FnOnce(Outcome) + Send>),
}

impl Listener {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Waiting(reply) if reply.is_closed())
    }

    fn hear(self, outcome: Outcome) {
        match self {
            // Who asked may have gone.
            Self::Waiting(reply) => _ = reply.send(outcome),
            Self::Beside(done) => done(outcome),
        }
    }
}

/// The way to one server. Its task ends with the last of these.
#[derive(Clone)]
pub(crate) struct Link {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Link {
    /// A link, and the task that serves it.
    pub(crate) fn new(address: RedisAddress, network: Arc<dyn Network>) -> (Self, impl Future<Output = ()> + Send) {
        let (jobs, queue) = mpsc::unbounded_channel();
        (Self { jobs }, serve(address, network, queue))
    }

    /// Asks at once; the answer is waited for.
    pub(crate) fn ask(&self, command: Command) -> impl Future<Output = Outcome> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Job { command, listener: Listener::Waiting(reply) });
        async move {
            let stopped = || RedisError::new("the node is stopping");
            sent.map_err(|_| stopped())?;
            answer.await.unwrap_or_else(|_| Err(stopped()))
        }
    }

    /// Says something at once whose answer nobody waits for.
    pub(crate) fn tell(&self, command: Command, done: Box<dyn FnOnce(Outcome) + Send>) {
        if let Err(mpsc::error::SendError(job)) = self.jobs.send(Job { command, listener: Listener::Beside(done) }) {
            job.listener.hear(Err(RedisError::new("the node is stopping")));
        }
    }

    /// As [`Command::Add`], with the counts that came of it.
    pub(crate) fn add(
        &self,
        mark: Option<script::Mark>,
        amounts: Vec<(exchange::redis::RemoteCounter, i64)>,
    ) -> impl Future<Output = Result<Vec<Option<i64>>, RedisError>> + Send + use<> {
        let length = amounts.len();
        let answer = self.ask(Command::Add(mark, amounts));
        async move { script::counts(answer.await?, length) }
    }

    /// As [`Command::Take`].
    pub(crate) fn take(
        &self,
        counters: Vec<exchange::redis::RemoteCounter>,
    ) -> impl Future<Output = Result<exchange::counters::Taken, RedisError>> + Send + use<> {
        let length = counters.len();
        let answer = self.ask(Command::Take(counters));
        async move { script::taken(answer.await?, length) }
    }
}

/// An open connection.
#[derive(Clone)]
struct Line {
    connection: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl Line {
    async fn open(address: &RedisAddress, network: &dyn Network) -> Result<Self, RedisError> {
        let (connection, driver) = connection::open(address, network).await?;
        let broken = Arc::new(AtomicBool::new(false));
        let ended = broken.clone();
        // Ends when the server closes, so that nobody is sent into a dead connection; else with the last clone of it.
        tokio::spawn(async move {
            driver.await;
            ended.store(true, Ordering::Relaxed);
        });
        Ok(Self { connection, broken })
    }

    fn works(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }

    async fn run(mut self, job: Job, limit: Duration) {
        let outcome = match tokio::time::timeout(limit, job.command.run(&mut self.connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() || error.is_io_error() || error.code().is_some_and(elsewhere) {
                    self.broken.store(true, Ordering::Relaxed);
                }
                Err(RedisError::new(error))
            }
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                Err(RedisError::new("timeout"))
            }
        };
        job.listener.hear(outcome);
    }
}

/// Whether an error tells that this server, or whom we are to it, has changed: a new connection may find a better one.
fn elsewhere(code: &str) -> bool {
    matches!(code, "READONLY" | "MASTERDOWN" | "LOADING" | "NOAUTH" | "NOPERM")
}

/// A limit of time as it counts; zero is the default.
fn effective(limit: Duration) -> Duration {
    if limit.is_zero() { DEFAULT_TIMEOUT } else { limit }
}

async fn serve(address: RedisAddress, network: Arc<dyn Network>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let limit = effective(address.timeout);
    let patience = address.connect_timeout.map_or(limit, effective);
    let mut line: Option<Line> = None;
    loop {
        let job = match &line {
            None => jobs.recv().await,
            Some(_) => match tokio::time::timeout(IDLE, jobs.recv()).await {
                Ok(job) => job,
                Err(_) => {
                    line = None;
                    continue;
                }
            },
        };
        let Some(job) = job else { return };
        if job.listener.is_gone() {
            continue;
        }
        let open = match line.take().filter(Line::works) {
            Some(open) => open,
            None => match tokio::time::timeout(patience, Line::open(&address, network.as_ref())).await {
                Ok(Ok(open)) => open,
                outcome => {
                    let error = match outcome {
                        Ok(Err(error)) => error,
                        _ => RedisError::new("timeout"),
                    };
                    // They all waited for this connection.
                    job.listener.hear(Err(error.clone()));
                    while let Ok(job) = jobs.try_recv() {
                        job.listener.hear(Err(error.clone()));
                    }
                    continue;
                }
            },
        };
        tokio::spawn(open.clone().run(job, limit));
        line = Some(open);
    }
}
