//! Changes of a JSON object's members.

use super::config::{Config, JsonType, Pairs};
use crate::members::{Object, appended, is_there};
use crate::number;
use crate::pairs::parted;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;

/// JSON operations, their values made.
#[derive(Debug)]
pub(crate) struct BodyChange {
    remove: Vec<String>,
    rename: Vec<(String, String)>,
    replace: Vec<(String, Box<RawValue>)>,
    add: Vec<(String, Box<RawValue>)>,
    append: Vec<(String, Box<RawValue>)>,
}

impl BodyChange {
    /// `None` where there is nothing to change.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let lists =
            [&config.remove.json, &config.rename.json, &config.replace.json, &config.add.json, &config.append.json];
        if lists.iter().all(|list| list.is_empty()) {
            return None;
        }
        let rename = |pair: &String| {
            let (old, new) = parted(pair);
            Some((old.to_owned(), new?.to_owned()))
        };
        Some(Self {
            remove: config.remove.json.iter().map(|name| parted(name).0.to_owned()).collect(),
            rename: config.rename.json.iter().filter_map(rename).collect(),
            replace: values(&config.replace),
            add: values(&config.add),
            append: values(&config.append),
        })
    }

    /// The changed body; `None` where it is no JSON object.
    pub(crate) fn apply(&self, body: &[u8]) -> Option<Bytes> {
        let members: IndexMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
        let mut object: Object<'_> = members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
        for name in &self.remove {
            object.shift_remove(name);
        }
        for (old, new) in &self.rename {
            if old != new
                && let Some(value) = object.shift_remove(old)
            {
                object.insert(new.clone(), value);
            }
        }
        for (name, value) in &self.replace {
            if let Some(member) = object.get_mut(name).filter(|member| is_there(member)) {
                *member = Cow::Owned(value.clone());
            }
        }
        for (name, value) in &self.add {
            if !object.get(name).is_some_and(|member| is_there(member)) {
                object.insert(name.clone(), Cow::Owned(value.clone()));
            }
        }
        for (name, value) in &self.append {
            let grown = appended(object.get(name).map(|member| &**member), value)?;
            object.insert(name.clone(), Cow::Owned(grown));
        }
        serde_json::to_vec(&object).ok().map(Bytes::from)
    }
}

fn values(pairs: &Pairs) -> Vec<(String, Box<RawValue>)> {
    pairs
        .json
        .iter()
        .enumerate()
        .filter_map(|(index, pair)| {
            let (name, value) = parted(pair);
            Some((name.to_owned(), json(value, pairs.json_types.get(index).copied())?))
        })
        .collect()
}

