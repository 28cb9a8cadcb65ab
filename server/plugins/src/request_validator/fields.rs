//! Bodies by Kong's own schemas: a JSON list of `{"name": {"type": …}}`.

use schema::{Context, Field, Record};
use serde_json::{Map, Value};

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Fields(Record);

impl Fields {
    /// The sentence says what is no schema.
    pub(super) fn new(definition: &Value) -> Result<Self, String> {
        record(definition).map(|record| Self(record.sealed())).map_err(|error| format!("schema violation: {error}"))
    }

    /// What is wrong with a body: faults by field.
    pub(super) fn fault(&self, body: &Value) -> Option<Value> {
        match body {
            Value::Object(members) => {
                let fault = self.0.insert(members.clone(), &context()).err()?;
                Some(Value::Object(fault.into_fields()))
            }
            // A list without elements is an empty table.
            Value::Array(items) if items.is_empty() => self.fault(&Value::Object(Map::new())),
            _ => Some("expected a record".into()),
        }
    }
}

/// Nothing in these schemas asks for time or chance, but for what a schema may always ask.
fn context() -> Context {
    Context {
        now: 0.0,
        uuid: || uuid::Uuid::new_v4().to_string(),
        token: entities::random_token,
        regex: |_| Ok(()),
        updating: false,
    }
}

fn record(definition: &Value) -> Result<Record, String> {
    let listed = definition.as_array().or_else(|| definition.as_object().filter(|it| it.is_empty()).map(|_| NONE));
    let mut record = Record::new();
    for entry in listed.ok_or("fields are a list")? {
        let Some((name, definition)) =
            entry.as_object().filter(|entry| entry.len() == 1).and_then(|it| it.iter().next())
        else {
            return Err("a field is an object with one member, its name".to_owned());
        };
        record = record.field(field(name, definition)?);
    }
    Ok(record)
}

const NONE: &Vec<Value> = &Vec::new();

fn field(name: &str, definition: &Value) -> Result<Field, String> {
    let members = definition.as_object().ok_or_else(|| format!("'{name}' is no definition of a field"))?;
    let inner = |part: &str| match members.get(part) {
        Some(definition) => field("", definition),
        None => Err(format!("'{name}' needs '{part}'")),
    };
    let owned = name.to_owned();
    let mut made = match members.get("type").and_then(Value::as_str) {
        Some("string") => Field::string(owned),
        Some("integer") => Field::integer(owned),
        Some("number") => Field::number(owned),
        Some("boolean") => Field::boolean(owned),
        Some("array") => Field::array(owned, inner("elements")?),
        Some("set") => Field::set(owned, inner("elements")?),
        Some("map") => Field::map(owned, inner("keys")?, inner("values")?),
        Some("record") => Field::record(owned, record(members.get("fields").unwrap_or(&Value::Null))?),
        Some(other) => return Err(format!("'{name}': there is no type '{other}'")),
        None => return Err(format!("'{name}' has no type")),
    };
    made = made.required(false);
    for (rule, value) in members {
        made =
            ruled(made, rule, value).ok_or_else(|| format!("'{name}': '{rule}' is no rule, or not of this value"))?;
    }
    Ok(made)
}

/// With a rule more; `None` where there is no such rule.
fn ruled(field: Field, rule: &str, value: &Value) -> Option<Field> {
    let length = || value.as_u64().and_then(|length| usize::try_from(length).ok());
    let text = || value.as_str().map(str::to_owned);
    Some(match rule {
        "type" | "elements" | "keys" | "values" | "fields" | "description" => field,
        "required" => field.required(value.as_bool()?),
        "default" => field.default(value.clone()),
        "between" => match value.as_array().map(Vec::as_slice) {
            Some([low, high]) => field.between(low.as_f64()?, high.as_f64()?),
            _ => return None,
        },
        "eq" => field.eq(value.clone()),
        "ne" => field.ne(value.clone()),
        "gt" => field.gt(value.as_f64()?),
        "len_eq" => field.len_eq(length()?),
        "len_min" => field.len_min(length()?),
        "len_max" => field.len_max(length()?),
        "match" => field.matches(text()?),
        "not_match" => field.not_match(text()?),
        "starts_with" => field.starts_with(text()?),
        "one_of" => field.one_of(value.as_array()?.iter().cloned()),
        "not_one_of" => field.not_one_of(value.as_array()?.iter().cloned()),
        "contains" => field.contains(value.clone()),
        "timestamp" => field.timestamp(value.as_bool()?),
        "uuid" => field.uuid(value.as_bool()?),
        "match_all" => patterns(value)?.into_iter().fold(field, |field, (pattern, err)| field.match_all(pattern, err)),
        "match_none" => {
            patterns(value)?.into_iter().fold(field, |field, (pattern, err)| field.match_none(pattern, err))
        }
        "match_any" => match value {
            Value::Object(members) => {
                let listed = members.get("patterns")?.as_array()?;
                let listed: Vec<_> =
                    listed.iter().map(|pattern| pattern.as_str().map(str::to_owned)).collect::<Option<_>>()?;
                field.match_any(listed, members.get("err").and_then(Value::as_str).unwrap_or("invalid value"))
            }
            _ => {
                let listed: Vec<_> = patterns(value)?.into_iter().map(|(pattern, _)| pattern).collect();
                field.match_any(listed, "invalid value")
            }
        },
        _ => return None,
    })
}

/// Patterns with their texts: a pattern, or a list of patterns or of `{"pattern", "err"}`.
fn patterns(value: &Value) -> Option<Vec<(String, String)>> {
    match value {
        Value::String(pattern) => Some(vec![(pattern.clone(), "invalid value".to_owned())]),
        Value::Object(members) => {
            let err = members.get("err").and_then(Value::as_str).unwrap_or("invalid value");
            Some(vec![(members.get("pattern")?.as_str()?.to_owned(), err.to_owned())])
        }
        Value::Array(items) => {
            let listed: Vec<_> = items.iter().map(patterns).collect::<Option<_>>()?;
            Some(listed.into_iter().flatten().collect())
        }
        _ => None,
    }
}
