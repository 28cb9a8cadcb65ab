//! What nodes on one database tell each other beside the configuration: on channels, as Kong's do, by entries of the change
//! log. The node that tells is not told.

use super::core::{Core, now};
use super::database::Database;
use config::Settings;
use entities::ClusterEvent;
use exchange::{ResponseKey, ResponseStore};
use lua::{Cluster, Reading};
use plugins::proxy_cache::{key_of_text, key_text};
use schema::Named;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Batch, Change, ChangeKind, Id, Operation, Record, Store};
use store_sql::Sql;
use tokio::runtime::Handle;
use uuid::Uuid;

/// How long an event stays in the database at least (as in Kong).
const SHORTEST_STAY: Duration = Duration::from_secs(3600);
/// What is said, as JSON, on one of this gateway's own channels, and what a node does that hears it.
trait Told: Serialize + for<'a> Deserialize<'a> {
    /// The channel.
    const CHANNEL: &'static str;

    /// Does it here; `None` where it makes no sense.
    fn act(self, core: &Core) -> Option<()>;
}

/// The log level of every node.
#[derive(Serialize, Deserialize)]
struct LogLevel {
    log_level: String,
    /// Unix seconds.
    until: f64,
}

/// The state of a Target, or of one of its addresses, was set by hand.
#[derive(Serialize, Deserialize)]
struct Health {
    upstream: Uuid,
    target: Uuid,
    address: Option<SocketAddr>,
    healthy: bool,
}

/// Plugins keep a response no more, or none at all.
#[derive(Serialize, Deserialize)]
struct Purge {
    plugins: Vec<Uuid>,
    key: Option<String>,
}

/// The other nodes on this node's database.
pub struct ClusterEvents {
    node: Uuid,
    // Without a database there are none.
    database: Option<(Arc<Sql>, Handle)>,
    /// `db_update_propagation`: after this time all servers of the database have what was written.
    propagation: Duration,
}

impl ClusterEvents {
    /// Of the node with this id.
    pub fn new(node: Uuid, database: Option<&Database>, settings: &Settings) -> Self {
        let database = database.map(|Database { store, background, .. }| (store.clone(), background.handle().clone()));
        Self { node, database, propagation: settings.storage.update_propagation }
    }

    /// Has every node at that level until then, Unix seconds.
    pub fn tell_log_level(&self, level: &str, until: f64) {
        self.say(&LogLevel { log_level: level.to_owned(), until });
    }

    /// The state of a Target, or of one of its addresses, was set by hand.
    pub fn tell_health(&self, upstream: Uuid, target: Uuid, address: Option<SocketAddr>, healthy: bool) {
        self.say(&Health { upstream, target, address, healthy });
    }

    /// These plugins keep a response no more, or none at all.
    pub fn tell_purge(&self, plugins: Vec<Uuid>, key: Option<&ResponseKey>) {
        if !plugins.is_empty() {
            self.say(&Purge { plugins, key: key.map(key_text) });
        }
    }

    fn say<T: Told>(&self, told: &T) {
        match serde_json::to_string(told) {
            Ok(data) => self.tell(T::CHANNEL, data),
            Err(error) => tracing::error!("other nodes are not told on the channel '{}': {error}", T::CHANNEL),
        }
    }
}

impl Cluster for ClusterEvents {
    fn broadcast(&self, channel: String, data: String, delay: Option<Duration>) -> Reading<()> {
        let Some((store, handle)) = self.database.clone() else { return Box::pin(async { Ok(()) }) };
        let delay = Some(self.propagation).filter(|delay| !delay.is_zero()).or(delay);
        let stay = SHORTEST_STAY.max(self.propagation.saturating_mul(10)).saturating_add(delay.unwrap_or_default());
        let (id, at) = (Uuid::new_v4(), now());
        let nbf = delay.map(|delay| at + delay.as_secs_f64());
        let value = match serde_json::to_value(ClusterEvent { id, node_id: self.node, at, nbf, channel, data }) {
            Ok(Value::Object(value)) => value,
            other => return Box::pin(async move { Err(format!("an event is no record: {other:?}")) }),
        };
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let expires = Some((at + stay.as_secs_f64()) as i64);
        let record = Record { entity: ClusterEvent::NAME, id: Id::Uuid(id), ws: None, value, expires };
        let batch = Batch { operations: vec![Operation::Insert(record)], author: "node".into(), ..Batch::default() };
        let told = handle.spawn(async move { store.apply(batch).await });
        Box::pin(
            async move { told.await.map_err(|error| error.to_string())?.map(drop).map_err(|error| error.to_string()) },
        )
    }

