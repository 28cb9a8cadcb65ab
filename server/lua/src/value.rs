//! Values between Lua and JSON, by lua-cjson's rules.

use crate::error;
use mlua::{IntoLua, Lua, MultiValue, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// The deepest table that is encoded.
pub const DEPTH: usize = 1000;

/// How tables become JSON; lua-cjson's where nothing else is said.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether an empty table is an object.
    pub empty_as_object: bool,
    /// Whether a list with too many holes is an object, instead of an error.
    pub sparse_as_object: bool,
    /// How many times more places than entries are too many; 0 for no limit.
    pub sparse_ratio: usize,
    /// Lists up to here may have any holes.
    pub sparse_safe: usize,
    /// The deepest table.
    pub depth: usize,
    /// Digits of a number that count, at most 16.
    pub digits: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let (sparse_ratio, sparse_safe) = (2, 10);
        Self { empty_as_object: true, sparse_as_object: false, sparse_ratio, sparse_safe, depth: DEPTH, digits: 16 }
    }
}

/// Registry name of the metatable that makes an empty table a list.
pub const ARRAY: &str = "silverback.array_mt";

/// What `null` becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// `cjson.null`
    Null,
    /// Nothing: the member is absent.
    Absent,
}

/// A Lua value of a JSON one.
pub fn from_json(lua: &Lua, json: &Json, null: Null) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null if null == Null::Absent => Value::Nil,
        Json::Null => Value::NULL,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for (index, item) in list.iter().enumerate() {
                table.raw_set(index + 1, from_json(lua, item, null)?)?;
            }
            if list.is_empty() {
                table.set_metatable(lua.named_registry_value(ARRAY)?)?;
            }
            Value::Table(table)
        }
        Json::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, member) in members {
                table.raw_set(lua.create_string(name)?, from_json(lua, member, null)?)?;
            }
            Value::Table(table)
        }
    })
}

/// JSON of a Lua value. Errors are lua-cjson's.
pub fn to_json(lua: &Lua, value: &Value) -> mlua::Result<Json> {
    encode(lua, value, 0, Rules::default())
}

/// The same by other rules.
pub fn to_json_by(lua: &Lua, value: &Value, rules: Rules) -> mlua::Result<Json> {
    encode(lua, value, 0, rules)
}

fn encode(lua: &Lua, value: &Value, depth: usize, rules: Rules) -> mlua::Result<Json> {
    Ok(match value {
        Value::Nil => Json::Null,
        value if *value == Value::NULL => Json::Null,
        Value::Boolean(value) => Json::Bool(*value),
        Value::Integer(number) => Json::Number((*number).into()),
        Value::Number(number) => Json::Number(number_of(*number, rules.digits)?),
        Value::String(text) => Json::String(text.to_string_lossy().to_string()),
        Value::Table(table) if depth < rules.depth => table_of(lua, table, depth, rules)?,
        Value::Table(_) => {
            return Err(error::of(format!("Cannot serialise, excessive depth ({})", rules.depth + 1)));
        }
        other => return Err(error::of(format!("Cannot serialise {}: type not supported", other.type_name()))),
    })
}

/// A JSON number of so many digits; whole ones without a fraction.
fn number_of(number: f64, digits: usize) -> mlua::Result<Number> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Ok((number as i64).into());
    }
    // As `%.16g` writes it: what a calculation leaves in the seventeenth digit is not said.
    let rounded = format!("{number:.*e}", digits.saturating_sub(1)).parse().unwrap_or(number);
    Number::from_f64(rounded).ok_or_else(|| error::of("Cannot serialise number: must not be NaN or Infinity"))
}

fn table_of(lua: &Lua, table: &Table, depth: usize, rules: Rules) -> mlua::Result<Json> {
    let mut largest = 0;
    let mut count = 0;
    let mut list = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        count += 1;
        match index_of(&key) {
            Some(index) => largest = largest.max(index),
            None => list = false,
        }
    }
    if count == 0 {
        let array: Table = lua.named_registry_value(ARRAY)?;
        let is_list = table.metatable().is_some_and(|metatable| metatable == array);
        return Ok(if is_list || !rules.empty_as_object { Json::Array(Vec::new()) } else { Json::Object(Map::new()) });
    }
    let ratio = rules.sparse_ratio;
    let sparse = list && ratio > 0 && largest > rules.sparse_safe && largest > count * ratio;
    if sparse && !rules.sparse_as_object {
        return Err(error::of("Cannot serialise table: excessively sparse array"));
    }
    if list && !sparse {
        let mut items = Vec::with_capacity(largest);
        for index in 1..=largest {
            items.push(encode(lua, &table.raw_get(index)?, depth + 1, rules)?);
        }
        return Ok(Json::Array(items));
    }
    let mut members = Map::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let name = match &key {
            Value::String(text) => text.to_string_lossy().to_string(),
            Value::Integer(_) | Value::Number(_) => text(&key)?,
            other => {
                let kind = other.type_name();
                return Err(error::of(format!("Cannot serialise {kind}: table key must be a number or string")));
            }
        };
        members.insert(name, encode(lua, &value, depth + 1, rules)?);
    }
    Ok(Json::Object(members))
}

fn index_of(key: &Value) -> Option<usize> {
    match key {
        Value::Integer(index) => usize::try_from(*index).ok().filter(|index| *index > 0),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive and small")]
        Value::Number(index) if index.fract() == 0.0 && (1.0..1e9).contains(index) => Some(*index as usize),
        _ => None,
    }
}

/// A number, whole or not.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// Text of a string, number or boolean, as Lua's `tostring` gives it.
pub fn text(value: &Value) -> mlua::Result<String> {
    Ok(String::from_utf8_lossy(&bytes(value)?).into_owned())
}

/// Bytes of a string, number or boolean, as Lua's `tostring` gives them.
pub fn bytes(value: &Value) -> mlua::Result<Vec<u8>> {
    Ok(match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Boolean(value) => value.to_string().into_bytes(),
        other => other.to_string()?.into_bytes(),
    })
}

/// `nil, err`
pub fn failed(lua: &Lua, text: impl AsRef<str>) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([Value::Nil, Value::String(lua.create_string(text.as_ref())?)]))
}

/// One value.
pub fn one(lua: &Lua, value: impl IntoLua) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([value.into_lua(lua)?]))
}
