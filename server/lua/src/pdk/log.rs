//! `kong.log`

use crate::current::{call, check, read};
use crate::error;
use crate::phase::Phases;
use crate::value::{self, Null};
use exchange::log_entry::{self, Mode};
use mlua::{Lua, MultiValue, Table, Value};
use std::fmt::Write;

/// Levels by Kong's names, with nginx's numbers.
const LEVELS: [(&str, i64); 8] =
    [("emerg", 1), ("alert", 2), ("crit", 3), ("err", 4), ("warn", 5), ("notice", 6), ("info", 7), ("debug", 8)];
/// The longest line that is logged, in bytes.
const LONGEST: usize = 4096;
/// The deepest table that `inspect` shows.
const DEPTH: usize = 10;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let log = lua.create_table()?;
    for (name, number) in LEVELS {
        log.set(name, lua.create_function(move |lua, values: MultiValue| write(lua, number, &joined(&values)?))?)?;
    }
    log.set(
        "_inspect",
        lua.create_function(|lua, values: MultiValue| {
            let shown: Vec<String> = values.iter().map(|value| inspected(value, 0)).collect::<mlua::Result<_>>()?;
            write(lua, 6, &shown.join(" "))
        })?,
    )?;
    log.set(
        "deprecation",
        lua.create_function(|lua, values: MultiValue| {
            let mut values: Vec<Value> = values.into_iter().collect();
            let mut notes = Vec::new();
            if let Some(Value::Table(options)) = values.last().cloned() {
                values.pop();
                if let Some(after) = options.get::<Option<String>>("after")? {
                    notes.push(format!("deprecated after {after}"));
                }
                if let Some(removal) = options.get::<Option<String>>("removal")? {
                    notes.push(format!("scheduled for removal in {removal}"));
                }
            }
            let text = joined(&MultiValue::from_iter(values))?;
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
            write(lua, 5, &format!("{text}{notes}"))
        })?,
    )?;
    log.set("set_serialize_value", lua.create_function(set_serialize_value)?)?;
    log.set(
        "serialize",
        lua.create_function(|lua, _: MultiValue| {
            check(Phases::LOG)?;
            let entry = read(log_entry::value)?;
            value::from_json(lua, &entry.into(), Null::Absent)
        })?,
    )?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__call",
        lua.create_function(|lua, (_, values): (Value, MultiValue)| write(lua, 6, &joined(&values)?))?,
    )?;
    log.set_metatable(Some(metatable))?;
    kong.set("log", log)
}

fn joined(values: &MultiValue) -> mlua::Result<String> {
    values.iter().map(value::text).collect()
}

/// Writes a line to the error log, with the place in Lua that it comes from.
fn write(lua: &Lua, number: i64, text: &str) -> mlua::Result<()> {
    let place = lua.inspect_stack(1, |debug| {
        let source = debug.source();
        let name = source.short_src.map(|name| name.into_owned()).unwrap_or_default();
        format!("{name}:{}", debug.current_line().unwrap_or(0))
    });
    let plugin = call().map_or("", |call| call.plugin);
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    level(number, &format!("[kong] {} [{plugin}] {}", place.unwrap_or_default(), &text[..end]));
    Ok(())
}

/// Writes a line at nginx's level.
pub fn level(number: i64, text: &str) {
    match number {
        ..=1 => tracing::error!(target: "lua::@emerg", "{text}"),
        2 => tracing::error!(target: "lua::@alert", "{text}"),
        3 => tracing::error!(target: "lua::@crit", "{text}"),
        4 => tracing::error!("{text}"),
        5 => tracing::warn!("{text}"),
        6 => tracing::info!("{text}"),
        7 => tracing::info!(target: "lua::@info", "{text}"),
        _ => tracing::debug!("{text}"),
    }
}

fn inspected(value: &Value, depth: usize) -> mlua::Result<String> {
    Ok(match value {
        Value::String(text) => format!("{:?}", text.to_string_lossy()),
        Value::Table(_) if depth >= DEPTH => "{...}".into(),
        Value::Table(table) => {
            let mut out = String::from("{");
            let mut next = 1.0;
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                let shown = inspected(&value, depth + 1)?;
                let separator = if out.len() > 1 { ", " } else { " " };
                if value::number(&key) == Some(next) {
                    next += 1.0;
                    let _ = write!(out, "{separator}{shown}");
                } else if let Value::String(name) = &key {
                    let _ = write!(out, "{separator}{} = {shown}", name.to_string_lossy());
                } else {
                    let _ = write!(out, "{separator}[{}] = {shown}", inspected(&key, depth + 1)?);
                }
            }
            out + if out_is_empty(table)? { "}" } else { " }" }
        }
        other => value::text(other)?,
    })
}

fn out_is_empty(table: &Table) -> mlua::Result<bool> {
    table.pairs::<Value, Value>().next().transpose().map(|first| first.is_none())
}

fn set_serialize_value(lua: &Lua, (key, given, options): (Value, Value, Option<Table>)) -> mlua::Result<()> {
    check(Phases::SERIALIZED)?;
    let Value::String(key) = key else { return Err(error::of("key must be a string")) };
    let mode = match options {
        Some(options) => options.get::<Option<String>>("mode")?.unwrap_or_else(|| "set".into()),
        None => "set".into(),
    };
    let Some(mode) = Mode::parse(&mode) else { return Err(error::of("mode must be 'set', 'add' or 'replace'")) };
    put(lua, &key.to_string_lossy(), mode, &given)
}

/// Gives a value to the log entry; nil takes the member away.
pub fn put(lua: &Lua, key: &str, mode: Mode, given: &Value) -> mlua::Result<()> {
    if !matches!(
        given,
        Value::Nil | Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) | Value::Table(_)
    ) {
        return Err(error::of(
            "value must be nil, a number, string, boolean or a non-self-referencial table containing numbers, string and booleans",
        ));
    }
    let json = value::to_json(lua, given)?;
    read(|exchange| exchange.log_values.set(key, mode, json))
}
