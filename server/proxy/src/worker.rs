//! What one worker (an arbiter that hosts proxy listeners) owns, and what workers share.

use crate::buffers::Buffers;
use crate::date::Date;
use crate::dns::Resolver;
use crate::h2::lines::Lines;
use crate::settings::ProxySettings;
use crate::sweep::{Deadlines, TICK};
use crate::targets::Targets;
use crate::traffic::{Traffic, WorkerTraffic};
use crate::upstream::pool::{Limits, Pool};
use arc_swap::Cache;
use exchange::trace::Tracer;
use exchange::{Exchange, Scheme, TlsSession};
use outbox::Outbox;
use snapshot::{Published, Snapshot};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a node that stops waits for the first request of a client that has connected: it asks in the belief that it is
/// served.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// Looks at every Exchange when its last byte has gone: the access log.
pub trait Observer: Send + Sync {
    /// The Exchange is over. Called on the worker; must not wait.
    fn finished(&self, exchange: &Exchange);
}

/// Looks at every Exchange of one worker, from its beginning on. Its methods must not wait.
pub trait Watcher {
    /// The head was read, nothing was done with it.
    fn begin(&mut self, exchange: &mut Exchange);

    /// The Exchange is over.
    fn finished(&mut self, exchange: &Exchange);

    /// Called every 50 ms.
    fn tick(&mut self, now: SystemTime);
}

/// Makes the watcher of a worker that begins.
pub type Watching = Arc<dyn Fn() -> Box<dyn Watcher> + Send + Sync>;

/// What a thread is for that serves clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Connections: it is a worker.
    Connections,
    /// UDP.
    Datagrams,
}

/// What all workers of a node share.
pub struct Shared {
    /// Settings.
    pub settings: Arc<ProxySettings>,
    /// The Snapshot in use.
    pub published: Published,
    /// Names to addresses.
    pub resolver: Arc<Resolver>,
    /// Balancers of the Upstreams.
    pub targets: Arc<Targets>,
    /// Connections and requests, counted.
    pub traffic: Arc<Traffic>,
    /// The access log; `None` = off.
    pub observer: Option<Arc<dyn Observer>>,
    /// What remembers requests; `None` = nothing does.
    pub watching: Option<Watching>,
    /// Distributed tracing; `None` = off.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// What else begins on a thread that serves clients; it may be called again.
    pub begins: Option<Arc<dyn Fn(Purpose) + Send + Sync>>,
    /// Set when the node stops gracefully: connections end after the request they are in.
    pub stopping: AtomicBool,
}

/// A listener, as requests see it.
#[derive(Clone, Debug)]
pub struct ListenerContext {
    /// Whether its connections are TLS.
    pub scheme: Scheme,
    /// Its port after `port_maps`: what `X-Forwarded-Port` says.
    pub port: u16,
    /// Whether it speaks HTTP/2 (`http2`).
    pub http2: bool,
}

/// The ends of a client connection.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// The client's; `None` on Unix sockets. With the PROXY protocol this is the proxy's.
    pub peer: Option<SocketAddr>,
    /// Ours.
    pub local: Option<SocketAddr>,
    /// Where the PROXY protocol says the connection comes from.
    pub proxied: Option<SocketAddr>,
    /// The TLS session.
    pub tls: Option<Arc<TlsSession>>,
    /// Whether ALPN chose HTTP/2.
    pub http2: bool,
}

/// What one worker owns. Never leaves its thread.
pub struct Worker {
    /// What it shares with others.
    pub shared: Arc<Shared>,
    /// Settings, nearer.
    pub settings: Arc<ProxySettings>,
    /// Idle buffers.
    pub buffers: Rc<Buffers>,
    /// Time limits.
    pub deadlines: Rc<Deadlines>,
    /// Idle upstream connections.
    pub pool: Pool,
    /// HTTP/2 connections to upstreams.
    pub lines: Rc<Lines>,
    /// The `Date` header.
    pub date: Date,
    /// What this worker counts.
    pub traffic: Arc<WorkerTraffic>,
    /// What remembers this worker's requests.
    pub watcher: Option<RefCell<Box<dyn Watcher>>>,
    snapshot: RefCell<Cache<Published, Arc<Snapshot>>>,
    #[expect(clippy::redundant_allocation, reason = "requests of one worker count without a locked instruction")]
    held: RefCell<Rc<Arc<Snapshot>>>,
    stopping: Cell<bool>,
    /// One moment on both clocks, read anew by each sweep.
    moment: Cell<(Instant, SystemTime)>,
}

