//! Lists and objects as parameters write them (OpenAPI 3, "style values").

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    kind: Kind,
    explode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Simple,
    Label,
    Matrix,
    Form,
    Space,
    Pipe,
    Deep,
}

impl Style {
    /// By its name.
    pub(super) fn new(name: &str, explode: bool) -> Self {
        let kind = match name {
            "label" => Kind::Label,
            "matrix" => Kind::Matrix,
            "form" => Kind::Form,
            "spaceDelimited" => Kind::Space,
            "pipeDelimited" => Kind::Pipe,
            "deepObject" => Kind::Deep,
            _ => Kind::Simple,
        };
        Self { kind, explode }
    }
}

/// What a schema makes of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// By the names of JSON Schema's types.
    Single(Vec<String>),
    /// Of elements.
    List(Box<Shape>),
    /// Of members.
    Object(BTreeMap<String, Shape>),
}

impl Shape {
    /// `None` where a schema has no type.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        Some(match schema.get("type")? {
            Value::String(name) => match name.as_str() {
                "array" => {
                    Self::List(Box::new(schema.get("items").and_then(Self::of).unwrap_or(Self::Single(Vec::new()))))
                }
                "object" => {
                    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
                    let shape = |schema| Self::of(schema).unwrap_or(Self::Single(Vec::new()));
                    Self::Object(properties.map(|(name, schema)| (name.clone(), shape(schema))).collect())
                }
                name => Self::Single(vec![name.to_owned()]),
            },
            Value::Array(names) => Self::Single(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            _ => return None,
        })
    }

    /// Text as the first of the types that it fits; else text.
    fn value(&self, text: &str) -> Value {
        let Self::Single(types) = self else { return text.into() };
        let typed = |name: &String| match name.as_str() {
            "integer" => text.parse::<i64>().ok().map(Value::from),
            "number" => text
                .parse::<i64>()
                .ok()
                .map(Value::from)
                .or_else(|| text.parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number)),
            "boolean" => text.parse::<bool>().ok().map(Value::Bool),
            "null" => text.is_empty().then_some(Value::Null),
            _ => None,
        };
        types.iter().find_map(typed).unwrap_or_else(|| text.into())
    }
}

/// A parameter out of the pairs among which it may be; `None` where it is not there.
pub(super) fn read(name: &str, pairs: &[(String, Cow<'_, str>)], style: &Style, shape: &Shape) -> Option<Value> {
    let own: Vec<&str> = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect();
    match (shape, style.kind) {
        (Shape::Object(members), Kind::Deep) => {
            let inside = |other: &str| Some(other.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
            let found = pairs.iter().filter_map(|(other, value)| Some((inside(other)?, &**value)));
            object(members, found)
        }
        (Shape::Object(members), Kind::Form) if style.explode => {
            let found = pairs.iter().filter(|(other, _)| members.contains_key(other));
            object(members, found.map(|(name, value)| (name.clone(), &**value)))
        }
        (Shape::List(items), Kind::Form | Kind::Space | Kind::Pipe | Kind::Deep) if style.explode => {
            (!own.is_empty()).then(|| own.iter().map(|text| items.value(text)).collect())
        }
        (shape, kind) => Some(written(name, own.first()?, kind, style.explode, shape)),
    }
}

fn object<'p>(members: &BTreeMap<String, Shape>, found: impl Iterator<Item = (String, &'p str)>) -> Option<Value> {
    let any = Shape::Single(Vec::new());
    let object: Map<String, Value> =
        found.map(|(name, value)| (name.clone(), members.get(&name).unwrap_or(&any).value(value.trim()))).collect();
    (!object.is_empty()).then_some(Value::Object(object))
}

/// One text that holds all of a parameter.
fn written(name: &str, text: &str, kind: Kind, explode: bool, shape: &Shape) -> Value {
    let (text, between): (&str, &[char]) = match kind {
        Kind::Simple | Kind::Form | Kind::Deep => (text, &[',']),
        Kind::Space => (text, &[' ']),
        Kind::Pipe => (text, &['|']),
        Kind::Label => (text.strip_prefix('.').unwrap_or(text), if explode { &['.'] } else { &['.', ','] }),
        Kind::Matrix => {
            let text = text.strip_prefix(';').unwrap_or(text);
            let whole = !explode || !matches!(shape, Shape::Object(_) | Shape::List(_));
            let named = text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).filter(|_| whole);
            (named.unwrap_or(text), if explode { &[';'] } else { &[','] })
        }
    };
    match shape {
        Shape::Single(_) => shape.value(text),
        Shape::List(items) => {
            let own = |part: &str| match (kind, part.split_once('=')) {
                (Kind::Matrix, Some((key, value))) if explode && key == name => value.to_owned(),
                _ => part.to_owned(),
            };
            text.split(between).map(|part| items.value(own(part).trim())).collect()
        }
        Shape::Object(members) => {
            let parts: Vec<&str> = text.split(between).collect();
            let pairs: Vec<(String, &str)> = match explode {
                true => parts
                    .iter()
                    .filter_map(|part| part.split_once('='))
                    .map(|(n, v)| (n.trim().to_owned(), v))
                    .collect(),
                false => parts.chunks_exact(2).map(|pair| (pair[0].trim().to_owned(), pair[1])).collect(),
            };
            object(members, pairs.into_iter()).unwrap_or_else(|| Value::Object(Map::new()))
        }
    }
}
