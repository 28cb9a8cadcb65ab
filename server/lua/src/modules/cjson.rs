//! lua-cjson.

use crate::value::{self, Null, Rules};
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use std::cell::Cell;
use std::rc::Rc;

/// What one instance of the module is set to.
#[derive(Clone, Copy)]
struct Manner {
    rules: Rules,
    escape_slash: bool,
    mark_arrays: bool,
    decode_depth: usize,
    precision: u32,
}

impl Default for Manner {
    fn default() -> Self {
        Self { rules: Rules::default(), escape_slash: true, mark_arrays: false, decode_depth: 1000, precision: 16 }
    }
}

/// The module; the safe one returns `nil, err` instead of raising.
pub fn module(lua: &Lua, safe: bool) -> mlua::Result<Table> {
    let manner = Rc::new(Cell::new(Manner::default()));
    let module = lua.create_table()?;
    let array = lua.create_table()?;
    let metatable: Table = lua.named_registry_value(value::ARRAY)?;
    array.set_metatable(Some(metatable.clone()))?;
    module.set("null", Value::NULL)?;
    module.set("empty_array", array)?;
    module.set("empty_array_mt", &metatable)?;
    module.set("array_mt", metatable)?;
    module.set("_NAME", "cjson")?;
    module.set("_VERSION", "2.1.0.11")?;
    let own = manner.clone();
    module.set(
        "encode",
        lua.create_function(move |lua, given: Value| match value::to_json_by(lua, &given, own.get().rules) {
            Ok(json) if own.get().escape_slash => value::one(lua, json.to_string().replace('/', "\\/")),
            Ok(json) => value::one(lua, json.to_string()),
            Err(error) if safe => value::failed(lua, crate::error::text(&error)),
            Err(error) => Err(error),
        })?,
    )?;
    let own = manner.clone();
    module.set("decode", lua.create_function(move |lua, text: LuaString| decode(lua, &text, own.get(), safe))?)?;
    settings(lua, &module, &manner)?;
    module.set("new", lua.create_function(move |lua, ()| self::module(lua, safe))?)?;
    Ok(module)
}

fn decode(lua: &Lua, text: &LuaString, manner: Manner, safe: bool) -> mlua::Result<MultiValue> {
    let refused = |error: String| match safe {
        true => value::failed(lua, error),
        false => Err(crate::error::of(error)),
    };
    match serde_json::from_slice::<serde_json::Value>(&text.as_bytes()) {
        Ok(json) if depth(&json) > manner.decode_depth => {
            refused(format!("Found too many nested data structures ({})", manner.decode_depth + 1))
        }
        Ok(json) => {
            let value = value::from_json(lua, &json, Null::Null)?;
            if manner.mark_arrays {
                mark(lua, &json, &value)?;
            }
            value::one(lua, value)
        }
        Err(error) => refused(error.to_string()),
    }
}

fn depth(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Has every list say that it is one.
fn mark(lua: &Lua, json: &serde_json::Value, value: &Value) -> mlua::Result<()> {
    let Value::Table(table) = value else { return Ok(()) };
    match json {
        serde_json::Value::Array(items) => {
            table.set_metatable(lua.named_registry_value(value::ARRAY)?)?;
            items.iter().enumerate().try_for_each(|(index, item)| mark(lua, item, &table.raw_get(index + 1)?))
        }
        serde_json::Value::Object(members) => {
            members.iter().try_for_each(|(name, member)| mark(lua, member, &table.raw_get(name.as_str())?))
        }
        _ => Ok(()),
    }
}

/// The functions that set and tell how the module works.
fn settings(lua: &Lua, module: &Table, manner: &Rc<Cell<Manner>>) -> mlua::Result<()> {
    type Flag = fn(&mut Manner) -> &mut bool;
    for (name, flag) in [
        ("encode_empty_table_as_object", (|manner| &mut manner.rules.empty_as_object) as Flag),
        ("encode_escape_forward_slash", |manner| &mut manner.escape_slash),
        ("decode_array_with_array_mt", |manner| &mut manner.mark_arrays),
    ] {
        let own = manner.clone();
        module.set(
            name,
            lua.create_function(move |_, given: Value| {
                let mut manner = own.get();
                match given {
                    Value::Boolean(on) => *flag(&mut manner) = on,
                    Value::String(text) => *flag(&mut manner) = text.as_bytes().as_ref() == b"on",
                    _ => {}
                }
                own.set(manner);
                Ok(*flag(&mut manner))
            })?,
        )?;
    }
    let own = manner.clone();
    module.set(
        "encode_sparse_array",
        lua.create_function(move |_, (convert, ratio, safe): (Option<bool>, Option<usize>, Option<usize>)| {
            let mut manner = own.get();
            let rules = &mut manner.rules;
            rules.sparse_as_object = convert.unwrap_or(rules.sparse_as_object);
            rules.sparse_ratio = ratio.unwrap_or(rules.sparse_ratio);
            rules.sparse_safe = safe.unwrap_or(rules.sparse_safe);
            own.set(manner);
            Ok((manner.rules.sparse_as_object, manner.rules.sparse_ratio, manner.rules.sparse_safe))
        })?,
    )?;
    type Size = fn(&mut Manner) -> &mut usize;
    for (name, size) in [
        ("encode_max_depth", (|manner| &mut manner.rules.depth) as Size),
        ("decode_max_depth", |manner| &mut manner.decode_depth),
    ] {
        let own = manner.clone();
        module.set(
            name,
            lua.create_function(move |_, given: Option<usize>| {
                let mut manner = own.get();
                if let Some(given) = given {
                    // The stack of the worker has an end.
                    *size(&mut manner) = given.clamp(1, value::DEPTH);
                }
                own.set(manner);
                Ok(*size(&mut manner))
            })?,
        )?;
    }
    let own = manner.clone();
    module.set(
        "encode_number_precision",
        lua.create_function(move |_, given: Option<u32>| {
            let mut manner = own.get();
            if let Some(precision) = given.filter(|precision| (1..=16).contains(precision)) {
                manner.precision = precision;
                manner.rules.digits = precision as usize;
            }
            own.set(manner);
            Ok(manner.precision)
        })?,
    )?;
    // Numbers that JSON has no text for are always refused, and buffers are never kept.
    for name in ["encode_invalid_numbers", "decode_invalid_numbers", "encode_keep_buffer"] {
        module.set(name, lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    }
    Ok(())
}
