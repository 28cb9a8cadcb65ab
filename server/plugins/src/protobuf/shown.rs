//! Messages as JSON, the way Kong shows them: names as in the file, enums by name, what is not set as its default.

use crate::number;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use serde_json::{Map, Number, Value as Json};
use time::OffsetDateTime;
use time::macros::format_description;

/// A message of a type from its bytes.
pub(crate) fn decoded(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<Json, prost::DecodeError> {
    DynamicMessage::decode(descriptor.clone(), bytes).map(|message| shown(&message))
}

/// A message. Lists, maps and what has no presence are always there; a `google.protobuf.Timestamp` is the text of its
/// second in UTC.
pub(crate) fn shown(message: &DynamicMessage) -> Json {
    let descriptor = message.descriptor();
    if descriptor.full_name() == "google.protobuf.Timestamp"
        && let Some(text) = time_of(message)
    {
        return Json::String(text);
    }
    let mut out = Map::new();
    for field in descriptor.fields() {
        if !field.supports_presence() || message.has_field(&field) {
            out.insert(field.name().to_owned(), value(&field, &message.get_field(&field)));
        }
    }
    Json::Object(out)
}

fn time_of(message: &DynamicMessage) -> Option<String> {
    let seconds = message.get_field_by_name("seconds")?.as_i64()?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    time.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]")).ok()
}

fn value(field: &FieldDescriptor, value: &Value) -> Json {
    let kind = field.kind();
    match value {
        Value::List(items) => Json::Array(items.iter().map(|item| single(&kind, item)).collect()),
        Value::Map(entries) => {
            let Kind::Message(entry) = kind else { return Json::Object(Map::new()) };
            let kind = entry.map_entry_value_field().kind();
            let mut pairs: Vec<_> = entries.iter().map(|(key, value)| (name(key), single(&kind, value))).collect();
            pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
            Json::Object(pairs.into_iter().collect())
        }
        single_value => single(&kind, single_value),
    }
}

fn name(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn single(kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::I32(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::U64(value) => (*value).into(),
        Value::F32(value) => float(f64::from(*value)),
        Value::F64(value) => float(*value),
        Value::String(value) => Json::String(value.clone()),
        Value::Bytes(value) => Json::String(String::from_utf8_lossy(value).into_owned()),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(kind) => kind.get_value(*number).map_or_else(|| (*number).into(), |value| value.name().into()),
            _ => (*number).into(),
        },
        Value::Message(message) => shown(message),
        Value::List(_) | Value::Map(_) => Json::Null,
    }
}

/// With 14 significant digits, as Lua writes numbers; JSON has no others than finite ones.
fn float(value: f64) -> Json {
    let text = number::text(value);
    match text.parse::<i64>() {
        Ok(whole) => whole.into(),
        Err(_) => text.parse().ok().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
    }
}
