//! `kong.client.tls`: the client's side of TLS.

use crate::current::{check, read, with};
use crate::error;
use crate::phase::Phases;
use crate::tls::{self, pem};
use mlua::{Lua, MultiValue, Table, Value};

pub(super) fn add(lua: &Lua, client: &Table) -> mlua::Result<()> {
    let table = lua.create_table()?;
    table.set(
        "request_client_certificate",
        lua.create_function(|_, authorities: Value| {
            check(Phases::CERTIFICATE)?;
            let authorities = tls::authorities(&authorities)?;
            tls::lead(|handshake| handshake.authorities = Some(authorities))?;
            Ok(true)
        })?,
    )?;
    table.set(
        "disable_session_reuse",
        lua.create_function(|_, _: MultiValue| {
            check(Phases::CERTIFICATE)?;
            tls::lead(|handshake| handshake.once = true)?;
            Ok(true)
        })?,
    )?;
    // No plugin has a phase in which it can be called.
    table.set("disable_http2_alpn", lua.create_function(|_, _: MultiValue| check(Phases::CLIENT_HELLO))?)?;
    table.set(
        "get_full_client_certificate_chain",
        lua.create_function(|_, ()| {
            check(Phases::CLIENT_CHAIN)?;
            read(|exchange| {
                let tls = exchange.request.tls.as_ref().filter(|tls| !tls.client_certificates.is_empty())?;
                Some(tls.client_certificates.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>())
            })
        })?,
    )?;
    table.set("set_client_verify", lua.create_function(set_client_verify)?)?;
    client.set("tls", table)
}

fn set_client_verify(_: &Lua, given: Value) -> mlua::Result<()> {
    check(Phases::CLIENT_VERIFY)?;
    let text = match &given {
        Value::String(text) => text.to_string_lossy().to_string(),
        _ => String::new(),
    };
    if text != "SUCCESS" && text != "NONE" && !text.starts_with("FAILED:") {
        let shown = crate::value::text(&given)?;
        return Err(error::of(format!(
            "unknown client verify value: {shown} accepted values are: \"SUCCESS\", \"NONE\" or \"FAILED:<reason>\""
        )));
    }
    with(|exchange| {
        if let Some(tls) = &mut exchange.request.tls {
            std::sync::Arc::make_mut(tls).client_verify = Some(text.into());
        }
    })
}
