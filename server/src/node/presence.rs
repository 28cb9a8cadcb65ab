//! Tells the database that this node is there: `GET /nodes` on any of them shows all.

use super::core::Core;
use admin::{NODE_BEAT, NODE_ENTITY};
use config::{Database, Settings};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{Id, Record, Store};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// After how long a node that is not heard of is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(86_400);
/// How long a node that stops may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a node tells of itself.
struct Presence {
    id: Uuid,
    hostname: String,
    ip: IpAddr,
    workers: usize,
    started: u64,
}

impl Presence {
    fn record(&self, now: u64, revision: u64) -> Record {
        let value = json!({
            "id": self.id.to_string(),
            "last_seen": now,
            "updated_at": now,
            "ip": self.ip.to_string(),
            "config_hash": null,
            "hostname": self.hostname,
            "version": schema::KONG_VERSION,
            "sync_status": "normal",
            "labels": {
                "revision": revision.to_string(),
                "started_at": self.started.to_string(),
                "workers": self.workers.to_string(),
            },
            "cert_details": null,
            "rpc_capabilities": null,
        });
        let Value::Object(value) = value else { unreachable!("an object was written") };
        let expires = i64::try_from(now.saturating_add(FORGOTTEN.as_secs())).ok();
        Record { entity: NODE_ENTITY, id: Id::from(self.id), ws: None, value, expires }
    }
}

/// A node that is telling of itself.
pub(super) struct Telling {
    beats: JoinHandle<()>,
    started: u64,
}

/// Tells of this node from now on, for as long as it lives.
pub(super) fn tell(core: &Arc<Core>, settings: &Settings, hostname: String) -> Option<Telling> {
    let database = core.database()?;
    let server = match settings.storage.database {
        Database::Postgres => Some((settings.storage.postgres.host.clone(), settings.storage.postgres.port)),
        _ => None,
    };
    let mut presence = Presence {
        id: core.node_id,
        hostname,
        ip: Ipv4Addr::LOCALHOST.into(),
        workers: super::running::workers(settings.node.workers),
        started: now(),
    };
    let started = presence.started;
    let core = Arc::downgrade(core);
    let beats = database.background.handle().spawn(async move {
        let own = tokio::task::spawn_blocking(move || own_address(server));
        presence.ip = own.await.unwrap_or(presence.ip);
        while say(&core, &presence).await.is_some() {
            tokio::time::sleep(NODE_BEAT).await;
        }
    });
    Some(Telling { beats, started })
}

/// Says that the node is there; `None` when it is no more.
async fn say(core: &Weak<Core>, presence: &Presence) -> Option<()> {
    let (store, revision) = {
        let core = core.upgrade()?;
        let revision = core.followed().map_or(0, |view| view.revision());
        (core.database()?.store.clone(), revision)
    };
    // That the database is gone is told by who cannot do without.
    if let Err(error) = store.note(vec![presence.record(now(), revision)]).await {
        tracing::debug!(%error, "the database does not learn that this node is there");
    }
    Some(())
}

/// Takes this node off the list, unless another process has taken its place there.
pub(super) async fn take_leave(core: &Core, telling: Option<Telling>) {
    let (Some(database), Some(Telling { beats, started })) = (core.database(), telling) else { return };
    beats.abort();
    // No beat comes after the farewell.
    let _ = beats.await;
    let Ok(Ok(Some(record))) =
        tokio::time::timeout(FAREWELL, database.store.get(NODE_ENTITY, &Id::from(core.node_id))).await
    else {
        return;
    };
    if record.value["labels"]["started_at"].as_str() != Some(started.to_string().as_str()) {
        return;
    }
    let gone = Record { expires: i64::try_from(now()).ok(), ..Record::clone(&record) };
    let _ = tokio::time::timeout(FAREWELL, database.store.note(vec![gone])).await;
}

/// The address by which this host reaches a server; no packet is sent. Loopback where there is none to tell.
fn own_address(server: Option<(String, u16)>) -> IpAddr {
    let own = server.and_then(|server| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((server.0.as_str(), server.1)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

fn now() -> u64 {
    super::core::now() as u64
}
