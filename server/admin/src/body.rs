//! A request's body: read with a limit, then parsed by its type.

use crate::errors;
use crate::form::{self, ARGUMENTS, Argument};
use crate::respond::Answer;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::timeout;

/// What a body says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    /// No body.
    None,
    /// JSON of an object; anything else counts as an empty one.
    Json(Map<String, Value>),
    /// A form: nested by its names, every value text.
    Form(Map<String, Value>),
    /// YAML, only where it is asked for.
    Yaml,
}

impl Body {
    /// The members by name, and whether they are texts whose types are to be inferred.
    pub(crate) fn into_members(self) -> (Map<String, Value>, bool) {
        match self {
            Body::None | Body::Yaml => (Map::new(), false),
            Body::Json(members) => (members, false),
            Body::Form(members) => (members, true),
        }
    }
}

/// Reads a body to its end: `limit` bytes at most, with `patience` for each part of it.
pub(crate) async fn read(
    mut payload: Payload,
    headers: &HeaderMap,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Answer> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(errors::body_too_large());
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0).min(1 << 20));
    while let Some(chunk) = timeout(patience, payload.next()).await.map_err(|_| errors::body_too_slow())? {
        let Ok(chunk) = chunk else { return Err(errors::plain(400, "Cannot read the body")) };
        if whole.len() + chunk.len() > limit {
            return Err(errors::body_too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Whether a body of this type is read; `yaml`: YAML too.
pub(crate) fn is_supported(headers: &HeaderMap, has_body: bool, yaml: bool) -> bool {
    match content_type(headers) {
        None => !has_body,
        Some(kind) => {
            let starts = |prefix: &str| kind.starts_with(prefix);
            starts("application/json")
                || starts("multipart/form-data")
                || starts("application/x-www-form-urlencoded")
                || (yaml && (starts("text/yaml") || starts("application/yaml")))
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).filter(|value| !value.is_empty())
}

/// Parses a body whose type [`is_supported`].
pub(crate) fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, Answer> {
    let Some(kind) = content_type(headers) else { return Ok(Body::None) };
    if kind.starts_with("application/json") {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| errors::bad_json())?;
        return Ok(Body::Json(match value {
            Value::Object(members) => members,
            _ => Map::new(),
        }));
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let arguments = form::arguments(bytes).ok_or_else(errors::too_many_arguments)?;
        return Ok(Body::Form(form::nest(arguments)));
    }
    if kind.starts_with("multipart/form-data") {
        if bytes.is_empty() {
            return Ok(Body::None);
        }
        let boundary = parameter(kind, "boundary").ok_or_else(errors::bad_form)?;
        let arguments = multipart(bytes, boundary)?;
        return Ok(Body::Form(form::nest(arguments)));
    }
    Ok(Body::Yaml)
}

/// A parameter of a header's value, without its quotes.
fn parameter<'h>(value: &'h str, name: &str) -> Option<&'h str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The parts of a multipart body (RFC 7578) as arguments; a file's content is its value, JSON parts are decoded.
fn multipart(bytes: &[u8], boundary: &str) -> Result<Vec<Argument>, Answer> {
    if boundary.is_empty() || boundary.len() > 200 {
        return Err(errors::bad_form());
    }
    let delimiter = format!("--{boundary}");
    let mut arguments = Vec::new();
    let mut rest = match find(bytes, delimiter.as_bytes()) {
        Some(at) => &bytes[at + delimiter.len()..],
        None => return Err(errors::bad_form()),
    };
    let between = format!("\r\n{delimiter}");
    while !rest.starts_with(b"--") {
        let Some(start) = find(rest, b"\r\n") else { return Err(errors::bad_form()) };
        rest = &rest[start + 2..];
        let Some(end) = find(rest, between.as_bytes()) else { return Err(errors::bad_form()) };
        let part = &rest[..end];
        rest = &rest[end + between.len()..];
        // A part without headers starts with the empty line.
        let (head, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&part[..0], content),
            None => {
                let Some(at) = find(part, b"\r\n\r\n") else { return Err(errors::bad_form()) };
                (&part[..at], &part[at + 4..])
            }
        };
        let (name, is_json) = part_head(&String::from_utf8_lossy(head));
        let Some(name) = name else { continue };
        if arguments.len() == ARGUMENTS {
            return Err(errors::too_many_arguments());
        }
        let value = if is_json {
            serde_json::from_slice(content).map_err(|_| errors::bad_json())?
        } else {
            Value::String(String::from_utf8_lossy(content).into_owned())
        };
        arguments.push((name, value));
    }
    Ok(arguments)
}

/// A part's name, and whether its content is JSON.
fn part_head(head: &str) -> (Option<String>, bool) {
    let (mut name, mut is_json) = (None, false);
    for line in head.split("\r\n") {
        let Some((key, value)) = line.split_once(':') else { continue };
        if key.eq_ignore_ascii_case("content-disposition") {
            name = parameter(value, "name").filter(|name| !name.is_empty()).map(str::to_owned);
        } else if key.eq_ignore_ascii_case("content-type") {
            is_json = value.trim().starts_with("application/json");
        }
    }
    (name, is_json)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

    fn headers(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        headers
    }

    #[test]
    fn bodies_are_parsed_by_their_type() {
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"config.a\"\r\n\r\none\r\ntwo\r\n--b\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nPEM\r\n--b\r\n\
            Content-Disposition: form-data; name=\"j\"\r\nContent-Type: application/json\r\n\r\n{\"k\":1}\r\n--b--\r\n";
        for (kind, body, expected) in [
            ("application/json; charset=utf-8", "{\"a\":1}", Body::Json(json!({"a": 1}).as_object().unwrap().clone())),
            ("application/json", "[1]", Body::Json(Map::new())),
            (
                "application/x-www-form-urlencoded",
                "a.b=1",
                Body::Form(json!({"a": {"b": "1"}}).as_object().unwrap().clone()),
            ),
            (
                "multipart/form-data; boundary=b",
                multipart,
                Body::Form(
                    json!({"config": {"a": "one\r\ntwo"}, "file": "PEM", "j": {"k": 1}}).as_object().unwrap().clone(),
                ),
            ),
            ("text/yaml", "a: 1", Body::Yaml),
        ] {
            assert_eq!(parse(&headers(kind), body.as_bytes()).unwrap(), expected, "{kind}");
        }
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        for broken in ["", "{\"a\":", "not json", deep.as_str()] {
            assert_eq!(parse(&headers("application/json"), broken.as_bytes()).unwrap_err().status, 400);
        }
    }

    #[test]
    fn only_known_types_are_read() {
        for (kind, has_body, yaml, supported) in [
            ("application/json", true, false, true),
            ("Application/JSON", true, false, false),
            ("text/plain", true, true, false),
            ("text/plain", false, false, false),
            ("application/yaml", true, false, false),
            ("application/yaml", true, true, true),
        ] {
            assert_eq!(is_supported(&headers(kind), has_body, yaml), supported, "{kind}");
        }
        assert!(is_supported(&HeaderMap::new(), false, false));
        assert!(!is_supported(&HeaderMap::new(), true, false));
    }

    proptest! {
        #[test]
        fn no_body_panics(kind in 0usize..3, bytes in prop::collection::vec(any::<u8>(), 0..120), tail in "(--b|\r\n|:|;|name=\"x\"|[a-z]){0,12}") {
            let kind = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"][kind];
            let _ = parse(&headers(kind), &bytes);
            let _ = parse(&headers(kind), format!("--b\r\n{tail}\r\n--b--").as_bytes());
        }
    }
}
