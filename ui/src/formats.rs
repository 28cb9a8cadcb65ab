//! An entity as text for elsewhere: JSON, YAML, a declarative file, a command.

use serde_json::{Map, Value};

use crate::entities::EntityKind;

/// Members that only the server writes.
const MADE: [&str; 2] = ["created_at", "updated_at"];

/// A way to write an entity down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    Json,
    Yaml,
    /// For decK and `POST /config`.
    Declarative,
    Curl,
}

impl Format {
    pub const ALL: [Self; 4] = [Self::Json, Self::Yaml, Self::Declarative, Self::Curl];

    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Declarative => t!("Declarative file"),
            Self::Curl => "curl",
        }
    }

    /// The text. `api`: address of the Admin API, with a slash at its end.
    pub fn of(self, kind: &EntityKind, entity: &Value, api: &str) -> String {
        match self {
            Self::Json => serde_json::to_string_pretty(entity).unwrap_or_default(),
            Self::Yaml => yaml(entity),
            Self::Declarative => {
                let mut file = Map::new();
                file.insert("_format_version".into(), "3.0".into());
                file.insert(kind.key.into(), Value::Array(vec![written(entity)]));
                yaml(&Value::Object(file))
            }
            Self::Curl => {
                let path = kind.write_path(entity, entity["id"].as_str()).unwrap_or_default();
                let body = written(entity).to_string().replace('\'', r"'\''");
                format!("curl -X PUT '{api}{path}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'\n")
            }
        }
    }
}

/// Without what is not set, and without what only the server writes.
pub fn written(entity: &Value) -> Value {
    let kept = |(name, value): (&String, &Value)| {
        (!value.is_null() && !MADE.contains(&name.as_str())).then(|| (name.clone(), set(value)))
    };
    Value::Object(entity.as_object().into_iter().flatten().filter_map(kept).collect())
}

fn set(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), set(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(set).collect()),
        other => other.clone(),
    }
}

/// Block style; texts that could be read as something else are quoted as in JSON, which is YAML too.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => block(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut out),
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
    out
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                out.push_str(&format!("{pad}{}:", text(name)));
                below(value, depth, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&pad);
                out.push('-');
                match item {
                    // The first member stands beside the dash.
                    Value::Object(members) if !members.is_empty() => {
                        let mut inner = String::new();
                        block(item, depth + 1, &mut inner);
                        out.push(' ');
                        out.push_str(inner.trim_start());
                    }
                    other => below(other, depth, out),
                }
            }
        }
        _ => {}
    }
}

fn below(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            block(value, depth + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, depth + 1, out);
        }
        other => out.push_str(&format!(" {}\n", scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(words) => text(words),
        other => other.to_string(),
    }
}

/// Plain where no reader of YAML 1.1 or 1.2 can take it for anything but this text.
fn text(words: &str) -> String {
    const TAKEN: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = words.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '_')
        && words.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !TAKEN.contains(&words.to_ascii_lowercase().as_str());
    if plain { words.to_owned() } else { Value::String(words.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::by_key;

    #[test]
    fn yaml_is_read_as_what_was_written() {
        for (value, expected) in [
            (json!("plain-text"), "plain-text\n"),
            (json!("yes"), "\"yes\"\n"),
            (json!("12"), "\"12\"\n"),
            (json!("a: b # c"), "\"a: b # c\"\n"),
            (json!("-\n'\"<b>ü"), "\"-\\n'\\\"<b>ü\"\n"),
            (json!([]), "[]\n"),
            (json!({}), "{}\n"),
            (
                json!({"a": {"b": [1, "x"], "c": {}}, "d": [{"e": null, "f": ["/"]}, []], "1": true}),
                "a:\n  b:\n    - 1\n    - x\n  c: {}\nd:\n  - e: null\n    f:\n      - /\n  - []\n\"1\": true\n",
            ),
            (json!([[1, 2], {"a": 1}]), "-\n  - 1\n  - 2\n- a: 1\n"),
        ] {
            assert_eq!(yaml(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_written_again_leaves_out_what_the_server_makes() {
        let kind = by_key("services").expect("a kind");
        let entity = json!({"id": "i", "name": "it's", "path": null, "created_at": 1, "tags": ["a"], "updated_at": 2});
        assert_eq!(
            Format::Declarative.of(kind, &entity, ""),
            "_format_version: \"3.0\"\nservices:\n  - id: i\n    name: \"it's\"\n    tags:\n      - a\n"
        );
        let command = Format::Curl.of(kind, &entity, "http://a/api/");
        assert!(command.starts_with("curl -X PUT 'http://a/api/services/i'"), "{command}");
        assert!(command.contains(r#"-d '{"id":"i","name":"it'\''s","tags":["a"]}'"#), "{command}");
        assert!(Format::Json.of(kind, &entity, "").contains("\"created_at\": 1"));
    }
}
