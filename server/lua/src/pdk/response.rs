//! `kong.response`

use super::request::{bound, header_name, header_table, lines, shown};
use crate::current::{Edit, call, check, phase, read, with};
use crate::error;
use crate::phase::{Phase, Phases};
use crate::value;
use bytes::Bytes;
use exchange::response::Source;
use exchange::{Answer, AnswerBody};
use mlua::{Lua, MultiValue, Table, Value};
use std::borrow::Cow;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let response = lua.create_table()?;
    response.set(
        "get_status",
        lua.create_function(|_, ()| {
            check(Phases::ANSWERED)?;
            read(|exchange| exchange.response.status)
        })?,
    )?;
    response.set("get_header", lua.create_function(get_header)?)?;
    response.set(
        "get_headers",
        lua.create_function(|lua, most: Value| {
            check(Phases::ANSWERED)?;
            let most = bound(&most, "max_headers", shown().response_headers)?;
            header_table(lua, read(|exchange| lines(&exchange.response.headers))?, most)
        })?,
    )?;
    response.set(
        "get_source",
        lua.create_function(|_, _: MultiValue| {
            check(Phases::ANSWERED)?;
            read(|exchange| match exchange.response.source {
                Source::Service => "service",
                Source::Exit => "exit",
                Source::Error => "error",
            })
        })?,
    )?;
    response.set("set_status", lua.create_function(set_status)?)?;
    response.set(
        "set_header",
        lua.create_function(|_, (name, value): (Value, Value)| {
            head()?;
            let name = header_name(name)?;
            let values = header_values(&name, &value)?;
            edit(Edit::Set(name, values))
        })?,
    )?;
    response.set(
        "add_header",
        lua.create_function(|_, (name, value): (Value, Value)| {
            head()?;
            let name = header_name(name)?;
            let values = header_values(&name, &value)?;
            edit(Edit::Add(name, values))
        })?,
    )?;
    response.set(
        "clear_header",
        lua.create_function(|_, name: Value| {
            head()?;
            edit(Edit::Clear(header_name(name)?))
        })?,
    )?;
    response.set("set_headers", lua.create_function(set_headers)?)?;
    response.set("get_raw_body", lua.create_function(get_raw_body)?)?;
    response.set("set_raw_body", lua.create_function(set_raw_body)?)?;
    response.set("exit", lua.create_function(kong_exit)?)?;
    response.set("error", lua.create_function(kong_error)?)?;
    kong.set("response", response)
}

/// The phases in which a head can still be changed.
fn head() -> mlua::Result<()> {
    check(Phases::HEAD)
}

fn get_header(lua: &Lua, name: Value) -> mlua::Result<Value> {
    check(Phases::ANSWERED)?;
    let name = header_name(name)?;
    let found = read(|exchange| {
        let headers = &exchange.response.headers;
        headers.get(&name).or_else(|| headers.get(&name.replace('_', "-"))).map(<[u8]>::to_vec)
    })?;
    found.map_or(Ok(Value::Nil), |value| lua.create_string(value).map(Value::String))
}

/// The values of a header: text, a number, a boolean, or a list of those.
pub fn header_values(name: &str, value: &Value) -> mlua::Result<Vec<Vec<u8>>> {
    let refused = |value: &Value, more: &str| {
        let kind = value.type_name();
        error::of(format!("invalid header value for \"{name}\": got {kind}, expected string, number or boolean{more}"))
    };
    match value {
        Value::Table(list) => {
            let mut values = Vec::new();
            for item in list.sequence_values::<Value>() {
                let item = item?;
                match item {
                    Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
                        values.push(value::bytes(&item)?);
                    }
                    other => return Err(refused(&other, "")),
                }
            }
            Ok(values)
        }
        Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => Ok(vec![value::bytes(value)?]),
        other => Err(refused(other, "")),
    }
}

/// Changes the head that is there, or the one that will be.
fn edit(edit: Edit) -> mlua::Result<()> {
    if phase() == Phase::HeaderFilter {
        return with(|exchange| edit.apply(&mut exchange.response.headers));
    }
    call()?.remembered.later(edit);
    Ok(())
}

fn set_headers(_: &Lua, headers: Value) -> mlua::Result<()> {
    head()?;
    let Value::Table(headers) = headers else { return Err(error::of("headers must be a table")) };
    for pair in headers.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let Value::String(name) = name else {
            let kind = name.type_name();
            return Err(error::of(format!(
                "invalid header name \"{}\": got {kind}, expected string",
                value::text(&name)?
            )));
        };
        let name = name.to_string_lossy().to_string();
        let values = header_values(&name, &value)?;
        edit(Edit::Set(name, values))?;
    }
    Ok(())
}

