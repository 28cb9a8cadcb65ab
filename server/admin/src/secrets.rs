//! What is secret in an entity, and what is left of it for the audit log, for history and for plans.

use access::Exclusion;
use declarative::Kinds;
use schema::Kind;
use serde_json::{Map, Value};
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
            take_encrypted(fields, &mut value);
        }
        let mut value = Value::Object(value);
        mask(record.entity, &mut value);
        self.exclusion.apply(&mut value);
        value
    }
}

/// Takes out what a definition says is encrypted.
fn take_encrypted(fields: &schema::Record, value: &mut Map<String, Value>) {
    value.retain(|name, value| {
        let Some(field) = fields.get(name) else { return true };
        if field.is_encrypted() {
            return false;
        }
        within(field.kind(), value);
        true
    });
}

fn within(kind: &Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::Record(fields), Value::Object(members)) => take_encrypted(fields, members),
        (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
            items.iter_mut().for_each(|item| within(element.kind(), item));
        }
        (Kind::Map { values, .. }, Value::Object(members)) => {
            members.values_mut().for_each(|value| within(values.kind(), value));
        }
        _ => {}
    }
}

/// Takes out what is secret in an entity by what it is, whatever the settings say.
pub(crate) fn mask(entity: &str, value: &mut Value) {
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
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
}
