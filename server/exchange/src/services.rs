//! What a plugin may ask the house for when it is configured.

use std::sync::Arc;

use crate::challenges::{Challenges, NoChallenges};
use crate::counters::Counters;
use crate::desks::Desks;
use crate::http_client::{HttpClient, NoHttp};
use crate::ldap::{Ldap, NoLdap};
use crate::meters::{Meters, NoMeters};
use crate::notices::{NoNotices, Notices};
use crate::programs::{NoPrograms, Programs};
use crate::records::{NoRecords, Records};
use crate::redis::{NoRedis, Redis};
use crate::response_cache::ResponseCache;
use crate::scripts::{NoScripts, Scripts};
use crate::shipping::{NoShipping, Shipping};
use uuid::Uuid;

/// Handles that outlive every configuration. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Counters of windows of time, exact across workers (rate limits).
    pub counters: Arc<Counters>,
    /// Redis servers that nodes share.
    pub redis: Arc<dyn Redis>,
    /// Directories that know who somebody is.
    pub ldap: Arc<dyn Ldap>,
    /// What plugins keep in the database.
    pub records: Arc<dyn Records>,
    /// Counters in the database that nodes share.
    pub meters: Arc<dyn Meters>,
    /// Other servers, asked over HTTP.
    pub http: Arc<dyn HttpClient>,
    /// What certificate authorities ask this node to prove.
    pub challenges: Arc<dyn Challenges>,
    /// Queues of what loggers send.
    pub shipping: Arc<dyn Shipping>,
    /// Responses kept for later requests.
    pub responses: Arc<ResponseCache>,
    /// What configured plugins have to show at the Admin API.
    pub desks: Arc<Desks>,
    /// Scripts of configurations.
    pub scripts: Arc<dyn Scripts>,
    /// Programs that make one body from another.
    pub programs: Arc<dyn Programs>,
    /// Who hears what plugins tell beside their answers.
    pub notices: Arc<dyn Notices>,
    /// What requests are traced by default.
    pub tracing: TracingDefaults,
    /// This node's id, as `GET /` of the Admin API tells it.
    pub node_id: Uuid,
}

/// What the node's settings say of tracing, for plugins that trace.
#[derive(Clone, Debug, Default)]
pub struct TracingDefaults {
    /// What is instrumented, by the names of `tracing_instrumentations`; empty = off.
    pub instrumentations: Vec<&'static str>,
    /// Share of the traces that are recorded, `tracing_sampling_rate`.
    pub sampling_rate: f64,
}

impl Services {
    /// Those of a node that knows nobody: for tests.
    pub fn alone(node_id: Uuid) -> Self {
        Self {
            counters: Arc::new(Counters::new(1 << 20)),
            redis: Arc::new(NoRedis),
            ldap: Arc::new(NoLdap),
            records: Arc::new(NoRecords),
            meters: Arc::new(NoMeters),
            http: Arc::new(NoHttp),
            challenges: Arc::new(NoChallenges),
            shipping: Arc::new(NoShipping),
            responses: Arc::new(ResponseCache::new(1 << 20)),
            desks: Arc::default(),
            scripts: Arc::new(NoScripts),
            programs: Arc::new(NoPrograms),
            notices: Arc::new(NoNotices),
            tracing: TracingDefaults::default(),
            node_id,
        }
    }
}
