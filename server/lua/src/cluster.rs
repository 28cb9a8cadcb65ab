//! `kong.cluster_events`: what plugins tell their like on other nodes. See `events.lua`.

use crate::current::{is_bound, may_wait};
use crate::database::Reading;
use crate::error;
use crate::events::{self, CLUSTER, Told, workers};
use crate::pdk;
use crate::value::{failed, one};
use mlua::{Function, Lua, LuaString, MultiValue, Table};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The channels on which nodes tell each other of what `kong.cache` no longer holds.
const INVALIDATIONS: &str = "invalidations";
const CORE_INVALIDATIONS: &str = "invalidations_kong_core_db_cache";

/// The other nodes on the same database; where there are none, nobody hears.
pub trait Cluster: Send + Sync {
    /// Tells them, who heed it after `delay`. Done once it is written down.
    fn broadcast(&self, channel: String, data: String, delay: Option<Duration>) -> Reading<()>;

    /// Tells them at once. Nobody waits; what cannot be told is logged.
    fn tell(&self, channel: &'static str, data: String);
}

static NODES: OnceLock<Arc<dyn Cluster>> = OnceLock::new();

/// Sets it once for the process; later calls change nothing.
pub fn set_cluster(nodes: Arc<dyn Cluster>) {
    let _ = NODES.set(nodes);
}

/// Another node tells something. Where several workers want to hear of it, one does.
pub fn cluster_event(channel: String, data: String) {
    if channel == INVALIDATIONS || channel == CORE_INVALIDATIONS {
        pdk::forget(&data);
    }
    let wanted = |worker: &events::Worker| worker.channels.contains(&channel);
    let mut workers = workers();
    while let Some(place) = workers.iter().position(wanted) {
        if workers[place].tell(Told::ClusterEvent { channel: channel.clone(), data: data.clone() }) {
            return;
        }
        workers.remove(place);
    }
}

/// What other nodes told may have been missed: nothing stays in `kong.cache`.
pub fn cluster_events_lost() {
    pdk::forget_all();
}

/// Tells the other nodes that `kong.cache` no longer holds something.
pub(crate) fn invalidated(key: String) {
    if let Some(nodes) = NODES.get() {
        nodes.tell(INVALIDATIONS, key);
    }
}

/// What `kong.cluster_events` is made of.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    raw.set(
        "receiver",
        lua.create_function(|lua, receiver: Function| lua.set_named_registry_value(CLUSTER, receiver))?,
    )?;
    raw.set(
        "subscribe",
        lua.create_function(|lua, channel: String| {
            trusted()?;
            events::listen(lua)?;
            events::subscribe(channel);
            Ok(())
        })?,
    )?;
    raw.set("broadcast", lua.create_async_function(broadcast)?)?;
    Ok(raw)
}

async fn broadcast(lua: Lua, (channel, data, delay): (LuaString, LuaString, Option<f64>)) -> mlua::Result<MultiValue> {
    trusted()?;
    may_wait("kong.cluster_events cannot be told")?;
    let text = |text: &LuaString| text.to_str().map(|text| text.to_owned());
    let Ok(channel) = text(&channel) else { return failed(&lua, "channel must be UTF-8") };
    let Ok(data) = text(&data) else { return failed(&lua, "data must be UTF-8") };
    let delay = match delay.map(Duration::try_from_secs_f64) {
        Some(Err(_)) => return failed(&lua, "delay must be a number of seconds, 0 or more"),
        Some(Ok(delay)) => Some(delay),
        None => None,
    };
    let Some(nodes) = NODES.get() else { return one(&lua, true) };
    match nodes.broadcast(channel, data, delay).await {
        Ok(()) => one(&lua, true),
        Err(error) => failed(&lua, error),
    }
}

/// What other nodes do is not for Lua that the sandbox holds.
fn trusted() -> mlua::Result<()> {
    match is_bound() {
        true => Err(error::of("kong.cluster_events is not for the sandbox")),
        false => Ok(()),
    }
}
