//! XML as JSON, and JSON as XML.
//!
//! An element is the text in it, or an object where it has attributes (`@name`) or elements (by name; a list where there are
//! several of one name); its text is then `#text`. An element without anything is `null`. What an object cannot keep, the
//! order of elements with different names and comments, is lost.

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};
use std::collections::hash_map::{Entry, HashMap};

/// How deep elements may be nested; JSON is bound to the same by its reader.
const DEPTH: usize = 128;

/// Name of the text of an element that has more than text.
const TEXT: &str = "#text";

/// Begins the names of attributes.
const ATTRIBUTE: char = '@';

/// Why a document could not be converted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It is not well-formed, or not UTF-8.
    #[error("it is no {0}: {1}")]
    Malformed(&'static str, String),
    /// It defines entities, or names one that it would have to define.
    #[error("it has a document type or entities of its own")]
    Entities,
    /// Elements within elements.
    #[error("elements are nested deeper than {DEPTH}")]
    TooDeep,
    /// A member's name, or text, that XML has no place for.
    #[error("'{0}' cannot stand in XML")]
    NoPlace(String),
}

fn malformed(error: impl ToString) -> Refused {
    Refused::Malformed("XML", error.to_string())
}

/// An element whose end has not come.
#[derive(Default)]
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
    /// Names of elements that were there once: a second one makes a list.
    seen: HashMap<String, usize>,
}

impl Open {
    fn of(start: &BytesStart<'_>) -> Result<Self, Refused> {
        let mut open = Self { name: start.name().0.to_owned(), ..Self::default() };
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(malformed)?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| Refused::Entities)?;
            let name = format!("{ATTRIBUTE}{}", attribute.key.0);
            if open.members.insert(name, value.into_owned().into()).is_some() {
                return Err(malformed(format!("two attributes '{}'", attribute.key.0)));
            }
        }
        Ok(open)
    }

    fn take(&mut self, name: String, value: Value) {
        match self.seen.entry(name) {
            Entry::Vacant(first) => {
                self.members.insert(first.key().clone(), value);
                first.insert(1);
            }
            Entry::Occupied(mut times) => {
                let member = self.members.entry(times.key().clone()).or_insert(Value::Null);
                match member {
                    Value::Array(list) if *times.get() > 1 => list.push(value),
                    member => *member = Value::Array(vec![member.take(), value]),
                }
                *times.get_mut() += 1;
            }
        }
    }

    fn close(mut self) -> (String, Value) {
        let value = match (self.members.is_empty(), self.text.is_empty()) {
            (true, true) => Value::Null,
            (true, false) => Value::String(self.text),
            (false, _) => {
                // Space between elements is how they are laid out.
                if !self.text.trim().is_empty() {
                    self.members.insert(TEXT.to_owned(), self.text.into());
                }
                Value::Object(self.members)
            }
        };
        (self.name, value)
    }
}

/// JSON of an XML document: an object with its outermost element.
pub(super) fn to_json(xml: &[u8]) -> Result<Value, Refused> {
    let text = std::str::from_utf8(xml).map_err(malformed)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut document = Open::default();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let event = reader.read_event().map_err(malformed)?;
        match event {
            Event::Start(start) => {
                if open.len() == DEPTH {
                    return Err(Refused::TooDeep);
                }
                open.push(Open::of(&start)?);
            }
            Event::Empty(start) => {
                let (name, value) = Open::of(&start)?.close();
                open.last_mut().unwrap_or(&mut document).take(name, value);
            }
            Event::End(_) => {
                let (name, value) = open.pop().ok_or_else(|| malformed("an end without a beginning"))?.close();
                open.last_mut().unwrap_or(&mut document).take(name, value);
            }
            Event::Text(text) => open.last_mut().unwrap_or(&mut document).text.push_str(&text.xml10_content()),
            Event::CData(text) => open.last_mut().unwrap_or(&mut document).text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let into = &mut open.last_mut().unwrap_or(&mut document).text;
                match reference.resolve_char_ref().map_err(malformed)? {
                    Some(letter) => into.push(letter),
                    None => into.push_str(resolve_predefined_entity(&reference).ok_or(Refused::Entities)?),
                }
            }
            Event::DocType(_) => return Err(Refused::Entities),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let whole = open.is_empty() && document.text.trim().is_empty();
    if !whole || document.members.len() != 1 || document.seen.values().any(|times| *times > 1) {
        return Err(malformed("there must be one outermost element"));
    }
    Ok(Value::Object(document.members))
}

