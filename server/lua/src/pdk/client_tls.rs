//! `kong.client.tls`: the client's side of TLS.

use crate::current::{check, read, with};
use crate::error;
use crate::phase::Phases;
use crate::tls::pem;
use mlua::{Lua, MultiValue, Table, Value};

pub(super) fn add(lua: &Lua, client: &Table) -> mlua::Result<()> {
    let tls = lua.create_table()?;
    // These steer a handshake; plugins are not asked while one goes on.
    for (name, phases) in [
        ("request_client_certificate", Phases::CERTIFICATE),
        ("disable_session_reuse", Phases::CERTIFICATE),
        ("disable_http2_alpn", Phases::CLIENT_HELLO),
    ] {
        tls.set(
            name,
            lua.create_function(move |_, _: MultiValue| {
                check(phases)?;
                Err::<(), _>(error::of(format!("kong.client.tls.{name} is not available in this gateway")))
            })?,
        )?;
    }
    tls.set(
        "get_full_client_certificate_chain",
        lua.create_function(|_, ()| {
            check(Phases::CLIENT_CHAIN)?;
            read(|exchange| {
                let tls = exchange.request.tls.as_ref().filter(|tls| !tls.client_certificates.is_empty())?;
                Some(tls.client_certificates.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>())
            })
        })?,
    )?;
    tls.set("set_client_verify", lua.create_function(set_client_verify)?)?;
    client.set("tls", tls)
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
