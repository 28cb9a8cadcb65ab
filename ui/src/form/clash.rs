//! Two people change one entity: where they mean different values.

use serde_json::{Map, Value};

use super::field::{Field, find};
use super::path::Path;

/// Where `mine` and `theirs`, both changes of the same entity, set different values. Records are merged by the server, so
/// their members are looked at one by one.
pub fn clashes(mine: &Map<String, Value>, theirs: &Map<String, Value>, fields: &[Field]) -> Vec<Path> {
    let mut found = Vec::new();
    walk(mine, theirs, fields, &Path::default(), &mut found);
    found
}

fn walk(mine: &Map<String, Value>, theirs: &Map<String, Value>, fields: &[Field], path: &Path, found: &mut Vec<Path>) {
    for (name, own) in mine {
        let Some(other) = theirs.get(name).filter(|other| *other != own) else { continue };
        let (path, members) = (path.key(name), find(fields, name).map_or(&[][..], Field::members));
        match (own, other) {
            (Value::Object(own), Value::Object(other)) if !members.is_empty() => {
                walk(own, other, members, &path, found);
            }
            _ => found.push(path),
        }
    }
}

/// An entity with changes to it, as the server takes them in.
pub fn merge(entity: &mut Value, changes: &Map<String, Value>, fields: &[Field]) {
    let Value::Object(into) = entity else { return };
    for (name, value) in changes {
        let members = find(fields, name).map_or(&[][..], Field::members);
        match (into.get_mut(name), value) {
            (Some(record), Value::Object(inner)) if record.is_object() && !members.is_empty() => {
                merge(record, inner, members);
            }
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::changes::changes;
    use crate::form::fields;

    #[test]
    fn what_both_changed_differently_clashes() {
        let fields = fields(&json!({"fields": [
            {"name": {"type": "string"}},
            {"tags": {"type": "set", "elements": {"type": "string"}}},
            {"config": {"type": "record", "fields": [
                {"host": {"type": "string"}},
                {"port": {"type": "integer"}},
                {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}},
            ]}},
        ]}));
        let original = json!({"name": "a", "tags": ["x"], "config": {"host": "h", "port": 1, "headers": {"a": "1"}}});
        let (root, config) = (Path::default(), Path::default().key("config"));
        for (mine, theirs, expected) in [
            (json!({"name": "b"}), json!({"tags": ["y"]}), vec![]),
            (json!({"name": "b"}), json!({"name": "b"}), vec![]),
            (json!({"name": "b"}), json!({"name": "c"}), vec![root.key("name")]),
            (json!({"tags": null}), json!({"tags": ["y"]}), vec![root.key("tags")]),
            (json!({"config": {"host": "i"}}), json!({"config": {"port": 2}}), vec![]),
            (
                json!({"config": {"host": "i", "headers": {"b": "2"}}}),
                json!({"config": {"host": "j", "headers": {"c": "3"}}}),
                vec![config.key("host"), config.key("headers")],
            ),
        ] {
            let (mut my, mut now) = (original.clone(), original.clone());
            merge(&mut my, mine.as_object().expect("an object"), &fields);
            merge(&mut now, theirs.as_object().expect("an object"), &fields);
            let (mine, theirs) = (changes(&original, &my, &fields), changes(&original, &now, &fields));
            assert_eq!(clashes(&mine, &theirs, &fields), expected, "{mine:?} {theirs:?}");
            // Mine over theirs: what nobody touched, and what only they did, stays.
            merge(&mut now, &mine, &fields);
            assert!(changes(&now, &my, &fields).iter().all(|(name, _)| theirs.contains_key(name)));
        }
    }
}
