//! Values of the kit (those of MessagePack) and those of Protocol Buffers.

use crate::wire::member;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use rmpv::Value as Packed;

/// As text; what is no text or number is empty.
pub fn text(value: &Packed) -> String {
    match value {
        Packed::Nil | Packed::Array(_) | Packed::Map(_) | Packed::Ext(..) => String::new(),
        other => crate::wire::text(other),
    }
}

/// Its bytes.
pub fn octets(value: &Packed) -> Vec<u8> {
    match value {
        Packed::Binary(bytes) => bytes.clone(),
        Packed::String(text) => text.as_bytes().to_vec(),
        other => text(other).into_bytes(),
    }
}

/// As a whole number; 0 for what is none.
pub fn whole(value: &Packed) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "of a number that is out of bounds the nearest is taken")]
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)).unwrap_or_default()
}

/// The same in 32 bits.
pub fn small(value: &Packed) -> i32 {
    whole(value).clamp(i32::MIN.into(), i32::MAX.into()).try_into().unwrap_or_default()
}

/// The items of a list.
pub fn items(value: &Packed) -> &[Packed] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub fn texts(value: &Packed) -> Vec<String> {
    items(value).iter().map(text).collect()
}

/// A value of any kind.
pub fn given(value: &Packed) -> Value {
    let kind = match value {
        Packed::Nil | Packed::Ext(..) => Kind::NullValue(0),
        Packed::Boolean(value) => Kind::BoolValue(*value),
        Packed::Integer(_) | Packed::F32(_) | Packed::F64(_) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Packed::String(_) | Packed::Binary(_) => Kind::StringValue(text(value)),
        Packed::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(given).collect() }),
        Packed::Map(_) => Kind::StructValue(object(value)),
    };
    Value { kind: Some(kind) }
}

/// The members of a map.
pub fn object(value: &Packed) -> Struct {
    let members = value.as_map().map_or(&[][..], Vec::as_slice);
    Struct { fields: members.iter().map(|(name, member)| (text(name), given(member))).collect() }
}

/// A value of any kind, taken.
pub fn taken(value: Value) -> Packed {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Packed::Nil,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(number)) => Packed::F64(number),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => Packed::Array(list.values.into_iter().map(taken).collect()),
        Some(Kind::StructValue(members)) => map(members),
    }
}

/// An object, taken.
pub fn map(object: Struct) -> Packed {
    Packed::Map(object.fields.into_iter().map(|(name, value)| (name.into(), taken(value))).collect())
}

/// A member of a map as text.
pub fn text_of(map: &Packed, name: &str) -> String {
    text(member(map, name))
}
