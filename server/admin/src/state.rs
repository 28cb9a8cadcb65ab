//! What the Admin API is given by the node it runs in.

use crate::enterprise::{self, Gate};
use crate::extension::Extension;
use crate::paths::Paths;
use crate::respond::HeaderPolicy;
use crate::route_match::RouteQuestion;
use crate::seen::Seen;
use declarative::Kinds;
use history::History;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Batch, Record, Revision, Store, View};

/// An answer that may take a while.
pub type Eventually<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a configuration did not come into effect. The previous one is still at work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// It is valid entity by entity, and cannot be compiled as a whole.
    #[error("{0}")]
    Refused(String),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It took too long.
    #[error("Timed out while loading configuration")]
    TimedOut,
    /// The node is going down.
    #[error("Kong currently exiting")]
    Exiting,
}

/// Brings a whole configuration into effect.
pub trait Publisher: Send + Sync + 'static {
    /// Compiles the batch's records, stores them and swaps the configuration that requests read; resolves when new
    /// requests see it. `hash` is what [`NodeView::configuration_hash`] tells from then on.
    fn load(&self, batch: Batch, hash: String) -> Eventually<'_, Result<(), LoadError>>;
}

/// Why the health of a Target cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFault {
    /// The Upstream checks no health.
    NoChecker,
    /// It has no such Target or address.
    NoTarget,
}

/// The health of Upstreams, as the balancers of this node see it.
pub trait HealthView: Send + Sync + 'static {
    /// Of each Target, in the order given: the members `health` and `data` to add to it.
    fn targets(&self, upstream: &Record, targets: &[Arc<Record>]) -> Vec<Map<String, Value>>;

    /// Of the Upstream as a whole: the object under `data` of `?balancer_health=1`.
    fn upstream(&self, upstream: &Record) -> Value;

    /// Sets the health of all addresses of a Target, or of one (`ip[:port]`).
    ///
    /// # Errors
    /// [`HealthFault`] when there is nothing to set.
    fn set(&self, upstream: &Record, target: &Record, address: Option<&str>, healthy: bool) -> Result<(), HealthFault>;
}

/// Connections and requests of all proxy listeners since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Open client connections.
    pub active: u64,
    /// Of these, reading a request.
    pub reading: u64,
    /// Of these, answering.
    pub writing: u64,
    /// Of these, idle.
    pub waiting: u64,
    /// Connections ever accepted.
    pub accepted: u64,
    /// Of these, served.
    pub handled: u64,
    /// Requests ever received.
    pub requests: u64,
}

/// What a node holds in memory, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeMemory {
    /// The process, all of it.
    pub process: u64,
    /// Parts of it, by the names that clients know; in the order of their names.
    pub areas: BTreeMap<String, Area>,
}

/// A part of a node's memory, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// In use.
    pub used: u64,
    /// At most.
    pub capacity: u64,
}

/// How often a node tells the database that it is there.
pub const NODE_BEAT: Duration = Duration::from_secs(10);
/// The kind of the records by which nodes do.
pub const NODE_ENTITY: &str = "clustering_data_planes";

/// Whether the node wants traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not; why.
    NotReady(String),
}

/// What a node tells of itself.
pub trait NodeView: Send + Sync + 'static {
    /// Connections and requests.
    fn counters(&self) -> Counters;

    /// What it holds in memory.
    fn memory(&self) -> NodeMemory {
        NodeMemory::default()
    }

    /// Called on a thread that lives for a part of what somebody waits for: which processors it may use is the node's to
    /// say.
    fn assist(&self) {}

    /// The hash of the configuration at work; 32 zeros when there is none.
    fn configuration_hash(&self) -> String;

    /// Whether the node can take traffic (apart from what the Admin API knows: draining, an empty configuration).
    fn readiness(&self) -> Readiness;

    /// Whether the database answered when it was last asked; of no meaning without one.
    fn database_reachable(&self) -> bool {
        true
    }

    /// What is kept of the database's answers under a name of Kong's cache; `None` where nothing is.
    fn kept(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Forgets what is kept under a name, or all of it.
    fn forget(&self, _name: Option<&str>) {}

    /// This Admin API has changed records of some kinds. When it resolves, this node keeps nothing that they make untrue.
    fn changed<'a>(&'a self, _revision: Revision, _kinds: &'a [&'static str]) -> Eventually<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Who answers paths that are not about entities. Asked once, when the Admin API is made.
    fn extensions(&self) -> Vec<Arc<dyn Extension>> {
        Vec::new()
    }

    /// Metrics, in Prometheus's text format.
    fn metrics(&self) -> String {
        String::new()
    }

    /// What would become of a request by the configuration in use. Blocks. The error is a sentence on the question.
    fn route_match(&self, _question: &RouteQuestion, _seen: &Seen) -> Result<Value, String> {
        Err("this node routes no requests".into())
    }

    /// What it remembers of requests; `None` where that is off.
    fn history(&self) -> Option<Arc<History>> {
        None
    }

    /// The records of the configuration in use, as far as they are in memory.
    fn in_use(&self) -> Option<Arc<View>> {
        None
    }

    /// The log level: `debug`, `info`, `notice`, `warn`, `error`, `crit`.
    fn log_level(&self) -> String;

    /// Sets the log level for a while.
    fn set_log_level(&self, level: &str, duration: Duration);

    /// Sets the log level of every node on the same database for a while.
    fn set_cluster_log_level(&self, level: &str, duration: Duration) {
        self.set_log_level(level, duration);
    }
}

