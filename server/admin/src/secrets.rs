//! What is secret in an entity, and what is left of it for the audit log, for history and for plans.

use access::Exclusion;
use declarative::Kinds;
use schema::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::Record;

/// Shows entities without their secrets.
#[derive(Clone)]
pub(crate) struct Masks {
    kinds: Arc<Kinds>,
    /// What is taken out by its name.
    pub(crate) exclusion: Exclusion,
}

impl Masks {
    pub(crate) fn new(kinds: Arc<Kinds>, exclusion: Exclusion) -> Masks {
        Masks { kinds, exclusion }
    }

    /// An entity as it is shown, without what is secret in it.
    pub(crate) fn shown(&self, record: &Record) -> Value {
        let definitions = self.kinds.definitions();
        let mut value = definitions.present(record.entity, &record.value);
        if let Ok(fields) = definitions.record_for(record.entity, &record.value) {
            take_encrypted(fields, &mut value, &mut BTreeSet::new());
        }
        let mut value = Value::Object(value);
        mask(record.entity, &mut value);
        self.exclusion.apply(&mut value);
        value
    }

    /// What was sent for an entity of a kind, or for none, without what is secret in it, and the names of what was taken out.
    pub(crate) fn sent(&self, entity: Option<&str>, mut members: Map<String, Value>) -> (Value, BTreeSet<String>) {
        let (definitions, mut taken) = (self.kinds.definitions(), BTreeSet::new());
        if let Some(entity) = entity {
            match definitions.record_for(entity, &members) {
                Ok(fields) => take_encrypted(fields, &mut members, &mut taken),
                // A change of a Plugin does not say which it is: what is secret in any is.
                Err(_) => definitions.plugins().iter().for_each(|plugin| {
                    let named = Map::from_iter([("name".to_owned(), Value::from(&*plugin.name))]);
                    if let Ok(fields) = definitions.record_for(entity, &named) {
                        take_encrypted(fields, &mut members, &mut taken);
                    }
                }),
            }
            members.retain(|name, _| {
                let secret = is_secret(entity, name);
                if secret {
                    taken.insert(name.clone());
                }
                !secret
            });
        }
        let mut value = Value::Object(members);
        taken.extend(self.exclusion.apply(&mut value));
        (value, taken)
    }
}

/// Takes out what a definition says is encrypted; tells the names.
fn take_encrypted(fields: &schema::Record, value: &mut Map<String, Value>, taken: &mut BTreeSet<String>) {
    value.retain(|name, value| {
        let Some(field) = fields.get(name) else { return true };
        if field.is_encrypted() {
            taken.insert(name.clone());
            return false;
        }
        within(field.kind(), value, taken);
        true
    });
}

fn within(kind: &Kind, value: &mut Value, taken: &mut BTreeSet<String>) {
    match (kind, value) {
        (Kind::Record(fields), Value::Object(members)) => take_encrypted(fields, members, taken),
        (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
            items.iter_mut().for_each(|item| within(element.kind(), item, taken));
        }
        (Kind::Map { values, .. }, Value::Object(members)) => {
            members.values_mut().for_each(|value| within(values.kind(), value, taken));
        }
        _ => {}
    }
}

/// Takes out what is secret in an entity by what it is, whatever the settings say.
pub(crate) fn mask(entity: &str, value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !is_secret(entity, name));
    }
}

/// Whether a field of an entity is secret by what the entity is.
pub(crate) fn is_secret(entity: &str, field: &str) -> bool {
    let names: &[&str] = match entity {
        "admins" => &["password", "reset_expires", "register_expires", "totp_secret", "totp_step"],
        "acme_storage" => &["value"],
        "basicauth_credentials" => &["password"],
        "certificates" => &["key", "key_alt"],
        "hmacauth_credentials" | "jwt_secrets" => &["secret"],
        "keyauth_credentials" => &["key"],
        "keys" => &["jwk", "pem"],
        "oauth2_credentials" => &["client_secret"],
        "oauth2_tokens" => &["access_token", "refresh_token"],
        "oauth2_authorization_codes" => &["code"],
        "rbac_user_tokens" => &["token", "token_ident"],
        "sessions" => &["data", "session_id"],
        _ => &[],
    };
    names.contains(&field)
}
