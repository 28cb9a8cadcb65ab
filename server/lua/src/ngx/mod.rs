//! The `ngx` table: what plugins use of OpenResty's interface.

mod codec;
mod constants;
mod headers;
mod regex;
mod request;
mod time;
mod variables;

pub use codec::{decode_base64, encode_base64};

use crate::current::{call, check, phase, read, with};
use crate::error;
use crate::pdk;
use crate::phase::{Phase, Phases};
use crate::value;
use bytes::Bytes;
use exchange::{Answer, AnswerBody, Source};
use mlua::{Lua, MultiValue, Table, Value};
use std::time::Duration;

/// Parts of the interface that this gateway does not have.
const ABSENT: &[&str] = &["location", "thread", "semaphore", "exec", "redirect", "flush", "eof", "on_abort", "ssl"];

/// Everything, for a new state.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let ngx = lua.create_table()?;
    constants::add(&ngx)?;
    codec::add(lua, &ngx)?;
    time::add(lua, &ngx)?;
    regex::add(lua, &ngx)?;
    request::add(lua, &ngx)?;
    headers::add(lua, &ngx)?;
    variables::add(lua, &ngx)?;
    ngx.set("null", Value::NULL)?;
    ngx.set("socket", crate::socket::table(lua)?)?;
    ngx.set("_shared", crate::pdk::dictionary(lua)?)?;
    ngx.set("_text", lua.create_function(|_, error: mlua::Error| Ok(error::message(&error)))?)?;
    ngx.set("_ended", lua.create_function(|_, ()| Ok(call().is_ok_and(|call| call.ended.get())))?)?;
    ngx.set(
        "get_phase",
        lua.create_function(|_, ()| {
            Ok(match phase() {
                Phase::Certificate => "ssl_cert",
                // What Kong runs where nginx makes content.
                Phase::Response | Phase::AdminApi => "content",
                phase => phase.name(),
            })
        })?,
    )?;
    ngx.set(
        "log",
        lua.create_function(|_, (level, values): (i64, MultiValue)| {
            let text: String = values.iter().map(value::text).collect::<mlua::Result<_>>()?;
            pdk::log_level(level, &text);
            Ok(())
        })?,
    )?;
    ngx.set("exit", lua.create_function(exit)?)?;
    ngx.set("print", lua.create_function(|_, values: MultiValue| written(&values, false))?)?;
    ngx.set("say", lua.create_function(|_, values: MultiValue| written(&values, true))?)?;
    ngx.set(
        "sleep",
        lua.create_async_function(async |_, seconds: f64| {
            check(Phases::WAITING)?;
            if !(0.0..=86400.0).contains(&seconds) {
                return Err(error::of(format!("invalid sleep duration \"{seconds}\"")));
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            Ok(())
        })?,
    )?;
    timers(lua, &ngx)?;
    arg(lua, &ngx)?;
    let worker = lua.create_table()?;
    worker.set("pid", lua.create_function(|_, ()| Ok(std::process::id()))?)?;
    worker.set("id", lua.create_function(|_, ()| Ok(crate::folder::worker_number().unwrap_or(0)))?)?;
    worker.set("count", lua.create_function(|_, ()| Ok(crate::settings::get().workers))?)?;
    worker.set("exiting", lua.create_function(|_, ()| Ok(false))?)?;
    ngx.set("worker", worker)?;
    let config = lua.create_table()?;
    config.set("debug", false)?;
    config.set("subsystem", "http")?;
    config.set("ngx_lua_version", 10027)?;
    config.set("nginx_version", 1_025_003)?;
    config.set(
        "prefix",
        lua.create_function(|_, ()| {
            let configuration = crate::settings::configuration();
            Ok(configuration.get("prefix").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
        })?,
    )?;
    ngx.set("config", config)?;
    properties(lua, &ngx)?;
    Ok(ngx)
}

/// `ngx.status`, `ngx.ctx` and what else is asked for anew each time.
fn properties(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, name): (Value, Value)| {
            let Value::String(name) = name else { return Ok(Value::Nil) };
            let name = name.to_string_lossy().to_string();
            Ok(match name.as_str() {
                "status" => {
                    let status = read(|exchange| exchange.response.status)?;
                    let set = call()?.remembered.status().get();
                    Value::Integer(if status == 0 { set.unwrap_or(0).into() } else { status.into() })
                }
                "ctx" => Value::Table(call()?.remembered.ngx(lua)?),
                "headers_sent" => Value::Boolean(matches!(phase(), Phase::BodyFilter | Phase::Log)),
                "is_subrequest" => Value::Boolean(false),
                other if ABSENT.contains(&other) => {
                    return Err(error::of(format!("ngx.{other} is not available in this gateway")));
                }
                _ => Value::Nil,
            })
        })?,
    )?;
    metatable.set(
        "__newindex",
        lua.create_function(|lua, (_, name, value): (Value, mlua::LuaString, Value)| match &*name.to_string_lossy() {
            "status" => {
                let status = value::number(&value).filter(|status| (100.0..=599.0).contains(status));
                let Some(status) = status else { return Err(error::of("invalid status")) };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 100 and 599")]
                let status = status as u16;
                if phase() == Phase::HeaderFilter {
                    with(|exchange| {
                        exchange.response.status = status;
                        exchange.response.reason = Bytes::new();
                    })
                } else {
                    call()?.remembered.status().set(Some(status));
                    Ok(())
                }
            }
            "ctx" => {
                let Value::Table(given) = value else { return Err(error::of("ngx.ctx must be a table")) };
                let own = call()?.remembered.ngx(lua)?;
                own.clear()?;
                for pair in given.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    own.raw_set(key, value)?;
                }
                Ok(())
            }
            other => Err(error::of(format!("ngx.{other} cannot be set"))),
        })?,
    )?;
    ngx.set_metatable(Some(metatable))
}

