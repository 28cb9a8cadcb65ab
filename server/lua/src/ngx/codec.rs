//! Encodings and digests.

use crate::error;
use crate::pdk::{encode_args, query_table, shown};
use crate::value;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use exchange::escape::RESERVED;
use exchange::form;
use hmac::{Hmac, Mac};
use md5::Md5;
use mlua::{Lua, Table, Value};
use percent_encoding::percent_encode;
use sha1::{Digest, Sha1};

const PADDED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BARE: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_encode_padding(false));

/// Base64 (RFC 4648 §4), with padding or without.
pub fn encode_base64(bytes: &[u8], bare: bool) -> String {
    if bare { BARE.encode(bytes) } else { PADDED.encode(bytes) }
}

/// Bytes of base64, padded or not.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    PADDED.decode(text).ok()
}

fn bytes(value: &Value) -> mlua::Result<Vec<u8>> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => value::bytes(value),
        other => Err(error::of(format!("string argument only, got {}", other.type_name()))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    ngx.set(
        "encode_base64",
        lua.create_function(|_, (text, bare): (Value, Option<bool>)| {
            Ok(encode_base64(&bytes(&text)?, bare.unwrap_or(false)))
        })?,
    )?;
    ngx.set(
        "decode_base64",
        lua.create_function(|lua, text: Value| {
            let Value::String(text) = text else { return Err(error::of("string argument only")) };
            decode_base64(&text.as_bytes()).map(|bytes| lua.create_string(bytes)).transpose()
        })?,
    )?;
    ngx.set("md5", lua.create_function(|_, text: Value| Ok(hex(&Md5::digest(bytes(&text)?))))?)?;
    ngx.set("md5_bin", lua.create_function(|lua, text: Value| lua.create_string(Md5::digest(bytes(&text)?)))?)?;
    ngx.set("sha1_bin", lua.create_function(|lua, text: Value| lua.create_string(Sha1::digest(bytes(&text)?)))?)?;
    ngx.set(
        "hmac_sha1",
        lua.create_function(|lua, (key, text): (Value, Value)| {
            let mut mac = Hmac::<Sha1>::new_from_slice(&bytes(&key)?).map_err(|error| error::of(error.to_string()))?;
            mac.update(&bytes(&text)?);
            lua.create_string(mac.finalize().into_bytes())
        })?,
    )?;
    for name in ["crc32_short", "crc32_long"] {
        ngx.set(name, lua.create_function(|_, text: Value| Ok(crc32fast::hash(&bytes(&text)?)))?)?;
    }
    ngx.set(
        "escape_uri",
        lua.create_function(|_, text: Value| Ok(percent_encode(&bytes(&text)?, RESERVED).to_string()))?,
    )?;
    ngx.set("unescape_uri", lua.create_function(|lua, text: Value| lua.create_string(form::decoded(&bytes(&text)?)))?)?;
    ngx.set("encode_args", lua.create_function(|_, args: Table| encode_args(&args))?)?;
    ngx.set(
        "decode_args",
        lua.create_function(|lua, (text, most): (mlua::LuaString, Option<usize>)| {
            query_table(lua, &text.as_bytes(), super::request::most(most, shown().query_arguments))
        })?,
    )?;
    ngx.set(
        "quote_sql_str",
        lua.create_function(|_, text: mlua::LuaString| {
            let text = text.to_string_lossy();
            let mut out = String::from("'");
            for character in text.chars() {
                match character {
                    '\0' => out.push_str("\\0"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    '\u{1a}' => out.push_str("\\Z"),
                    '\\' | '\'' | '"' => out.extend(['\\', character]),
                    other => out.push(other),
                }
            }
            Ok(out + "'")
        })?,
    )
}
