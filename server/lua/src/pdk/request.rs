//! `kong.request`

use crate::current::{check, read, with};
use crate::error;
use crate::phase::Phases;
use crate::settings::{self, Shown};
use crate::value::{self, Null, failed, one};
use exchange::form::{self, Form};
use exchange::{Exchange, Version};
use mlua::{Lua, MultiValue, Table, Value};
use serde_json::{Map, Value as Json, json};
use std::time::UNIX_EPOCH;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let request = lua.create_table()?;
    let text = |name: &'static str, of: fn(&Exchange) -> Vec<u8>| -> mlua::Result<()> {
        let function = lua.create_function(move |lua, ()| {
            check(Phases::REQUEST)?;
            lua.create_string(read(of)?)
        })?;
        request.set(name, function)
    };
    text("get_scheme", |exchange| exchange.request.scheme.as_str().into())?;
    text("get_host", |exchange| exchange.request.host.to_ascii_lowercase())?;
    text("get_forwarded_scheme", |exchange| exchange.request.forwarded_scheme().to_ascii_lowercase().into())?;
    text("get_forwarded_host", |exchange| exchange.request.forwarded_host().to_ascii_lowercase())?;
    text("get_forwarded_path", forwarded_path)?;
    text("get_method", |exchange| exchange.request.method.to_vec())?;
    text("get_path", |exchange| exchange.request.path.to_vec())?;
    text("get_raw_path", raw_path)?;
    text("get_path_with_query", |exchange| exchange.request.target.to_vec())?;
    text("get_raw_query", |exchange| query(exchange).to_vec())?;
    request.set(
        "get_port",
        lua.create_function(|_, ()| {
            check(Phases::STARTED)?;
            read(|exchange| exchange.request.port)
        })?,
    )?;
    request.set(
        "get_forwarded_port",
        lua.create_function(|_, ()| {
            check(Phases::REQUEST)?;
            read(|exchange| exchange.request.forwarded_port())
        })?,
    )?;
    request.set("get_forwarded_prefix", lua.create_function(forwarded_prefix)?)?;
    request.set(
        "get_http_version",
        lua.create_function(|_, ()| {
            check(Phases::REQUEST)?;
            read(|exchange| version(exchange.request.version))
        })?,
    )?;
    request.set(
        "get_start_time",
        lua.create_function(|_, ()| {
            check(Phases::REQUEST)?;
            read(|exchange| {
                let since = exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
                since.as_millis() as f64
            })
        })?,
    )?;
    request.set("get_query_arg", lua.create_function(query_arg)?)?;
    request.set("get_query", lua.create_function(all_query)?)?;
    request.set("get_header", lua.create_function(header)?)?;
    request.set("get_headers", lua.create_function(headers)?)?;
    request.set("get_uri_captures", lua.create_function(uri_captures)?)?;
    request.set("get_raw_body", lua.create_async_function(raw_body)?)?;
    request.set("get_body", lua.create_async_function(body)?)?;
    kong.set("request", request)
}

/// `kong.request.get_http_version`
pub fn version(version: Version) -> f64 {
    version.as_str().parse().unwrap_or(1.1)
}

/// The query as it will be sent on; the client's before routing.
pub fn query(exchange: &Exchange) -> &[u8] {
    let query = if exchange.route.is_some() { &exchange.forward.query } else { &exchange.request.query };
    query.as_deref().unwrap_or_default()
}

fn raw_path(exchange: &Exchange) -> Vec<u8> {
    let target = &exchange.request.target;
    target.split(|byte| *byte == b'?').next().unwrap_or_default().to_vec()
}

fn forwarded_path(exchange: &Exchange) -> Vec<u8> {
    match exchange.request.headers.get("x-forwarded-path") {
        Some(path) if exchange.request.trusted && !path.is_empty() => path.to_vec(),
        _ => raw_path(exchange),
    }
}