impl Worker {
    /// A worker on this thread, with its sweep. Must be called on a running arbiter.
    pub fn start(shared: Arc<Shared>) -> Rc<Self> {
        let worker = Rc::new(Self::new(shared));
        if let Some(outbox) = &worker.buffers.outbox {
            actix_rt::spawn(outbox.drive());
        }
        let swept = Rc::downgrade(&worker);
        actix_rt::spawn(async move {
            let mut ticks = 0u32;
            let mut interval = actix_rt::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let Some(worker) = swept.upgrade() else { return };
                worker.sweep(ticks.is_multiple_of(20));
                ticks = ticks.wrapping_add(1);
            }
        });
        worker
    }

    fn new(shared: Arc<Shared>) -> Self {
        let settings = shared.settings.clone();
        let idle = settings.upstream_keepalive_idle_timeout.as_millis();
        let limits = Limits {
            size: settings.upstream_keepalive_pool_size,
            requests: settings.upstream_keepalive_max_requests,
            idle: u64::try_from(idle).unwrap_or(u64::MAX),
        };
        let traffic = shared.traffic.worker();
        let outbox = match settings.io_uring {
            true => Outbox::new().inspect_err(|error| tracing::info!("io_uring is not used: {error}")).ok(),
            false => None,
        };
        Self {
            snapshot: RefCell::new(Cache::new(shared.published.clone())),
            held: RefCell::new(Rc::new(shared.published.load_full())),
            settings,
            buffers: Rc::new(Buffers::with(outbox)),
            deadlines: Rc::default(),
            pool: Pool::new(limits, traffic.clone()),
            lines: Rc::new(Lines::new(limits)),
            date: Date::default(),
            traffic,
            watcher: shared.watching.as_ref().map(|watcher| RefCell::new(watcher())),
            stopping: Cell::new(false),
            moment: Cell::new((Instant::now(), SystemTime::now())),
            shared,
        }
    }

    /// The Snapshot that a request beginning now sees from begin to end. Counted by this worker alone: workers that
    /// all count on one Snapshot would wait for each other.
    #[inline]
    pub fn snapshot(&self) -> Rc<Arc<Snapshot>> {
        let mut cache = self.snapshot.borrow_mut();
        let latest = cache.load();
        let mut held = self.held.borrow_mut();
        if !Arc::ptr_eq(&held, latest) {
            *held = Rc::new(latest.clone());
            // They hold on to the one before.
            self.buffers.forget_exchanges();
        }
        held.clone()
    }

    /// The wall clock at a moment of the monotonic one. What is read is at most a sweep old, so that a request costs
    /// one reading of a clock less.
    pub fn wall(&self, at: Instant) -> SystemTime {
        let (instant, wall) = self.moment.get();
        match at.checked_duration_since(instant) {
            Some(since) => wall + since,
            None => wall,
        }
    }

    /// Whether connections should end after the request they are in.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    fn sweep(&self, rarely: bool) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        self.moment.set((now, wall));
        self.deadlines.sweep(now);
        if let Some(watcher) = &self.watcher {
            watcher.borrow_mut().tick(wall);
        }
        if rarely {
            self.pool.sweep(self.deadlines.now());
            self.lines.sweep(self.deadlines.now());
            // An idle worker lets go of an old configuration too.
            self.snapshot();
        }
        if !self.stopping.get() && self.shared.stopping.load(Ordering::Relaxed) {
            self.stopping.set(true);
            self.deadlines.wake_all();
        }
    }
}
