//! From a request's JSON to what is stored, and from what is stored to what is shown.

use crate::{
    Auto, Errors, Field, Kind, Record, path,
    validate::{validate_record, validate_value},
};
use serde_json::{Map, Value};

/// What processing needs from outside, so that it stays a function of its input.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Seconds since 1970, with fraction.
    pub now: f64,
    /// A random UUID.
    pub uuid: fn() -> String,
    /// A random token of 32 letters and digits.
    pub token: fn() -> String,
    /// Whether a text compiles as a PCRE.
    pub regex: fn(&str) -> Result<(), String>,
    /// Whether messages are those of a partial update. Set by [`Record::update`].
    pub updating: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Insert,
    Update,
}

impl Field {
    /// Validates one value by itself, as what stands in a path. The error has the form it has in
    /// [`Errors::fields`](crate::Errors::fields).
    pub fn check(&self, mut value: Value, cx: &Context) -> Result<(), Value> {
        validate_value(self, &mut value, cx)
    }
}

impl Record {
    /// Creation (POST, PUT, declarative): expands aliases, fills defaults and automatic values, validates. Gives all
    /// fields in the order of the definition, null where nothing is; those that Kong does not have only where something
    /// is.
    pub fn insert(&self, mut data: Map<String, Value>, cx: &Context) -> Result<Map<String, Value>, Errors> {
        complete(self, &mut data, Mode::Insert, cx).map_err(Errors::new)?;
        self.checked(data, cx)
    }

    /// Partial update (PATCH): `patch` is laid over `existing` (records merge; lists and maps are replaced) and the
    /// whole is validated.
    pub fn update(
        &self,
        existing: &Map<String, Value>,
        mut patch: Map<String, Value>,
        cx: &Context,
    ) -> Result<Map<String, Value>, Errors> {
        let cx = &Context { updating: true, ..*cx };
        complete(self, &mut patch, Mode::Update, cx).map_err(Errors::new)?;
        let mut immutable = Map::new();
        for field in self.fields.iter().filter(|field| field.immutable) {
            if let (Some(new), Some(old)) = (patch.get(field.name()), existing.get(field.name()))
                && new != old
            {
                immutable.insert(field.name().to_owned(), Value::from("immutable field cannot be updated"));
            }
        }
        if !immutable.is_empty() {
            return Err(Errors::new(immutable));
        }
        let mut data = existing.clone();
        merge(self, &mut data, patch, cx).map_err(Errors::new)?;
        self.checked(data, cx)
    }

    fn checked(&self, mut data: Map<String, Value>, cx: &Context) -> Result<Map<String, Value>, Errors> {
        let errors = validate_record(self, &mut data, cx);
        if !errors.is_empty() {
            return Err(Errors::new(errors));
        }
        Ok(self.materialise(data, false))
    }

    /// What the Admin API shows of a stored value: all fields in order, and the old names of moved fields.
    pub fn present(&self, data: Map<String, Value>) -> Map<String, Value> {
        self.materialise(data, true)
    }

    fn materialise(&self, mut data: Map<String, Value>, aliases: bool) -> Map<String, Value> {
        let stays = |(field, (key, value)): (&Field, (&String, &Value))| {
            field.name() == key && !(field.beyond && value.is_null())
        };
        let mut out = if data.len() == self.fields.len() && self.fields.iter().zip(&data).all(stays) {
            for (field, value) in self.fields.iter().zip(data.values_mut()) {
                materialise_value(field, value, aliases);
            }
            data
        } else {
            let mut out = Map::with_capacity(self.fields.len() + if aliases { self.shorthands.len() } else { 0 });
            for field in &self.fields {
                match data.swap_remove_entry(field.name()) {
                    Some((_, Value::Null)) if field.beyond => {}
                    Some((name, mut value)) => {
                        materialise_value(field, &mut value, aliases);
                        out.insert(name, value);
                    }
                    None if field.transient || field.beyond => {}
                    None => {
                        out.insert(field.name().to_owned(), Value::Null);
                    }
                }
            }
            out
        };
        if aliases {
            for shorthand in &self.shorthands {
                if let Some(target) = shorthand.shows()
                    && !out.contains_key(shorthand.name())
                {
                    let value = path::get(&out, target).cloned().unwrap_or(Value::Null);
                    out.insert(shorthand.name().to_owned(), value);
                }
            }
        }
        out
    }
}

fn materialise_value(field: &Field, value: &mut Value, aliases: bool) {
    match (&field.kind, value) {
        (Kind::Record(record), Value::Object(members)) => {
            *members = record.materialise(std::mem::take(members), aliases);
        }
        (Kind::Array(elements) | Kind::Set(elements), Value::Array(items)) => {
            if matches!(elements.kind, Kind::Record(_) | Kind::Map { .. } | Kind::Array(_)) {
                items.iter_mut().for_each(|item| materialise_value(elements, item, aliases));
            }
        }
        (Kind::Map { values, .. }, Value::Object(members)) if !matches!(values.kind, Kind::String | Kind::Number) => {
            members.values_mut().for_each(|member| materialise_value(values, member, aliases));
        }
        _ => {}
    }
}

