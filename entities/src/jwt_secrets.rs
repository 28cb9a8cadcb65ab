//! Keys with which Consumers' JWTs are signed.

use crate::{Consumer, Entity, crypto};
use schema::{Check, Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(check = Check::conditional(
    "algorithm",
    |f| f.match_any(["^RS256$", "^RS384$", "^RS512$", "^PS256$", "^PS384$", "^PS512$", "^EdDSA$"], ""),
    "rsa_public_key",
    |f| f.required(true).validate(loadable),
))]
pub struct JwtSecret {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The Consumer it belongs to.
    #[field(is = cascade)]
    pub consumer: Foreign<Consumer>,
    /// The key.
    #[field(required = false, auto = token, unique)]
    pub key: Option<String>,
    /// Secret of the signature.
    #[field(auto = token)]
    pub secret: Option<String>,
    /// Public key, PEM, of the asymmetric algorithms.
    pub rsa_public_key: Option<String>,
    /// Algorithm of the signature.
    #[field(
        default = "HS256",
        one_of(
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
            "EdDSA"
        )
    )]
    pub algorithm: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for JwtSecret {
    const NAME: &'static str = "jwt_secrets";
}

fn loadable(text: &str) -> Result<(), String> {
    if crypto::public_key(text).is_ok() || crypto::private_key(text).is_ok() {
        return Ok(());
    }
    Err("invalid key".to_owned())
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("key"),
        cache_key: &["key"],
        workspaceable: true,
        admin_api_name: Some("jwts"),
        admin_api_nested_name: Some("jwt"),
        plugin: Some("jwt"),
        ..Entity::of::<JwtSecret>("jwt_secrets")
    }
}
