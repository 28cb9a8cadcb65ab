//! Libraries that plugins `require`.

mod cjson;
mod crypto;
mod keys;
mod lyaml;
mod penlight;
mod prometheus;
mod ssl;

use crate::error;
use crate::ngx::{decode_base64, encode_base64};
use crate::value;
use mlua::{Lua, MultiValue, Table, Value};

/// Modules that are written in Lua, and what each is told beside what they are all made of.
const WRITTEN: &[(&str, &str, &str)] = &[
    ("inspect", include_str!("../lua/resty/inspect.lua"), ""),
    ("kong.constants", include_str!("../lua/constants.lua"), ""),
    ("kong.db.schema", include_str!("../lua/schema.lua"), ""),
    ("kong.db.schema.typedefs", include_str!("../lua/typedefs.lua"), ""),
    ("kong.meta", include_str!("../lua/meta.lua"), ""),
    ("kong.tools.http", include_str!("../lua/tools.lua"), "kong.tools.http"),
    ("kong.tools.rand", include_str!("../lua/tools.lua"), "kong.tools.rand"),
    ("kong.tools.redis.schema", include_str!("../lua/redis_schema.lua"), ""),
    ("kong.tools.sha256", include_str!("../lua/tools.lua"), "kong.tools.sha256"),
    ("kong.tools.string", include_str!("../lua/tools_string.lua"), ""),
    ("kong.tools.table", include_str!("../lua/tools_table.lua"), ""),
    ("kong.tools.time", include_str!("../lua/tools.lua"), "kong.tools.time"),
    ("kong.tools.utils", include_str!("../lua/tools.lua"), "kong.tools.utils"),
    ("kong.tools.uuid", include_str!("../lua/resty/uuid.lua"), ""),
    ("ngx.re", include_str!("../lua/resty/ngx_re.lua"), ""),
    ("resty.aes", include_str!("../lua/resty/aes.lua"), ""),
    ("resty.cookie", include_str!("../lua/resty/cookie.lua"), ""),
    ("resty.hmac", include_str!("../lua/resty/hmac.lua"), ""),
    ("resty.http", include_str!("../lua/resty_http.lua"), ""),
    ("resty.jit-uuid", include_str!("../lua/resty/uuid.lua"), ""),
    ("resty.jwt", include_str!("../lua/resty/jwt.lua"), ""),
    ("resty.lock", include_str!("../lua/resty/lock.lua"), ""),
    ("resty.lrucache", include_str!("../lua/resty/lrucache.lua"), ""),
    ("resty.lrucache.pureffi", include_str!("../lua/resty/lrucache.lua"), ""),
    ("resty.md5", include_str!("../lua/resty/digest.lua"), "md5"),
    ("resty.openssl.cipher", include_str!("../lua/resty/openssl_cipher.lua"), ""),
    ("resty.openssl.digest", include_str!("../lua/resty/openssl_digest.lua"), "digest"),
    ("resty.openssl.hmac", include_str!("../lua/resty/openssl_digest.lua"), "hmac"),
    ("resty.openssl.rand", include_str!("../lua/resty/openssl_rand.lua"), ""),
    ("resty.mlcache", include_str!("../lua/resty/mlcache.lua"), ""),
    ("resty.random", include_str!("../lua/resty/random.lua"), ""),
    ("resty.redis", include_str!("../lua/resty/redis.lua"), ""),
    ("resty.sha1", include_str!("../lua/resty/digest.lua"), "sha1"),
    ("resty.sha224", include_str!("../lua/resty/digest.lua"), "sha224"),
    ("resty.sha256", include_str!("../lua/resty/digest.lua"), "sha256"),
    ("resty.sha384", include_str!("../lua/resty/digest.lua"), "sha384"),
    ("resty.sha512", include_str!("../lua/resty/digest.lua"), "sha512"),
    ("resty.string", include_str!("../lua/resty/string.lua"), ""),
    ("silverback.external", include_str!("../lua/external.lua"), ""),
    ("table.clone", include_str!("../lua/table.lua"), "clone"),
    ("table.isarray", include_str!("../lua/table.lua"), "isarray"),
    ("table.isempty", include_str!("../lua/table.lua"), "isempty"),
    ("table.nkeys", include_str!("../lua/table.lua"), "nkeys"),
];

/// Modules of the gateway's own.
const NAMES: &[&str] = &[
    "cjson",
    "cjson.safe",
    "kong.plugins.prometheus.exporter",
    "lyaml",
    "ngx.base64",
    "ngx.ssl",
    "resty.hmac.sha256",
    "resty.openssl.pkey",
    "resty.openssl.x509",
    "resty.openssl.x509.store",
    "table.new",
    "table.clear",
];