fn forwarded_prefix(lua: &Lua, (): ()) -> mlua::Result<Value> {
    check(Phases::REQUEST)?;
    let prefix = read(|exchange| match exchange.request.headers.get("x-forwarded-prefix") {
        Some(prefix) if exchange.request.trusted && !prefix.is_empty() => prefix.to_vec(),
        _ => exchange.forward.stripped_prefix.to_vec(),
    })?;
    if prefix.is_empty() { Ok(Value::Nil) } else { Ok(Value::String(lua.create_string(prefix)?)) }
}

/// How much tables show.
pub fn shown() -> Shown {
    settings::get().shown
}

/// A bound on what a table shows, checked; `shown` where none is given.
pub fn bound(given: &Value, what: &str, shown: usize) -> mlua::Result<usize> {
    match given {
        Value::Nil => Ok(shown),
        Value::Integer(_) | Value::Number(_) => {
            let number = value::number(given).unwrap_or_default();
            if number < 1.0 {
                return Err(error::of(format!("{what} must be >= 1")));
            }
            if number > 1000.0 {
                return Err(error::of(format!("{what} must be <= 1000")));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1000")]
            Ok(number as usize)
        }
        _ => Err(error::of(format!("{what} must be a number"))),
    }
}

fn query_arg(lua: &Lua, name: Value) -> mlua::Result<Value> {
    check(Phases::REQUEST)?;
    let Value::String(name) = name else { return Err(error::of("query argument name must be a string")) };
    let name = name.to_string_lossy().to_string();
    let found = read(|exchange| {
        let mut pairs = form::pairs(query(exchange)).filter(|(key, _)| **key == *name.as_bytes());
        pairs.next().map(|(_, value)| value.map(std::borrow::Cow::into_owned))
    })?;
    Ok(match found {
        None => Value::Nil,
        Some(None) => Value::Boolean(true),
        Some(Some(text)) => Value::String(lua.create_string(text)?),
    })
}

/// Arguments as a table: text, `true` for a bare name, a list where a name comes again.
pub fn query_table(lua: &Lua, text: &[u8], most: usize) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (key, value) in form::pairs(text).take(most) {
        let value = match value {
            None => Value::Boolean(true),
            Some(value) => Value::String(lua.create_string(value)?),
        };
        gather(lua, &table, lua.create_string(key)?, value)?;
    }
    Ok(table)
}

/// Adds a value under a name; a second one makes a list.
pub fn gather(lua: &Lua, table: &Table, name: mlua::LuaString, value: Value) -> mlua::Result<()> {
    match table.raw_get::<Value>(&name)? {
        Value::Nil => table.raw_set(name, value),
        Value::Table(list) => list.raw_push(value),
        first => table.raw_set(name, lua.create_sequence_from([first, value])?),
    }
}

fn all_query(lua: &Lua, most: Value) -> mlua::Result<Table> {
    check(Phases::REQUEST)?;
    let most = bound(&most, "max_args", shown().query_arguments)?;
    let text = read(|exchange| query(exchange).to_vec())?;
    query_table(lua, &text, most)
}

/// A header's name as Lua gives it; `_` and `-` are the same.
pub fn header_name(value: Value) -> mlua::Result<String> {
    match value {
        Value::String(name) => Ok(name.to_string_lossy().to_string()),
        _ => Err(error::of("header name must be a string")),
    }
}

fn header(lua: &Lua, name: Value) -> mlua::Result<Value> {
    check(Phases::REQUEST)?;
    let name = header_name(name)?;
    let found = read(|exchange| {
        let headers = &exchange.request.headers;
        headers.get(&name).or_else(|| headers.get(&name.replace('_', "-"))).map(<[u8]>::to_vec)
    })?;
    found.map_or(Ok(Value::Nil), |value| lua.create_string(value).map(Value::String))
}