fn code(value: &Value, lowest: i64) -> mlua::Result<u16> {
    if !matches!(value, Value::Integer(_) | Value::Number(_)) {
        return Err(error::of("code must be a number"));
    }
    let number = value::number(value).unwrap_or_default();
    if number.fract() != 0.0 || number < lowest as f64 || number > 599.0 {
        return Err(error::of(format!("code must be a number between {lowest} and 599")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 100 and 599")]
    Ok(number as u16)
}

fn set_status(_: &Lua, status: Value) -> mlua::Result<()> {
    head()?;
    let status = code(&status, 100)?;
    if phase() == Phase::HeaderFilter {
        return with(|exchange| {
            exchange.response.status = status;
            exchange.response.reason = Bytes::new();
        });
    }
    call()?.remembered.status().set(Some(status));
    Ok(())
}

/// The body so far is kept back until its last chunk is here.
fn get_raw_body(lua: &Lua, (): ()) -> mlua::Result<Value> {
    check(Phases::CHUNK)?;
    let call = call()?;
    let chunk = call.chunk.take();
    call.remembered.gather(&chunk);
    if !call.last.get() {
        return Ok(Value::Nil);
    }
    let whole = call.remembered.gathered();
    call.remembered.gather(&whole);
    *call.chunk.borrow_mut() = whole.clone();
    Ok(Value::String(lua.create_string(whole)?))
}

fn set_raw_body(_: &Lua, body: Value) -> mlua::Result<()> {
    check(Phases::CHUNK)?;
    let Value::String(body) = body else {
        return Err(error::of(format!("body must be a string, got {}", body.type_name())));
    };
    let call = call()?;
    let body = if call.last.get() { Bytes::copy_from_slice(&body.as_bytes()) } else { Bytes::new() };
    *call.chunk.borrow_mut() = body;
    Ok(())
}

/// Ends the phase with an answer. Never returns to the function that called.
pub fn exit<T>(answer: Answer) -> mlua::Result<T> {
    let call = call()?;
    call.answer.replace(Some(answer));
    call.ended.set(true);
    Err(error::of("exit"))
}

/// Header lines of a table; without the length, which is that of the body.
pub fn given_headers(headers: &Value) -> mlua::Result<Vec<(Cow<'static, str>, Vec<u8>)>> {
    let mut lines: Vec<(Cow<'static, str>, Vec<u8>)> = Vec::new();
    match headers {
        Value::Nil => {}
        Value::Table(headers) => {
            for pair in headers.pairs::<Value, Value>() {
                let (name, value) = pair?;
                let name = header_name(name)?;
                for value in header_values(&name, &value)? {
                    lines.push((Cow::Owned(name.clone()), value));
                }
            }
        }
        _ => return Err(error::of("headers must be a nil or table")),
    }
    lines.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    Ok(lines)
}

/// Statuses that sessions of TCP, TLS and UDP can end with.
const OF_SESSIONS: [u16; 6] = [200, 400, 403, 500, 502, 503];

/// Whether the phase may end here; in streams, whether with this status.
fn ending(status: impl Fn() -> mlua::Result<u16>) -> mlua::Result<()> {
    if phase() != Phase::Preread {
        return head();
    }
    match status()? {
        status if OF_SESSIONS.contains(&status) => Ok(()),
        status => Err(error::of(format!(
            "a stream cannot end with the status {status} (only with: 200, 400, 403, 500, 502, 503)"
        ))),
    }
}

fn kong_exit(lua: &Lua, (status, body, headers): (Value, Value, Value)) -> mlua::Result<()> {
    ending(|| code(&status, 100))?;
    let status = code(&status, 100)?;
    let body = match &body {
        Value::Nil => AnswerBody::Empty,
        Value::String(text) => AnswerBody::Bytes(Bytes::copy_from_slice(&text.as_bytes())),
        Value::Table(_) => AnswerBody::Json(value::to_json(lua, &body)?),
        _ => return Err(error::of("body must be a nil, string or table")),
    };
    let headers = given_headers(&headers)?;
    let grpc = read(|exchange| {
        let kind = exchange.request.headers.get("content-type");
        kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
    })?;
    if grpc && let AnswerBody::Json(json) = &body {
        // A gRPC client reads a status and a message, no JSON.
        let message = json.get("message").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        return exit(Answer { headers, ..Answer::error(status, message) });
    }
    exit(Answer { status, headers, body, negotiation: Default::default(), source: Source::Exit })
}

fn kong_error(lua: &Lua, (status, message, headers): (Value, Value, Value)) -> mlua::Result<()> {
    ending(|| code(&status, 400))?;
    let status = match code(&status, 400) {
        Ok(status) => status,
        Err(_) if matches!(status, Value::Integer(_) | Value::Number(_)) => {
            return Err(error::of("code must be a number between 400 and 599"));
        }
        Err(error) => return Err(error),
    };
    let message = match &message {
        Value::Nil => String::new(),
        Value::Table(_) => value::to_json(lua, &message)?.to_string(),
        other => value::text(other)?,
    };
    let headers = given_headers(&headers)?;
    exit(Answer { headers, ..Answer::error(status, message) })
}