/// A configured value as JSON; `None` where it is no number and should be one. No value is the text `null`. A
/// backslash and control characters come out escaped once more, as Kong writes them.
fn json(value: Option<&str>, kind: Option<JsonType>) -> Option<Box<RawValue>> {
    let value = value.map_or_else(|| "null".to_owned(), escaped);
    let text = match kind {
        Some(JsonType::Boolean) => (value == "true").to_string(),
        Some(JsonType::Number) => number::text(number::parse(&value)?),
        Some(JsonType::String) | None => serde_json::to_string(&value).ok()?,
    };
    RawValue::from_string(text).ok()
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json as value};

    fn change(config: &Value) -> BodyChange {
        let complete = |name: &str| {
            let mut pairs = value!({ "json": [], "json_types": [], "headers": [] });
            for (key, given) in config.get(name).and_then(Value::as_object).into_iter().flatten() {
                pairs[key] = given.clone();
            }
            (name.to_owned(), pairs)
        };
        let whole: serde_json::Map<_, _> =
            ["remove", "rename", "replace", "add", "append"].into_iter().map(complete).collect();
        BodyChange::new(&serde_json::from_value(whole.into()).unwrap()).unwrap()
    }

    fn changed(config: Value, body: &str) -> String {
        change(&config)
            .apply(body.as_bytes())
            .map_or("unchanged".into(), |body| String::from_utf8_lossy(&body).into_owned())
    }

    #[test]
    fn members_change() {
        for (config, body, after) in [
            (value!({"add": {"json": ["a:new", "b:new"]}}), r#"{"a": 5}"#, r#"{"a":5,"b":"new"}"#),
            (value!({"append": {"json": ["l:c"]}}), r#"{"l": ["a", "b"]}"#, r#"{"l":["a","b","c"]}"#),
            (value!({"append": {"json": ["n:x"]}}), r#"{"a": 1}"#, r#"{"a":1,"n":["x"]}"#),
            (value!({"append": {"json": ["n:x"]}}), r#"{"n": 5}"#, r#"{"n":["x"]}"#),
            (value!({"append": {"json": ["n:x"]}}), r#"{"n": null}"#, r#"{"n":["x"]}"#),
            (value!({"append": {"json": ["s:two"]}}), r#"{"s": "one"}"#, r#"{"s":["one","two"]}"#),
            (value!({"append": {"json": ["o:x"]}}), r#"{"o": {}}"#, r#"{"o":["x"]}"#),
            (value!({"append": {"json": ["o:x"]}}), r#"{"o": {"a":1}}"#, r#"{"o":{"a":1,"1":"x"}}"#),
            (
                value!({"add": {"json": ["f:added"]}, "replace": {"json": ["g:replaced"]}}),
                r#"{"f": false, "g": false}"#,
                r#"{"f":"added","g":false}"#,
            ),
            (value!({"add": {"json": ["n:x"]}}), r#"{"n":null}"#, r#"{"n":null}"#),
            (value!({"replace": {"json": ["n:x", "m:y"]}}), r#"{"n":null}"#, r#"{"n":"x"}"#),
            (value!({"remove": {"json": ["x"]}, "add": {"json": ["x:1"]}}), r#"{"x":2,"y":3}"#, r#"{"y":3,"x":"1"}"#),
            (
                value!({"rename": {"json": ["a:b", "c:c", "d:"]}}),
                r#"{"a":1,"b":2,"c":3,"d":4}"#,
                r#"{"b":1,"c":3,"d":4}"#,
            ),
            (value!({"rename": {"json": ["a:b"]}}), r#"{"a":false}"#, r#"{"b":false}"#),
            (value!({"add": {"json": ["s:say \"hi\" / bye"]}}), "{}", r#"{"s":"say \"hi\" / bye"}"#),
            (value!({"add": {"json": ["s:a\\b\t"]}}), "{}", r#"{"s":"a\\\\b\\t"}"#),
            (value!({"add": {"json": ["s:"]}}), "{}", r#"{"s":"null"}"#),
            (value!({"add": {"json": ["u:http://x:1"]}}), "{}", r#"{"u":"http://x:1"}"#),
            (
                value!({"add": {"json": ["t:true"]}}),
                r#"{"big":12345678901234567890,"f": 1.50}"#,
                r#"{"big":12345678901234567890,"f":1.50,"t":"true"}"#,
            ),
        ] {
            assert_eq!(changed(config.clone(), body), after, "{config}");
        }
        for body in ["{broken", "[1,2]", "5", "", "null"] {
            assert_eq!(changed(value!({"add": {"json": ["b:1"]}}), body), "unchanged", "{body}");
        }
    }

    #[test]
    fn values_get_their_types() {
        for (operation, pairs, types, body, after) in [
            ("add", value!(["n:42", "f:-1.5"]), value!(["number", "number"]), "{}", r#"{"n":42,"f":-1.5}"#),
            ("add", value!(["n:abc", "ok:1"]), value!(["number", "number"]), "{}", r#"{"ok":1}"#),
            (
                "add",
                value!(["t:true", "f:false", "x:yes"]),
                value!(["boolean", "boolean", "boolean"]),
                "{}",
                r#"{"t":true,"f":false,"x":false}"#,
            ),
            ("add", value!(["s:42", "n:42"]), value!(["string"]), "{}", r#"{"s":"42","n":"42"}"#),
            (
                "replace",
                value!(["n:9", "b:false"]),
                value!(["number", "boolean"]),
                r#"{"n":"old","b":"old"}"#,
                r#"{"n":9,"b":false}"#,
            ),
            ("append", value!(["l:3"]), value!(["number"]), r#"{"l":[1,2]}"#, r#"{"l":[1,2,3]}"#),
        ] {
            let config = value!({ operation: { "json": pairs, "json_types": types } });
            assert_eq!(changed(config.clone(), body), after, "{config}");
        }
    }

    proptest! {
        #[test]
        fn any_body_stays_json(body in "[{}\\[\\]\":,a0 \\\\]{0,24}") {
            let change = change(&value!({
                "remove": {"json": ["b"]}, "rename": {"json": ["a:c"]}, "add": {"json": ["d:1"]}, "append": {"json": ["a:1", "c:2"]}
            }));
            if let Some(after) = change.apply(body.as_bytes()) {
                prop_assert!(serde_json::from_slice::<Value>(&after).is_ok());
            }
        }
    }
}
