//! Which values of a record are encrypted at rest, and that they are.
//!
//! A record goes out with each secret value replaced by text; beside it goes what is needed to bring it back: the key's id
//! and where the values are. What a record's definition says when it is read again does not matter then.

use crate::blueprint::Layout;
use crate::keyring::Keyring;
use entities::{Definitions, SECRETS};
use schema::{Kind, Record as Fields};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Error, Id, Record};

/// Under this key the column of other fields, and an entry of the change log, have what is encrypted.
pub(crate) const SEALED: &str = "sealed";
/// In it, the key's id. It is written first.
pub(crate) const KEY: &str = "key";
const PLACES: &str = "places";

/// Encrypts and decrypts; by itself it has no keys.
#[derive(Debug, Default)]
pub(crate) struct Sealing {
    keyring: Option<Keyring>,
    definitions: Option<Arc<Definitions>>,
}

/// The values of a record as they are stored, and what is encrypted of them.
pub(crate) struct Stored {
    pub(crate) value: Map<String, Value>,
    pub(crate) sealed: Value,
}

impl Sealing {
    pub(crate) fn new(keyring: Keyring, definitions: Arc<Definitions>) -> Self {
        Self { keyring: Some(keyring), definitions: Some(definitions) }
    }

    /// Ids of the keys there are.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keyring.iter().flat_map(Keyring::ids)
    }

    /// What should be encrypted of a record, as it stands beside it; `None` where nothing should be.
    pub(crate) fn wanted(&self, layout: &Layout, record: &Record) -> Option<Value> {
        let key = self.keyring.as_ref()?.writes_with()?;
        let places = self.places(layout, record);
        (!places.is_empty()).then(|| json!({ KEY: key, PLACES: places }))
    }

    /// A record as it is stored; `None` where nothing of it is encrypted.
    pub(crate) fn seal(&self, layout: &Layout, record: &Record) -> Result<Option<Stored>, Error> {
        let (Some(keyring), Some(sealed)) = (&self.keyring, self.wanted(layout, record)) else { return Ok(None) };
        let mut value = Value::Object(record.value.clone());
        for place in sealed[PLACES].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let Some(clear) = value.pointer_mut(place) else { continue };
            let text = keyring.seal(clear.to_string().as_bytes(), &context(record.entity, &record.id, place));
            *clear = text.map_err(|_| refused(record.entity, &record.id, "cannot be encrypted"))?.into();
        }
        match value {
            Value::Object(value) => Ok(Some(Stored { value, sealed })),
            _ => Ok(None),
        }
    }

    /// Brings back what is encrypted of a record. The sentence says what keeps it from being read.
    pub(crate) fn open(
        &self,
        entity: &str,
        id: &Id,
        value: Map<String, Value>,
        sealed: &Value,
    ) -> Result<Map<String, Value>, String> {
        let told = |what: &str| format!("the '{entity}' entity {id} {what}");
        let key = sealed[KEY].as_str().unwrap_or_default();
        let mut value = Value::Object(value);
        for place in sealed[PLACES].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let stored = value.pointer_mut(place).ok_or_else(|| told(&format!("lacks its encrypted {place}")))?;
            let text = stored.as_str().ok_or_else(|| told(&format!("has an encrypted {place} that is no text")))?;
            let opened = self.keyring.as_ref().and_then(|keyring| keyring.open(key, text, &context(entity, id, place)));
            let opened = opened.ok_or_else(|| told(&unknown(key)))?;
            let clear = opened.ok().and_then(|clear| serde_json::from_slice(&clear).ok());
            let changed =
                || told(&format!("has an encrypted {place} that does not belong there or was changed in the database"));
            *stored = clear.ok_or_else(changed)?;
        }
        match value {
            Value::Object(value) => Ok(value),
            _ => Err(told("is no object")),
        }
    }

    /// Where the secrets of a record are, as JSON pointers.
    fn places(&self, layout: &Layout, record: &Record) -> Vec<String> {
        let mut places = Vec::new();
        let fields = self.definitions.as_ref().map(|definitions| definitions.record_for(record.entity, &record.value));
        match fields {
            Some(Ok(fields)) => walk(fields, &record.value, "", &mut places),
            // A Plugin that is not enabled here: nobody knows what in its configuration is secret.
            Some(Err(_)) if record.value.contains_key("config") => places.push("/config".to_owned()),
            _ => {}
        }
        for (entity, field) in SECRETS {
            let place = format!("/{field}");
            if *entity == record.entity && record.value.contains_key(*field) && !places.contains(&place) {
                places.push(place);
            }
        }
        places.retain(|place| match place[1..].contains('/') {
            true => true,
            // What is looked up by its value must be comparable; null tells nothing.
            false => !layout.compares(&place[1..]) && !record.value.get(&place[1..]).is_none_or(Value::is_null),
        });
        places
    }
}

/// What is wrong where no secret fits.
pub(crate) fn unknown(key: &str) -> String {
    format!("is encrypted with the key {key}, which none of the secrets in keyring_secret makes")
}

fn refused(entity: &str, id: &Id, what: &str) -> Error {
    Error::Unavailable(format!("the '{entity}' entity {id} {what}"))
}

/// Binds a value to where it is: in no other row and no other field it can be decrypted.
fn context(entity: &str, id: &Id, place: &str) -> Vec<u8> {
    json!([entity, id.to_string(), place]).to_string().into_bytes()
}

fn step(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn walk(fields: &Fields, value: &Map<String, Value>, path: &str, places: &mut Vec<String>) {
    for (name, value) in value {
        let Some(field) = fields.get(name).filter(|_| !value.is_null()) else { continue };
        match field.is_encrypted() {
            true => places.push(step(path, name)),
            false => within(field.kind(), value, &step(path, name), places),
        }
    }
}

fn within(kind: &Kind, value: &Value, path: &str, places: &mut Vec<String>) {
    let mut element = |field: &schema::Field, name: &str, value: &Value| match field.is_encrypted() {
        true if !value.is_null() => places.push(step(path, name)),
        true => {}
        false => within(field.kind(), value, &step(path, name), places),
    };
    match (kind, value) {
        (Kind::Array(field) | Kind::Set(field), Value::Array(items)) => {
            items.iter().enumerate().for_each(|(index, item)| element(field, &index.to_string(), item));
        }
        (Kind::Map { values, .. }, Value::Object(members)) => {
            members.iter().for_each(|(name, value)| element(values, name, value));
        }
        (Kind::Record(fields), Value::Object(members)) => walk(fields, members, path, places),
        _ => {}
    }
}
