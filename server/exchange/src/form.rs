//! Names and values that clients send: queries, and bodies that are forms or JSON.

use crate::{Answer, Body, BodyError, Exchange};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ops::Range;

/// The largest body that plugins look into, in bytes.
pub const BODY_LIMIT: u64 = 1 << 20;

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<'a> {
    /// Nothing.
    Missing,
    /// The name without a value (`?debug`), or a JSON value that is no text.
    Bare,
    /// One text.
    Text(Cow<'a, [u8]>),
    /// Several values, or a JSON list or object.
    Several,
}

/// The pairs of a query or a urlencoded form, decoded; `None` for a name without `=`.
pub fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Option<Cow<'_, [u8]>>)> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        match pair.iter().position(|byte| *byte == b'=') {
            Some(equals) => (decoded(&pair[..equals]), Some(decoded(&pair[equals + 1..]))),
            None => (decoded(pair), None),
        }
    })
}

/// What a query or a urlencoded form has under a name.
pub fn named<'a>(text: &'a [u8], name: &str) -> Named<'a> {
    let mut found = Named::Missing;
    for (key, value) in pairs(text) {
        if *key == *name.as_bytes() {
            found = match (found, value) {
                (Named::Missing, Some(value)) => Named::Text(value),
                (Named::Missing, None) => Named::Bare,
                _ => return Named::Several,
            };
        }
    }
    found
}

/// A query or a urlencoded form without the pairs of that name; the others stay as they were written.
pub fn without(text: &[u8], name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for pair in text.split(|byte| *byte == b'&') {
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        if *decoded(key) != *name.as_bytes() {
            if !out.is_empty() {
                out.push(b'&');
            }
            out.extend_from_slice(pair);
        }
    }
    out
}

/// `+` and percent triplets decoded; what is no triplet stays.
pub fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

/// Pairs as `kong.request.get_query` tells them: text, `true` for a bare name, a list where a name comes again.
pub fn table(text: &[u8]) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in pairs(text) {
        let value = value.map_or(Value::Bool(true), |value| lossy(&value));
        insert(&mut out, &String::from_utf8_lossy(&key), value);
    }
    out
}

/// Adds a value under a name; a second one makes a list.
pub fn insert(table: &mut Map<String, Value>, key: &str, value: Value) {
    match table.get_mut(key) {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// Text as JSON; bytes that are no UTF-8 are replaced.
pub fn lossy(text: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(text).into_owned())
}

/// A body whose kind plugins understand, by its Content-Type.
#[derive(Debug)]
pub enum Form {
    /// `application/x-www-form-urlencoded`
    Urlencoded(Bytes),
    /// `multipart/form-data`
    Multipart(Bytes, Vec<Part>),
    /// `application/json`; an object.
    Json(Map<String, Value>),
}

/// One named part of a multipart body.
#[derive(Debug)]
pub struct Part {
    name: Vec<u8>,
    /// From its delimiter to the next one.
    whole: Range<usize>,
    value: Range<usize>,
}

impl Form {
    /// Reads a body by the request's Content-Type; `None` where it is of another kind, or broken.
    pub fn parse(content_type: &[u8], body: Bytes) -> Option<Self> {
        let kind = content_type.to_ascii_lowercase();
        if kind.starts_with(b"application/x-www-form-urlencoded") {
            Some(Self::Urlencoded(body))
        } else if kind.starts_with(b"application/json") {
            match serde_json::from_slice(&body) {
                Ok(Value::Object(members)) => Some(Self::Json(members)),
                _ => None,
            }
        } else if kind.starts_with(b"multipart/form-data") {
            let parts = multipart(&body, &boundary(content_type)?);
            Some(Self::Multipart(body, parts))
        } else {
            None
        }
    }

    /// What the body has under a name.
    pub fn named(&self, name: &str) -> Named<'_> {
        match self {
            Self::Urlencoded(text) => named(text, name),
            Self::Multipart(body, parts) => {
                let mut values = parts.iter().filter(|part| part.name == name.as_bytes());
                match (values.next(), values.next()) {
                    (None, _) => Named::Missing,
                    (Some(part), None) => Named::Text(Cow::Borrowed(&body[part.value.clone()])),
                    _ => Named::Several,
                }
            }
            Self::Json(members) => match members.get(name) {
                None => Named::Missing,
                Some(Value::String(text)) => Named::Text(Cow::Borrowed(text.as_bytes())),
                Some(Value::Array(_) | Value::Object(_)) => Named::Several,
                Some(Value::Bool(false)) => Named::Missing,
                Some(_) => Named::Bare,
            },
        }
    }

    /// The body without what it has under a name; `None` where it has nothing.
    pub fn without(&self, name: &str) -> Option<Bytes> {
        match self {
            Self::Urlencoded(text) => (named(text, name) != Named::Missing).then(|| without(text, name).into()),
            Self::Multipart(body, parts) => {
                if !parts.iter().any(|part| part.name == name.as_bytes()) {
                    return None;
                }
                let mut out = Vec::with_capacity(body.len());
                let mut kept = 0;
                for part in parts.iter().filter(|part| part.name == name.as_bytes()) {
                    out.extend_from_slice(&body[kept..part.whole.start]);
                    kept = part.whole.end;
                }
                out.extend_from_slice(&body[kept..]);
                Some(out.into())
            }
            Self::Json(members) => {
                let mut members = members.clone();
                members.shift_remove(name)?;
                Some(Value::Object(members).to_string().into())
            }
        }
    }

    /// As `kong.request.get_body` tells it.
    pub fn value(self) -> Value {
        match self {
            Self::Urlencoded(text) => Value::Object(table(&text)),
            Self::Multipart(body, parts) => {
                let mut out = Map::new();
                for part in parts {
                    insert(&mut out, &String::from_utf8_lossy(&part.name), lossy(&body[part.value]));
                }
                Value::Object(out)
            }
            Self::Json(members) => Value::Object(members),
        }
    }
}

