//! The arguments of a list: size, offset, tags.

use crate::errors;
use crate::form::Argument;
use crate::respond::Answer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use store::{Id, TagFilter};

const LARGEST: u32 = 1000;
const DEFAULT: usize = 100;
/// How many tags a filter may name.
const TAGS: usize = 5;

/// The first value of an argument.
pub(crate) fn first<'q>(query: &'q [Argument], name: &str) -> Option<&'q Value> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Whether an argument says yes.
pub(crate) fn flag(query: &[Argument], name: &str) -> bool {
    first(query, name).is_some_and(|value| match value {
        Value::String(text) => text == "1" || text.eq_ignore_ascii_case("true"),
        other => other == &Value::Bool(true),
    })
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) size: usize,
    pub(crate) after: Option<Id>,
    size_text: Option<String>,
    beyond: bool,
}

impl Paging {
    /// Reads `size` and `offset`.
    pub(crate) fn read(query: &[Argument]) -> Result<Paging, Answer> {
        let mut paging = Paging { size: DEFAULT, after: None, size_text: None, beyond: flag(query, "beyond_kong") };
        if let Some(value) = first(query, "size") {
            let number = value.as_str().and_then(|text| text.trim().parse::<f64>().ok()).filter(|size| !size.is_nan());
            let Some(size) = number else { return Err(errors::invalid_size("size must be a number")) };
            if size.fract() != 0.0 || !(1.0..=f64::from(LARGEST)).contains(&size) {
                return Err(errors::invalid_size("size must be an integer between 1 and 1000"));
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1000")]
            let whole = size as usize;
            paging.size = whole;
            paging.size_text = Some(whole.to_string());
        }
        if let Some(value) = first(query, "offset") {
            let offset = value.as_str().unwrap_or_default();
            paging.after = Some(decode(offset).map_err(|reason| errors::invalid_offset(offset, reason))?);
        }
        Ok(paging)
    }

    /// The address of the page after `last`. Lists at the top keep the other arguments.
    pub(crate) fn next(&self, path: &str, last: &Id, tags: Option<&str>, nested: bool) -> (String, String) {
        let offset = encode(last);
        let mut next = format!("{path}?offset={}", escape(&offset));
        if !nested {
            if let Some(tags) = tags {
                next.push_str("&tags=");
                next.push_str(&escape(tags));
            }
            if let Some(size) = &self.size_text {
                next.push_str("&size=");
                next.push_str(size);
            }
            if self.beyond {
                next.push_str("&beyond_kong=1");
            }
        }
        (offset, next)
    }
}

fn encode(last: &Id) -> String {
    STANDARD.encode(Value::Array(vec![last.to_string().into()]).to_string())
}

fn decode(offset: &str) -> Result<Id, &'static str> {
    let bytes = STANDARD.decode(offset).map_err(|_| "bad base64 encoding")?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| "bad json encoding")?;
    let id = value.as_array().and_then(|parts| parts.first()).and_then(Value::as_str);
    id.map(Id::parse).ok_or("bad json encoding")
}

/// Percent-encodes what a query value cannot hold.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Reads `tags`: `a,b` wants all, `a/b` any of them.
pub(crate) fn tags(query: &[Argument]) -> Result<Option<(TagFilter, &str)>, Answer> {
    let Some(value) = first(query, "tags") else { return Ok(None) };
    let text = value.as_str().unwrap_or_default();
    let wrong = |reason| Err(errors::invalid_option("tags", reason));
    if text.is_empty() {
        return wrong("cannot be null");
    }
    let filter = match (text.contains(','), text.contains('/')) {
        (true, true) => return wrong("invalid filter syntax"),
        (_, true) => TagFilter::Any(text.split('/').map(str::to_owned).collect()),
        _ => TagFilter::All(text.split(',').map(str::to_owned).collect()),
    };
    let (TagFilter::All(tags) | TagFilter::Any(tags)) = &filter;
    if tags.iter().any(|tag| check_tag(tag.as_bytes()).is_err() || tag.is_empty()) {
        return wrong("invalid filter syntax");
    }
    if tags.len() > TAGS {
        return wrong("cannot query more than 5 tags");
    }
    Ok(Some((filter, text)))
}

/// What is wrong with a tag in a path.
pub(crate) fn check_tag(tag: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(tag).map_err(|error| {
        format!("invalid utf-8 character sequence detected at position {}", error.valid_up_to() + 1)
    })?;
    let allowed = text.chars().all(|c| !c.is_ascii() || ((' '..='~').contains(&c) && c != ',' && c != '/'));
    if allowed {
        return Ok(text);
    }
    Err(format!("invalid tag '{text}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Paging, Answer> {
        Paging::read(&crate::form::arguments(text.as_bytes()).unwrap())
    }

    fn said(answer: &Answer) -> String {
        serde_json::from_slice::<Value>(&answer.body).unwrap()["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn sizes_are_between_one_and_a_thousand() {
        assert_eq!(read("").unwrap().size, 100);
        assert_eq!(read("size=1000").unwrap().size, 1000);
        for (text, expected) in [
            ("size=0", "size must be an integer between 1 and 1000"),
            ("size=1001", "size must be an integer between 1 and 1000"),
            ("size=1.5", "size must be an integer between 1 and 1000"),
            ("size=", "size must be a number"),
            ("size=lots", "size must be a number"),
            ("offset=x", "'x' is not a valid offset: bad base64 encoding"),
            ("offset=", "'' is not a valid offset: bad json encoding"),
            ("offset=bm90IGpzb24%3D", "'bm90IGpzb24=' is not a valid offset: bad json encoding"),
        ] {
            assert_eq!(said(&read(text).unwrap_err()), expected);
        }
    }

    #[test]
    fn offsets_lead_on() {
        let id = Id::parse("5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0001");
        let (offset, next) = read("size=2").unwrap().next("/services", &id, Some("a,b"), false);
        assert!(next.starts_with("/services?offset=") && next.ends_with("&tags=a%2Cb&size=2"), "{next}");
        assert_eq!(read(&format!("offset={}", escape(&offset))).unwrap().after, Some(id));
    }

    #[test]
    fn tag_filters_have_one_kind_of_separator() {
        let read = |text: &str| {
            let query = crate::form::arguments(text.as_bytes()).unwrap();
            tags(&query).map(|found| found.map(|(filter, _)| filter)).map_err(|answer| said(&answer))
        };
        assert_eq!(read("tags=a%2Cb"), Ok(Some(TagFilter::All(vec!["a".into(), "b".into()]))));
        assert_eq!(read("tags=a/b&tags=c"), Ok(Some(TagFilter::Any(vec!["a".into(), "b".into()]))));
        for (text, reason) in [
            ("tags=", "cannot be null"),
            ("tags=a,b/c", "invalid filter syntax"),
            ("tags=a,,b", "invalid filter syntax"),
            ("tags=a,b,c,d,e,f", "cannot query more than 5 tags"),
        ] {
            assert_eq!(read(text), Err(format!("invalid option (tags: {reason})")));
        }
    }
}
