//! Keys, as JWK or PEM.

use crate::{Entity, KeySet, crypto, jwk};
use schema::{Check, Foreign, Map, Named, Schema, Set, Value, is_vault_reference};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    check = Check::mutually_exclusive(["jwk", "pem"]),
    check = Check::at_least_one_of(["jwk", "pem"]),
    check = Check::custom(["jwk", "pem", "kid"], check),
)]
pub struct Key {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The set it belongs to.
    #[field(required = false, is = cascade)]
    pub set: Option<Foreign<KeySet>>,
    /// Unique name.
    #[field(required = false, unique)]
    pub name: Option<String>,
    /// Id of the key, unique within its set.
    #[field(unique = false)]
    pub kid: String,
    /// The key as JSON Web Key (RFC 7517), a JSON text.
    #[field(referenceable, encrypted)]
    pub jwk: Option<String>,
    /// The key as PEM.
    #[field(required = false)]
    pub pem: Option<Pem>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
}

/// A key pair.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(check = Check::at_least_one_of(["private_key", "public_key"]), validate = pair)]
pub struct Pem {
    /// The private key, PEM.
    #[field(required = false, referenceable, encrypted)]
    pub private_key: Option<String>,
    /// The public key, PEM.
    #[field(required = false, referenceable)]
    pub public_key: Option<String>,
}

impl Named for Key {
    const NAME: &'static str = "keys";
}

fn pair(pem: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| pem.get(name).and_then(Value::as_str);
    let (public, private) = (text("public_key"), text("private_key"));
    if public.is_some_and(is_vault_reference) || private.is_some_and(is_vault_reference) {
        return Ok(());
    }
    let public = match public {
        Some(text) => Some(crypto::public_key(text).map_err(|_| "could not load public key")?),
        None => None,
    };
    let private = match private {
        Some(text) => Some(crypto::private_key(text).map_err(|error| format!("could not load private key{error}"))?),
        None => None,
    };
    match (public, private) {
        (Some(public), Some(private)) if public.bits != private.bits => {
            Err("public key does not match private key".to_owned())
        }
        _ => Ok(()),
    }
}

fn check(key: &Map<String, Value>) -> Result<(), String> {
    if let Some(text) = key.get("jwk").and_then(Value::as_str)
        && !is_vault_reference(text)
    {
        jwk::check(text, key.get("kid").and_then(Value::as_str))?;
    }
    if let Some(Value::Object(pem)) = key.get("pem")
        && !["public_key", "private_key"].iter().any(|name| pem.get(*name).is_some_and(Value::is_string))
    {
        return Err("need to supply a PEM formatted public and/or private key.".to_owned());
    }
    Ok(())
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["kid", "set"],
        unique_together: &[&["kid", "set"]],
        workspaceable: true,
        ..Entity::of::<Key>("keys")
    }
}
