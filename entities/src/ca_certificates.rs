//! Certificates of authorities.

use crate::{Entity, certificates::cert, crypto};
use schema::{Check, Map, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// An authority that others' certificates may come from.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(check = Check::custom(["cert"], check))]
pub struct CaCertificate {
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
    /// The certificate, PEM.
    #[field(is = self::cert)]
    pub cert: String,
    /// SHA-256 of the certificate's DER, hexadecimal.
    #[field(unique)]
    pub cert_digest: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for CaCertificate {
    const NAME: &'static str = "ca_certificates";
}

fn check(data: &Map<String, Value>) -> Result<(), String> {
    let Some(text) = data.get("cert").and_then(Value::as_str) else { return Ok(()) };
    let all = crypto::certificates(text)?;
    let [der] = all.as_slice() else { return Err("please submit only one certificate at a time".to_owned()) };
    // Whether a certificate has expired is a question to the clock, not to the request.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (expired, ca) = crypto::expired_and_ca(der, i64::try_from(now).unwrap_or(i64::MAX))?;
    if expired {
        return Err("certificate expired, \"Not After\" time is in the past".to_owned());
    }
    if !ca {
        return Err(
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint".to_owned()
        );
    }
    Ok(())
}

fn digest(data: &mut Map<String, Value>, changed: Option<&Map<String, Value>>) {
    if changed.is_some_and(|changed| !changed.contains_key("cert")) {
        return;
    }
    let digest = data
        .get("cert")
        .and_then(Value::as_str)
        .and_then(|text| crypto::certificates(text).ok())
        .and_then(|all| all.first().map(|der| crypto::sha256_hex(der)));
    if let Some(digest) = digest {
        data.insert("cert_digest".to_owned(), digest.into());
    }
}

pub(crate) fn entity() -> Entity {
    Entity { transform: Some(digest), ..Entity::of::<CaCertificate>("ca_certificates") }
}
