//! Changes of bodies: JSON objects, urlencoded forms, multipart forms.

use super::operations::Operation;
use super::query::Arguments;
use crate::form::{self, Form, Named};
use crate::members::{Object, appended, is_there};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a body is, by its Content-Type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    /// With its Content-Type, which has the boundary.
    Multipart(Vec<u8>),
    Urlencoded,
}

impl Kind {
    pub(super) fn of(content_type: &[u8]) -> Option<Self> {
        let lower = content_type.to_ascii_lowercase();
        let has = |media: &[u8]| lower.windows(media.len()).any(|window| window == media);
        if has(b"application/json") {
            Some(Self::Json)
        } else if has(b"multipart/form-data") {
            Some(Self::Multipart(content_type.to_vec()))
        } else if has(b"application/x-www-form-urlencoded") {
            Some(Self::Urlencoded)
        } else {
            None
        }
    }

    /// The changed body; `None` where nothing changes, and where the body is not what it should be.
    pub(super) fn apply(&self, operations: &[Operation<'_>], body: &Bytes) -> Option<Bytes> {
        match self {
            Self::Json => json(operations, body),
            Self::Multipart(content_type) => multipart(operations, body, content_type),
            Self::Urlencoded => {
                let mut arguments = Arguments::parse(body);
                arguments.apply(operations).then(|| arguments.encoded().into())
            }
        }
    }
}

fn json(operations: &[Operation<'_>], body: &[u8]) -> Option<Bytes> {
    let mut object: Object<'_> = match body {
        [] => Object::new(),
        body => {
            let members: indexmap::IndexMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
            members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect()
        }
    };
    let text = |value: &[u8]| serde_json::value::to_raw_value(&String::from_utf8_lossy(value)).ok();
    let mut changed = false;
    for operation in operations {
        match operation {
            Operation::Remove(name) => changed |= object.shift_remove(*name).is_some(),
            Operation::Rename(old, new) => {
                let new = String::from_utf8_lossy(new);
                if *old != new
                    && object.get(*old).is_some_and(|member| is_there(member))
                    && let Some(value) = object.shift_remove(*old)
                {
                    object.insert(new.into_owned(), value);
                    changed = true;
                }
            }
            Operation::Replace(name, value) => {
                if let Some(member) = object.get_mut(*name).filter(|member| is_there(member)) {
                    *member = Cow::Owned(text(value)?);
                    changed = true;
                }
            }
            Operation::Add(name, value) => {
                if !object.get(*name).is_some_and(|member| is_there(member)) {
                    object.insert((*name).to_owned(), Cow::Owned(text(value)?));
                    changed = true;
                }
            }
            Operation::Append(name, value) => {
                let grown = appended(object.get(*name).map(|member| &**member), text(value)?.as_ref())?;
                object.insert((*name).to_owned(), Cow::Owned(grown));
                changed = true;
            }
        }
    }
    changed.then(|| serde_json::to_vec(&object).ok().map(Bytes::from)).flatten()
}

/// Parts are taken out and put in at the end; one that is not touched stays as it was written. `append` adds nothing to
/// such bodies.
fn multipart(operations: &[Operation<'_>], body: &Bytes, content_type: &[u8]) -> Option<Bytes> {
    let boundary = form::boundary(content_type)?;
    let mut body = body.clone();
    let mut changed = false;
    for operation in operations {
        let form = Form::parse(content_type, body.clone())?;
        let after = match operation {
            Operation::Remove(name) => form.without(name),
            Operation::Rename(old, new) => match form.named(old) {
                Named::Text(value) => {
                    let rest = form.without(old)?;
                    Some(with_part(&rest, &boundary, &String::from_utf8_lossy(new), &value))
                }
                _ => None,
            },
            Operation::Replace(name, value) => form.without(name).map(|rest| with_part(&rest, &boundary, name, value)),
            Operation::Add(name, value) => match form.named(name) {
                Named::Missing => Some(with_part(&body, &boundary, name, value)),
                _ => None,
            },
            Operation::Append(..) => None,
        };
        if let Some(after) = after {
            body = after;
            changed = true;
        }
    }
    changed.then_some(body)
}

/// A multipart body with a part more before its end (RFC 7578 §4.2).
fn with_part(body: &[u8], boundary: &[u8], name: &str, value: &[u8]) -> Bytes {
    let end = [b"--", boundary, b"--"].concat();
    let at = body.windows(end.len()).rposition(|window| window == end).unwrap_or(body.len());
    let name: String = name.chars().filter(|character| !character.is_control()).collect();
    let head = format!("\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", name.replace('"', "%22"));
    let mut out = body[..at].to_vec();
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    for part in [b"--", boundary, head.as_bytes(), value, b"\r\n", &end, b"\r\n"] {
        out.extend_from_slice(part);
    }
    out.into()
}
