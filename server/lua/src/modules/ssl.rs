//! `ngx.ssl`: certificates and keys in one form or another.

use crate::error;
use crate::tls::{Chain, Key};
use crate::value::{failed, one};
use mlua::{Lua, LuaString, MultiValue, Table};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// Functions that only make sense in a handshake that Lua leads.
const ABSENT: &[&str] = &[
    "clear_certs",
    "set_der_cert",
    "set_der_priv_key",
    "set_cert",
    "set_priv_key",
    "raw_server_addr",
    "raw_client_addr",
    "verify_client",
    "get_tls1_version",
    "get_tls1_version_str",
    "get_client_random",
    "export_keying_material",
];

/// The module.
pub fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set(
        "parse_pem_cert",
        lua.create_function(|lua, pem: LuaString| match Chain::of_pem(&pem.as_bytes()) {
            Ok(chain) => one(lua, lua.create_userdata(chain)?),
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "parse_der_cert",
        lua.create_function(|lua, der: LuaString| {
            one(lua, lua.create_userdata(Chain(vec![der.as_bytes().to_vec()]))?)
        })?,
    )?;
    module.set(
        "parse_pem_priv_key",
        lua.create_function(|lua, pem: LuaString| match Key::of_pem(&pem.as_bytes()) {
            Ok(key) => one(lua, lua.create_userdata(key)?),
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "parse_der_priv_key",
        lua.create_function(|lua, der: LuaString| match Key::of_der(&der.as_bytes()) {
            Ok(key) => one(lua, lua.create_userdata(key)?),
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "cert_pem_to_der",
        lua.create_function(|lua, pem: LuaString| match Chain::of_pem(&pem.as_bytes()) {
            Ok(chain) => one(lua, lua.create_string(chain.0.concat())?),
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "priv_key_pem_to_der",
        lua.create_function(|lua, pem: LuaString| match PrivateKeyDer::from_pem_slice(&pem.as_bytes()) {
            Ok(key) => one(lua, lua.create_string(key.secret_der())?),
            Err(_) => failed(lua, "PEM_read_bio_PrivateKey() failed"),
        })?,
    )?;
    module.set(
        "server_name",
        lua.create_function(|_, ()| crate::current::read(|exchange| exchange.request.sni().map(str::to_owned)))?,
    )?;
    for name in ABSENT {
        let text = format!("ngx.ssl.{name} is not available in this gateway");
        module.set(*name, lua.create_function(move |_, _: MultiValue| Err::<(), _>(error::of(text.clone())))?)?;
    }
    Ok(module)
}