/// The `boundary` parameter (RFC 2046 §5.1.1).
pub fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    parameter(content_type, b"boundary").filter(|boundary| !boundary.is_empty())
}

/// A parameter of a header value (RFC 9110 §5.6.6), unquoted.
fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    value.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii());
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        key.eq_ignore_ascii_case(name).then(|| value.to_vec())
    })
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

/// The parts of a multipart body that have a name (RFC 7578).
fn multipart(body: &[u8], boundary: &[u8]) -> Vec<Part> {
    let delimiter = [b"--", boundary].concat();
    let mut parts = Vec::new();
    let Some(mut start) = find(body, &delimiter, 0) else { return parts };
    loop {
        let inside = start + delimiter.len();
        let Some(next) = find(body, &delimiter, inside) else { return parts };
        if let Some(blank) = find(&body[..next], b"\r\n\r\n", inside) {
            let end = next.saturating_sub(2).max(blank + 4).min(next);
            if let Some(name) = part_name(&body[inside..blank]) {
                parts.push(Part { name, whole: start..next, value: blank + 4..end });
            }
        }
        start = next;
    }
}

fn part_name(head: &[u8]) -> Option<Vec<u8>> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let disposition = line[..colon].trim_ascii().eq_ignore_ascii_case(b"content-disposition");
        if disposition { parameter(&line[colon + 1..], b"name") } else { None }
    })
}

/// Reads the request's body, where it can be a form and is not too large to look into; keeps it for the upstream.
pub async fn read(exchange: &mut Exchange) -> Result<Option<Form>, Answer> {
    let Some(kind) = exchange.request.headers.get("content-type").map(<[u8]>::to_vec) else { return Ok(None) };
    if matches!(exchange.request.body, Body::Empty) || exchange.request.content_length > Some(BODY_LIMIT) {
        return Ok(None);
    }
    let body = exchange.request.body.read(BODY_LIMIT).await.map_err(|error| broken(&error))?;
    Ok(Form::parse(&kind, body))
}

/// What a client gets whose body could not be read.
pub fn broken(error: &BodyError) -> Answer {
    Answer::page(match error {
        BodyError::TooLarge { .. } => 413,
        BodyError::Timeout => 408,
        BodyError::Malformed(_) | BodyError::Closed => 400,
    })
}

