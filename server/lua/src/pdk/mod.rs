//! The `kong` table: Kong's plugin development kit.

mod cache;
mod client;
mod client_tls;
mod facts;
mod lists;
mod log;
mod names;
mod request;
mod response;
mod service;
mod statistics;
mod telemetry;
mod tracing;
mod upstream_response;
mod upstream_tls;
mod vault;

#[cfg(test)]
mod tests;

pub use cache::{CAPACITY as DICTIONARIES, sizes as dictionaries};
pub(crate) use cache::{dictionary, forget, forget_all};
pub(crate) use facts::{hostname, of_node};
pub(crate) use log::{level as log_level, put as put_log_value};
pub(crate) use request::{header_name, header_table, lines, query, query_table, shown, version, whole_body};
pub(crate) use response::{exit, given_headers, header_values};
pub(crate) use service::{encode_args, put_query};
pub use statistics::{Connections, set_connections};

use crate::current::{call, check};
use crate::error;
use crate::phase::Phases;
use mlua::{IntoLua, Lua, Table};

/// Parts of the kit that this gateway does not have.
const ABSENT: &[&str] = &["jwe", "websocket", "enterprise"];

/// Everything, for a new state.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let kong = lua.create_table()?;
    client::add(lua, &kong)?;
    request::add(lua, &kong)?;
    response::add(lua, &kong)?;
    let service = lua.create_table()?;
    service::add(lua, &service)?;
    upstream_response::add(lua, &service)?;
    upstream_tls::add(lua, &service)?;
    kong.set("service", service)?;
    facts::add(lua, &kong)?;
    log::add(lua, &kong)?;
    cache::add(lua, &kong)?;
    vault::add(lua, &kong)?;
    names::add(lua, &kong)?;
    statistics::nginx(lua, &kong)?;
    tracing::add(lua, &kong)?;
    kong.set("_events", crate::events::table(lua)?)?;
    kong.set("_cluster", crate::cluster::table(lua)?)?;
    kong.set("_log_phase", lua.create_function(|_, ()| check(Phases::LOG))?)?;
    telemetry::add(lua, &kong)?;
    kong.set("_db", crate::database::table(lua)?)?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, name): (mlua::Value, mlua::LuaString)| {
            let name = name.to_string_lossy().to_string();
            if name == "plugin_id" {
                return call().ok().map(|call| call.id.to_string()).into_lua(lua);
            }
            if ABSENT.contains(&name.as_str()) {
                return Err(error::of(format!("kong.{name} is not available in this gateway")));
            }
            Ok(mlua::Value::Nil)
        })?,
    )?;
    kong.set_metatable(Some(metatable))?;
    Ok(kong)
}
