//! YAML text to JSON values, reading scalars as Kong's parser does, and back.
//!
//! The text may be hostile: nesting, and what aliases expand to, are bounded.

use crate::scalar;
use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep lists and maps may nest; what JSON allows as well.
const DEPTH: usize = 100;
/// How many values aliases may add to a document.
const ALIASED: usize = 500_000;

/// Why a text is no YAML, with its line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

/// Reads the first document of a text. Later of two equal keys win; `<<` merges maps.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEPTH;
    options.block_nesting_limit = DEPTH;
    let mut reader =
        Reader { events: Parser::new_from_str_with_options(text, options), anchors: HashMap::new(), aliased: 0 };
    loop {
        let Some((event, span)) = reader.next()? else { return Ok(Value::Null) };
        match event {
            Event::StreamStart => {}
            Event::StreamEnd => return Ok(Value::Null),
            Event::DocumentStart(..) => {
                let Some((event, span)) = reader.next()? else { return Ok(Value::Null) };
                return Ok(reader.node(event, span, 0)?.0);
            }
            _ => return Err(wrong("expected a document", span)),
        }
    }
}

fn wrong(what: &str, span: Span) -> YamlError {
    YamlError(format!("{what} at line {} column {}", span.start.line(), span.start.col() + 1))
}

fn scan(error: &ScanError) -> YamlError {
    let mark = error.marker();
    YamlError(format!("{} at line {} column {}", error.info(), mark.line(), mark.col() + 1))
}

/// A value and how many values it consists of.
type Counted = (Value, usize);

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Counted>,
    aliased: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        self.events.next_event().transpose().map_err(|error| scan(&error))
    }

    fn expect(&mut self, span: Span) -> Result<(Event<'t>, Span), YamlError> {
        self.next()?.ok_or_else(|| wrong("unexpected end", span))
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Counted, YamlError> {
        if depth > DEPTH {
            return Err(wrong("nested too deeply", span));
        }
        let (anchor, found) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => (anchor, (scalar_value(text, style, tag, span)?, 1)),
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(span, depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(span, depth)?),
            _ => return Err(wrong("expected a value", span)),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, found.clone());
        }
        Ok(found)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Counted, YamlError> {
        let Some((value, count)) = self.anchors.get(&id) else {
            return Err(wrong("alias to an unfinished value", span));
        };
        self.aliased = self.aliased.saturating_add(*count);
        if self.aliased > ALIASED {
            return Err(wrong("aliases expand to too many values", span));
        }
        Ok((value.clone(), *count))
    }

    fn sequence(&mut self, span: Span, depth: usize) -> Result<Counted, YamlError> {
        let (mut items, mut count) = (Vec::new(), 1);
        loop {
            let (event, at) = self.expect(span)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::Array(items), count));
            }
            let (item, parts) = self.node(event, at, depth + 1)?;
            items.push(item);
            count += parts;
        }
    }

    fn mapping(&mut self, span: Span, depth: usize) -> Result<Counted, YamlError> {
        let (mut members, mut merged, mut count) = (Map::new(), Vec::new(), 1);
        loop {
            let (event, at) = self.expect(span)?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, anchor, _) => {
                    if anchor != 0 {
                        self.anchors.insert(anchor, (Value::String(text.to_string()), 1));
                    }
                    if text == "<<" && style == ScalarStyle::Plain { None } else { Some(text.into_owned()) }
                }
                Event::Alias(id) => match self.alias(id, at)? {
                    (Value::String(text), _) => Some(text),
                    _ => return Err(wrong("a key must be text", at)),
                },
                _ => return Err(wrong("a key must be text", at)),
            };
            let (event, at) = self.expect(span)?;
            let (value, parts) = self.node(event, at, depth + 1)?;
            count += parts;
            match (key, value) {
                (Some(key), value) => {
                    members.insert(key, value);
                }
                (None, Value::Object(base)) => merged.push(base),
                (None, Value::Array(bases)) => {
                    for base in bases {
                        let Value::Object(base) = base else { return Err(wrong("only maps can be merged", at)) };
                        merged.push(base);
                    }
                }
                (None, _) => return Err(wrong("only maps can be merged", at)),
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            members.entry(key).or_insert(value);
        }
        Ok((Value::Object(members), count))
    }
}

