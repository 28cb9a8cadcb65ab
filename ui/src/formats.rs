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
    /// For the provider `kong/kong-gateway`.
    Terraform,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Json, Self::Yaml, Self::Declarative, Self::Curl, Self::Terraform];

    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Declarative => t!("Declarative file"),
            Self::Curl => "curl",
            Self::Terraform => "Terraform",
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
            Self::Terraform => terraform(kind, entity),
            Self::Curl => {
                let path = kind.write_path(entity, entity["id"].as_str()).unwrap_or_default();
                let body = written(entity).to_string().replace('\'', r"'\''");
                format!("curl -X PUT '{api}{path}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'\n")
            }
        }
    }
}

/// An entity as a resource of the provider `kong/kong-gateway`, which gives ids itself.
fn terraform(kind: &EntityKind, entity: &Value) -> String {
    let sort = match kind.key {
        "plugins" => format!("plugin_{}", entity["name"].as_str().unwrap_or_default()),
        "basicauth_credentials" => "basic_auth".to_owned(),
        "hmacauth_credentials" => "hmac_auth".to_owned(),
        "keyauth_credentials" => "key_auth".to_owned(),
        "jwt_secrets" => "jwt".to_owned(),
        key => key.strip_suffix('s').unwrap_or(key).to_owned(),
    };
    // Letters, digits and underscores, a letter first.
    let word =
        |text: &str| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect() };
    let mut out = format!("resource \"kong-gateway_{}\" \"my_{}\" {{\n", word(&sort), word(&kind.name_of(entity)));
    let mut members = written(entity);
    if let Value::Object(members) = &mut members {
        members.shift_remove("id");
        // The resource says which plugin it is.
        if kind.key == "plugins" {
            members.shift_remove("name");
        }
    }
    attributes(&members, 1, &mut out);
    out.push_str("}\n");
    out
}

fn attributes(members: &Value, depth: usize, out: &mut String) {
    for (name, value) in members.as_object().into_iter().flatten() {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let name = if plain { name.clone() } else { quoted(name) };
        out.push_str(&format!("{}{name} = ", "  ".repeat(depth)));
        expression(value, depth, out);
        out.push('\n');
    }
}

fn expression(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(_) => {
            out.push_str("{\n");
            attributes(value, depth + 1, out);
            out.push_str(&"  ".repeat(depth));
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                expression(item, depth, out);
            }
            out.push(']');
        }
        Value::String(text) => out.push_str(&quoted(text)),
        other => out.push_str(&other.to_string()),
    }
}

/// A text of HCL, in which `${` and `%{` begin templates.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => out.extend([c, c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
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

    #[test]
    fn resources_of_terraform() {
        let entity = json!({
            "id": "i", "name": "rate-limiting", "service": {"id": "s"}, "consumer": null, "created_at": 1, "enabled": true,
            "config": {"minute": 5, "limits": {"x-a": [1.5, "b"]}, "text": "\"${a} %{b} $5\n\\\u{1}ü", "none": null, "list": []},
        });
        assert_eq!(
            Format::Terraform.of(by_key("plugins").expect("a kind"), &entity, ""),
            concat!(
                "resource \"kong-gateway_plugin_rate_limiting\" \"my_rate_limiting\" {\n",
                "  service = {\n    id = \"s\"\n  }\n  enabled = true\n  config = {\n    minute = 5\n",
                "    limits = {\n      \"x-a\" = [1.5, \"b\"]\n    }\n",
                "    text = \"\\\"$${a} %%{b} $5\\n\\\\\\u0001ü\"\n    list = []\n  }\n}\n",
            )
        );
        for (kind, entity, head) in [
            (
                "services",
                json!({"name": "a b"}),
                "resource \"kong-gateway_service\" \"my_a_b\" {\n  name = \"a b\"\n}\n",
            ),
            ("ca_certificates", json!({"id": "1-2"}), "resource \"kong-gateway_ca_certificate\" \"my_1_2\" {\n}\n"),
            (
                "keyauth_credentials",
                json!({"id": "k", "key": "s"}),
                "resource \"kong-gateway_key_auth\" \"my_k\" {\n  key = \"s\"\n}\n",
            ),
        ] {
            assert_eq!(Format::Terraform.of(by_key(kind).expect("a kind"), &entity, ""), head);
        }
    }
}