/// Sends another body upstream.
pub fn replace(exchange: &mut Exchange, body: Bytes) {
    exchange.request.content_length = Some(body.len() as u64);
    if exchange.request.headers.contains("content-length") {
        exchange.request.headers.set("Content-Length", body.len().to_string());
    }
    exchange.request.body = Body::Buffered(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(named: Named<'_>) -> String {
        match named {
            Named::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn names_in_queries() {
        for (query, found) in [
            ("k=v", "v"),
            ("a=1&k=v&b", "v"),
            ("%6b=a%20b+c", "a b c"),
            ("k", "Bare"),
            ("k=", ""),
            ("K=v", "Missing"),
            ("kk=v&ak=1", "Missing"),
            ("k=1&k=1", "Several"),
            ("k&k=1", "Several"),
            ("", "Missing"),
            ("k=100%", "100%"),
            ("k=a=b", "a=b"),
        ] {
            assert_eq!(text(named(query.as_bytes(), "k")), found, "{query}");
        }
        assert_eq!(without(b"a=%20&k=1&b&%6B=2", "k"), b"a=%20&b".to_vec());
        assert_eq!(without(b"%6b=2&k&k=3", "k"), b"");
    }

    #[test]
    fn tables_tell_repetition() {
        let table = Value::Object(table(b"a=1&b&a=2&a=3&c=%c3%a4"));
        assert_eq!(table, serde_json::json!({ "a": ["1", "2", "3"], "b": true, "c": "ä" }));
    }

    const MULTIPART: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nsecret\r\n--XX\r\n\
        content-disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nline\r\n\r\nline\r\n--XX--\r\n";

    #[test]
    fn bodies_by_kind() {
        let json = r#"{"k": "v", "n": 5, "l": [1], "o": null, "f": false}"#;
        for (kind, body, name, found) in [
            ("application/x-www-form-urlencoded", "k=v&c=1", "k", "v"),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", "k=v&k=w", "k", "Several"),
            ("application/json", json, "k", "v"),
            ("application/json", json, "n", "Bare"),
            ("application/json", json, "l", "Several"),
            ("application/json", json, "o", "Bare"),
            ("application/json", json, "f", "Missing"),
            ("application/json", json, "zz", "Missing"),
            ("multipart/form-data; boundary=XX", std::str::from_utf8(MULTIPART).unwrap(), "k", "secret"),
            ("multipart/form-data; boundary=\"XX\"", std::str::from_utf8(MULTIPART).unwrap(), "f", "line\r\n\r\nline"),
        ] {
            let form = Form::parse(kind.as_bytes(), Bytes::copy_from_slice(body.as_bytes())).unwrap();
            assert_eq!(text(form.named(name)), found, "{kind} {name}");
        }
        for (kind, body) in [
            ("text/plain", "k=v"),
            ("application/json", "[1]"),
            ("application/json", "{"),
            ("multipart/form-data", "--"),
        ] {
            assert!(Form::parse(kind.as_bytes(), Bytes::from_static(body.as_bytes())).is_none(), "{kind} {body}");
        }
    }

    #[test]
    fn a_name_is_taken_out_of_a_body() {
        let form = Form::parse(b"multipart/form-data; boundary=XX", Bytes::from_static(MULTIPART)).unwrap();
        let rest = form.without("k").unwrap();
        assert!(rest.starts_with(b"--XX\r\ncontent-disposition") && rest.ends_with(b"--XX--\r\n"));
        let form = Form::parse(b"multipart/form-data; boundary=XX", rest).unwrap();
        assert_eq!((text(form.named("k")), form.without("k")), ("Missing".to_owned(), None));
        let form = Form::parse(b"application/json", Bytes::from_static(b"{\"a\":1,\"k\":\"v\",\"b\":2}")).unwrap();
        assert_eq!(form.without("k").unwrap(), "{\"a\":1,\"b\":2}");
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(kind in 0..3_usize, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let kind = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=-"][kind];
            if let Some(form) = Form::parse(kind.as_bytes(), body.into()) {
                form.named("a");
                if let Some(rest) = form.without("a") {
                    prop_assert_eq!(Form::parse(kind.as_bytes(), rest).map(|form| form.named("a") == Named::Missing), Some(true));
                }
                form.value();
            }
        }

        #[test]
        fn what_is_taken_out_of_a_query_is_gone(query in "[ab=&%6]{0,20}") {
            let rest = without(query.as_bytes(), "a");
            prop_assert_eq!(named(&rest, "a"), Named::Missing);
            let others: Vec<_> = pairs(query.as_bytes()).filter(|(key, _)| key.as_ref() != b"a").collect();
            prop_assert_eq!(pairs(&rest).collect::<Vec<_>>(), others);
        }
    }
}
