//! `kong.service.response`: what the upstream answered.

use super::request::{bound, header_name, header_table, parsed, shown};
use crate::current::{check, read};
use crate::error;
use crate::phase::Phases;
use exchange::Exchange;
use exchange::response::Source;
use mlua::{Lua, MultiValue, Table, Value};

pub(super) fn add(lua: &Lua, service: &Table) -> mlua::Result<()> {
    let response = lua.create_table()?;
    response.set(
        "get_status",
        lua.create_function(|_, ()| {
            check(Phases::UPSTREAM)?;
            read(|exchange| Some(exchange.response.upstream_status).filter(|status| *status != 0))
        })?,
    )?;
    response.set(
        "get_header",
        lua.create_function(|lua, name: Value| {
            check(Phases::UPSTREAM)?;
            let name = header_name(name)?.replace('_', "-").to_ascii_lowercase();
            let found = read(received)?.into_iter().find(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes()));
            found.map_or(Ok(Value::Nil), |(_, value)| lua.create_string(value).map(Value::String))
        })?,
    )?;
    response.set(
        "get_headers",
        lua.create_function(|lua, most: Value| {
            check(Phases::UPSTREAM)?;
            let most = bound(&most, "max_headers", shown().response_headers)?;
            header_table(lua, read(received)?, most)
        })?,
    )?;
    response.set(
        "get_raw_body",
        lua.create_function(|lua, ()| {
            check(Phases::UPSTREAM)?;
            lua.create_string(buffered()?)
        })?,
    )?;
    response.set(
        "get_body",
        lua.create_function(|lua, (mimetype, most): (Value, Value)| -> mlua::Result<MultiValue> {
            check(Phases::UPSTREAM)?;
            let most = bound(&most, "max_args", shown().query_arguments)?;
            let kind = match &mimetype {
                Value::String(kind) => kind.as_bytes().to_vec(),
                Value::Nil => {
                    read(|exchange| exchange.response.headers.get("content-type").unwrap_or_default().to_vec())?
                }
                _ => return Err(error::of("mimetype must be a string")),
            };
            let media =
                String::from_utf8_lossy(&kind).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            parsed(lua, &kind, &media, buffered()?.into(), most)
        })?,
    )?;
    service.set("response", response)
}

/// The lines that the upstream sent and nobody has changed since.
fn received(exchange: &Exchange) -> Vec<(Vec<u8>, Vec<u8>)> {
    if exchange.response.upstream_status == 0 || exchange.response.source != Source::Service {
        return Vec::new();
    }
    let lines = exchange.response.headers.lines().filter(|line| line.is_received());
    lines.map(|line| (line.name().to_vec(), line.value().to_vec())).collect()
}

fn buffered() -> mlua::Result<Vec<u8>> {
    let body = read(|exchange| exchange.buffer_response.then(|| exchange.response.body.to_vec()))?;
    body.ok_or_else(|| {
        error::of("service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)")
    })
}
