//! The audit log: what is left out of it, how entries are ordered and signed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Members that never get into the log, whatever the settings say: hashes and digests of secrets of the gateway itself, and
/// private keys.
const ALWAYS: [&str; 9] = [
    "user_token",
    "user_token_ident",
    "token_ident",
    "totp_secret",
    "register_token",
    "reset_token",
    "old_password",
    "digest",
    "session_id",
];

/// What is left out of the log (`audit_log_payload_exclude`).
#[derive(Clone, Debug, Default)]
pub struct Exclusion {
    names: BTreeSet<String>,
    paths: Vec<Vec<String>>,
}

impl Exclusion {
    /// From names, which count at any depth, and paths with dots.
    pub fn new<'n>(given: impl IntoIterator<Item = &'n str>) -> Exclusion {
        let mut exclusion = Exclusion::default();
        for name in given {
            match name.contains('.') {
                true => exclusion.paths.push(name.split('.').map(str::to_owned).collect()),
                false => drop(exclusion.names.insert(name.to_owned())),
            }
        }
        exclusion.names.extend(ALWAYS.map(str::to_owned));
        exclusion
    }

    /// What is left out where nothing is set.
    pub fn standard() -> Exclusion {
        Exclusion::new(["token", "secret", "password"])
    }

    /// Takes out what is excluded; tells the names.
    pub fn apply(&self, value: &mut Value) -> BTreeSet<String> {
        let mut removed = BTreeSet::new();
        self.descend(value, &mut removed);
        for path in &self.paths {
            if cut(value, path) {
                removed.insert(path.join("."));
            }
        }
        removed
    }

    fn descend(&self, value: &mut Value, removed: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                members.retain(|name, value| {
                    // Forms name what is nested with dots and brackets: config.secret, credentials[1].password.
                    let last = name
                        .rsplit(['.', '['])
                        .map(|part| part.trim_end_matches(']'))
                        .find(|part| !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit()));
                    let is_key = value.as_str().is_some_and(|text| text.contains("PRIVATE KEY-----"));
                    let out = is_key || self.names.contains(name) || last.is_some_and(|last| self.names.contains(last));
                    if out {
                        removed.insert(last.unwrap_or(name).to_owned());
                    }
                    !out
                });
                members.values_mut().for_each(|value| self.descend(value, removed));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.descend(item, removed)),
            _ => {}
        }
    }
}

fn cut(value: &mut Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Object(members), [last]) => members.shift_remove(last).is_some(),
        (Value::Object(members), [first, rest @ ..]) => {
            // A form has the whole path as one name.
            let whole = members.shift_remove(&path.join(".")).is_some();
            members.get_mut(first).is_some_and(|next| cut(next, rest)) || whole
        }
        (Value::Array(items), path) => items.iter_mut().filter_map(|item| cut(item, path).then_some(())).count() > 0,
        _ => false,
    }
}

/// An id for an entry made at `millis` (since 1970): ids of later entries come first.
pub fn newest_first(millis: u64) -> Uuid {
    let back = (!millis) & 0xffff_ffff_ffff;
    let random = Uuid::new_v4().as_u128() & 0xffff_ffff_ffff_ffff_ffff;
    // Version and variant as of a version 4 UUID.
    let id = (u128::from(back) << 80) | random;
    Uuid::from_u128((id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))
}

/// Why a key cannot sign.
#[derive(Clone, Debug, thiserror::Error)]
#[error("audit_log_signing_key: {0}")]
pub struct SigningKeyError(String);

/// The key that signs entries (`audit_log_signing_key`).
#[derive(Debug)]
pub struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// From PEM: an RSA private key.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn read(pem: &[u8]) -> Result<SigningKey, SigningKeyError> {
        let key =
            PrivateKeyDer::from_pem_slice(pem).map_err(|_| SigningKeyError("no private key in PEM form".to_owned()))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(SigningKeyError("an RSA private key is expected".to_owned())),
        };
        pair.map(SigningKey).map_err(|error| SigningKeyError(format!("not an RSA private key: {error}")))
    }

    /// The signature of an entry: RSA with SHA-256 over [`signed_text`], in base64. `None` when the key cannot sign.
    pub fn sign(&self, entry: &Map<String, Value>) -> Option<String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let text = signed_text(entry);
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
        Some(BASE64_STANDARD.encode(signature))
    }
}

/// What is signed: the values by the order of their names, joined by `|`, without nulls, the signature itself and the life
/// time.
pub fn signed_text(entry: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = entry.keys().collect();
    names.sort();
    let values = names.into_iter().filter(|name| !matches!(name.as_str(), "signature" | "ttl" | "expire"));
    let texts = values.filter_map(|name| match &entry[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(members) => Some(signed_text(members)),
        Value::Array(items) => {
            let members = items.iter().enumerate().map(|(index, item)| (format!("{:020}", index), item.clone()));
            Some(signed_text(&members.collect()))
        }
        other => Some(other.to_string()),
    });
    texts.collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_at_any_depth() {
        let exclusion = Exclusion::new(["token", "secret", "password", "a.b.c"]);
        for (mut given, wanted, names) in [
            (
                json!({"name": "x", "config": {"secret": "s", "n": [{"password": 1}]}}),
                json!({"name": "x", "config": {"n": [{}]}}),
                vec!["password", "secret"],
            ),
            (
                json!({"config.secret": "s", "credentials[1].password": "p", "config.secrets": 1}),
                json!({"config.secrets": 1}),
                vec!["password", "secret"],
            ),
            (
                json!({"a": {"b": {"c": 1, "d": 2}}, "c": 3, "a.b.c": 4}),
                json!({"a": {"b": {"d": 2}}, "c": 3}),
                vec!["a.b.c"],
            ),
            (json!({"user_token": "t"}), json!({}), vec!["user_token"]),
            (json!({"key": "-----BEGIN PRIVATE KEY-----\nx", "cert": "c"}), json!({"cert": "c"}), vec!["key"]),
            (json!([1, "x"]), json!([1, "x"]), vec![]),
        ] {
            let removed = exclusion.apply(&mut given);
            assert_eq!(given, wanted);
            assert_eq!(removed.iter().map(String::as_str).collect::<Vec<_>>(), names);
        }
    }

    #[test]
    fn later_entries_come_first() {
        let ids: Vec<Uuid> = [1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000].map(newest_first).to_vec();
        assert!(ids[0] > ids[1] && ids[1] > ids[2], "{ids:?}");
        assert_eq!(ids[0].get_version_num(), 4);
    }

    #[test]
    fn the_signed_text_is_sorted_and_without_nulls() {
        let entry = json!({"b": 2, "a": "x", "signature": "s", "ttl": 5, "d": null, "c": {"z": true, "y": [1, "q"]}});
        assert_eq!(signed_text(entry.as_object().expect("an object")), "x|2|1|q|true");
    }
}