/// Expands aliases and fills what is absent. Errors are those of alias fields, which end processing at once and are
/// not nested.
fn complete(
    record: &Record,
    data: &mut Map<String, Value>,
    mode: Mode,
    cx: &Context,
) -> Result<(), Map<String, Value>> {
    if !record.shorthands.is_empty() {
        let mut errors = Map::new();
        for shorthand in &record.shorthands {
            let Some(mut value) = data.shift_remove(shorthand.name()) else { continue };
            let outcome = validate_value(&shorthand.field, &mut value, cx)
                .and_then(|()| shorthand.apply(&value, data).map_err(Value::String));
            if let Err(error) = outcome {
                errors.insert(shorthand.name().to_owned(), error);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    // In the order of the definition: what follows walks both side by side.
    let mut out = Map::with_capacity(record.fields.len().max(data.len()));
    for field in &record.fields {
        let given = if data.is_empty() { None } else { data.swap_remove_entry(field.name()) };
        let (name, mut value) = match given {
            Some((name, value)) => match made(field, Some(&value), mode, cx) {
                Some(made) => (name, made),
                None => (name, value),
            },
            None => match made(field, None, mode, cx) {
                Some(made) => (field.name().to_owned(), made),
                None => continue,
            },
        };
        complete_value(field, &mut value, mode, cx)?;
        out.insert(name, value);
    }
    out.append(data);
    *data = out;
    Ok(())
}

/// The value that the gateway makes for a field with that value, if it makes one.
fn made(field: &Field, given: Option<&Value>, mode: Mode, cx: &Context) -> Option<Value> {
    let insert = mode == Mode::Insert;
    match field.auto {
        Some(Auto::Updated) => return Some(now(field, cx)),
        Some(Auto::Created) if insert && given.is_none_or(Value::is_null) => return Some(now(field, cx)),
        Some(Auto::Uuid) if insert && given.is_none() => return Some(Value::String((cx.uuid)())),
        Some(Auto::Token) if insert && given.is_none() => return Some(Value::String((cx.token)())),
        _ => {}
    }
    if given.is_some() || !insert {
        return None;
    }
    match (&field.default, &field.kind) {
        (Some(default), _) => Some(default.clone()),
        (None, Kind::Record(_)) if field.is_required() => Some(Value::Object(Map::new())),
        _ => None,
    }
}

fn complete_value(field: &Field, value: &mut Value, mode: Mode, cx: &Context) -> Result<(), Map<String, Value>> {
    match (&field.kind, value) {
        (Kind::Record(record), Value::Object(members)) => complete(record, members, mode, cx),
        (Kind::Record(record), value) if value.as_array().is_some_and(Vec::is_empty) => {
            let mut members = Map::new();
            complete(record, &mut members, mode, cx)?;
            *value = Value::Object(members);
            Ok(())
        }
        (Kind::Set(elements), Value::Array(items)) => {
            dedupe(items);
            items.iter_mut().try_for_each(|item| complete_value(elements, item, Mode::Insert, cx))
        }
        (Kind::Array(elements), Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| complete_value(elements, item, Mode::Insert, cx))
        }
        (Kind::Map { values, .. }, Value::Object(members)) => {
            members.values_mut().try_for_each(|member| complete_value(values, member, Mode::Insert, cx))
        }
        _ => Ok(()),
    }
}

fn dedupe(items: &mut Vec<Value>) {
    if items.len() < 2 {
        return;
    }
    if items.len() <= 16 {
        let mut kept = 0;
        for index in 0..items.len() {
            let again = items[..kept].contains(&items[index]) && !items[index].is_object();
            if !again {
                items.swap(kept, index);
                kept += 1;
            }
        }
        items.truncate(kept);
        return;
    }
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    items.retain(|item| match item {
        // Tables are equal only to themselves in Lua.
        Value::Object(_) | Value::Array(_) => true,
        other => seen.insert(other.to_string()),
    });
}

fn now(field: &Field, cx: &Context) -> Value {
    if matches!(field.kind, Kind::Number) {
        let millis = (cx.now * 1000.0).floor() / 1000.0;
        return Value::from(millis);
    }
    #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let seconds = cx.now.floor() as i64;
    Value::from(seconds)
}

/// Lays a patch over an existing value. A record that was null is completed with its defaults.
fn merge(
    record: &Record,
    data: &mut Map<String, Value>,
    patch: Map<String, Value>,
    cx: &Context,
) -> Result<(), Map<String, Value>> {
    for (name, value) in patch {
        let inner = match record.get(&name).map(|field| &field.kind) {
            Some(Kind::Record(inner)) => Some(inner),
            _ => None,
        };
        match (inner, data.get_mut(&name), value) {
            (Some(inner), Some(Value::Object(own)), Value::Object(members)) => merge(inner, own, members, cx)?,
            (Some(inner), _, Value::Object(mut members)) => {
                complete(inner, &mut members, Mode::Insert, cx)?;
                data.insert(name, Value::Object(members));
            }
            (_, _, value) => {
                data.insert(name, value);
            }
        }
    }
    Ok(())
}