/// Ends the phase: with an answer where the status is one, else without.
fn exit(_: &Lua, status: i64) -> mlua::Result<()> {
    let call = call()?;
    if call.phase == Phase::Certificate {
        call.ended.set(true);
        // There is no answer to a handshake but its end.
        if status != 0 {
            call.answer.replace(Some(Answer::page(500)));
        }
        return Err(error::of("exit"));
    }
    if !matches!(call.phase, Phase::Rewrite | Phase::Access | Phase::HeaderFilter | Phase::AdminApi) {
        return Err(error::of(format!("API disabled in the context of {}_by_lua*", call.phase.name())));
    }
    match u16::try_from(status) {
        Ok(status @ 100..=599) => {
            let written = call.written.take();
            // A status of an error without a body of its own gets the gateway's error page.
            if written.is_empty() && status >= 400 {
                return pdk::exit(Answer { source: Source::Exit, ..Answer::page(status) });
            }
            let set = call.remembered.status().get().filter(|_| status == 200).unwrap_or(status);
            pdk::exit(Answer::bytes(set, written))
        }
        _ => {
            call.ended.set(true);
            if call.written.borrow().is_empty() {
                return Err(error::of("exit"));
            }
            let status = call.remembered.status().get().unwrap_or(200);
            let body = call.written.take();
            pdk::exit(Answer { body: AnswerBody::Bytes(body.into()), ..Answer::bytes(status, "") })
        }
    }
}

/// Text of an answer that Lua writes itself; it is sent when the phase ends.
fn written(values: &MultiValue, line: bool) -> mlua::Result<()> {
    let call = call()?;
    if !matches!(call.phase, Phase::Rewrite | Phase::Access | Phase::AdminApi) {
        return Err(error::of(format!("API disabled in the context of {}_by_lua*", call.phase.name())));
    }
    fn put(out: &mut Vec<u8>, value: &Value) -> mlua::Result<()> {
        match value {
            Value::Table(list) => {
                for item in list.sequence_values::<Value>() {
                    put(out, &item?)?;
                }
                Ok(())
            }
            Value::Nil => {
                out.extend_from_slice(b"nil");
                Ok(())
            }
            value if *value == Value::NULL => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            other => {
                out.extend(value::bytes(other)?);
                Ok(())
            }
        }
    }
    let mut out = call.written.borrow_mut();
    for value in values {
        put(&mut out, value)?;
    }
    if line {
        out.push(b'\n');
    }
    Ok(())
}

/// `ngx.arg`: the chunk in `body_filter`.
fn arg(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let arg = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, index): (Value, i64)| {
            check(Phases::CHUNK)?;
            let call = call()?;
            Ok(match index {
                1 => Value::String(lua.create_string(&*call.chunk.borrow())?),
                2 => Value::Boolean(call.last.get()),
                _ => Value::Nil,
            })
        })?,
    )?;
    metatable.set(
        "__newindex",
        lua.create_function(|_, (_, index, value): (Value, i64, Value)| {
            check(Phases::CHUNK)?;
            let call = call()?;
            match (index, value) {
                (1, Value::Nil) => *call.chunk.borrow_mut() = Bytes::new(),
                (1, value) => *call.chunk.borrow_mut() = value::bytes(&value)?.into(),
                _ => {}
            }
            Ok(())
        })?,
    )?;
    arg.set_metatable(Some(metatable))?;
    ngx.set("arg", arg)
}

/// `ngx.timer`: functions that run later, on the worker that asked for them, without a request.
fn timers(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let timer = lua.create_table()?;
    for (name, again) in [("at", false), ("every", true)] {
        timer.set(
            name,
            lua.create_function(move |lua, (seconds, function, arguments): (f64, mlua::Function, MultiValue)| {
                if !(0.0..=1e8).contains(&seconds) || (again && seconds == 0.0) {
                    return value::failed(lua, "invalid delay");
                }
                crate::timer::start(seconds, again, function, arguments);
                value::one(lua, 1)
            })?,
        )?;
    }
    timer.set("running_count", lua.create_function(|_, ()| Ok(crate::timer::running()))?)?;
    timer.set("pending_count", lua.create_function(|_, ()| Ok(crate::timer::pending()))?)?;
    ngx.set("timer", timer)
}
