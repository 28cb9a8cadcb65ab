//! What the node counts: `kong.node.get_memory_stats`, `kong.nginx`.

use crate::current::read;
use crate::error;
use mlua::{Lua, Table, Value};
use std::sync::OnceLock;

/// Connections and requests at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Connections ever accepted.
    pub accepted: u64,
    /// Open connections.
    pub active: u64,
    /// Requests ever read.
    pub requests: u64,
    /// Open connections with a request that is being answered.
    pub writing: u64,
    /// Open connections without one.
    pub waiting: u64,
}

type Count = Box<dyn Fn() -> Connections + Send + Sync>;

static COUNT: OnceLock<Count> = OnceLock::new();

/// Sets who counts once for the process; later calls change nothing.
pub fn set_connections(count: Count) {
    let _ = COUNT.set(count);
}

/// `kong.nginx`
pub(super) fn nginx(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let nginx = lua.create_table()?;
    nginx.set("get_subsystem", lua.create_function(|_, ()| Ok(subsystem()))?)?;
    nginx.set(
        "get_statistics",
        lua.create_function(|lua, ()| {
            let now = COUNT.get().map(|count| count()).unwrap_or_default();
            let table = lua.create_table()?;
            for (name, number) in [
                ("connections_accepted", now.accepted),
                ("connections_active", now.active),
                ("connections_handled", now.accepted),
                ("connections_reading", 0),
                ("connections_writing", now.writing),
                ("connections_waiting", now.waiting),
                ("total_requests", now.requests),
            ] {
                table.set(name, number)?;
            }
            Ok(table)
        })?,
    )?;
    kong.set("nginx", nginx)
}

/// `stream` for sessions of TCP, TLS and UDP.
fn subsystem() -> &'static str {
    match read(|exchange| exchange.session.is_some()) {
        Ok(true) => "stream",
        _ => "http",
    }
}

/// Bytes as a number, or as text in a unit with so many digits.
fn shown(lua: &Lua, bytes: usize, (unit, scale): (u8, usize)) -> mlua::Result<Value> {
    let (divisor, name) = match unit {
        b'k' => (1u64 << 10, "KiB"),
        b'm' => (1 << 20, "MiB"),
        b'g' => (1 << 30, "GiB"),
        _ => return Ok(Value::Number(bytes as f64)),
    };
    let text = format!("{:.scale$} {name}", bytes as f64 / divisor as f64);
    lua.create_string(text).map(Value::String)
}

/// `kong.node.get_memory_stats(unit, scale)`
pub(super) fn memory(lua: &Lua, (unit, scale): (Value, Value)) -> mlua::Result<Table> {
    let unit = match &unit {
        Value::Nil => b'b',
        Value::String(text) => match text.as_bytes().to_ascii_lowercase().as_slice() {
            [unit @ (b'b' | b'k' | b'm' | b'g')] => *unit,
            _ => {
                return Err(error::of(format!(
                    "invalid unit '{}' (expected 'k/K', 'm/M', or 'g/G')",
                    text.to_string_lossy()
                )));
            }
        },
        other => return Err(error::of(format!("unit must be a string (got {})", other.type_name()))),
    };
    let scale = match &scale {
        Value::Nil => 2,
        given => match crate::value::number(given) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and at most 64")]
            Some(scale) if scale.fract() == 0.0 && (0.0..=64.0).contains(&scale) => scale as usize,
            Some(_) => return Err(error::of("scale must be equal or greater than 0")),
            None => return Err(error::of(format!("scale must be a number (got {})", given.type_name()))),
        },
    };
    let stats = lua.create_table()?;
    let states = lua.create_table()?;
    let state = lua.create_table()?;
    state.set("pid", std::process::id())?;
    state.set("http_allocated_gc", shown(lua, lua.used_memory(), (unit, scale))?)?;
    states.raw_push(state)?;
    stats.set("workers_lua_vms", states)?;
    let dictionaries = lua.create_table()?;
    for (name, used) in super::cache::sizes() {
        let dictionary = lua.create_table()?;
        dictionary.set("capacity", shown(lua, super::cache::CAPACITY, (unit, scale))?)?;
        dictionary.set("allocated_slabs", shown(lua, used, (unit, scale))?)?;
        dictionaries.set(name, dictionary)?;
    }
    stats.set("lua_shared_dicts", dictionaries)?;
    Ok(stats)
}
