//! Each entity as a record, validated.

use super::{Found, Input, Loader, Node, Origin, reference_to, wanted};
use crate::invalid::{Invalid, flatten, is_uuid};
use crate::migrate;
use schema::Errors;
use serde_json::{Map, Value};
use std::ops::Range;
use store::{Id, Record};
use uuid::Uuid;

/// From so many entities on they are validated by two threads.
const MANY: usize = 1_000;

/// An entity that cannot be a record, by its position, and why; `None` when it is no entity at all.
type Wrong = (usize, Option<Errors>);

/// What is wrong with a `_comment` or `_ignore`.
pub(super) fn remark(key: &str, value: &Value) -> Option<&'static str> {
    match (key, value) {
        (_, Value::Null) | ("_comment", Value::String(_)) | ("_ignore", Value::Array(_)) => None,
        ("_ignore", Value::Object(members)) if members.is_empty() => None,
        ("_comment", _) => Some("expected a string"),
        _ => Some("expected an array"),
    }
}

impl<'a> Loader<'a> {
    /// Validates every entity. What is wrong goes to `invalid`; the records are complete only if nothing is.
    pub(super) fn validate(&self, invalid: &mut Invalid, assist: &(dyn Fn() + Sync)) -> Vec<Record> {
        let (records, wrong) = self.halves(assist);
        for (index, errors) in wrong {
            let path = self.path(index);
            let Some(errors) = errors else {
                invalid.at(&path, "expected a record");
                continue;
            };
            invalid.entity(&path, errors.fields());
            let kind = self.kinds.get(self.nodes[index].kind).name;
            invalid.flattened(kind, self.shown(index, false), flatten(&errors));
        }
        records
    }

    /// Every entity as a record, and those that cannot be one; many are the work of two threads.
    fn halves(&self, assist: &(dyn Fn() + Sync)) -> (Vec<Record>, Vec<Wrong>) {
        let all = self.nodes.len();
        if all < MANY {
            return self.some(0..all);
        }
        let second = all / 2..all;
        std::thread::scope(|scope| {
            let work = || {
                assist();
                self.some(second.clone())
            };
            let helper = std::thread::Builder::new().name("configuration".to_owned()).spawn_scoped(scope, work);
            let (mut records, mut wrong) = self.some(0..second.start);
            let (more, also) = match helper {
                Ok(helper) => helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // No thread is to be had.
                Err(_) => self.some(second.clone()),
            };
            records.extend(more);
            wrong.extend(also);
            (records, wrong)
        })
    }

    fn some(&self, indices: Range<usize>) -> (Vec<Record>, Vec<Wrong>) {
        let (mut records, mut wrong) = (Vec::with_capacity(indices.len()), Vec::new());
        for index in indices {
            match self.record(index) {
                Ok(record) => records.push(record),
                Err(errors) => wrong.push((index, errors)),
            }
        }
        (records, wrong)
    }

    /// One entity as a record; `Err(None)` when it is no entity at all.
    fn record(&self, index: usize) -> Result<Record, Option<Errors>> {
        let node = &self.nodes[index];
        let kind = self.kinds.get(node.kind);
        let Input::Entity(input) = &node.input else { return Err(None) };
        let mut errors = node.errors.clone();
        let mut value = Map::with_capacity(input.len() + 2);
        let mut expires = None;
        for (name, field) in input.iter() {
            match name.as_str() {
                "_comment" | "_ignore" => {
                    if let Some(message) = remark(name, field) {
                        errors.insert(name.clone(), message.into());
                    }
                }
                "ws_id" if kind.workspaced => {
                    if !field.is_null() && !field.as_str().is_some_and(is_uuid) {
                        errors.insert(name.clone(), "expected a valid UUID".into());
                    }
                }
                "ttl" if kind.ttl => match ttl(field) {
                    Ok(seconds) => {
                        #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
                        let now = self.now as i64;
                        expires = seconds.map(|seconds| now + seconds);
                    }
                    Err(message) => {
                        errors.insert(name.clone(), message.into());
                    }
                },
                "id" if kind.has_id && field.is_null() => {}
                _ if kind.child(name).is_some() => {}
                _ => match kind.reference(name) {
                    Some(reference) => {
                        if let Some(reference) = self.foreign(node, name, field, reference, &mut errors) {
                            value.insert(name.clone(), reference);
                        }
                    }
                    None => {
                        value.insert(name.clone(), field.clone());
                    }
                },
            }
        }
        if let Some((parent, Some(field))) = node.parent {
            let id = self.nodes[parent].id.as_deref().filter(|id| is_uuid(id));
            let id = id.map_or_else(|| Uuid::nil().to_string(), str::to_owned);
            value.insert(field.to_owned(), reference_to(id));
        }
        if let (Some(id), Origin::Key | Origin::Random) = (&node.id, node.origin) {
            value.insert("id".to_owned(), Value::String(id.clone()));
        }
        if self.header.old_paths && kind.name == "routes" {
            migrate::route_paths(&mut value);
        }
        match self.kinds.complete(node.kind, value, self.header.transform, self.now) {
            Ok(value) if errors.is_empty() => {
                let id = Id::of(&kind.primary_key, &value)
                    .ok_or_else(|| Some(Errors::of("id", "required field missing")))?;
                Ok(Record { entity: kind.name, id, ws: kind.workspaced.then_some(node.ws), value, expires })
            }
            Ok(_) => Err(Some(Errors::new(errors))),
            Err(found) => {
                let mut all = found.into_fields();
                all.extend(errors);
                Err(Some(Errors::new(all)))
            }
        }
    }

    /// A foreign field as validation wants it. A reference that leads nowhere is told later.
    fn foreign(
        &self,
        node: &Node<'a>,
        name: &str,
        field: &Value,
        reference: usize,
        errors: &mut Map<String, Value>,
    ) -> Option<Value> {
        if node.parent.is_some_and(|(_, via)| via == Some(name)) {
            if !field.is_null() {
                errors.insert(name.to_owned(), "value must be null".into());
            }
            return None;
        }
        let Some(wanted) = wanted(field) else { return Some(field.clone()) };
        Some(match self.find(reference, node.ws, wanted) {
            Found::Node(target) => {
                let id = self.nodes[target].id.clone().filter(|id| is_uuid(id));
                reference_to(id.unwrap_or_else(|| Uuid::nil().to_string()))
            }
            Found::Id(id) => reference_to(id.to_ascii_lowercase()),
            Found::Nothing => reference_to(Uuid::nil().to_string()),
        })
    }
}

fn ttl(field: &Value) -> Result<Option<i64>, &'static str> {
    const LONGEST: i64 = 100_000_000;
    match field {
        Value::Null => Ok(None),
        Value::Number(seconds) => match seconds.as_i64() {
            Some(0) => Ok(None),
            Some(seconds) if (0..=LONGEST).contains(&seconds) => Ok(Some(seconds)),
            Some(_) => Err("must be an integer between 0 and 100000000"),
            None => Err("expected an integer"),
        },
        _ => Err("expected an integer"),
    }
}
