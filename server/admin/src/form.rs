//! Forms: names with dots and brackets become nested values, and texts become what the entity's definition says.

use schema::{Field, Kind, Record};
use serde_json::{Map, Value};

/// How many arguments a query or a form may have.
pub(crate) const ARGUMENTS: usize = 1000;
/// How deep a name may nest.
const DEPTH: usize = 64;

/// One argument. A name without `=` has no value.
pub(crate) type Argument = (String, Value);

/// Splits and decodes `a=1&b=2`; `None` when there are too many.
pub(crate) fn arguments(text: &[u8]) -> Option<Vec<Argument>> {
    let mut out = Vec::new();
    for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
        if out.len() == ARGUMENTS {
            return None;
        }
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (&part[..at], Value::String(text_of(&part[at + 1..]))),
            None => (part, Value::Bool(true)),
        };
        if !name.is_empty() {
            out.push((text_of(name), value));
        }
    }
    Some(out)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&decode(bytes)).into_owned()
}

/// Percent-decodes; `+` is a blank.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[index], hex(index + 1), hex(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                #[allow(clippy::cast_possible_truncation, reason = "two hex digits")]
                out.push((high * 16 + low) as u8);
                index += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        index += 1;
    }
    out
}

/// One step of a name.
enum Step {
    /// `.name` or `[name]`
    Key(String),
    /// `[3]`, counted from one
    Index(usize),
    /// `[]`
    Append,
}

fn steps(name: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for (position, part) in name.split('.').enumerate() {
        let (head, mut rest) = match part.find('[') {
            Some(at) if part.ends_with(']') && (at > 0 || position > 0) => part.split_at(at),
            _ => (part, ""),
        };
        if !head.is_empty() || position == 0 {
            steps.push(Step::Key(head.to_owned()));
        }
        while let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']')?;
            steps.push(match inside.parse::<usize>() {
                _ if inside.is_empty() => Step::Append,
                Ok(index) if (1..=ARGUMENTS).contains(&index) => Step::Index(index - 1),
                _ => Step::Key(inside.to_owned()),
            });
            rest = after;
        }
    }
    (steps.len() <= DEPTH).then_some(steps)
}

/// Arguments as nested values. Repeated names make lists.
pub(crate) fn nest(arguments: Vec<Argument>) -> Map<String, Value> {
    let mut out = Value::Object(Map::new());
    for (name, value) in arguments {
        match steps(&name) {
            Some(steps) => put(&mut out, &steps, value),
            None => put(&mut out, &[Step::Key(name)], value),
        }
    }
    match out {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn put(place: &mut Value, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        match place {
            Value::Null => *place = value,
            Value::Array(items) => items.push(value),
            Value::Object(_) => {}
            first => *first = Value::Array(vec![first.take(), value]),
        }
        return;
    };
    match step {
        Step::Key(key) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(members) = place {
                put(members.entry(key.as_str()).or_insert(Value::Null), rest, value);
            }
        }
        Step::Index(index) => {
            into_list(place);
            if let Value::Array(items) = place {
                if items.len() <= *index {
                    items.resize(index + 1, Value::Null);
                }
                put(&mut items[*index], rest, value);
            }
        }
        Step::Append => {
            into_list(place);
            if let Value::Array(items) = place {
                let mut item = Value::Null;
                put(&mut item, rest, value);
                items.push(item);
            }
        }
    }
}

/// Makes a list of what is there; a single value becomes its first item.
fn into_list(place: &mut Value) {
    if !place.is_array() {
        *place = match place.take() {
            Value::Null | Value::Object(_) => Value::Array(Vec::new()),
            first => Value::Array(vec![first]),
        };
    }
}

/// Turns the texts of a form into what the fields of `record` are.
pub(crate) fn infer(members: &mut Map<String, Value>, record: &Record) {
    for (name, value) in members {
        let shorthand =
            || record.shorthands().iter().find(|shorthand| shorthand.name() == name).map(schema::Shorthand::field);
        if let Some(field) = record.get(name).or_else(shorthand) {
            infer_value(value, field);
        }
    }
}

