//! `kong.service` and `kong.service.request`: where a request goes, and as what.

use super::request::{header_name, whole_body};
use super::response::header_values;
use crate::current::{Call, call, check, read, run, with};
use crate::error;
use crate::phase::{Phase, Phases};
use crate::value::{self, failed, one};
use bytes::Bytes;
use exchange::escape::{NOT_IN_PATH, RESERVED};
use exchange::{Exchange, Instead, Retarget, Scheme, form};
use mlua::{Lua, MultiValue, Table, Value};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use std::rc::Rc;
use std::time::Duration;

/// Methods that `set_method` takes.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "PUT",
    "POST",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
];
/// Bytes that end a request line, or break it.
const SPACES: &AsciiSet = &CONTROLS.add(b' ');

pub(super) fn add(lua: &Lua, service: &Table) -> mlua::Result<()> {
    service.set("set_timeouts", lua.create_function(set_timeouts)?)?;
    service.set("set_retries", lua.create_function(set_retries)?)?;
    service.set("set_target_retry_callback", lua.create_function(set_target_retry_callback)?)?;
    service.set("set_upstream", lua.create_function(set_upstream)?)?;
    service.set("set_target", lua.create_function(set_target)?)?;
    let request = lua.create_table()?;
    request.set("set_scheme", lua.create_function(set_scheme)?)?;
    request.set("set_path", lua.create_function(set_path)?)?;
    request.set("set_raw_query", lua.create_function(set_raw_query)?)?;
    request.set("set_query", lua.create_function(set_query)?)?;
    request.set("clear_query_arg", lua.create_function(clear_query_arg)?)?;
    request.set("set_method", lua.create_function(set_method)?)?;
    request.set("set_header", lua.create_function(set_header)?)?;
    request.set("add_header", lua.create_function(add_header)?)?;
    request.set("clear_header", lua.create_function(clear_header)?)?;
    request.set("set_headers", lua.create_function(set_headers)?)?;
    request.set("set_raw_body", lua.create_function(set_raw_body)?)?;
    request.set("set_body", lua.create_async_function(set_body)?)?;
    request.set(
        "disable_tls",
        lua.create_function(|_, ()| {
            check(Phases::STREAM)?;
            instead(|instead| instead.cleartext = true)?;
            Ok(true)
        })?,
    )?;
    request.set(
        "enable_buffering",
        lua.create_function(|_, ()| {
            check(Phases::BALANCED)?;
            with(|exchange| exchange.buffer_response = true)
        })?,
    )?;
    service.set("request", request)
}

fn text(value: Value, what: &str) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        _ => Err(error::of(format!("{what} must be a string"))),
    }
}

fn set_upstream(lua: &Lua, host: Value) -> mlua::Result<MultiValue> {
    check(Phases::ACCESS)?;
    let host = text(host, "host")?;
    let name = String::from_utf8_lossy(&host).into_owned();
    if !read(|exchange| exchange.directory.has_upstream(exchange.workspace, &name))? {
        return failed(lua, format!("could not find an Upstream named '{name}'"));
    }
    with(|exchange| exchange.forward.host = host.as_slice().into())?;
    one(lua, true)
}

/// What the request wants otherwise than its Service says.
pub(super) fn instead(change: impl FnOnce(&mut Instead)) -> mlua::Result<()> {
    with(|exchange| change(exchange.forward.instead.get_or_insert_default()))
}

