//! Small parts of the kit: `kong.router`, `kong.node`, `kong.ip`, `kong.table`, `kong.ctx`, `kong.plugin`, versions.

use crate::current::{call, check, read};
use crate::error;
use crate::phase::Phases;
use crate::settings;
use crate::value::{self, Null};
use mlua::{Lua, MultiValue, Table, Value};
use schema::KONG_VERSION;
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::LazyLock;
use uuid::Uuid;

thread_local! {
    static NODE: Cell<Uuid> = const { Cell::new(Uuid::nil()) };
}

/// The id that `kong.node.get_id` tells.
pub fn of_node(id: Uuid) {
    NODE.set(id);
}

static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    kernel.ok().filter(|name| !name.is_empty()).or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default()
});

/// This machine's name.
pub fn hostname() -> String {
    HOSTNAME.clone()
}

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    kong.set("version", KONG_VERSION)?;
    kong.set("version_num", version_number(KONG_VERSION))?;
    kong.set("pdk_major_version", 1)?;
    kong.set("pdk_version", "1.0.0")?;
    kong.set("default_workspace", entities::DEFAULT_WORKSPACE.to_string())?;
    kong.set("configuration", value::from_json(lua, settings::configuration(), Null::Absent)?)?;
    router(lua, kong)?;
    node(lua, kong)?;
    context(lua, kong)?;
    let ip = lua.create_table()?;
    ip.set(
        "is_trusted",
        lua.create_function(|_, address: Value| {
            let Value::String(address) = address else { return Err(error::of("address must be a string")) };
            let address = address.to_string_lossy().parse::<IpAddr>();
            Ok(address.is_ok_and(|address| (settings::get().trusted)(address)))
        })?,
    )?;
    kong.set("ip", ip)?;
    let plugin = lua.create_table()?;
    plugin.set("get_id", lua.create_function(|_, _: MultiValue| Ok(call()?.id.to_string()))?)?;
    kong.set("plugin", plugin)?;
    let tables = lua.create_table()?;
    tables.set(
        "new",
        lua.create_function(|lua, (list, record): (Option<usize>, Option<usize>)| {
            const MOST: usize = 1 << 16;
            lua.create_table_with_capacity(list.unwrap_or(0).min(MOST), record.unwrap_or(0).min(MOST))
        })?,
    )?;
    tables.set("clear", lua.create_function(|_, table: Table| table.clear())?)?;
    tables.set(
        "merge",
        lua.create_function(|lua, (first, second): (Option<Table>, Option<Table>)| {
            let merged = lua.create_table()?;
            for table in [first, second].into_iter().flatten() {
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    merged.raw_set(key, value)?;
                }
            }
            Ok(merged)
        })?,
    )?;
    kong.set("table", tables)
}

/// `3.9.1` is 3009001.
fn version_number(version: &str) -> u32 {
    version.split('.').take(3).fold(0, |number, part| number * 1000 + part.parse::<u32>().unwrap_or(0))
}

fn router(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let router = lua.create_table()?;
    router.set(
        "get_route",
        lua.create_function(|lua, ()| {
            check(Phases::ROUTED)?;
            value::from_json(lua, &route_and_service()?.0, Null::Absent)
        })?,
    )?;
    router.set(
        "get_service",
        lua.create_function(|lua, ()| {
            check(Phases::ROUTED)?;
            value::from_json(lua, &route_and_service()?.1, Null::Absent)
        })?,
    )?;
    kong.set("router", router)
}

/// The matched Route and its Service as JSON; `null` where there is none.
pub fn route_and_service() -> mlua::Result<(serde_json::Value, serde_json::Value)> {
    let (route, service) = read(|exchange| (exchange.route_entity().cloned(), exchange.service.clone()))?;
    Ok((
        serde_json::to_value(route.as_deref()).unwrap_or_default(),
        serde_json::to_value(service.as_deref()).unwrap_or_default(),
    ))
}

fn node(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let node = lua.create_table()?;
    node.set("get_id", lua.create_function(|_, ()| Ok(NODE.get().to_string()))?)?;
    node.set("get_hostname", lua.create_function(|_, ()| Ok(hostname()))?)?;
    node.set("get_memory_stats", lua.create_function(super::statistics::memory)?)?;
    kong.set("node", node)?;
    let cluster = lua.create_table()?;
    cluster.set("get_id", lua.create_function(|_, ()| Ok(NODE.get().to_string()))?)?;
    kong.set("cluster", cluster)
}

fn context(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let context = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, name): (Value, mlua::LuaString)| {
            let call = call()?;
            match &*name.to_string_lossy() {
                "shared" => Ok(Value::Table(call.remembered.shared(lua)?)),
                "plugin" => Ok(Value::Table(call.remembered.plugin(lua, call.id)?)),
                "core" => Ok(Value::Table(call.remembered.plugin(lua, Uuid::max())?)),
                _ => Ok(Value::Nil),
            }
        })?,
    )?;
    context.set_metatable(Some(metatable))?;
    kong.set("ctx", context)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_numbers() {
        assert_eq!(super::version_number("3.9.1"), 3_009_001);
    }
}