/// What elements are called that have no name of their own.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The outermost one, where the JSON is no object with one member.
    pub root: String,
    /// Those of lists in lists, and of a list that is the whole document.
    pub item: String,
}

/// XML of a JSON document.
pub(super) fn to_xml(json: &[u8], names: &Names) -> Result<String, Refused> {
    let document: Value =
        serde_json::from_slice(json).map_err(|error| Refused::Malformed("JSON", error.to_string()))?;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let only = document.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    match only {
        Some((name, value)) if !value.is_array() && is_name(name) => element(name, value, names, &mut out)?,
        _ => element(&names.root, &document, names, &mut out)?,
    }
    Ok(out)
}

fn element(name: &str, value: &Value, names: &Names, out: &mut String) -> Result<(), Refused> {
    if !is_name(name) {
        return Err(Refused::NoPlace(name.to_owned()));
    }
    out.push('<');
    out.push_str(name);
    let begin = out.len();
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
                    let Some(value) = single(value).filter(|_| is_name(attribute)) else {
                        return Err(Refused::NoPlace(name.clone()));
                    };
                    out.push(' ');
                    out.push_str(attribute);
                    out.push_str("=\"");
                    text(&value, out)?;
                    out.push('"');
                }
            }
            out.push('>');
            let inside = out.len();
            for (name, value) in members.iter().filter(|(name, _)| !name.starts_with(ATTRIBUTE)) {
                match (name.as_str(), value) {
                    (TEXT, value) => {
                        let value = single(value).ok_or_else(|| Refused::NoPlace(TEXT.to_owned()))?;
                        text(&value, out)?;
                    }
                    (name, Value::Array(items)) => {
                        items.iter().try_for_each(|item| element(name, item, names, out))?;
                    }
                    (name, value) => element(name, value, names, out)?,
                }
            }
            if out.len() == inside {
                out.truncate(inside - 1);
                out.push_str("/>");
                return Ok(());
            }
        }
        Value::Array(items) => {
            out.push('>');
            items.iter().try_for_each(|item| element(&names.item, item, names, out))?;
        }
        value => {
            out.push('>');
            text(&single(value).unwrap_or_default(), out)?;
        }
    }
    if out.len() == begin + 1 {
        out.truncate(begin);
        out.push_str("/>");
        return Ok(());
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Ok(())
}

