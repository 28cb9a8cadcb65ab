//! OAuth 2.0 applications of Consumers.

use crate::{Consumer, Entity};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use schema::{Field, Foreign, Map, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An application.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Oauth2Credential {
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
    /// Unique name.
    pub name: String,
    /// Id of the application.
    #[field(required = false, auto = token, unique)]
    pub client_id: Option<String>,
    /// Secret of the application.
    #[field(required = false, auto = token, encrypted)]
    pub client_secret: Option<String>,
    /// Whether the secret is stored as a hash.
    #[field(default = false)]
    pub hash_secret: bool,
    /// Where users are sent back to.
    #[field(required = false, elements(is = self::uri))]
    pub redirect_uris: Option<Vec<String>>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// Whether the application can keep a secret.
    #[field(default = "confidential", one_of("confidential", "public"))]
    pub client_type: String,
}

impl Named for Oauth2Credential {
    const NAME: &'static str = "oauth2_credentials";
}

fn uri(field: Field) -> Field {
    field.validate(|text: &str| {
        let Some((scheme, rest)) = text.split_once("://") else { return Err(format!("cannot parse '{text}'")) };
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        if scheme.is_empty() || host.is_empty() {
            return Err(format!("cannot parse '{text}'"));
        }
        if rest.contains('#') {
            return Err(format!("fragment not allowed in '{text}'"));
        }
        Ok(())
    })
}

/// With `hash_secret` the secret becomes a PBKDF2 string.
fn hash(data: &mut Map<String, Value>, changed: Option<&Map<String, Value>>) {
    if changed.is_some_and(|changed| !changed.contains_key("client_secret") && !changed.contains_key("hash_secret")) {
        return;
    }
    if data.get("hash_secret") != Some(&Value::Bool(true)) {
        return;
    }
    let Some(secret) = data.get("client_secret").and_then(Value::as_str) else { return };
    if secret.starts_with("$pbkdf2-") {
        return;
    }
    let salt = *uuid::Uuid::new_v4().as_bytes();
    let mut key = [0u8; 32];
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA512,
        std::num::NonZeroU32::MIN.saturating_add(9_999),
        &salt,
        secret.as_bytes(),
        &mut key,
    );
    let hashed =
        format!("$pbkdf2-sha512$i=10000,l=32${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(key));
    data.insert("client_secret".to_owned(), hashed.into());
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("client_id"),
        cache_key: &["client_id"],
        workspaceable: true,
        admin_api_name: Some("oauth2"),
        plugin: Some("oauth2"),
        transform: Some(hash),
        ..Entity::of::<Oauth2Credential>("oauth2_credentials")
    }
}
