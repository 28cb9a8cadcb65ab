//! Libraries that plugins `require`.

use crate::ngx::{decode_base64, encode_base64};
use crate::value::{self, Null};
use hmac::{Hmac, Mac};
use mlua::{Lua, MultiValue, Table, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Modules that are written in Lua.
const WRITTEN: &[(&str, &str)] = &[
    ("kong.constants", include_str!("../lua/constants.lua")),
    ("kong.db.schema", include_str!("../lua/schema.lua")),
    ("kong.db.schema.typedefs", include_str!("../lua/typedefs.lua")),
    ("kong.meta", include_str!("../lua/meta.lua")),
    ("kong.tools.redis.schema", include_str!("../lua/redis_schema.lua")),
    ("kong.tools.string", include_str!("../lua/tools_string.lua")),
    ("kong.tools.table", include_str!("../lua/tools_table.lua")),
    ("resty.http", include_str!("../lua/resty_http.lua")),
];

/// Modules that stand in `package.preload` where Lua is trusted.
const NAMES: &[&str] = &[
    "cjson",
    "cjson.safe",
    "ngx.re",
    "ngx.base64",
    "resty.sha1",
    "resty.sha256",
    "resty.sha512",
    "resty.hmac.sha256",
    "table.new",
    "table.clear",
];

/// Gives `require` its modules.
pub fn searchers(lua: &Lua) -> mlua::Result<()> {
    let package: Table = lua.globals().get("package")?;
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
    lua.globals().set("debug", debug)?;
    package.set("path", crate::folder::path())?;
    package.set("cpath", "")?;
    let preload: Table = package.get("preload")?;
    for name in NAMES.iter().chain(WRITTEN.iter().map(|(name, _)| name)) {
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
    let made = match name {
        "cjson" => Value::Table(cjson(lua, false)?),
        "cjson.safe" => Value::Table(cjson(lua, true)?),
        "ngx.re" => lua.globals().get::<Table>("ngx")?.get("re")?,
        "ngx.base64" => Value::Table(base64url(lua)?),
        "resty.sha1" => Value::Table(digest::<Sha1>(lua)?),
        "resty.sha256" => Value::Table(digest::<Sha256>(lua)?),
        "resty.sha512" => Value::Table(digest::<Sha512>(lua)?),
        "resty.hmac.sha256" => {
            Value::Function(lua.create_function(|lua, (key, text): (mlua::LuaString, mlua::LuaString)| {
                let mac = Hmac::<Sha256>::new_from_slice(&key.as_bytes());
                let mut mac = mac.map_err(|error| crate::error::of(error.to_string()))?;
                mac.update(&text.as_bytes());
                lua.create_string(mac.finalize().into_bytes())
            })?)
        }
        "table.new" => lua.globals().get::<Table>("kong")?.get::<Table>("table")?.get("new")?,
        "table.clear" => lua.globals().get::<Table>("kong")?.get::<Table>("table")?.get("clear")?,
        other => match WRITTEN.iter().find(|(known, _)| *known == other) {
            Some((known, source)) => lua.load(*source).set_name(format!("={known}")).call(())?,
            None => return Ok(None),
        },
    };
    lua.set_named_registry_value(&key, &made)?;
    Ok(Some(made))
}

/// lua-cjson; the safe one returns `nil, err` instead of raising.
fn cjson(lua: &Lua, safe: bool) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set("null", Value::NULL)?;
    module.set("empty_array", empty_array(lua)?)?;
    let metatable: Value = lua.named_registry_value(value::ARRAY)?;
    module.set("empty_array_mt", metatable.clone())?;
    module.set("array_mt", metatable)?;
    module.set("_NAME", "cjson")?;
    module.set("_VERSION", "2.1.0.11")?;
    module.set(
        "encode",
        lua.create_function(move |lua, given: Value| match value::to_json(lua, &given) {
            // lua-cjson escapes the slash.
            Ok(json) => value::one(lua, json.to_string().replace('/', "\\/")),
            Err(error) if safe => value::failed(lua, crate::error::text(&error)),
            Err(error) => Err(error),
        })?,
    )?;
    module.set(
        "decode",
        lua.create_function(move |lua, text: mlua::LuaString| {
            match serde_json::from_slice::<serde_json::Value>(&text.as_bytes()) {
                Ok(json) => value::one(lua, value::from_json(lua, &json, Null::Null)?),
                Err(error) if safe => value::failed(lua, error.to_string()),
                Err(error) => Err(crate::error::of(error.to_string())),
            }
        })?,
    )?;
    for name in [
        "encode_empty_table_as_object",
        "decode_array_with_array_mt",
        "encode_sparse_array",
        "encode_max_depth",
        "decode_max_depth",
        "encode_number_precision",
        "encode_keep_buffer",
        "encode_invalid_numbers",
        "decode_invalid_numbers",
        "encode_escape_forward_slash",
    ] {
        module.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    let new = module.clone();
    module.set("new", lua.create_function(move |_, ()| Ok(new.clone()))?)?;
    Ok(module)
}

fn empty_array(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set_metatable(lua.named_registry_value(value::ARRAY)?)?;
    Ok(table)
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

/// `new()`, `update(text)`, `final()`, `reset()`.
fn digest<D: Digest + Clone + 'static>(lua: &Lua) -> mlua::Result<Table> {
    struct Hasher<D>(D);
    impl<D: Digest + Clone + 'static> mlua::UserData for Hasher<D> {
        fn add_methods<M: mlua::UserDataMethods<Self>>(methods: &mut M) {
            methods.add_method_mut("update", |_, hasher, text: mlua::LuaString| {
                Digest::update(&mut hasher.0, &*text.as_bytes());
                Ok(true)
            });
            methods.add_method("final", |lua, hasher, ()| lua.create_string(hasher.0.clone().finalize()));
            methods.add_method_mut("reset", |_, hasher, ()| {
                hasher.0 = D::new();
                Ok(true)
            });
        }
    }
    let module = lua.create_table()?;
    module.set("new", lua.create_function(|lua, _: MultiValue| lua.create_userdata(Hasher(D::new())))?)?;
    Ok(module)
}
