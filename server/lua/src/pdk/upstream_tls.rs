//! `kong.service.set_tls_…`: TLS towards the upstream, for one request.

use super::service::{instead, integer};
use crate::current::check;
use crate::error;
use crate::phase::Phases;
use crate::tls::{Chain, Key, Store, object};
use crate::value::one;
use mlua::{Lua, MultiValue, Table, Value};

pub(super) fn add(lua: &Lua, service: &Table) -> mlua::Result<()> {
    service.set("set_tls_verify", lua.create_function(set_tls_verify)?)?;
    service.set("set_tls_verify_depth", lua.create_function(set_tls_verify_depth)?)?;
    service.set("set_tls_verify_store", lua.create_function(set_tls_verify_store)?)?;
    service.set("set_tls_cert_key", lua.create_function(set_tls_cert_key)?)
}

fn set_tls_verify(lua: &Lua, on: Value) -> mlua::Result<MultiValue> {
    check(Phases::TARGET)?;
    let Value::Boolean(on) = on else { return Err(error::of("argument must be a boolean")) };
    instead(|wanted| wanted.verify = Some(on))?;
    one(lua, true)
}

fn set_tls_verify_depth(lua: &Lua, depth: Value) -> mlua::Result<MultiValue> {
    check(Phases::TARGET)?;
    if !matches!(depth, Value::Integer(_) | Value::Number(_)) {
        return Err(error::of("argument must be a number"));
    }
    let depth = integer(&depth, "depth", 0, 64)?;
    instead(|wanted| wanted.verify_depth = Some(depth))?;
    one(lua, true)
}

/// Authorities that may vouch for the upstream: a `resty.openssl.x509.store`.
fn set_tls_verify_store(lua: &Lua, store: Value) -> mlua::Result<MultiValue> {
    check(Phases::TARGET)?;
    let Some(store) = object::<Store>(&store) else {
        return Err(error::of(format!("store expects to be a table but found {}", store.type_name())));
    };
    let authorities = store.borrow::<Store>()?.0.clone();
    instead(|wanted| wanted.authorities = Some(authorities))?;
    one(lua, true)
}

/// The client certificate that the upstream is shown: what `ngx.ssl` parsed.
fn set_tls_cert_key(lua: &Lua, (chain, key): (Value, Value)) -> mlua::Result<MultiValue> {
    check(Phases::TARGET)?;
    let Some(chain) = object::<Chain>(&chain) else { return Err(error::of("chain must be a parsed cdata object")) };
    let Some(key) = object::<Key>(&key) else { return Err(error::of("key must be a parsed cdata object")) };
    let client = (chain.borrow::<Chain>()?.pem().into(), key.borrow::<Key>()?.0.as_str().into());
    instead(|wanted| wanted.client = Some(client))?;
    one(lua, true)
}
