//! Values between Lua and MessagePack.

use crate::error;
use mlua::{Lua, Table, Value};
use rmpv::Value as Packed;

/// The deepest value that is taken or given.
const DEPTH: usize = 64;

/// A Lua value of a packed one. What Lua has no number for becomes the nearest.
pub fn unpacked(lua: &Lua, packed: &Packed) -> mlua::Result<Value> {
    take(lua, packed, 0)
}

fn take(lua: &Lua, packed: &Packed, depth: usize) -> mlua::Result<Value> {
    if depth > DEPTH {
        return Err(too_deep());
    }
    Ok(match packed {
        Packed::Nil | Packed::Ext(..) => Value::Nil,
        Packed::Boolean(value) => Value::Boolean(*value),
        Packed::Integer(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Number(number.as_f64().unwrap_or_default()),
        },
        Packed::F32(number) => Value::Number(f64::from(*number)),
        Packed::F64(number) => Value::Number(*number),
        Packed::String(text) => Value::String(lua.create_string(text.as_bytes())?),
        Packed::Binary(bytes) => Value::String(lua.create_string(bytes)?),
        Packed::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, take(lua, item, depth + 1)?)?;
            }
            Value::Table(table)
        }
        Packed::Map(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (key, member) in members {
                let key = take(lua, key, depth + 1)?;
                if !key.is_nil() {
                    table.raw_set(key, take(lua, member, depth + 1)?)?;
                }
            }
            Value::Table(table)
        }
    })
}

/// What a Lua value is packed as: text is a string where it is UTF-8, else binary; what cannot be packed is nil.
pub fn packed(lua: &Lua, value: &Value) -> mlua::Result<Packed> {
    let lists: Table = lua.named_registry_value(crate::value::ARRAY)?;
    give(&lists, value, 0)
}

fn give(lists: &Table, value: &Value, depth: usize) -> mlua::Result<Packed> {
    if depth > DEPTH {
        return Err(too_deep());
    }
    Ok(match value {
        Value::Boolean(value) => Packed::Boolean(*value),
        Value::Integer(number) => Packed::from(*number),
        Value::Number(number) => number_of(*number),
        Value::String(text) => {
            let bytes = text.as_bytes();
            match std::str::from_utf8(&bytes) {
                Ok(text) => Packed::from(text),
                Err(_) => Packed::Binary(bytes.to_vec()),
            }
        }
        Value::Table(table) => table_of(lists, table, depth)?,
        _ => Packed::Nil,
    })
}

fn number_of(number: f64) -> Packed {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    if number.fract() == 0.0 && number.abs() < WHOLE { Packed::from(number as i64) } else { Packed::F64(number) }
}

fn table_of(lists: &Table, table: &Table, depth: usize) -> mlua::Result<Packed> {
    let length = table.raw_len();
    if length == 0 && table.metatable().as_ref() == Some(lists) {
        return Ok(Packed::Array(Vec::new()));
    }
    let pairs = table.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
    if length > 0 && pairs.len() == length {
        let items = (1..=length).map(|index| give(lists, &table.raw_get(index)?, depth + 1));
        return items.collect::<mlua::Result<_>>().map(Packed::Array);
    }
    let members = pairs.iter().map(|(key, value)| Ok((give(lists, key, depth + 1)?, give(lists, value, depth + 1)?)));
    members.collect::<mlua::Result<_>>().map(Packed::Map)
}

fn too_deep() -> mlua::Error {
    error::of(format!("values may be at most {DEPTH} deep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let lua = Lua::new();
        let lists = lua.create_table().expect("a table");
        lua.set_named_registry_value(crate::value::ARRAY, &lists).expect("set");
        for value in [
            Packed::Nil,
            Packed::from(true),
            Packed::from(-7),
            Packed::F64(1.5),
            Packed::from("täxt"),
            Packed::Binary(vec![0xff, 0]),
            Packed::Array(vec![Packed::from(1), Packed::from("two")]),
            Packed::Map(vec![(Packed::from("name"), Packed::Array(vec![Packed::from("value")]))]),
            Packed::Map(Vec::new()),
        ] {
            let back = packed(&lua, &unpacked(&lua, &value).expect("taken")).expect("given");
            assert_eq!(back, value);
        }
        let empty = lua.create_table().expect("a table");
        empty.set_metatable(Some(lists)).expect("set");
        assert_eq!(packed(&lua, &Value::Table(empty)).expect("given"), Packed::Array(Vec::new()));
        let around = lua.create_table().expect("a table");
        around.raw_set("self", &around).expect("set");
        assert!(packed(&lua, &Value::Table(around)).is_err());
    }
}
