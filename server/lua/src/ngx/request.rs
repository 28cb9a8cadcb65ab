//! `ngx.req` and `ngx.resp`.

use crate::current::{append, call, read, with};
use crate::error;
use crate::pdk::{
    encode_args, header_name, header_table, header_values, lines, query, query_table, shown, version, whole_body,
};
use crate::value;
use bytes::Bytes;
use exchange::{Body, form};
use mlua::{Lua, MultiValue, Table, Value};
use std::time::UNIX_EPOCH;

/// As many as are asked for (0: all of them), else as many as are shown.
pub(super) fn most(given: Option<usize>, shown: usize) -> usize {
    if given == Some(0) { usize::MAX } else { given.unwrap_or(shown) }
}

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let req = lua.create_table()?;
    req.set(
        "get_method",
        lua.create_function(|lua, ()| lua.create_string(read(|exchange| exchange.request.method.to_vec())?))?,
    )?;
    req.set(
        "get_headers",
        lua.create_function(|lua, (given, _): (Option<usize>, Option<bool>)| {
            header_table(lua, read(|exchange| lines(&exchange.request.headers))?, most(given, shown().request_headers))
        })?,
    )?;
    req.set(
        "get_uri_args",
        lua.create_function(|lua, given: Option<usize>| {
            let text = read(|exchange| query(exchange).to_vec())?;
            query_table(lua, &text, most(given, shown().query_arguments))
        })?,
    )?;
    req.set(
        "start_time",
        lua.create_function(|_, ()| {
            read(|exchange| {
                exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64 / 1000.0
            })
        })?,
    )?;
    req.set("http_version", lua.create_function(|_, ()| read(|exchange| version(exchange.request.version)))?)?;
    req.set("is_internal", lua.create_function(|_, ()| Ok(false))?)?;
    req.set("read_body", lua.create_async_function(async |_, ()| whole_body().await?.map(|_| ()).map_err(error::of))?)?;
    req.set(
        "discard_body",
        lua.create_async_function(async |_, ()| {
            whole_body().await?.map_err(error::of)?;
            with(|exchange| form::replace(exchange, Bytes::new()))
        })?,
    )?;
    req.set(
        "get_body_data",
        lua.create_function(|lua, _: MultiValue| {
            let body = read(|exchange| match &exchange.request.body {
                Body::Buffered(bytes) if !bytes.is_empty() => Some(bytes.clone()),
                _ => None,
            })?;
            body.map(|body| lua.create_string(body)).transpose()
        })?,
    )?;
    req.set("get_body_file", lua.create_function(|_, ()| Ok(Value::Nil))?)?;
    req.set(
        "get_post_args",
        lua.create_function(|lua, given: Option<usize>| {
            let body = read(|exchange| match &exchange.request.body {
                Body::Buffered(bytes) => bytes.clone(),
                _ => Bytes::new(),
            })?;
            query_table(lua, &body, most(given, shown().form_arguments))
        })?,
    )?;
    req.set(
        "set_body_data",
        lua.create_function(|_, body: mlua::LuaString| {
            let body = Bytes::copy_from_slice(&body.as_bytes());
            with(|exchange| form::replace(exchange, body))
        })?,
    )?;
    req.set(
        "set_header",
        lua.create_function(|_, (name, value): (Value, Value)| {
            let name = header_name(name)?;
            let values = if value.is_nil() { Vec::new() } else { header_values(&name, &value)? };
            with(|exchange| {
                exchange.request.headers.remove(&name);
                append(&mut exchange.request.headers, &name, &values);
            })
        })?,
    )?;
    req.set(
        "clear_header",
        lua.create_function(|_, name: Value| {
            let name = header_name(name)?;
            with(|exchange| exchange.request.headers.remove(&name)).map(|_| ())
        })?,
    )?;
    req.set(
        "set_uri_args",
        lua.create_function(|_, args: Value| {
            let text = match args {
                Value::Table(args) => encode_args(&args)?,
                other => value::text(&other)?,
            };
            crate::pdk::put_query(text.as_bytes())
        })?,
    )?;
    req.set(
        "set_method",
        lua.create_function(|_, number: i64| {
            const METHODS: [(&str, i64); 15] = [
                ("GET", 2),
                ("HEAD", 4),
                ("POST", 8),
                ("PUT", 16),
                ("DELETE", 32),
                ("MKCOL", 64),
                ("COPY", 128),
                ("MOVE", 256),
                ("OPTIONS", 512),
                ("PROPFIND", 1024),
                ("PROPPATCH", 2048),
                ("LOCK", 4096),
                ("UNLOCK", 8192),
                ("PATCH", 16384),
                ("TRACE", 32768),
            ];
            let method = METHODS.iter().find(|(_, known)| *known == number);
            let Some((method, _)) = method else { return Err(error::of(format!("unsupported HTTP method: {number}"))) };
            with(|exchange| exchange.request.method = method.as_bytes().into())
        })?,
    )?;
    for name in ["set_uri", "set_body_file", "init_body", "append_body", "finish_body", "socket", "raw_header"] {
        let text = format!("ngx.req.{name} is not available in this gateway");
        req.set(name, lua.create_function(move |_, _: MultiValue| Err::<(), _>(error::of(text.clone())))?)?;
    }
    ngx.set("req", req)?;
    let resp = lua.create_table()?;
    resp.set(
        "get_headers",
        lua.create_function(|lua, (given, _): (Option<usize>, Option<bool>)| {
            let mut all = read(|exchange| lines(&exchange.response.headers))?;
            if all.is_empty() {
                all = lines(&call()?.remembered.planned());
            }
            header_table(lua, all, most(given, shown().response_headers))
        })?,
    )?;
    resp.set(
        "add_header",
        lua.create_function(|_, (name, value): (Value, Value)| {
            let name = header_name(name)?;
            let values = header_values(&name, &value)?;
            super::headers::change(crate::current::Edit::Add(name, values))
        })?,
    )?;
    ngx.set("resp", resp)
}
