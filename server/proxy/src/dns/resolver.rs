//! The resolver of a node.

use super::answer::{DnsError, Found};
use super::cache::Cache;
use super::query::Query;
use super::settings::{DnsSettings, Order};
use balancer::RecordKind;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Looks names up. One per node; its questions run on a thread of its own, and workers read what is known without
/// waiting.
pub struct Resolver {
    cache: Arc<Cache>,
    jobs: mpsc::UnboundedSender<Job>,
    runtime: Handle,
}

struct Job {
    name: Box<str>,
    reply: Option<oneshot::Sender<Found>>,
}

/// What [`Resolver::resolve`] has to say at once.
#[derive(Debug)]
pub enum Resolve {
    /// It is known, perhaps from a while ago.
    Known(Found),
    /// Servers are being asked.
    Wait(Waiting),
}

impl Resolve {
    /// Waits where waiting is needed.
    pub async fn found(self) -> Found {
        match self {
            Self::Known(found) => found,
            Self::Wait(waiting) => waiting.await,
        }
    }
}

/// The answer that servers are being asked for.
#[derive(Debug)]
pub struct Waiting(oneshot::Receiver<Found>);

impl Future for Waiting {
    type Output = Found;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Found> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(stopped())))
    }
}

fn stopped() -> DnsError {
    DnsError::Failed(Arc::from("failed to query DNS server: the resolver has stopped"))
}

/// The resolver's thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the DNS resolver: {0}")]
pub struct StartError(String);

impl Resolver {
    /// Starts the resolver's thread. It ends with the last clone of this `Arc`.
    pub fn start(settings: &DnsSettings) -> Result<Arc<Self>, StartError> {
        let cache = Arc::new(Cache::new(settings));
        let hosts = std::fs::read(&settings.hosts_file).unwrap_or_default();
        for (name, ip) in super::hosts::parse(&String::from_utf8_lossy(&hosts)) {
            cache.fix(&name, ip, Instant::now());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError(error.to_string()))?;
        let query = {
            let _inside = runtime.enter();
            Arc::new(Query::new(settings).map_err(|error| StartError(error.to_string()))?)
        };
        let handle = runtime.handle().clone();
        let (jobs, queue) = mpsc::unbounded_channel();
        let own = cache.clone();
        std::thread::Builder::new()
            .name("dns".into())
            .spawn(move || runtime.block_on(serve(queue, own, query)))
            .map_err(|error| StartError(error.to_string()))?;
        Ok(Arc::new(Self { cache, jobs, runtime: handle }))
    }

    /// What a name stands for. Answers that are too old are given while a new one is sought, for `dns_stale_ttl`.
    /// Addresses are not names: the caller keeps them to itself.
    pub fn resolve(&self, name: &str) -> Resolve {
        let name: Cow<'_, str> = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        if let Some(entry) = self.cache.get(&name) {
            let now = Instant::now();
            if now < entry.fresh_until {
                return Resolve::Known(entry.found.clone());
            }
            if entry.found.is_ok() && now < entry.usable_until {
                if entry.claim() {
                    let _ = self.jobs.send(Job { name: name.as_ref().into(), reply: None });
                }
                return Resolve::Known(entry.found.clone());
            }
        }
        let (reply, answer) = oneshot::channel();
        match self.jobs.send(Job { name: name.as_ref().into(), reply: Some(reply) }) {
            Ok(()) => Resolve::Wait(Waiting(answer)),
            Err(_) => Resolve::Known(Err(stopped())),
        }
    }

    /// As [`Resolver::resolve`], but not with an answer that is too old unless the servers have no newer one.
    pub(crate) fn renew(&self, name: &str) -> impl Future<Output = Found> + Send + use<> {
        let name = name.to_ascii_lowercase();
        let fresh = self.cache.get(&name).filter(|entry| Instant::now() < entry.fresh_until);
        let (reply, answer) = oneshot::channel();
        match fresh {
            Some(entry) => _ = reply.send(entry.found.clone()),
            None => _ = self.jobs.send(Job { name: name.into(), reply: Some(reply) }),
        }
        Waiting(answer)
    }

    /// The background runtime, for work that belongs to names.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Asks for every name in the queue, for each once at a time.
async fn serve(mut queue: mpsc::UnboundedReceiver<Job>, cache: Arc<Cache>, query: Arc<Query>) {
    let mut waiting: HashMap<Box<str>, Vec<oneshot::Sender<Found>>> = HashMap::new();
    let mut names: HashMap<tokio::task::Id, Box<str>> = HashMap::new();
    let mut questions = JoinSet::new();
    loop {
        let (id, found) = tokio::select! {
            job = queue.recv() => {
                let Some(job) = job else { return };
                if let Some(others) = waiting.get_mut(&job.name) {
                    others.extend(job.reply);
                    continue;
                }
                let (query, name, last) = (query.clone(), job.name.clone(), last_kind(&cache, &job.name));
                let task = questions.spawn(async move { query.ask(&name, last).await });
                names.insert(task.id(), job.name.clone());
                waiting.insert(job.name, job.reply.into_iter().collect());
                continue;
            }
            Some(done) = questions.join_next_with_id(), if !questions.is_empty() => match done {
                Ok((id, found)) => (id, found.map(Arc::new)),
                Err(error) => (error.id(), Err(DnsError::Failed(Arc::from(error.to_string())))),
            },
        };
        let Some(name) = names.remove(&id) else { continue };
        if let Err(error) = &found {
            tracing::debug!(%name, %error, "a name does not resolve");
        }
        let found = cache.put(&name, found, Instant::now());
        for reply in waiting.remove(&name).unwrap_or_default() {
            let _ = reply.send(found.clone());
        }
    }
}

/// The record type a name had the last time (`LAST`).
fn last_kind(cache: &Cache, name: &str) -> Option<Order> {
    let answer = cache.get(name)?.found.clone().ok()?;
    let service = answer.records.first().is_some_and(|record| record.srv.is_some());
    Some(match answer.kind {
        _ if service => Order::Srv,
        RecordKind::Aaaa => Order::Aaaa,
        _ => Order::A,
    })
}
