//! A value as lines to read: what a detail page shows.

use serde_json::Value;

use super::field::{Field, Kind, find};
use super::words::{label, plain};

/// One line: how deep, its name, its text (none for a heading), and whether it is a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub depth: usize,
    pub label: String,
    pub text: Option<String>,
    pub secret: bool,
    /// Kind and id of the entity it points to.
    pub target: Option<(String, String)>,
    /// Seconds since 1970.
    pub time: bool,
}

/// Times whose names do not end in `_at`.
const TIMES: [&str; 2] = ["not_before", "expiry"];

/// All members, described ones in the order of the description, then the others. Unset ones are left out.
pub fn rows(value: &Value, fields: &[Field]) -> Vec<Row> {
    let mut list = Vec::new();
    record(&mut list, value, &Of::Record(fields), 0);
    list
}

/// What describes the members of an object.
enum Of<'f> {
    Record(&'f [Field]),
    /// Free names; what each of them holds, where that is known.
    Map(Option<&'f Field>),
}

impl<'f> Of<'f> {
    fn inside(field: Option<&'f Field>) -> Self {
        match field.map(|field| &field.kind) {
            Some(Kind::Map(of)) => Self::Map(Some(of)),
            Some(Kind::Json) => Self::Map(None),
            Some(Kind::Record(fields)) => Self::Record(fields),
            _ => Self::Record(&[]),
        }
    }
}

fn record(list: &mut Vec<Row>, value: &Value, of: &Of<'_>, depth: usize) {
    let Some(members) = value.as_object() else { return };
    let fields = match of {
        Of::Record(fields) => *fields,
        Of::Map(_) => &[],
    };
    let described = fields.iter().filter_map(|field| Some((&field.name, members.get(&field.name)?)));
    let others = members.iter().filter(|(name, _)| find(fields, name).is_none());
    for (name, value) in described.chain(others).filter(|(_, value)| !value.is_null()) {
        let (field, label) = match of {
            Of::Record(_) => (find(fields, name), label(name)),
            Of::Map(of) => (*of, name.clone()),
        };
        let mut row = Row {
            depth,
            label,
            text: None,
            secret: field.is_some_and(|field| field.secret),
            target: None,
            time: (name.ends_with("_at") || TIMES.contains(&name.as_str())) && value.is_number(),
        };
        match value {
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(_) => {
                if let (Some(Kind::Foreign(kind)), Some(id)) = (field.map(|f| &f.kind), value["id"].as_str()) {
                    row.text = Some(id.to_owned());
                    row.target = Some((kind.clone(), id.to_owned()));
                    list.push(row);
                    continue;
                }
                list.push(row);
                record(list, value, &Of::inside(field), depth + 1);
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                list.push(row);
                let inner = match field.map(|field| &field.kind) {
                    Some(Kind::List(element)) => Some(&**element),
                    _ => field.filter(|field| field.kind == Kind::Json),
                };
                for (index, element) in elements.iter().enumerate() {
                    list.push(Row {
                        depth: depth + 1,
                        label: format!("{}.", index + 1),
                        text: (!element.is_object()).then(|| plain(element)),
                        secret: false,
                        target: None,
                        time: false,
                    });
                    record(list, element, &Of::inside(inner), depth + 2);
                }
            }
            other => {
                row.text = Some(plain(other));
                list.push(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::fields;

    #[test]
    fn described_first_then_the_rest() {
        let description = json!({"fields": [
            {"name": {"type": "string"}},
            {"service": {"type": "foreign", "reference": "services"}},
            {"config": {"type": "record", "fields": [{"token": {"type": "string", "encrypted": true}}]}},
            {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "array", "elements": {"type": "string"}}}},
        ]});
        let value = json!({
            "new": 1, "config": {"token": "t"}, "service": {"id": "s"}, "name": "n", "gone": null,
            "ips": [{"ip": "1"}], "tags": ["a", "b"], "headers": {"x-api_key": ["1", "2"]},
        });
        let rows = rows(&value, &fields(&description));
        let read: Vec<(usize, &str, Option<&str>)> =
            rows.iter().map(|row| (row.depth, row.label.as_str(), row.text.as_deref())).collect();
        assert_eq!(
            read,
            [
                (0, "Name", Some("n")),
                (0, "Service", Some("s")),
                (0, "Config", None),
                (1, "Token", Some("t")),
                (0, "Headers", None),
                (1, "x-api_key", Some("1, 2")),
                (0, "New", Some("1")),
                (0, "IPs", None),
                (1, "1.", None),
                (2, "IP", Some("1")),
                (0, "Tags", Some("a, b")),
            ]
        );
        assert!(rows[3].secret);
        assert_eq!(rows[1].target, Some(("services".to_owned(), "s".to_owned())));
    }
}