/// Gives `require` its modules, and where Lua is `trusted` those in files.
pub fn searchers(lua: &Lua, trusted: bool) -> mlua::Result<()> {
    let package: Table = lua.globals().get("package")?;
    let path = if trusted { crate::folder::path() } else { String::new() };
    package.set("path", path)?;
    package.set("cpath", "")?;
    // The library itself could reach into whatever else runs in the state.
    let debug = lua.create_table()?;
    debug.set(
        "traceback",
        lua.create_function(|lua, given: Value| match given {
            Value::Nil => lua.traceback(None, 1).map(Value::String),
            Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                lua.traceback(Some(&value::text(&given)?), 1).map(Value::String)
            }
            Value::Error(error) => lua.create_string(crate::error::text(&error)).map(Value::String),
            other => Ok(other),
        })?,
    )?;
    // There are no hooks, and types have the metatables they have: for Penlight, which puts them aside for a moment.
    for name in ["gethook", "sethook", "setmetatable"] {
        debug.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    package.get::<Table>("loaded")?.set("debug", &debug)?;
    lua.globals().set("debug", debug)?;
    let preload: Table = package.get("preload")?;
    let written = WRITTEN.iter().map(|(name, ..)| name).chain(penlight::MODULES.iter().map(|(name, _)| name));
    for name in NAMES.iter().chain(written) {
        preload.set(*name, lua.create_function(move |lua, _: MultiValue| module(lua, name))?)?;
    }
    Ok(())
}

/// A module by name; the same one each time.
pub fn module(lua: &Lua, name: &str) -> mlua::Result<Option<Value>> {
    let key = format!("silverback.module.{name}");
    let known: Value = lua.named_registry_value(&key)?;
    if !known.is_nil() {
        return Ok(Some(known));
    }
    let kong_table = |member: &str| lua.globals().get::<Table>("kong")?.get::<Table>("table")?.get::<Value>(member);
    let made = match name {
        "cjson" => Value::Table(cjson::module(lua, false)?),
        "cjson.safe" => Value::Table(cjson::module(lua, true)?),
        "kong.plugins.prometheus.exporter" => Value::Table(prometheus::module(lua)?),
        "lyaml" => match lyaml::module(lua)? {
            Some(module) => Value::Table(module),
            None => return Ok(None),
        },
        "ngx.base64" => Value::Table(base64url(lua)?),
        "ngx.ssl" => Value::Table(ssl::module(lua)?),
        "resty.hmac.sha256" => {
            crypto::primitives(lua)?.get::<mlua::Function>("hmac")?.bind("sha256").map(Value::Function)?
        }
        "resty.openssl.pkey" => Value::Table(keys::pkey(lua)?),
        "resty.openssl.x509" => Value::Table(keys::x509(lua)?),
        "resty.openssl.x509.store" => Value::Table(keys::store(lua)?),
        "table.new" => kong_table("new")?,
        "table.clear" => kong_table("clear")?,
        other => match written(lua, other)? {
            Some(made) => made,
            None => return Ok(None),
        },
    };
    lua.set_named_registry_value(&key, &made)?;
    Ok(Some(made))
}

fn written(lua: &Lua, name: &str) -> mlua::Result<Option<Value>> {
    if let Some((known, source, told)) = WRITTEN.iter().find(|(known, ..)| *known == name) {
        let primitives = crypto::primitives(lua)?;
        return lua.load(*source).set_name(format!("={known}")).call((primitives, *told)).map(Some);
    }
    let Some((known, source)) = penlight::MODULES.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    // They ask for each other by name, and for files where they are loaded.
    if lua.globals().get::<Value>("io")?.is_nil() {
        return Err(error::of(format!(
            "module '{name}' is only there beside plugins in folders, or untrusted_lua = on"
        )));
    }
    lua.load(*source).set_name(format!("={known}")).call(name).map(Some)
}

fn base64url(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set(
        "encode_base64url",
        lua.create_function(|_, text: mlua::LuaString| {
            Ok(encode_base64(&text.as_bytes(), true).replace('+', "-").replace('/', "_"))
        })?,
    )?;
    module.set(
        "decode_base64url",
        lua.create_function(|lua, text: mlua::LuaString| {
            let text = text.to_string_lossy().replace('-', "+").replace('_', "/");
            match decode_base64(text.as_bytes()) {
                Some(bytes) => value::one(lua, lua.create_string(bytes)?),
                None => value::failed(lua, "invalid input"),
            }
        })?,
    )?;
    Ok(module)
}
