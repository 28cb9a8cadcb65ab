//! Certificates with their private keys.

use crate::{Entity, crypto};
use schema::{Check, Field, Map, Named, Schema, Set, Value, is_vault_reference};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A certificate with its key, and optionally a second pair of another key type.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    check = Check::mutually_required(["cert_alt", "key_alt"]),
    check = Check::custom(["cert", "key"], |data| matching(data, "cert", "key", "certificate does not match key")),
    check = Check::custom(["cert_alt", "key_alt"], |data| {
        matching(data, "cert_alt", "key_alt", "alternative certificate does not match key")
    }),
    check = Check::custom(["cert", "cert_alt"], different),
)]
pub struct Certificate {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// Certificate chain, PEM.
    #[field(is = self::cert, referenceable)]
    pub cert: String,
    /// Private key, PEM.
    #[field(is = self::key, referenceable, encrypted)]
    pub key: String,
    /// Second certificate chain, PEM.
    #[field(required = false, is = self::cert, referenceable)]
    pub cert_alt: Option<String>,
    /// Private key of the second certificate, PEM.
    #[field(required = false, is = self::key, referenceable, encrypted)]
    pub key_alt: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// Server names to make with it.
    #[field(required = false, transient, elements(is = wildcard_host))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snis: Option<Vec<String>>,
}

impl Named for Certificate {
    const NAME: &'static str = "certificates";
}

pub(crate) fn cert(field: Field) -> Field {
    field.validate(|text: &str| {
        crypto::certificates(text).map(|_| ()).map_err(|error| format!("invalid certificate: {error}"))
    })
}

fn key(field: Field) -> Field {
    field.validate(|text: &str| crypto::private_key(text).map(|_| ()).map_err(|error| format!("invalid key: {error}")))
}

fn text<'d>(data: &'d Map<String, Value>, field: &str) -> Option<&'d str> {
    data.get(field).and_then(Value::as_str).filter(|text| !is_vault_reference(text))
}

fn matching(data: &Map<String, Value>, cert: &str, key: &str, error: &str) -> Result<(), String> {
    let (Some(cert), Some(key)) = (text(data, cert), text(data, key)) else { return Ok(()) };
    match (crypto::certificate_key(cert), crypto::private_key(key)) {
        (Some(of_cert), Ok(of_key)) if of_cert.bits != of_key.bits => Err(error.to_owned()),
        _ => Ok(()),
    }
}

fn different(data: &Map<String, Value>) -> Result<(), String> {
    let (Some(cert), Some(alt)) = (text(data, "cert"), text(data, "cert_alt")) else { return Ok(()) };
    match (crypto::certificate_key(cert), crypto::certificate_key(alt)) {
        (Some(one), Some(two)) if one.kind == two.kind => Err("certificate and alternative certificate need to have \
            different type (e.g. RSA and ECDSA), the provided certificates were both of the same type"
            .to_owned()),
        _ => Ok(()),
    }
}

pub(crate) fn entity() -> Entity {
    Entity { workspaceable: true, ..Entity::of::<Certificate>("certificates") }
}
