//! Dotted paths into JSON objects: `config.redis.host`.

use serde_json::{Map, Value};

/// The value at a path; `None` when a step is missing. An intermediate null or scalar counts as missing.
pub fn get<'v>(map: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let Some((head, rest)) = path.split_once('.') else { return map.get(path) };
    get(map.get(head)?.as_object()?, rest)
}

/// Puts a value at a path, replacing whatever stands in the way.
pub fn set(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = map.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}