/// Facts about a node that do not change while it runs.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// Its id, a UUID.
    pub node_id: String,
    /// Its host's name.
    pub hostname: String,
    /// The settings as shown: every property with its parsed value, secrets starred out.
    pub configuration: Map<String, Value>,
    /// How many workers serve the proxy.
    pub workers: usize,
}

/// Limits of the Admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes (`nginx_admin_client_max_body_size`).
    pub body: usize,
    /// Longest body of `POST /config`, in bytes.
    pub configuration: usize,
    /// How long nothing may come while a body is read (`nginx_admin_client_body_timeout`): a client that waits longer
    /// holds a buffer and a connection for nothing.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { body: 10 << 20, configuration: 256 << 20, patience: Duration::from_secs(60) }
    }
}

/// Everything the Admin API needs; shared by its workers.
#[derive(Clone)]
pub struct AdminState {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) publish: Arc<dyn Publisher>,
    pub(crate) health: Arc<dyn HealthView>,
    pub(crate) node: Arc<dyn NodeView>,
    pub(crate) facts: NodeFacts,
    pub(crate) headers: HeaderPolicy,
    pub(crate) limits: Limits,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) admin_paths: Paths,
    pub(crate) status_paths: Paths,
    pub(crate) extensions: Vec<Arc<dyn Extension>>,
    pub(crate) loading: AtomicBool,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    /// Whether the node wants no more traffic.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The parts that [`AdminState`] is made of.
pub struct Parts {
    /// The kinds of entities, with the node's definitions.
    pub kinds: Arc<Kinds>,
    /// Where entities live.
    pub store: Arc<dyn Store>,
    /// What brings configurations into effect.
    pub publish: Arc<dyn Publisher>,
    /// The health of Upstreams.
    pub health: Arc<dyn HealthView>,
    /// The node's own figures.
    pub node: Arc<dyn NodeView>,
    /// What the node is.
    pub facts: NodeFacts,
    /// Which headers answers carry.
    pub headers: HeaderPolicy,
    /// How long bodies may be.
    pub limits: Limits,
    /// Who is let in, on a node with a database. Without one there are no workspaces, users and admins.
    pub gate: Option<Arc<Gate>>,
}

impl AdminState {
    /// From its parts.
    pub fn new(parts: Parts) -> AdminState {
        let database = parts.kinds.definitions().database();
        let extensions = parts.node.extensions();
        let mut admin_paths = Paths::admin(&parts.kinds).extended(&extensions, false);
        if parts.gate.is_some() {
            enterprise::add_paths(&mut admin_paths, &parts.kinds);
        }
        let status_paths = Paths::status(&parts.kinds, !database).extended(&extensions, true);
        let Parts { kinds, store, publish, health, node, facts, headers, limits, gate } = parts;
        let (loading, draining) = (AtomicBool::new(false), AtomicBool::new(false));
        AdminState {
            shared: Arc::new(Shared {
                kinds,
                store,
                publish,
                health,
                node,
                facts,
                headers,
                limits,
                gate,
                admin_paths,
                status_paths,
                extensions,
                loading,
                draining,
            }),
        }
    }

    /// Every path of the Admin API with its methods, those too that no list shows. A parameter is `{}`.
    pub fn every_path(&self) -> Vec<(String, &'static [&'static str])> {
        self.shared.admin_paths.every()
    }

    /// Makes the node answer that it is draining (`POST /status/ready`, SIGQUIT).
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }
}
