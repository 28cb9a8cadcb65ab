//! The `Shipper` actor: tends the queues of what loggers send, on a thread that begins with the first of them; and the
//! HTTP client of plugins, on the same thread.
//!
//! Queues belong to the node: entries wait in them while this actor is being restarted, and only a batch that was
//! under way is lost.

use super::Panic;
use super::redis::Outside;
use crate::supervise::{Life, Supervised};
use actix::{Actor, ArbiterHandle, AsyncContext, Context, Handler, Message, WrapFuture};
use actix_rt::System;
use exchange::http_client::{Asking, HttpClient, HttpError, HttpRequest, HttpResponse};
use rustls::ClientConfig;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use telemetry::ship::{Calls, Depot, Network, Queue, Resolving, Yard};
use tokio::sync::{mpsc, oneshot};

/// Requests of plugins that may be under way at the same time.
const MAX_CALLS: usize = 16_384;

/// Sends what waits in the queues.
pub struct Shipper {
    depot: Arc<Depot>,
    yard: Rc<Yard>,
    tended: HashSet<usize>,
    _life: Life,
}

impl Shipper {
    /// An actor over the node's queues.
    pub fn new(depot: Arc<Depot>, network: Arc<dyn Network>, life: Life) -> Self {
        Self { yard: Yard::new(depot.clone(), network), depot, tended: HashSet::new(), _life: life }
    }

    fn tend(&mut self, queue: Arc<Queue>, context: &mut Context<Self>) {
        let id = Arc::as_ptr(&queue).addr();
        if self.tended.insert(id) {
            let tending = self.yard.clone().tend(queue).into_actor(self);
            context.spawn(actix::ActorFutureExt::map(tending, move |(), actor, _| {
                actor.tended.remove(&id);
            }));
        }
    }
}

impl Actor for Shipper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        for queue in self.depot.queues() {
            self.tend(queue, context);
        }
    }
}

/// A queue begins.
#[derive(Message)]
#[rtype(result = "()")]
struct Begin(Arc<Queue>);

impl Handler<Begin> for Shipper {
    type Result = ();

    fn handle(&mut self, Begin(queue): Begin, context: &mut Context<Self>) {
        self.tend(queue, context);
    }
}

/// The node ends: what waits is sent now or never.
#[derive(Message)]
#[rtype(result = "()")]
struct Hurry;

impl Handler<Hurry> for Shipper {
    type Result = ();

    fn handle(&mut self, _: Hurry, _: &mut Context<Self>) {
        self.yard.hurry();
    }
}

impl Handler<Panic> for Shipper {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}

impl Network for Outside {
    fn resolve(&self, name: &str, port: u16) -> Resolving {
        redis_client::Network::resolve(self, name, port)
    }

    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        redis_client::Network::tls(self, verify)
    }
}

/// What goes out for plugins. One per node.
pub struct Outbound {
    /// The queues.
    pub depot: Arc<Depot>,
    network: Arc<dyn Network>,
    thread: OnceLock<Result<Thread, String>>,
}

struct Thread {
    shipper: Supervised<Shipper>,
    calls: mpsc::UnboundedSender<Call>,
    under_way: Arc<AtomicUsize>,
}

struct Call {
    request: HttpRequest,
    reply: oneshot::Sender<Result<HttpResponse, HttpError>>,
}

impl Outbound {
    /// Nothing runs yet.
    pub fn new(network: Arc<dyn Network>) -> Arc<Self> {
        let outbound = Arc::new(Self { depot: Arc::default(), network, thread: OnceLock::new() });
        let weak = Arc::downgrade(&outbound);
        outbound.depot.tended_by(move |queue| {
            if let Some(Ok(thread)) = weak.upgrade().as_deref().map(Self::thread) {
                thread.shipper.tell(Begin(queue));
            }
        });
        outbound
    }

    fn thread(&self) -> Result<&Thread, HttpError> {
        let thread = self.thread.get_or_init(|| Thread::start(&self.depot, &self.network));
        thread.as_ref().map_err(|error| {
            tracing::error!(error, "nothing can be sent for plugins");
            HttpError::new(error)
        })
    }

    /// Sends what waits, for at most so long.
    pub async fn stop(&self, bound: Duration) {
        let Some(Ok(thread)) = self.thread.get() else { return };
        thread.shipper.stop();
        thread.shipper.tell(Hurry);
        let deadline = Instant::now() + bound;
        let waiting = || self.depot.counts().iter().map(|counts| counts.waiting).sum::<u64>();
        while waiting() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if waiting() > 0 {
            tracing::warn!(entries = waiting(), "entries of loggers were not sent before the node ended");
        }
    }
}

impl Thread {
    fn start(depot: &Arc<Depot>, network: &Arc<dyn Network>) -> Result<Self, String> {
        let (ready, handle) = sync_channel::<ArbiterHandle>(1);
        let run = move || {
            let system = System::new();
            let _ = ready.send(System::current().arbiter().clone());
            let _ = system.run();
        };
        let explain = |error: &dyn std::fmt::Display| format!("the thread cannot be started: {error}");
        std::thread::Builder::new().name("outbound".into()).spawn(run).map_err(|error| explain(&error))?;
        let handle = handle.recv().map_err(|error| explain(&error))?;
        let shipper = {
            let (depot, network) = (depot.clone(), network.clone());
            Supervised::start(&handle, "Shipper", move |life| Shipper::new(depot.clone(), network.clone(), life))
        };
        let (calls, queue) = mpsc::unbounded_channel();
        let under_way = Arc::new(AtomicUsize::new(0));
        let (network, counted) = (network.clone(), under_way.clone());
        handle.spawn_fn(move || {
            actix_rt::spawn(answer(queue, Rc::new(Calls::new(&network)), counted));
        });
        Ok(Self { shipper, calls, under_way })
    }
}

async fn answer(mut queue: mpsc::UnboundedReceiver<Call>, calls: Rc<Calls>, under_way: Arc<AtomicUsize>) {
    while let Some(Call { request, mut reply }) = queue.recv().await {
        let (calls, under_way) = (calls.clone(), under_way.clone());
        actix_rt::spawn(async move {
            tokio::select! {
                answer = calls.send(request) => drop(reply.send(answer)),
                // Nobody waits for it any more.
                () = reply.closed() => {}
            }
            under_way.fetch_sub(1, Relaxed);
        });
    }
}

impl HttpClient for Outbound {
    fn send(&self, request: HttpRequest) -> Asking {
        let refuse = |error: HttpError| -> Asking { Box::pin(std::future::ready(Err(error))) };
        let thread = match self.thread() {
            Ok(thread) => thread,
            Err(error) => return refuse(error),
        };
        if thread.under_way.fetch_add(1, Relaxed) >= MAX_CALLS {
            thread.under_way.fetch_sub(1, Relaxed);
            return refuse(HttpError::new("too many requests are under way"));
        }
        let (reply, answer) = oneshot::channel();
        let gone = || HttpError::new("the HTTP client has stopped");
        if thread.calls.send(Call { request, reply }).is_err() {
            return refuse(gone());
        }
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(gone())) })
    }
}