fn infer_value(value: &mut Value, field: &Field) {
    if value.as_str().is_some_and(str::is_empty) {
        *value = Value::Null;
        return;
    }
    match field.kind() {
        Kind::Integer | Kind::Number => {
            if let Some(number) = value.as_str().and_then(number) {
                *value = number;
            }
        }
        Kind::Boolean => match value.as_str() {
            Some("true") => *value = true.into(),
            Some("false") => *value = false.into(),
            _ => {}
        },
        Kind::Array(elements) | Kind::Set(elements) => {
            if !value.is_array() && !value.is_null() {
                *value = Value::Array(vec![value.take()]);
            }
            if let Value::Array(items) = value {
                // Positions that were never given leave holes.
                items.retain(|item| !item.is_null());
                items.iter_mut().for_each(|item| infer_value(item, elements));
            }
        }
        Kind::Map { values, .. } => {
            if let Value::Object(members) = value {
                members.values_mut().for_each(|member| infer_value(member, values));
            }
        }
        Kind::Record(record) => {
            if let Value::Object(members) = value {
                infer(members, record);
            }
        }
        _ => {}
    }
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    let float = text.parse::<f64>().ok().filter(|float| float.is_finite())?;
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then(|| Value::from(float))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn names_nest() {
        for (form, expected) in [
            ("a=1&b=x+y%2Bz", json!({"a": "1", "b": "x y+z"})),
            ("a.b.c=1&a.b.d=2", json!({"a": {"b": {"c": "1", "d": "2"}}})),
            ("a=1&a=2&a=3", json!({"a": ["1", "2", "3"]})),
            ("a[]=1", json!({"a": ["1"]})),
            ("a%5B%5D=1&a%5B%5D=2", json!({"a": ["1", "2"]})),
            ("a[1]=x&a[3]=z", json!({"a": ["x", null, "z"]})),
            ("a[k]=v&a[l]=w", json!({"a": {"k": "v", "l": "w"}})),
            ("a.b[1].c=v", json!({"a": {"b": [{"c": "v"}]}})),
            ("h.x-team[]=red", json!({"h": {"x-team": ["red"]}})),
            ("flag&empty=", json!({"flag": true, "empty": ""})),
            ("[x]=1&=2", json!({"[x]": "1"})),
        ] {
            assert_eq!(Value::Object(nest(arguments(form.as_bytes()).unwrap())), expected, "{form}");
        }
    }

    #[test]
    fn texts_become_what_the_definition_says() {
        let record = Record::new()
            .field(Field::integer("port"))
            .field(Field::boolean("on"))
            .field(Field::set("tags", Field::string("")))
            .field(Field::map("headers", Field::string(""), Field::array("", Field::string(""))))
            .field(Field::record("config", Record::new().field(Field::number("n"))))
            .field(Field::string("path"));
        let mut form = nest(arguments(b"port=80&on=false&tags=a,b&headers.x=1&config.n=1.5&path=&other=5").unwrap());
        infer(&mut form, &record);
        let expected = json!({
            "port": 80, "on": false, "tags": ["a,b"], "headers": {"x": ["1"]}, "config": {"n": 1.5}, "path": null, "other": "5"
        });
        assert_eq!(Value::Object(form), expected);
    }

    #[test]
    fn a_thousand_arguments_are_enough() {
        assert!(arguments("a=1&".repeat(1000).as_bytes()).is_some());
        assert!(arguments("a=1&".repeat(1001).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_form_panics(form in prop::collection::vec(any::<u8>(), 0..80), names in "[a-c.\\[\\]0-9=&]{0,60}") {
            if let Some(arguments) = arguments(&form) { nest(arguments); }
            if let Some(arguments) = arguments(names.as_bytes()) { nest(arguments); }
        }
    }
}
