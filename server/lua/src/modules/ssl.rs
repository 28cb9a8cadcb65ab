//! `ngx.ssl`: certificates and keys in one form or another, and the handshake that goes on.

use crate::current::read;
use crate::error;
use crate::tls::{self, Chain, Key};
use crate::value::{failed, one};
use mlua::{Lua, LuaString, MultiValue, Table, UserDataRef, Value};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;

/// Functions of a handshake that the library of this gateway does not let plugins see.
const ABSENT: &[&str] = &[
    "export_keying_material",
    "export_keying_material_early",
    "get_client_random",
    "get_req_ssl_pointer",
    "get_server_random",
    "get_shared_ssl_ciphers",
    "get_ssl_pointer",
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
    session(lua, &module)?;
    shown(lua, &module)?;
    for name in ABSENT {
        let text = format!("ngx.ssl.{name} is not available in this gateway");
        module.set(*name, lua.create_function(move |_, _: MultiValue| Err::<(), _>(error::of(text.clone())))?)?;
    }
    Ok(module)
}

/// What is known of the session.
fn session(lua: &Lua, module: &Table) -> mlua::Result<()> {
    module
        .set("server_name", lua.create_function(|_, ()| read(|exchange| exchange.request.sni().map(str::to_owned)))?)?;
    module.set("server_port", lua.create_function(|_, ()| read(|exchange| exchange.request.port))?)?;
    for (name, ours) in [("raw_server_addr", true), ("raw_client_addr", false)] {
        module.set(
            name,
            lua.create_function(move |lua, ()| {
                let address = read(|exchange| if ours { exchange.request.local } else { exchange.request.peer })?;
                let (bytes, kind) = match address.map(|address| address.ip().to_canonical()) {
                    Some(IpAddr::V4(ip)) => (lua.create_string(ip.octets())?, "inet"),
                    Some(IpAddr::V6(ip)) => (lua.create_string(ip.octets())?, "inet6"),
                    None => (lua.create_string("")?, "unix"),
                };
                Ok((bytes, kind))
            })?,
        )?;
    }
    // Which version it will be is decided after the phase `certificate`.
    let version = || read(|exchange| exchange.request.tls.as_ref().map_or("", |tls| tls.version));
    module.set(
        "get_tls1_version_str",
        lua.create_function(move |lua, ()| match version()? {
            "" => failed(lua, "the version is not known yet"),
            version => one(lua, version),
        })?,
    )?;
    module.set(
        "get_tls1_version",
        lua.create_function(move |lua, ()| match version()? {
            "TLSv1.3" => one(lua, 0x0304),
            "TLSv1.2" => one(lua, 0x0303),
            _ => failed(lua, "the version is not known yet"),
        })?,
    )
}

/// What is shown to the client, and asked of it.
fn shown(lua: &Lua, module: &Table) -> mlua::Result<()> {
    module.set(
        "clear_certs",
        lua.create_function(|_, ()| {
            tls::lead(|handshake| (handshake.cleared, handshake.chain, handshake.key) = (true, Vec::new(), None))?;
            Ok(true)
        })?,
    )?;
    module.set(
        "set_cert",
        lua.create_function(|_, chain: UserDataRef<Chain>| {
            tls::lead(|handshake| handshake.chain.clone_from(&chain.0))?;
            Ok(true)
        })?,
    )?;
    module.set(
        "set_priv_key",
        lua.create_function(|_, key: UserDataRef<Key>| {
            tls::lead(|handshake| handshake.key = Some(key.0.clone()))?;
            Ok(true)
        })?,
    )?;
    module.set(
        "set_der_cert",
        lua.create_function(|lua, der: LuaString| match Chain::of_der(&der.as_bytes()) {
            Ok(chain) => {
                tls::lead(|handshake| handshake.chain = chain.0)?;
                one(lua, true)
            }
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "set_der_priv_key",
        lua.create_function(|lua, der: LuaString| match Key::of_der(&der.as_bytes()) {
            Ok(key) => {
                tls::lead(|handshake| handshake.key = Some(key.0))?;
                one(lua, true)
            }
            Err(error) => failed(lua, error),
        })?,
    )?;
    module.set(
        "verify_client",
        lua.create_function(|_, (authorities, _): (Value, Value)| {
            let authorities = tls::authorities(&authorities)?;
            tls::lead(|handshake| handshake.authorities = Some(authorities))?;
            Ok(true)
        })?,
    )
}
