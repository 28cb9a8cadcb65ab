//! A description of the Admin API as a tree of fields.

use serde_json::Value;

/// One field of a record, or the element of a list or map.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// As the Admin API calls it; of an element: the name of its list.
    pub name: String,
    pub kind: Kind,
    pub within: Within,
    pub required: bool,
    /// What the server takes when nothing is sent; never null.
    pub default: Option<Value>,
    /// The description's own words.
    pub help: Option<String>,
    /// The server makes it when nothing is sent.
    pub generated: bool,
    /// Set once, when the entity is made.
    pub fixed: bool,
    /// Not for other people's eyes.
    pub secret: bool,
    /// May be `{vault://…}`.
    pub referenceable: bool,
    /// Why it should no longer be used.
    pub deprecated: Option<String>,
    /// Least and greatest number.
    pub between: Option<(f64, f64)>,
    /// Least and greatest length of a text or list.
    pub length: (Option<u64>, Option<u64>),
    pub starts_with: Option<String>,
}

/// What a field stands in. Members of records may be unset; what lists and maps hold is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    Record,
    List,
    /// Its name is a key, and none of the Admin API's.
    Map,
}

/// What a field holds, and so which control it gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `long`: several lines.
    Text {
        long: bool,
    },
    /// One of few values.
    Choice(Vec<Value>),
    Number {
        integer: bool,
    },
    Boolean,
    /// A set of few possible values.
    Choices(Vec<Value>),
    /// A list of short things.
    Tokens(Token),
    /// A list of anything else.
    List(Box<Field>),
    /// Values by a free name.
    Map(Box<Field>),
    Record(Vec<Field>),
    /// Another entity: its kind.
    Foreign(String),
    /// Anything, written as JSON.
    Json,
}

/// What a list of short things holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Text,
    Integer,
    Number,
}

/// Fields that hold several lines of text, whatever their plugin.
const LONG: [&str; 24] = [
    "access",
    "body",
    "body_filter",
    "cert",
    "cert_alt",
    "certificate",
    "header_filter",
    "key_alt",
    "log",
    "policy",
    "private_key",
    "public_key",
    "rewrite",
    "rsa_public_key",
    "script",
    "template",
    "ws_client_frame",
    "ws_close",
    "ws_handshake",
    "ws_upstream_frame",
    "jwk",
    "system",
    "prompt",
    "content",
];

/// The fields of a description: of its `fields` member, or of the list itself. Fields that only the server writes are
/// left out; they stay in the value.
pub fn fields(description: &Value) -> Vec<Field> {
    let list = description.get("fields").unwrap_or(description);
    let members: Vec<(&String, &Value)> =
        list.as_array().into_iter().flatten().filter_map(Value::as_object).flatten().collect();
    // A key beside a certificate is a PEM text, elsewhere a word.
    let pem = members.iter().any(|(name, _)| name.as_str() == "cert");
    members
        .into_iter()
        .filter(|(_, of)| !hidden(of))
        .map(|(name, of)| {
            let mut field = Field::read(name, of);
            if pem && name == "key" {
                field.kind = Kind::Text { long: true };
            }
            field
        })
        .collect()
}

/// The field with this name.
pub fn find<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name == name)
}

/// Whether nobody may write it: ids and times of the server, and references that this plugin does not know.
fn hidden(of: &Value) -> bool {
    let is = |name: &str| of.get(name).and_then(Value::as_bool) == Some(true);
    let never = of.get("eq").is_some_and(Value::is_null);
    never || is("auto") && (is("uuid") || is("timestamp"))
}

impl Field {
    /// The field `name` from its description.
    pub fn read(name: &str, of: &Value) -> Self {
        let is = |attribute: &str| of.get(attribute).and_then(Value::as_bool) == Some(true);
        let count = |attribute: &str| of.get(attribute).and_then(Value::as_u64);
        let text = |attribute: &str| of.get(attribute).and_then(Value::as_str).map(str::to_owned);
        let exact = count("len_eq");
        Self {
            name: name.to_owned(),
            kind: Kind::read(name, of),
            within: Within::Record,
            required: is("required"),
            default: of.get("default").filter(|value| !value.is_null()).cloned(),
            help: text("description").filter(|words| !words.trim().is_empty()),
            generated: is("auto"),
            fixed: is("immutable"),
            secret: is("encrypted"),
            referenceable: is("referenceable"),
            deprecated: of.get("deprecation").map(|deprecation| {
                deprecation.get("message").and_then(Value::as_str).unwrap_or(t!("no longer in use")).to_owned()
            }),
            between: bounds(of),
            length: (exact.or(count("len_min")), exact.or(count("len_max"))),
            starts_with: text("starts_with"),
        }
    }

    /// The same as what a list or a map holds.
    fn held(self, within: Within) -> Self {
        Self { within, ..self }
    }

    /// What people call it.
    pub fn label(&self) -> String {
        match self.within {
            Within::Map => self.name.clone(),
            Within::Record | Within::List => super::label(&self.name),
        }
    }

