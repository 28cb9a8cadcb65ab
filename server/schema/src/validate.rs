//! Validation of completed values: types, rules, checks, what is missing.

use crate::{Context, Field, Kind, Record, errors::ENTITY, is_vault_reference};
use serde_json::{Map, Value};

const REQUIRED: &str = "required field missing";

fn said(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// Validates a record's content in place (foreign values are cut down to their key, numbers normalised) and gives
/// the errors by field; empty when all is well.
pub(crate) fn validate_record(record: &Record, data: &mut Map<String, Value>, cx: &Context) -> Map<String, Value> {
    let mut errors = Map::new();
    let mut seen = vec![false; record.fields.len()];
    // Completed data come in the order of the fields, which saves looking them up.
    let mut next = 0;
    for (name, value) in data.iter_mut() {
        let ahead = record.fields[next..].iter().position(|field| field.name() == name).map(|offset| next + offset);
        let Some(at) = ahead.or_else(|| record.index.get(name).copied()) else {
            errors.insert(name.clone(), said("unknown field"));
            continue;
        };
        next = at + 1;
        seen[at] = true;
        if let Err(error) = validate_value(&record.fields[at], value, cx) {
            errors.insert(name.clone(), error);
        }
    }
    let mut texts = Vec::new();
    for check in &record.checks {
        check.run(record, data, &mut errors, &mut texts, cx);
    }
    for (field, _) in record.fields.iter().zip(&seen).filter(|(field, seen)| !**seen && field.is_required()) {
        if !errors.contains_key(field.name()) {
            errors.insert(field.name().to_owned(), said(REQUIRED));
        }
    }
    if !texts.is_empty() {
        errors.insert(ENTITY.to_owned(), Value::Array(texts));
    }
    errors
}

/// Validates one value against a field.
pub(crate) fn validate_value(field: &Field, value: &mut Value, cx: &Context) -> Result<(), Value> {
    let own = |text: &str| said(field.err.as_deref().unwrap_or(text));
    if value.is_null() {
        if field.rules.ne.as_ref().is_some_and(Value::is_null) {
            return Err(own("value must not be null"));
        }
        if let Some(eq) = &field.rules.eq
            && !eq.is_null()
        {
            return Err(own(&format!("value must be {}", crate::lua::to_string(eq))));
        }
        return if field.is_required() { Err(own(REQUIRED)) } else { Ok(()) };
    }
    if field.rules.eq.as_ref().is_some_and(Value::is_null) {
        return Err(own("value must be null"));
    }
    if field.referenceable && value.as_str().is_some_and(is_vault_reference) {
        return Ok(());
    }
    match &field.kind {
        Kind::Any => {}
        Kind::Json(_) => normalise(value),
        Kind::String if value.is_string() => {
            if field.rules.uuid
                && let Value::String(text) = value
                && text.len() == 36
            {
                text.make_ascii_lowercase();
            }
        }
        Kind::Boolean if value.is_boolean() => {}
        Kind::Number if value.is_number() => normalise(value),
        Kind::Integer if value.is_number() => {
            normalise(value);
            // A whole number beyond 64 bits is an integer too; ranges refuse it.
            if value.as_f64().is_some_and(|number| value.is_f64() && number.trunc() != number) {
                return Err(own("expected an integer"));
            }
        }
        Kind::Array(elements) | Kind::Set(elements) => {
            let is_set = matches!(field.kind, Kind::Set(_));
            // An empty object and an empty array are the same table in Lua.
            if value.as_object().is_some_and(Map::is_empty) {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(items) = value else {
                return Err(own(if is_set { "expected a set" } else { "expected an array" }));
            };
            validate_elements(elements, items, cx)?;
        }
        Kind::Map { keys, values } => {
            if value.as_array().is_some_and(Vec::is_empty) {
                *value = Value::Object(Map::new());
            }
            let Value::Object(members) = value else { return Err(own("expected a map")) };
            for (key, member) in members {
                validate_required(keys, &mut Value::String(key.clone()), cx)?;
                validate_required(values, member, cx)?;
            }
        }
        Kind::Record(record) => {
            if let Value::Array(items) = value {
                if !items.is_empty() {
                    return Err(Value::Array(items.iter().map(|_| said("unknown field")).collect()));
                }
                *value = Value::Object(Map::new());
            }
            let Value::Object(members) = value else { return Err(own("expected a record")) };
            let errors = validate_record(record, members, cx);
            if !errors.is_empty() {
                return Err(Value::Object(errors));
            }
            if let Some(validator) = &record.validator {
                validator.check(value).map_err(said)?;
            }
        }
        Kind::Foreign { .. } => validate_foreign(value)?,
        Kind::Abstract => return Err(said("this is an abstract field and cannot be used directly")),
        Kind::String => return Err(own("expected a string")),
        Kind::Boolean => return Err(own("expected a boolean")),
        Kind::Number => return Err(own("expected a number")),
        Kind::Integer => return Err(own("expected an integer")),
    }
    field.rules.check(value, cx).map_err(|text| own(&text))
}

fn validate_required(field: &Field, value: &mut Value, cx: &Context) -> Result<(), Value> {
    if value.is_null() {
        return Err(said(field.err.as_deref().unwrap_or(REQUIRED)));
    }
    validate_value(field, value, cx)
}

fn validate_elements(field: &Field, items: &mut [Value], cx: &Context) -> Result<(), Value> {
    let mut errors: Vec<Value> = Vec::new();
    for (index, item) in items.iter_mut().enumerate() {
        if let Err(error) = validate_required(field, item, cx) {
            errors.resize(index, Value::Null);
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Value::Array(errors)) }
}

/// A foreign value is an object with the other entity's primary key, `id`; whatever else it has is dropped.
fn validate_foreign(value: &mut Value) -> Result<(), Value> {
    let id = value.as_object_mut().and_then(|members| members.remove("id"));
    let error = match id {
        None | Some(Value::Null) => "missing primary key",
        Some(Value::String(mut id)) if crate::rules::is_uuid(&id) => {
            id.make_ascii_lowercase();
            let mut members = Map::new();
            members.insert("id".to_owned(), Value::String(id));
            *value = Value::Object(members);
            return Ok(());
        }
        Some(Value::String(_)) => "expected a valid UUID",
        Some(_) => "expected a string",
    };
    let mut members = Map::new();
    members.insert("id".to_owned(), said(error));
    Err(Value::Object(members))
}

/// Lua has one number type: `5.0` is `5`.
fn normalise(value: &mut Value) {
    match value {
        Value::Number(n) if n.is_f64() => {
            if let Some(f) = n.as_f64()
                && f == f.trunc()
                && f.abs() < 9_007_199_254_740_992.0
            {
                #[allow(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
                let integer = f as i64;
                *value = Value::from(integer);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(members) => members.values_mut().for_each(normalise),
        _ => {}
    }
}
