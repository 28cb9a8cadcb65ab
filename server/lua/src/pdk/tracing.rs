//! What `kong.tracing` is made of: see `tracing.lua`.

use crate::current::{read, with};
use crate::value;
use exchange::{Section, SpanId};
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use serde_json::{Map, Value as Json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Spans that plugins may add to one request.
const MOST: usize = 1000;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let raw = lua.create_table()?;
    raw.set(
        "now",
        lua.create_function(|_, ()| {
            Ok(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as f64)
        })?,
    )?;
    raw.set("id", lua.create_function(|lua, ()| lua.create_string(SpanId::fresh().0))?)?;
    // Ids of the trace and of the request's own span, its parent, whether it is sampled, and when it began.
    raw.set(
        "context",
        lua.create_function(|lua, ()| {
            let found = read(|exchange| Some((exchange.trace?, exchange.timeline.wall()))).ok().flatten();
            let Some((trace, begun)) = found else { return Ok(MultiValue::new()) };
            let parent = trace.parent.map(|parent| lua.create_string(parent.0)).transpose()?;
            Ok(MultiValue::from_iter([
                Value::String(lua.create_string(trace.trace_id.0)?),
                Value::String(lua.create_string(trace.span_id.0)?),
                parent.map_or(Value::Nil, Value::String),
                Value::Boolean(trace.sampled),
                Value::Number(begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as f64),
            ]))
        })?,
    )?;
    raw.set(
        "sample",
        lua.create_function(|_, sampled: bool| {
            with(|exchange| {
                if let Some(trace) = &mut exchange.trace {
                    trace.sampled = sampled;
                }
            })
        })?,
    )?;
    // Whether a share of all traces has this one.
    raw.set(
        "within",
        lua.create_function(|_, rate: f64| {
            let high = read(|exchange| exchange.trace.map(|trace| trace.trace_id.high()))?;
            Ok(high.is_some_and(|high| high as f64 <= rate * u64::MAX as f64))
        })?,
    )?;
    raw.set("keep", lua.create_function(keep)?)?;
    kong.set("_tracing", raw)
}

fn id(bytes: Option<&LuaString>) -> Option<SpanId> {
    let bytes: [u8; 8] = bytes?.as_bytes().as_ref().try_into().ok()?;
    Some(SpanId(bytes))
}

fn known(lua: &Lua, given: &Value) -> mlua::Result<Map<String, Json>> {
    Ok(match value::to_json(lua, given)? {
        Json::Object(members) => members,
        _ => Map::new(),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time since 1970 fits")]
fn time(number: Option<f64>) -> u64 {
    number.unwrap_or_default().max(0.0) as u64
}

/// Puts a finished span on the request's timeline. Where the request is over, it is too late.
fn keep(lua: &Lua, span: Table) -> mlua::Result<()> {
    let Some(own) = id(span.get::<Option<LuaString>>("span_id")?.as_ref()) else { return Ok(()) };
    let mut events = Vec::new();
    if let Value::Table(list) = span.get::<Value>("events")? {
        for event in list.sequence_values::<Table>() {
            let event = event?;
            let name: String = event.get::<Option<String>>("name")?.unwrap_or_default();
            let of = known(lua, &event.get::<Value>("attributes")?)?;
            events.push((name.into_boxed_str(), time(event.get("time_ns")?), of));
        }
    }
    let section = Section {
        name: span.get::<Option<String>>("name")?.unwrap_or_default().into_boxed_str(),
        id: own,
        parent: id(span.get::<Option<LuaString>>("parent_id")?.as_ref()),
        kind: span.get::<Option<u8>>("kind")?.unwrap_or(1),
        start: time(span.get("start_time_ns")?),
        end: time(span.get("end_time_ns")?),
        attributes: known(lua, &span.get::<Value>("attributes")?)?,
        events,
        status: span.get::<Option<u8>>("status")?.unwrap_or(0),
    };
    let _ = with(|exchange| {
        let sections = &mut exchange.timeline.sections;
        if sections.len() < MOST {
            sections.push(section);
        }
    });
    Ok(())
}