/// A whole number within bounds.
pub(super) fn integer(value: &Value, what: &str, low: u32, high: u32) -> mlua::Result<u32> {
    let number = match value {
        Value::Integer(_) | Value::Number(_) => value::number(value).filter(|number| number.fract() == 0.0),
        _ => None,
    };
    let Some(number) = number else { return Err(error::of(format!("{what} must be an integer"))) };
    if !(f64::from(low)..=f64::from(high)).contains(&number) {
        return Err(error::of(format!("{what} must be an integer between {low} and {high}: given {number}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two u32")]
    Ok(number as u32)
}

fn set_timeouts(_: &Lua, (connect, write, read): (Value, Value, Value)) -> mlua::Result<()> {
    check(Phases::ACCESS)?;
    let of = |value: &Value, what| {
        let milliseconds = integer(value, what, 1, 2_147_483_646)?;
        Ok::<_, mlua::Error>(Duration::from_millis(milliseconds.into()))
    };
    let timeouts = [of(&connect, "connect_timeout")?, of(&write, "write_timeout")?, of(&read, "read_timeout")?];
    instead(|wanted| wanted.timeouts = Some(timeouts))
}

fn set_retries(_: &Lua, retries: Value) -> mlua::Result<()> {
    check(Phases::ACCESS)?;
    let retries = integer(&retries, "retries", 0, 32767)?;
    instead(|wanted| wanted.retries = Some(retries))
}

/// Who says where a request goes after a try that failed: `host, port`, or `nil, nil, err`.
fn set_target_retry_callback(_: &Lua, callback: Value) -> mlua::Result<()> {
    check(Phases::ACCESS)?;
    let Value::Function(callback) = callback else { return Err(error::of("retry_callback must be a function")) };
    let of = call()?;
    let ask = move |exchange: &mut Exchange| {
        let call = Call::new((of.plugin, of.id), Phase::Balancer, Some(of.remembered.clone()));
        call.budget.set(of.budget.get());
        let given: mlua::Result<(Value, Value, Value)> = run(&call, exchange, || callback.call(()));
        let (host, port, refused) = given.map_err(|error| error::text(&error))?;
        if !refused.is_nil() {
            return Err(value::text(&refused).unwrap_or_default());
        }
        let host = text(host, "host").map_err(|error| error::text(&error))?;
        Ok((host, port_of(&port).map_err(|error| error::text(&error))?))
    };
    with(|exchange| exchange.state.put(Retarget(Rc::new(ask))))
}

fn port_of(port: &Value) -> mlua::Result<u16> {
    let number = match port {
        Value::Integer(_) | Value::Number(_) => value::number(port).filter(|port| port.fract() == 0.0),
        _ => None,
    };
    let Some(number) = number else { return Err(error::of("port must be an integer")) };
    if !(0.0..=65535.0).contains(&number) {
        return Err(error::of(format!("port must be an integer between 0 and 65535: given {number}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 65535")]
    Ok(number as u16)
}

fn set_target(_: &Lua, (host, port): (Value, Value)) -> mlua::Result<()> {
    check(Phases::TARGET)?;
    let host = text(host, "host")?;
    let port = port_of(&port)?;
    with(|exchange| {
        exchange.forward.host = host.as_slice().into();
        exchange.forward.port = port;
    })
}

fn set_scheme(_: &Lua, scheme: Value) -> mlua::Result<()> {
    check(Phases::BALANCED)?;
    let scheme = text(scheme, "scheme")?;
    let scheme = match scheme.as_slice() {
        b"http" => Scheme::Http,
        b"https" => Scheme::Https,
        other => return Err(error::of(format!("invalid scheme: {}", String::from_utf8_lossy(other)))),
    };
    with(|exchange| exchange.forward.scheme = scheme)
}

fn set_path(_: &Lua, path: Value) -> mlua::Result<()> {
    check(Phases::BALANCED)?;
    let path = text(path, "path")?;
    if path.first() != Some(&b'/') {
        return Err(error::of("path must start with /"));
    }
    let escaped = percent_encode(&path, NOT_IN_PATH).to_string();
    with(|exchange| exchange.forward.path = escaped.as_bytes().into())
}

/// The query that is sent, and that later plugins see.
pub fn put_query(query: &[u8]) -> mlua::Result<()> {
    // A query that could end the request line is escaped like any other text.
    let clean: Vec<u8> = match query.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        true => percent_encode(query, SPACES).to_string().into_bytes(),
        false => query.to_vec(),
    };
    with(|exchange| {
        let query = (!clean.is_empty()).then(|| clean.as_slice().into());
        if exchange.route.is_none() {
            exchange.request.query = query.clone();
        }
        exchange.forward.query = query;
    })
}

fn set_raw_query(_: &Lua, query: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    put_query(&text(query, "query")?)
}

/// `ngx.encode_args`, by name: a list gives a name several times, `true` gives it without a value, `false` not at all.
pub fn encode_args(args: &Table) -> mlua::Result<String> {
    let escape = |bytes: &[u8]| percent_encode(bytes, RESERVED).to_string();
    let mut parts: Vec<(Vec<u8>, Vec<Value>)> = Vec::new();
    for pair in args.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = match &name {
            Value::String(_) | Value::Integer(_) | Value::Number(_) => value::bytes(&name)?,
            other => return Err(error::of(format!("arg keys must be strings, got {}", other.type_name()))),
        };
        let values = match value {
            Value::Table(list) => list.sequence_values::<Value>().collect::<mlua::Result<Vec<_>>>()?,
            other => vec![other],
        };
        parts.push((name, values));
    }
    parts.sort_by(|left, right| left.0.cmp(&right.0));
    let mut out: Vec<String> = Vec::new();
    for (name, values) in parts {
        for value in values {
            match value {
                Value::Boolean(true) => out.push(escape(&name)),
                Value::Boolean(false) => {}
                Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                    out.push(format!("{}={}", escape(&name), escape(&value::bytes(&value)?)));
                }
                other => {
                    return Err(error::of(format!("attempt to use {} as query arg value", other.type_name())));
                }
            }
        }
    }
    Ok(out.join("&"))
}

fn set_query(_: &Lua, args: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let Value::Table(args) = args else { return Err(error::of("args must be a table")) };
    put_query(encode_args(&args)?.as_bytes())
}

fn clear_query_arg(_: &Lua, name: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let name = text(name, "query argument name")?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let query = read(|exchange| form::without(super::request::query(exchange), &name))?;
    put_query(&query)
}

fn set_method(_: &Lua, method: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let method = text(method, "method")?;
    if !METHODS.iter().any(|known| known.as_bytes() == method) {
        return Err(error::of(format!("invalid method: {}", String::from_utf8_lossy(&method))));
    }
    with(|exchange| exchange.request.method = method.as_slice().into())
}

/// Sets a header of the request; `Host` is the upstream's.
fn put_header(exchange: &mut Exchange, name: &str, values: &[Vec<u8>], keep: bool) {
    if name.eq_ignore_ascii_case("host") {
        exchange.forward.host_header = values.last().map(|value| value.as_slice().into());
        return;
    }
    if !keep {
        exchange.request.headers.remove(name);
    }
    for value in values {
        exchange.request.headers.append(name, value.trim_ascii());
    }
}

fn set_header(_: &Lua, (name, value): (Value, Value)) -> mlua::Result<()> {
    check(Phases::BALANCED)?;
    let name = header_name(name)?;
    let values = header_values(&name, &value)?;
    with(|exchange| put_header(exchange, &name, &values, false))
}

fn add_header(_: &Lua, (name, value): (Value, Value)) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let name = header_name(name)?;
    let values = header_values(&name, &value)?;
    with(|exchange| put_header(exchange, &name, &values, true))
}

