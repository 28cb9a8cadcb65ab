//! Messages from JSON.

use crate::number;
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

/// A value that does not fit its field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("field '{field}' takes {takes}")]
pub(crate) struct Mismatch {
    field: String,
    takes: &'static str,
}

/// A message of a type. Members that are no fields are ignored; numbers may be text; a `google.protobuf.Timestamp` is
/// text (ISO 8601).
pub(crate) fn message(descriptor: &MessageDescriptor, members: &Map<String, Json>) -> Result<DynamicMessage, Mismatch> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, member) in members {
        if let Some(field) = descriptor.get_field_by_name(name) {
            message.set_field(&field, value(&field, member)?);
        }
    }
    Ok(message)
}

fn value(field: &FieldDescriptor, given: &Json) -> Result<Value, Mismatch> {
    let mismatch = |takes| Mismatch { field: field.full_name().to_owned(), takes };
    if field.is_map() {
        let (Kind::Message(entry), Json::Object(members)) = (field.kind(), given) else {
            return Err(mismatch("an object"));
        };
        let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let mut entries = HashMap::with_capacity(members.len());
        for (name, member) in members {
            let key = key(&keys.kind(), name).ok_or_else(|| mismatch("keys of another type"))?;
            entries.insert(key, single(&values, member)?);
        }
        return Ok(Value::Map(entries));
    }
    if field.is_list() {
        return match given {
            Json::Array(items) => {
                items.iter().map(|item| single(field, item)).collect::<Result<_, _>>().map(Value::List)
            }
            // An empty table is either.
            Json::Object(members) if members.is_empty() => Ok(Value::List(Vec::new())),
            _ => Err(mismatch("a list")),
        };
    }
    single(field, given)
}

fn single(field: &FieldDescriptor, given: &Json) -> Result<Value, Mismatch> {
    let kind = field.kind();
    let (value, takes) = match &kind {
        Kind::Bool => (boolean(given).map(Value::Bool), "a boolean"),
        Kind::String => (given.as_str().map(|text| Value::String(text.to_owned())), "text"),
        Kind::Bytes => (given.as_str().map(|text| Value::Bytes(text.to_owned().into())), "text"),
        Kind::Double => (float(given).map(Value::F64), "a number"),
        Kind::Float => (float(given).map(|value| Value::F32(value as f32)), "a number"),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (whole(given).map(Value::I32), "a 32-bit integer"),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => (whole(given).map(Value::I64), "a 64-bit integer"),
        Kind::Uint32 | Kind::Fixed32 => (whole(given).map(Value::U32), "an unsigned 32-bit integer"),
        Kind::Uint64 | Kind::Fixed64 => (whole(given).map(Value::U64), "an unsigned 64-bit integer"),
        Kind::Enum(kind) => (variant(kind, given).map(Value::EnumNumber), "one of its names"),
        Kind::Message(kind) if kind.full_name() == "google.protobuf.Timestamp" => {
            (given.as_str().and_then(|text| timestamp(kind, text)).map(Value::Message), "a time")
        }
        Kind::Message(kind) => match given {
            Json::Object(members) => (Some(Value::Message(message(kind, members)?)), ""),
            _ => (None, "an object"),
        },
    };
    value.ok_or_else(|| Mismatch { field: field.full_name().to_owned(), takes })
}

/// As Lua has it: whatever is not `false` is true; but nothing is no boolean.
fn boolean(given: &Json) -> Option<bool> {
    match given {
        Json::Null => None,
        Json::Bool(value) => Some(*value),
        _ => Some(true),
    }
}

fn float(given: &Json) -> Option<f64> {
    match given {
        Json::Number(value) => value.as_f64(),
        Json::String(text) => number::parse(text),
        _ => None,
    }
}

/// An integer, as a number without a fraction or as text.
fn whole<T: TryFrom<i128>>(given: &Json) -> Option<T> {
    let value = match given {
        Json::Number(value) => match value.as_i128() {
            Some(value) => value,
            None => exact(value.as_f64()?)?,
        },
        Json::String(text) => match text.trim().parse() {
            Ok(value) => value,
            Err(_) => exact(number::parse(text)?)?,
        },
        _ => return None,
    };
    T::try_from(value).ok()
}

fn exact(value: f64) -> Option<i128> {
    (value.trunc() == value && value.abs() < 2_f64.powi(64)).then_some(value as i128)
}

fn variant(kind: &EnumDescriptor, given: &Json) -> Option<i32> {
    let named = given.as_str().and_then(|name| kind.get_value_by_name(name)).map(|value| value.number());
    named.or_else(|| whole(given))
}

fn key(kind: &Kind, name: &str) -> Option<MapKey> {
    let text = Json::String(name.to_owned());
    Some(match kind {
        Kind::String => MapKey::String(name.to_owned()),
        Kind::Bool => MapKey::Bool(name.parse().ok()?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => MapKey::I32(whole(&text)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => MapKey::I64(whole(&text)?),
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(whole(&text)?),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(whole(&text)?),
        _ => return None,
    })
}

/// A time with or without a zone, or a day; without one it is UTC.
fn timestamp(kind: &MessageDescriptor, text: &str) -> Option<DynamicMessage> {
    let text = text.trim().replacen(' ', "T", 1);
    let time = OffsetDateTime::parse(&text, &Iso8601::PARSING)
        .or_else(|_| PrimitiveDateTime::parse(&text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(&text, &Iso8601::PARSING).map(|day| day.midnight().assume_utc()))
        .ok()?;
    let mut message = DynamicMessage::new(kind.clone());
    message.try_set_field_by_name("seconds", Value::I64(time.unix_timestamp())).ok()?;
    message.try_set_field_by_name("nanos", Value::I32(time.microsecond().cast_signed().saturating_mul(1000))).ok()?;
    Some(message)
}
