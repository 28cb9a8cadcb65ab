//! Series of metrics by their labels: one table per thread, found without a lock by what a request belongs to.

use super::histogram::{BUCKETS, Histogram, KONG_BUCKETS, Summed, add};
use exchange::{Consumer, Exchange};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Series of one kind that one thread keeps; further ones become one that is called [`OTHER`].
const MOST: usize = 20_000;

/// What requests are remembered by at most; with more, all are forgotten (their counts are not).
const MOST_KNOWN: usize = 16_384;

/// The label of what is beyond [`MOST`].
const OTHER: &str = "(other)";

/// Where a request went.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Name or host of the Service; empty where there is none.
    pub service: Arc<str>,
    /// Name or id of the Route.
    pub route: Arc<str>,
    /// Name of the workspace.
    pub workspace: Arc<str>,
}

impl Place {
    fn other() -> Self {
        Self { service: OTHER.into(), route: OTHER.into(), workspace: OTHER.into() }
    }

    fn of(exchange: &Exchange, route: &entities::Route) -> Self {
        let service = exchange.service.as_deref();
        Self {
            service: service.map_or("", |service| service.name.as_deref().unwrap_or(&service.host)).into(),
            route: route.name.clone().unwrap_or_else(|| route.id.to_string()).into(),
            workspace: exchange.directory.workspace_name(exchange.workspace).unwrap_or_else(|| Arc::from("")),
        }
    }
}

/// Bytes of a place and a Consumer.
#[derive(Debug, Default)]
struct Bytes {
    ingress: AtomicU64,
    egress: AtomicU64,
}

/// Latencies of a place.
#[derive(Debug)]
struct Times {
    kong: Histogram,
    upstream: Histogram,
    request: Histogram,
}

impl Default for Times {
    fn default() -> Self {
        Self { kong: Histogram::new(KONG_BUCKETS), upstream: Histogram::new(BUCKETS), request: Histogram::new(BUCKETS) }
    }
}

/// Answers: place, status, whether an upstream answered, Consumer.
type Answers = (Place, u16, bool, Arc<str>);

/// The series of one thread.
#[derive(Debug, Default)]
struct Shard {
    answers: HashMap<Answers, Arc<AtomicU64>>,
    bytes: HashMap<(Place, Arc<str>), Arc<Bytes>>,
    times: HashMap<Place, Arc<Times>>,
    sessions: HashMap<Sessions, Arc<AtomicU64>>,
    durations: HashMap<Place, Arc<Duration>>,
}

/// Sessions of the stream subsystem: place, status, whether an upstream was reached.
type Sessions = (Place, u16, bool);

/// How long sessions of a place lasted.
#[derive(Debug)]
struct Duration(Histogram);

impl Default for Duration {
    fn default() -> Self {
        Self(Histogram::new(BUCKETS))
    }
}

static SHARDS: Mutex<Vec<Arc<Mutex<Shard>>>> = Mutex::new(Vec::new());
static FOLDED: AtomicU64 = AtomicU64::new(0);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The series of a key; beyond the bound that of another key.
fn series<K: std::hash::Hash + Eq + Clone, V: Default>(
    map: &mut HashMap<K, Arc<V>>,
    key: K,
    other: impl FnOnce(K) -> K,
) -> Arc<V> {
    let key = match map.len() < MOST || map.contains_key(&key) {
        true => key,
        false => {
            FOLDED.fetch_add(1, Relaxed);
            other(key)
        }
    };
    map.entry(key).or_default().clone()
}

/// What a request is recognised by. Weak handles keep the addresses from being used again.
#[derive(PartialEq, Eq, Hash)]
struct Request {
    route: usize,
    consumer: usize,
    status: u16,
    proxied: bool,
}

struct Known {
    _held: (Weak<entities::Route>, Option<Weak<Consumer>>),
    answers: Arc<AtomicU64>,
    bytes: Arc<Bytes>,
    times: Arc<Times>,
}

