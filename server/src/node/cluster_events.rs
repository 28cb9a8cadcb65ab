//! What nodes on one database tell each other beside the configuration: on channels, as Kong's do, by entries of the change
//! log. The node that tells is not told.

use super::core::{Core, now};
use super::database::Database;
use config::Settings;
use exchange::ResponseStore;
use lua::{Cluster, Reading};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Batch, Change, ChangeKind, Id, Operation, Record, Store};
use store_sql::Sql;
use tokio::runtime::Handle;
use uuid::Uuid;

const KIND: &str = "cluster_events";
/// How long an event stays in the database at least (as in Kong).
const SHORTEST_STAY: Duration = Duration::from_secs(3600);
/// The log level of every node, and until when (Unix seconds): `{"log_level": "debug", "until": 1.5}`.
const LOG_LEVEL: &str = "log_level";
/// The state of a Target, or of one of its addresses, by hand:
/// `{"upstream": id, "target": id, "address": "ip:port" or null, "healthy": true}`.
const HEALTH: &str = "balancer:post_health";
/// What plugins no longer keep of responses: `ids of plugins, by commas:key`, or `…:nil` for all that they keep.
const PURGE: &str = "proxy-cache:purge";

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
        self.tell(LOG_LEVEL, json!({ "log_level": level, "until": until }).to_string());
    }

    /// The state of a Target, or of one of its addresses, was set by hand.
    pub fn tell_health(&self, upstream: Uuid, target: Uuid, address: Option<SocketAddr>, healthy: bool) {
        let address = address.map(|address| address.to_string());
        let told = json!({ "upstream": upstream, "target": target, "address": address, "healthy": healthy });
        self.tell(HEALTH, told.to_string());
    }

    /// These plugins keep a response no more, or none at all.
    pub fn tell_purge(&self, plugins: &[Uuid], key: Option<&str>) {
        if !plugins.is_empty() {
            let plugins: Vec<String> = plugins.iter().map(Uuid::to_string).collect();
            self.tell(PURGE, format!("{}:{}", plugins.join(","), key.unwrap_or("nil")));
        }
    }
}

impl Cluster for ClusterEvents {
    fn broadcast(&self, channel: String, data: String, delay: Option<Duration>) -> Reading<()> {
        let Some((store, handle)) = self.database.clone() else { return Box::pin(async { Ok(()) }) };
        let delay = Some(self.propagation).filter(|delay| !delay.is_zero()).or(delay);
        let stay = SHORTEST_STAY.max(self.propagation * 10) + delay.unwrap_or_default();
        let (id, at) = (Uuid::new_v4(), now());
        let value = Map::from_iter([
            ("id".to_owned(), Value::from(id.to_string())),
            ("node_id".to_owned(), self.node.to_string().into()),
            ("at".to_owned(), at.into()),
            ("nbf".to_owned(), delay.map(|delay| at + delay.as_secs_f64()).into()),
            ("channel".to_owned(), channel.into()),
            ("data".to_owned(), data.into()),
        ]);
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let expires = Some((at + stay.as_secs_f64()) as i64);
        let record = Record { entity: KIND, id: Id::Uuid(id), ws: None, value, expires };
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

/// What another node told.
struct Event {
    channel: String,
    data: String,
}

/// Does what other nodes told, each thing in its time.
pub(super) fn heed(core: &Arc<Core>, changes: &[Change]) {
    let own = core.node_id.to_string();
    for change in changes {
        let ChangeKind::Record { entity: KIND, before: None, after: Some(record), .. } = &change.kind else { continue };
        let text = |field| record.text(field).unwrap_or_default().to_owned();
        if text("node_id") == own {
            continue;
        }
        let event = Event { channel: text("channel"), data: text("data") };
        let nbf = record.value.get("nbf").and_then(Value::as_f64);
        let wait = nbf.and_then(|nbf| Duration::try_from_secs_f64(nbf - now()).ok()).filter(|wait| !wait.is_zero());
        match (wait, core.database()) {
            (Some(wait), Some(database)) => {
                let core = Arc::downgrade(core);
                database.background.handle().spawn(async move {
                    tokio::time::sleep(wait).await;
                    if let Some(core) = core.upgrade() {
                        event.act(&core);
                    }
                });
            }
            _ => event.act(core),
        }
    }
}

impl Event {
    fn act(self, core: &Core) {
        let understood = match self.channel.as_str() {
            LOG_LEVEL => log_level(core, &self.data),
            HEALTH => health(core, &self.data),
            PURGE => purge(core, &self.data),
            _ => Some(()),
        };
        if understood.is_none() {
            tracing::warn!(channel = self.channel, data = self.data, "what another node told is not understood");
        }
        lua::cluster_event(self.channel, self.data);
    }
}

fn log_level(core: &Core, data: &str) -> Option<()> {
    let told: Value = serde_json::from_str(data).ok()?;
    let level = telemetry::Level::parse(told["log_level"].as_str()?)?;
    // Nothing is left of what is told late.
    if let Ok(left) = Duration::try_from_secs_f64(told["until"].as_f64()? - now()) {
        core.log_level.set(level, left);
    }
    Some(())
}

fn health(core: &Core, data: &str) -> Option<()> {
    let told: Value = serde_json::from_str(data).ok()?;
    let id = |field: &str| told[field].as_str().and_then(|id| Uuid::try_parse(id).ok());
    let address = match &told["address"] {
        Value::Null => None,
        address => Some(address.as_str()?.parse().ok()?),
    };
    let (upstream, target, healthy) = (id("upstream")?, id("target")?, told["healthy"].as_bool()?);
    // An Upstream that is not there yet, or no more, has no state here.
    let _ = core.targets.set_health(upstream, target, address, healthy);
    Some(())
}

fn purge(core: &Core, data: &str) -> Option<()> {
    let (plugins, key) = data.split_once(':')?;
    let plugins: Vec<Uuid> = plugins.split(',').map(Uuid::try_parse).collect::<Result<_, _>>().ok()?;
    let key = match key {
        "nil" => None,
        key => Some(plugins::proxy_cache::key_of_text(key)?),
    };
    let memory = core.responses.memory().clone();
    core.database()?.background.handle().spawn(async move {
        for plugin in plugins {
            // Memory refuses nothing.
            let _ = match &key {
                Some(key) => memory.remove(plugin, key).await.map(drop),
                None => memory.clear(plugin).await,
            };
        }
    });
    Some(())
}