    fn tell(&self, channel: &'static str, data: String) {
        let Some((_, handle)) = &self.database else { return };
        let told = self.broadcast(channel.to_owned(), data, None);
        handle.spawn(async move {
            if let Err(error) = told.await {
                tracing::error!("other nodes are not told on the channel '{channel}': {error}");
            }
        });
    }
}

/// Does what other nodes told, each thing in its time.
pub(super) fn heed(core: &Arc<Core>, changes: &[Change]) {
    for change in changes {
        let ChangeKind::Record { entity: ClusterEvent::NAME, before: None, after: Some(record), .. } = &change.kind
        else {
            continue;
        };
        let event: ClusterEvent = match serde_json::from_value(record.value.clone().into()) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(id = %record.id, %error, "an event of another node cannot be read");
                continue;
            }
        };
        if event.node_id == core.node_id {
            continue;
        }
        let wait = event.nbf.and_then(|nbf| Duration::try_from_secs_f64(nbf - now()).ok());
        match (wait.filter(|wait| !wait.is_zero()), core.database()) {
            (Some(wait), Some(database)) => {
                let core = Arc::downgrade(core);
                database.background.handle().spawn(async move {
                    tokio::time::sleep(wait).await;
                    if let Some(core) = core.upgrade() {
                        act(&core, event);
                    }
                });
            }
            _ => act(core, event),
        }
    }
}

fn act(core: &Core, event: ClusterEvent) {
    let understood = match event.channel.as_str() {
        LogLevel::CHANNEL => heard::<LogLevel>(core, &event.data),
        Health::CHANNEL => heard::<Health>(core, &event.data),
        Purge::CHANNEL => heard::<Purge>(core, &event.data),
        _ => Some(()),
    };
    if understood.is_none() {
        tracing::warn!(channel = event.channel, data = event.data, "what another node told is not understood");
    }
    lua::cluster_event(event.channel, event.data);
}

fn heard<T: Told>(core: &Core, data: &str) -> Option<()> {
    serde_json::from_str::<T>(data).ok()?.act(core)
}

impl Told for LogLevel {
    const CHANNEL: &'static str = "log_level";

    fn act(self, core: &Core) -> Option<()> {
        let level = telemetry::Level::parse(&self.log_level)?;
        // Nothing is left of what is told late.
        if let Ok(left) = Duration::try_from_secs_f64(self.until - now()) {
            core.log_level.set(level, left);
        }
        Some(())
    }
}

impl Told for Health {
    const CHANNEL: &'static str = "balancer:post_health";

    fn act(self, core: &Core) -> Option<()> {
        // An Upstream that is not there yet, or no more, has no state here.
        let _ = core.targets.set_health(self.upstream, self.target, self.address, self.healthy);
        Some(())
    }
}

impl Told for Purge {
    const CHANNEL: &'static str = "proxy-cache:purge";

    fn act(self, core: &Core) -> Option<()> {
        let key = match self.key {
            Some(text) => Some(key_of_text(&text)?),
            None => None,
        };
        let memory = core.responses.memory().clone();
        core.database()?.background.handle().spawn(async move {
            for plugin in self.plugins {
                // Memory refuses nothing.
                let _ = match &key {
                    Some(key) => memory.remove(plugin, key).await.map(drop),
                    None => memory.clear(plugin).await,
                };
            }
        });
        Some(())
    }
}