struct Local {
    shard: Arc<Mutex<Shard>>,
    known: HashMap<Request, Known, foldhash::fast::RandomState>,
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new({
        let shard = Arc::new(Mutex::new(Shard::default()));
        lock(&SHARDS).push(shard.clone());
        Local { shard, known: HashMap::default() }
    });
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recorded {
    /// Answers by status.
    pub answers: bool,
    /// Latencies.
    pub times: bool,
    /// Bytes.
    pub bytes: bool,
    /// Whether Consumers are told apart.
    pub per_consumer: bool,
}

/// Records a request that is over; one without a Route is not.
pub fn record(exchange: &Exchange, what: Recorded) {
    let Some(route) = exchange.route_entity() else { return };
    let consumer = exchange.identity.consumer.as_ref().filter(|_| what.per_consumer);
    let request = Request {
        route: Arc::as_ptr(route).addr(),
        consumer: consumer.map_or(0, |consumer| Arc::as_ptr(consumer).addr()),
        status: exchange.response.status,
        proxied: exchange.is_proxied(),
    };
    LOCAL.with_borrow_mut(|local| {
        if !local.known.contains_key(&request) {
            if local.known.len() >= MOST_KNOWN {
                local.known.clear();
            }
            let known = Known::of(exchange, route, consumer, &local.shard);
            local.known.insert(Request { ..request }, known);
        }
        let Some(known) = local.known.get(&request) else { return };
        if what.answers {
            add(&known.answers, 1);
        }
        if what.bytes {
            add(&known.bytes.ingress, exchange.request.head_bytes as u64 + exchange.request.body_bytes);
            add(&known.bytes.egress, exchange.response.head_sent + exchange.response.body_sent);
        }
        if what.times {
            let latencies = exchange::log_entry::Latencies::of(exchange);
            known.times.kong.note(latencies.kong);
            known.times.request.note(latencies.request);
            if let Some(proxy) = latencies.proxy {
                known.times.upstream.note(proxy);
            }
        }
    });
}

/// Records a session of the stream subsystem that is over; one without a Route is not. Sessions are fewer than requests:
/// their series are looked up each time.
pub fn record_session(exchange: &Exchange, what: Recorded) {
    let Some(route) = exchange.route_entity() else { return };
    let place = Place::of(exchange, route);
    let status = exchange.response.status;
    LOCAL.with_borrow(|local| {
        let mut shard = lock(&local.shard);
        if what.answers {
            let key = (place.clone(), status, status == 200);
            add(&series(&mut shard.sessions, key, |key| (Place::other(), key.1, key.2)), 1);
        }
        if what.times {
            let lasted = u32::try_from(exchange.timeline.lasted().as_millis()).unwrap_or(u32::MAX);
            series(&mut shard.durations, place, |_| Place::other()).0.note(lasted);
        }
    });
}

impl Known {
    fn of(
        exchange: &Exchange,
        route: &Arc<entities::Route>,
        consumer: Option<&Arc<Consumer>>,
        shard: &Mutex<Shard>,
    ) -> Self {
        let place = Place::of(exchange, route);
        let name: Arc<str> = consumer.and_then(|consumer| consumer.username.clone()).unwrap_or_else(|| Arc::from(""));
        let mut shard = lock(shard);
        let (status, proxied) = (exchange.response.status, exchange.is_proxied());
        let answers = series(&mut shard.answers, (place.clone(), status, proxied, name.clone()), |key| {
            (Place::other(), key.1, key.2, OTHER.into())
        });
        let bytes = series(&mut shard.bytes, (place.clone(), name), |_| (Place::other(), OTHER.into()));
        let times = series(&mut shard.times, place, |_| Place::other());
        Self { _held: (Arc::downgrade(route), consumer.map(Arc::downgrade)), answers, bytes, times }
    }
}

/// What all threads have recorded, in order.
#[derive(Debug, Default)]
pub struct Sums {
    /// Answers.
    pub answers: BTreeMap<Answers, u64>,
    /// Bytes in and out.
    pub bytes: BTreeMap<(Place, Arc<str>), [u64; 2]>,
    /// Latencies: in the gateway, of upstreams, altogether.
    pub times: BTreeMap<Place, [Summed; 3]>,
    /// Sessions of the stream subsystem.
    pub sessions: BTreeMap<Sessions, u64>,
    /// How long they lasted.
    pub durations: BTreeMap<Place, Summed>,
    /// Series that were folded into others.
    pub folded: u64,
}

/// Adds up. Series in which nothing was recorded are left out.
pub fn sums() -> Sums {
    let mut sums = Sums { folded: FOLDED.load(Relaxed), ..Sums::default() };
    let shards = lock(&SHARDS).clone();
    for shard in shards {
        let shard = lock(&shard);
        for (key, count) in &shard.answers {
            *sums.answers.entry(key.clone()).or_default() += count.load(Relaxed);
        }
        for (key, bytes) in &shard.bytes {
            let [ingress, egress] = sums.bytes.entry(key.clone()).or_default();
            *ingress += bytes.ingress.load(Relaxed);
            *egress += bytes.egress.load(Relaxed);
        }
        for (key, count) in &shard.sessions {
            *sums.sessions.entry(key.clone()).or_default() += count.load(Relaxed);
        }
        for (place, duration) in &shard.durations {
            duration.0.add_to(sums.durations.entry(place.clone()).or_default());
        }
        for (place, times) in &shard.times {
            let sum = sums.times.entry(place.clone()).or_default();
            for (histogram, sum) in [&times.kong, &times.upstream, &times.request].into_iter().zip(sum) {
                histogram.add_to(sum);
            }
        }
    }
    sums.answers.retain(|_, count| *count > 0);
    sums.bytes.retain(|_, bytes| *bytes != [0, 0]);
    sums.times.retain(|_, times| times.iter().any(|sum| sum.count() > 0));
    sums
}