/// Header lines as a table that is asked without regard to case, and to `_` for `-`.
pub fn header_table(lua: &Lua, lines: Vec<(Vec<u8>, Vec<u8>)>, most: usize) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in lines.into_iter().take(most) {
        let name = lua.create_string(name.to_ascii_lowercase())?;
        gather(lua, &table, name, Value::String(lua.create_string(value)?))?;
    }
    let metatable = match lua.named_registry_value::<Value>("silverback.headers_mt")? {
        Value::Table(metatable) => metatable,
        _ => {
            let metatable = lua.create_table()?;
            metatable.set(
                "__index",
                lua.create_function(|_, (table, name): (Table, Value)| {
                    let Value::String(name) = name else { return Ok(Value::Nil) };
                    table.raw_get(name.to_string_lossy().replace('_', "-").to_ascii_lowercase())
                })?,
            )?;
            lua.set_named_registry_value("silverback.headers_mt", &metatable)?;
            metatable
        }
    };
    table.set_metatable(Some(metatable))?;
    Ok(table)
}

/// The lines of a header section, copied.
pub fn lines(headers: &exchange::Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn headers(lua: &Lua, most: Value) -> mlua::Result<Table> {
    check(Phases::REQUEST)?;
    let most = bound(&most, "max_headers", shown().request_headers)?;
    header_table(lua, read(|exchange| lines(&exchange.request.headers))?, most)
}

fn uri_captures(lua: &Lua, _: MultiValue) -> mlua::Result<Value> {
    check(Phases::REQUEST)?;
    let captures = read(|exchange| exchange.captures.clone())?.unwrap_or_default();
    let named: Map<String, Json> =
        captures.named.iter().map(|(name, group)| (name.clone(), form::lossy(group))).collect();
    let unnamed: Vec<Json> =
        captures.numbered.iter().skip(1).map(|group| form::lossy(group.as_deref().unwrap_or_default())).collect();
    value::from_json(lua, &json!({ "named": named, "unnamed": unnamed }), Null::Absent)
}

/// Reads the request's body whole, and keeps it for the upstream.
pub async fn whole_body() -> mlua::Result<Result<bytes::Bytes, String>> {
    let mut body = with(|exchange| std::mem::take(&mut exchange.request.body))?;
    let result = body.read(form::BODY_LIMIT * 64).await;
    with(|exchange| exchange.request.body = body)?;
    Ok(result.map_err(|error| error.to_string()))
}

async fn raw_body(lua: Lua, _: MultiValue) -> mlua::Result<MultiValue> {
    check(Phases::BODY)?;
    match whole_body().await? {
        Ok(body) => one(&lua, lua.create_string(body)?),
        Err(error) => failed(&lua, error),
    }
}

async fn body(lua: Lua, (mimetype, most, _): (Value, Value, Value)) -> mlua::Result<MultiValue> {
    check(Phases::BODY)?;
    let most = bound(&most, "max_args", shown().form_arguments)?;
    let kind = match &mimetype {
        Value::Nil => read(|exchange| exchange.request.headers.get("content-type").map(<[u8]>::to_vec))?,
        Value::String(kind) => Some(kind.as_bytes().to_vec()),
        _ => return Err(error::of("mimetype must be a string")),
    };
    let Some(kind) = kind else { return failed(&lua, "missing content type") };
    let media = String::from_utf8_lossy(&kind).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = match whole_body().await? {
        Ok(body) => body,
        Err(error) => return failed(&lua, error),
    };
    parsed(&lua, &kind, &media, body, most)
}

/// A body as a table, with its type.
pub fn parsed(lua: &Lua, kind: &[u8], media: &str, body: bytes::Bytes, most: usize) -> mlua::Result<MultiValue> {
    let table = match media {
        "application/x-www-form-urlencoded" => Value::Table(query_table(lua, &body, most)?),
        "application/json" => match serde_json::from_slice::<Json>(&body) {
            Ok(json @ (Json::Object(_) | Json::Array(_))) => value::from_json(lua, &json, Null::Null)?,
            _ => return failed(lua, "invalid json body"),
        },
        "multipart/form-data" => match Form::parse(kind, body) {
            Some(form) => value::from_json(lua, &form.value(), Null::Null)?,
            None => return failed(lua, "missing or invalid multipart boundary"),
        },
        other => return failed(lua, format!("unsupported content type '{other}'")),
    };
    Ok(MultiValue::from_iter([table, Value::Nil, Value::String(lua.create_string(media)?)]))
}
