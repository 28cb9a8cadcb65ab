//! What has to be sent: only what differs.

use serde_json::{Map, Value};

use super::field::{Field, find};

/// The members by which `current` differs from `original`, for a PATCH (or, against an empty original, a POST).
///
/// Records are merged by the server, so only their changed members appear; lists and maps are replaced, so they appear
/// whole. What was taken away becomes its default, or null. What no field describes and nobody changed is not sent.
pub fn changes(original: &Value, current: &Value, fields: &[Field]) -> Map<String, Value> {
    let (none, mut changed) = (Map::new(), Map::new());
    let before = original.as_object().unwrap_or(&none);
    let after = current.as_object().unwrap_or(&none);
    for (name, now) in after {
        let field = find(fields, name);
        match before.get(name) {
            Some(was) if was == now => {}
            Some(was) if was.is_object() && now.is_object() && field.is_some_and(|f| !f.members().is_empty()) => {
                let inner = changes(was, now, field.map_or(&[], Field::members));
                if !inner.is_empty() {
                    changed.insert(name.clone(), Value::Object(inner));
                }
            }
            _ => {
                changed.insert(name.clone(), now.clone());
            }
        }
    }
    for (name, was) in before {
        if !after.contains_key(name) && !was.is_null() {
            let default = find(fields, name).and_then(|field| field.default.clone());
            if default.as_ref() != Some(was) {
                changed.insert(name.clone(), default.unwrap_or(Value::Null));
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::fields;

    #[test]
    fn only_what_differs_is_sent() {
        let description = json!({"fields": [
            {"name": {"type": "string"}},
            {"port": {"type": "integer", "default": 80}},
            {"tags": {"type": "set", "elements": {"type": "string"}}},
            {"config": {"type": "record", "fields": [
                {"host": {"type": "string"}},
                {"redis": {"type": "record", "fields": [{"port": {"type": "integer"}}, {"host": {"type": "string"}}]}},
                {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}},
            ]}},
        ]});
        let fields = fields(&description);
        let original = json!({
            "id": "1", "name": "a", "port": 8080, "tags": ["x"], "later": {"a": 1},
            "config": {"host": "h", "redis": {"port": 1, "host": "r"}, "headers": {"a": "1", "b": "2"}, "alias": 5},
        });
        let cases = [
            (json!({}), json!({})),
            (json!({"name": "b"}), json!({"name": "b"})),
            (json!({"tags": []}), json!({"tags": []})),
            (
                json!({"config": {"host": "h", "redis": {"port": 2, "host": "r"}, "headers": {"a": "1", "b": "2"}, "alias": 5}}),
                json!({"config": {"redis": {"port": 2}}}),
            ),
            (
                json!({"config": {"host": "h", "redis": {"port": 1, "host": "r"}, "headers": {"a": "1"}, "alias": 5}}),
                json!({"config": {"headers": {"a": "1"}}}),
            ),
            (
                json!({"config": {"redis": {"port": 1, "host": "r"}, "headers": {"a": "1", "b": "2"}, "alias": 5}}),
                json!({"config": {"host": null}}),
            ),
        ];
        for (edit, expected) in cases {
            let mut current = original.clone();
            for (name, value) in edit.as_object().into_iter().flatten() {
                current[name] = value.clone();
            }
            assert_eq!(Value::Object(changes(&original, &current, &fields)), expected);
        }
        let mut current = original.clone();
        current.as_object_mut().map(|members| members.remove("port"));
        assert_eq!(Value::Object(changes(&original, &current, &fields)), json!({"port": 80}), "back to the default");
    }
}