/// The text of what is neither a list nor an object.
fn single(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Text with its marks escaped; a carriage return would be read as a line feed, and space in attributes as a blank.
fn text(value: &str, out: &mut String) -> Result<(), Refused> {
    if let Some(letter) = value.chars().find(|letter| !is_char(*letter)) {
        return Err(Refused::NoPlace(letter.escape_unicode().to_string()));
    }
    for letter in escape(value).chars() {
        match letter {
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            letter => out.push(letter),
        }
    }
    Ok(())
}

/// XML 1.0 §2.2.
fn is_char(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r') || (letter >= ' ' && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

/// A name (XML 1.0 §2.3), of the letters that every reader knows.
pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | ':'))
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn names() -> Names {
        Names { root: "root".into(), item: "item".into() }
    }

    #[test]
    fn elements_become_members() {
        for (xml, expected) in [
            ("<a/>", json!({ "a": null })),
            ("<?xml version=\"1.0\"?><!-- c --><a> x </a>\n", json!({ "a": " x " })),
            ("<a><b>1</b><b>2</b><c/><b/></a>", json!({ "a": { "b": ["1", "2", null], "c": null } })),
            ("<a n=\"1\" m='&lt;&#65;'>t</a>", json!({ "a": { "@n": "1", "@m": "<A", "#text": "t" } })),
            ("<a>\n  <b>x</b>\n</a>", json!({ "a": { "b": "x" } })),
            ("<a>x<b/>y</a>", json!({ "a": { "b": null, "#text": "xy" } })),
            ("<a>1 &lt; 2 &amp; &#x41;<![CDATA[<&]]></a>", json!({ "a": "1 < 2 & A<&" })),
            ("<n:a xmlns:n=\"u\"><n:b/></n:a>", json!({ "n:a": { "@xmlns:n": "u", "n:b": null } })),
        ] {
            assert_eq!(to_json(xml.as_bytes()), Ok(expected), "{xml}");
        }
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for xml in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a/><a/>", "</a>", "<a b=\"1\" b=\"2\"/>", "<a>\u{1}<"] {
            assert!(matches!(to_json(xml.as_bytes()), Err(Refused::Malformed(..))), "{xml}");
        }
        for xml in [
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<a>&x;</a>",
            "<a b=\"&x;\"/>",
        ] {
            assert_eq!(to_json(xml.as_bytes()), Err(Refused::Entities), "{xml}");
        }
        let deep = "<a>".repeat(DEPTH + 1);
        assert_eq!(to_json(deep.as_bytes()), Err(Refused::TooDeep));
        assert!(to_json(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn members_become_elements() {
        for (json, expected) in [
            (json!({ "a": null }), "<a/>"),
            (
                json!({ "a": { "b": [1, true, null], "@n": 5, "#text": "x<" } }),
                "<a n=\"5\"><b>1</b><b>true</b><b/>x&lt;</a>",
            ),
            (json!({ "a": {} }), "<a/>"),
            (json!({ "a": { "@b": "\"\n" } }), "<a b=\"&quot;&#10;\"/>"),
            (json!({ "a": 1, "b": "x" }), "<root><a>1</a><b>x</b></root>"),
            (json!({ "a": [1, [2]] }), "<root><a>1</a><a><item>2</item></a></root>"),
            (json!([1, "x"]), "<root><item>1</item><item>x</item></root>"),
            (json!([]), "<root/>"),
            (json!("x"), "<root>x</root>"),
        ] {
            let xml = to_xml(json.to_string().as_bytes(), &names()).unwrap();
            assert_eq!(xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), Some(expected), "{json}");
        }
        for json in [
            json!({ "a": { "b c": 1 } }),
            json!({ "a": { "": 1 } }),
            json!({ "a": { "@b": [1] } }),
            json!({ "a": { "@<": 1 } }),
            json!({ "a": { "#text": {} } }),
            json!({ "a": "\u{0}" }),
        ] {
            assert!(matches!(to_xml(json.to_string().as_bytes(), &names()), Err(Refused::NoPlace(_))), "{json}");
        }
        assert!(to_xml(b"{", &names()).is_err());
        assert!(to_xml("[".repeat(1000).as_bytes(), &names()).is_err());
    }

    /// Elements as JSON shows them.
    fn shown() -> impl Strategy<Value = Value> {
        let text = "[a-z<&\"' ]{1,6}";
        let leaf = prop_oneof![Just(Value::Null), text.prop_map(Value::String)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            proptest::collection::btree_map("[a-d]", inner, 1..4).prop_map(|members| {
                let attribute = ("@n".to_owned(), Value::String("v".to_owned()));
                Value::Object(members.into_iter().chain([attribute]).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in shown()) {
            let document = json!({ "a": value });
            let xml = to_xml(document.to_string().as_bytes(), &names()).unwrap();
            prop_assert_eq!(to_json(xml.as_bytes()), Ok(document));
        }

        #[test]
        fn nothing_panics(text in "[<>/a&;!\\[\\]\"'= -]{0,24}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = to_json(text.as_bytes());
            let _ = to_json(&bytes);
            let _ = to_xml(&bytes, &names());
        }
    }
}