    /// Whether it can be empty only by being there: unset would mean its default, or is not possible.
    pub fn is_kept(&self) -> bool {
        self.required || self.default.is_some() || self.within != Within::Record
    }

    /// The fields of a record; empty for every other kind.
    pub fn members(&self) -> &[Field] {
        match &self.kind {
            Kind::Record(fields) => fields,
            _ => &[],
        }
    }
}

impl Kind {
    fn read(name: &str, of: &Value) -> Self {
        let options = of.get("one_of").and_then(Value::as_array).filter(|options| !options.is_empty());
        match (of.get("type").and_then(Value::as_str).unwrap_or("any"), options) {
            ("string" | "integer" | "number", Some(options)) => Self::Choice(options.clone()),
            ("string", None) => {
                let roomy = of.get("len_max").and_then(Value::as_u64).is_some_and(|most| most > 256);
                Self::Text { long: roomy || LONG.contains(&name) }
            }
            ("integer", None) => Self::Number { integer: true },
            ("number", None) => Self::Number { integer: false },
            ("boolean", _) => Self::Boolean,
            ("array", _) => Self::list(name, of, false),
            ("set", _) => Self::list(name, of, true),
            ("map", _) => of
                .get("values")
                .map_or(Self::Json, |values| Self::Map(Box::new(Field::read(name, values).held(Within::Map)))),
            // Without a list of fields anything may stand in it.
            ("record", _) => of.get("fields").map_or(Self::Json, |list| Self::Record(fields(list))),
            ("foreign", _) => Self::Foreign(of.get("reference").and_then(Value::as_str).unwrap_or_default().to_owned()),
            _ => Self::Json,
        }
    }

    fn list(name: &str, of: &Value, set: bool) -> Self {
        let Some(elements) = of.get("elements") else { return Self::Json };
        let element = Field::read(name, elements).held(Within::List);
        match element.kind {
            Self::Choice(options) if set => Self::Choices(options),
            Self::Text { long: false } if !element.referenceable => Self::Tokens(Token::Text),
            Self::Number { integer: true } => Self::Tokens(Token::Integer),
            Self::Number { integer: false } => Self::Tokens(Token::Number),
            _ => Self::List(Box::new(element)),
        }
    }
}

fn bounds(of: &Value) -> Option<(f64, f64)> {
    let pair = of.get("between")?.as_array()?;
    // Descriptions write what JSON cannot hold as text: "inf".
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    Some((number(pair.first()?)?, number(pair.get(1)?)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_has_its_kind() {
        let text = Field::read("x", &json!({"type": "string"}));
        let cases = [
            (json!({"type": "string"}), Kind::Text { long: false }),
            (json!({"type": "string", "len_max": 1000}), Kind::Text { long: true }),
            (json!({"type": "string", "one_of": ["a", "b"]}), Kind::Choice(vec![json!("a"), json!("b")])),
            (json!({"type": "integer", "one_of": [301, 302]}), Kind::Choice(vec![json!(301), json!(302)])),
            (json!({"type": "integer"}), Kind::Number { integer: true }),
            (json!({"type": "number"}), Kind::Number { integer: false }),
            (json!({"type": "boolean"}), Kind::Boolean),
            (json!({"type": "set", "elements": {"type": "string", "one_of": ["a"]}}), Kind::Choices(vec![json!("a")])),
            (json!({"type": "array", "elements": {"type": "string"}}), Kind::Tokens(Token::Text)),
            (json!({"type": "set", "elements": {"type": "integer"}}), Kind::Tokens(Token::Integer)),
            (json!({"type": "array", "elements": {"type": "number"}}), Kind::Tokens(Token::Number)),
            (json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}), {
                Kind::Map(Box::new(text.clone().held(Within::Map)))
            }),
            (json!({"type": "record", "fields": [{"x": {"type": "string"}}]}), Kind::Record(vec![text])),
            (json!({"type": "record", "abstract": true}), Kind::Json),
            (json!({"type": "foreign", "reference": "services"}), Kind::Foreign("services".to_owned())),
            (json!({"type": "json"}), Kind::Json),
            (json!({"type": "something new"}), Kind::Json),
            (json!({}), Kind::Json),
            (json!("nonsense"), Kind::Json),
        ];
        for (description, kind) in cases {
            assert_eq!(Field::read("x", &description).kind, kind, "{description}");
        }
    }

    #[test]
    fn what_only_the_server_writes_is_left_out() {
        let description = json!({"fields": [
            {"id": {"type": "string", "auto": true, "uuid": true}},
            {"created_at": {"type": "integer", "auto": true, "timestamp": true}},
            {"consumer": {"type": "foreign", "reference": "consumers", "eq": null}},
            {"key": {"type": "string", "auto": true}},
        ]});
        let fields = fields(&description);
        assert_eq!(fields.len(), 1);
        assert!(fields[0].name == "key" && fields[0].generated);
    }
}
