//! Texts with `{{ a.b }}` in them, filled from an event.

use serde_json::{Map, Value};

/// A text with every `{{ path }}` replaced by what the event has there; nothing where it has nothing.
pub(super) fn filled(text: &str, event: &Value) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((path, end)) = after.split_once("}}") else { break };
        out.push_str(before);
        let found = path.trim().split('.').try_fold(event, |value, part| value.get(part));
        match found {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => out.push_str(text),
            Some(other) => out.push_str(&other.to_string()),
        }
        rest = end;
    }
    out.push_str(rest);
    out
}

/// The same for all texts within a value.
pub(super) fn filled_value(value: &Value, event: &Value) -> Value {
    match value {
        Value::String(text) => filled(text, event).into(),
        Value::Array(items) => items.iter().map(|item| filled_value(item, event)).collect(),
        Value::Object(members) => {
            let all = members.iter().map(|(name, value)| (name.clone(), filled_value(value, event)));
            all.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_filled_from_the_event() {
        let event = json!({"entity": {"username": "ann", "n": 3, "o": {"a": 1}}, "operation": "create"});
        for (text, wanted) in [
            ("{{ entity.username }} was {{operation}}d", "ann was created"),
            ("{{entity.n}}|{{entity.o}}|{{ nothing.here }}|", "3|{\"a\":1}||"),
            ("{{ open", "{{ open"),
            ("}} { {{ operation }} }", "}} { create }"),
        ] {
            assert_eq!(filled(text, &event), wanted);
        }
        assert_eq!(filled_value(&json!({"a": ["{{ operation }}", 1]}), &event), json!({"a": ["create", 1]}));
    }
}