fn scalar_value(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<Cow<'_, Tag>>,
    span: Span,
) -> Result<Value, YamlError> {
    match tag.as_deref().and_then(Tag::core_suffix) {
        None if style == ScalarStyle::Plain && tag.is_none() => Ok(scalar::read(&text)),
        None | Some("str") => Ok(Value::String(text.into_owned())),
        Some("null") => Ok(Value::Null),
        Some(kind @ ("bool" | "int" | "float")) => {
            let value = scalar::read(&text);
            let fits = match kind {
                "bool" => value.is_boolean(),
                _ => value.is_number(),
            };
            if fits { Ok(value) } else { Err(wrong(&format!("not of the type !!{kind}"), span)) }
        }
        Some(other) => Err(wrong(&format!("unknown type !!{other}"), span)),
    }
}

/// Writes a map of values as a YAML document without a header. Text that a reader would take for something else is quoted.
pub fn write(document: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_members(&mut out, document, 0, false);
    out
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

/// `inline`: the first line continues a `- `.
fn write_members(out: &mut String, members: &Map<String, Value>, level: usize, inline: bool) {
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 || !inline {
            indent(out, level);
        }
        out.push_str(&scalar::quoted(key));
        out.push(':');
        write_value(out, value, level, false);
    }
}

fn write_value(out: &mut String, value: &Value, level: usize, in_list: bool) {
    match value {
        Value::Object(members) if members.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(members) if in_list => {
            out.push(' ');
            write_members(out, members, level + 1, true);
        }
        Value::Object(members) => {
            out.push('\n');
            write_members(out, members, level + 1, false);
        }
        Value::Array(items) => {
            out.push('\n');
            let level = if in_list { level + 1 } else { level };
            for item in items {
                indent(out, level);
                out.push('-');
                write_value(out, item, level, true);
            }
        }
        Value::String(text) => {
            out.push(' ');
            out.push_str(&scalar::quoted(text));
            out.push('\n');
        }
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn documents_read_as_kong_reads_them() {
        for (text, expected) in [
            ("a: no\nb: ~\nc: 8080\nd: y\ne:", json!({"a": false, "b": null, "c": 8080, "d": "y", "e": null})),
            (
                "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3",
                json!({"base": {"x": 1, "y": 2}, "use": {"y": 3, "x": 1}}),
            ),
            ("- <<: [{a: 1}, {a: 2, b: 2}]", json!([{"a": 1, "b": 2}])),
            ("a: 1\na: 2", json!({"a": 2})),
            ("k: &v text\nl: *v", json!({"k": "text", "l": "text"})),
            ("1: one\ntrue: yes", json!({"1": "one", "true": true})),
            ("a: |\n  two\n  lines\nb: >-\n  one\n  line", json!({"a": "two\nlines\n", "b": "one line"})),
            ("a: !!str 5\nb: \"5\"\nc: '5'\nd: !!int 5", json!({"a": "5", "b": "5", "c": "5", "d": 5})),
            ("--- a\n--- b", json!("a")),
            ("", Value::Null),
            ("# only a comment", Value::Null),
            ("just words", json!("just words")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn broken_and_hostile_texts_are_refused() {
        let deep = "[".repeat(100_000);
        let blocks: String = (0..5_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        let laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &(1..10)
                .map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")))
                .collect::<String>();
        let itself = "a: &a [*a]";
        for text in
            [&deep, &blocks, &laughs, itself, "services: [unclosed", "a: *nowhere", "{a: b", "? [x]\n: y", "a: \"\\q\""]
        {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(60)]);
        }
        assert!(parse("a: [b").unwrap_err().to_string().contains("line "));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9f64..1e9).prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[ -~\n\t\r]{0,12}".prop_map(Value::from),
            prop::sample::select(vec![
                "yes",
                "~",
                "1_0",
                "0x1",
                "- a",
                "a: b",
                "#",
                "",
                " ",
                "1:30",
                ".inf",
                "''",
                "\u{85}",
                "\u{2028}x"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-z~ :#-]{0,6}", inner), 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(members in prop::collection::vec(("[a-zA-Z0-9_<~ ]{1,8}", values()), 1..5)) {
            let document: Map<String, Value> = members.into_iter().collect();
            let text = write(&document);
            let read = parse(&text);
            prop_assert_eq!(read, Ok(Value::Object(document)), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[-a-z0-9:&*<>|!%@{}\\[\\],?#'\"\\\\ \n\t~]{0,60}") {
            let _ = parse(&text);
        }
    }
}
