//! What can be said before the server is asked. The server has the last word.

use serde_json::Value;

use super::draft::Draft;
use super::errors::Errors;
use super::field::{Field, Kind, Token};
use super::path::Path;

/// Everything that would surely be refused.
pub fn problems(draft: &Draft, fields: &[Field]) -> Errors {
    let mut errors = Errors::default();
    for (path, text) in draft.unread() {
        errors.add(path, t!("“{text}” cannot be read here", text));
    }
    record(&mut errors, draft, fields, &Path::default());
    errors
}

fn record(errors: &mut Errors, draft: &Draft, fields: &[Field], path: &Path) {
    for field in fields {
        let path = path.key(&field.name);
        if draft.typed(&path).is_some() {
            continue;
        }
        let value = draft.value(&path).filter(|value| !value.is_null());
        match (&field.kind, value) {
            (Kind::Record(members), Some(_)) => record(errors, draft, members, &path),
            // The server makes records that are required, so their own required fields count.
            (Kind::Record(members), None) if field.required && field.default.is_none() => {
                record(errors, draft, members, &path);
            }
            (_, None) => {
                let null = draft.value(&path).is_some();
                if field.required && !field.generated && (null || field.default.is_none()) {
                    errors.add(&path, t!("is required"));
                }
            }
            (_, Some(value)) => one(errors, draft, field, value, &path),
        }
    }
}

fn one(errors: &mut Errors, draft: &Draft, field: &Field, value: &Value, path: &Path) {
    // A reference to a vault stands for a value nobody here knows.
    if field.referenceable && value.as_str().is_some_and(|text| text.starts_with("{vault://")) {
        return;
    }
    if let Some(objection) = objection(field, value) {
        errors.add(path, objection);
    }
    match (&field.kind, value) {
        (Kind::List(element), Value::Array(elements)) => {
            for (index, inner) in elements.iter().enumerate() {
                let path = path.index(index);
                match (&element.kind, inner) {
                    _ if draft.typed(&path).is_some() => {}
                    (Kind::Record(members), Value::Object(_)) => record(errors, draft, members, &path),
                    (_, Value::Null) => errors.add(&path, t!("is required")),
                    _ => one(errors, draft, element, inner, &path),
                }
            }
        }
        (Kind::Map(element), Value::Object(entries)) => {
            for (key, inner) in entries {
                let path = path.key(key);
                match (&element.kind, inner) {
                    _ if draft.typed(&path).is_some() => {}
                    (Kind::Record(members), Value::Object(_)) => record(errors, draft, members, &path),
                    (_, Value::Null) => errors.add(&path, t!("is required")),
                    _ => one(errors, draft, element, inner, &path),
                }
            }
        }
        _ => {}
    }
}

fn objection(field: &Field, value: &Value) -> Option<String> {
    if let (Some((least, most)), Some(number)) = (field.between, value.as_f64())
        && !(least..=most).contains(&number)
    {
        return Some(t!("must be between {least} and {most}", least, most));
    }
    let length = match value {
        Value::String(text) => Some(text.len()),
        Value::Array(elements) => Some(elements.len()),
        _ => None,
    };
    let (least, most) = field.length;
    if let Some(length) = length.and_then(|length| u64::try_from(length).ok()) {
        let many = value.is_array();
        if let Some(least) = least.filter(|least| length < *least) {
            return Some(match many {
                true => t!("needs at least {count} entries", count = least),
                false => t!("needs at least {count} characters", count = least),
            });
        }
        if let Some(most) = most.filter(|most| length > *most) {
            return Some(match many {
                true => t!("may have at most {count} entries", count = most),
                false => t!("may have at most {count} characters", count = most),
            });
        }
    }
    if let (Some(start), Some(text)) = (&field.starts_with, value.as_str())
        && !text.starts_with(start.as_str())
    {
        return Some(t!("must start with {start}", start));
    }
    if let (Kind::Tokens(token @ (Token::Integer | Token::Number)), Value::Array(elements)) = (&field.kind, value)
        && let Some(wrong) = elements.iter().find(|element| !element.is_number())
    {
        let text = super::plain(wrong);
        return Some(match token {
            Token::Integer => t!("“{text}” is no whole number", text),
            _ => t!("“{text}” is no number", text),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::fields;

    #[test]
    fn what_is_surely_wrong_is_said_before_sending() {
        let description = json!({"fields": [
            {"host": {"type": "string", "required": true}},
            {"port": {"type": "integer", "required": true, "default": 80, "between": [0, 65535]}},
            {"path": {"type": "string", "starts_with": "/"}},
            {"statuses": {"type": "set", "len_min": 1, "elements": {"type": "integer"}}},
            {"pair": {"type": "array", "elements": {"type": "record", "fields": [{"a": {"type": "string", "required": true}}]}}},
            {"redis": {"type": "record", "required": true, "fields": [{"host": {"type": "string", "required": true}}]}},
            {"extra": {"type": "record", "fields": [{"must": {"type": "string", "required": true}}]}},
            {"key": {"type": "string", "required": true, "auto": true}},
        ]});
        let fields = fields(&description);
        let good = json!({"host": "h", "redis": {"host": "r"}});
        assert!(problems(&Draft::edit(good.clone()), &fields).is_empty());
        let root = Path::default();
        let cases = [
            (json!({"host": null}), root.key("host"), "is required"),
            (json!({"port": 70000}), root.key("port"), "must be between 0 and 65535"),
            (json!({"port": null}), root.key("port"), "is required"),
            (json!({"path": "x"}), root.key("path"), "must start with /"),
            (json!({"statuses": []}), root.key("statuses"), "needs at least 1 entries"),
            (json!({"statuses": [200, "x"]}), root.key("statuses"), "“x” is no whole number"),
            (json!({"pair": [{}]}), root.key("pair").index(0).key("a"), "is required"),
            (json!({"redis": {}}), root.key("redis").key("host"), "is required"),
            (json!({"extra": {}}), root.key("extra").key("must"), "is required"),
        ];
        for (edit, path, message) in cases {
            let mut value = good.clone();
            for (name, part) in edit.as_object().into_iter().flatten() {
                value[name] = part.clone();
            }
            assert_eq!(problems(&Draft::edit(value), &fields).all(), [(Some(path), message.to_owned())], "{edit}");
        }
    }
}