fn clear_header(_: &Lua, name: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let name = header_name(name)?;
    with(|exchange| exchange.request.headers.remove(&name)).map(|_| ())
}

fn set_headers(_: &Lua, headers: Value) -> mlua::Result<()> {
    check(Phases::FORWARD)?;
    let Value::Table(headers) = headers else { return Err(error::of("headers must be a table")) };
    for pair in headers.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = header_name(name)?;
        let values = header_values(&name, &value)?;
        with(|exchange| put_header(exchange, &name, &values, false))?;
    }
    Ok(())
}

fn set_raw_body(_: &Lua, body: Value) -> mlua::Result<()> {
    check(Phases::BALANCED)?;
    let body = text(body, "body")?;
    with(|exchange| form::replace(exchange, Bytes::from(body)))
}

async fn set_body(lua: Lua, (args, mimetype): (Value, Value)) -> mlua::Result<MultiValue> {
    check(Phases::FORWARD)?;
    let Value::Table(table) = &args else { return Err(error::of("args must be a table")) };
    let given = match &mimetype {
        Value::Nil => None,
        Value::String(kind) => Some(kind.to_string_lossy().to_string()),
        _ => return Err(error::of("mimetype must be a string")),
    };
    let own = read(|exchange| exchange.request.headers.get_str("content-type").map(str::to_owned))?;
    let Some(kind) = given.clone().or(own) else {
        return failed(&lua, "content type was neither explicitly given as an argument or received as a header");
    };
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut sent = given.is_some().then(|| kind.clone());
    let body = match media.as_str() {
        "application/x-www-form-urlencoded" => encode_args(table)?,
        "application/json" => value::to_json(&lua, &args)?.to_string(),
        "multipart/form-data" => {
            let boundary = kind.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"').to_owned());
            let boundary = boundary.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
            sent = Some(format!("multipart/form-data; boundary={boundary}"));
            multipart(table, &boundary)?
        }
        other => return failed(&lua, format!("unsupported content type {other}")),
    };
    // What the client sent is read to its end, so that its connection goes on.
    if let Err(error) = whole_body().await? {
        return failed(&lua, error);
    }
    with(|exchange| {
        if let Some(kind) = &sent {
            exchange.request.headers.set("Content-Type", kind);
        }
        form::replace(exchange, Bytes::from(body));
    })?;
    one(&lua, true)
}

fn multipart(table: &Table, boundary: &str) -> mlua::Result<String> {
    let mut parts = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        parts.push((value::text(&name)?, value::text(&value)?));
    }
    parts.sort();
    let mut out = String::new();
    for (name, value) in parts {
        let name = name.replace('"', "%22").replace(['\r', '\n'], " ");
        out += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    Ok(out + &format!("--{boundary}--\r\n"))
}
