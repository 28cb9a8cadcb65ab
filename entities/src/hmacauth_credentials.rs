//! Names and secrets for HMAC signatures.

use crate::{Consumer, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user name with a secret.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct HmacauthCredential {
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
    /// User name.
    #[field(unique)]
    pub username: String,
    /// Secret of the signature.
    #[field(auto = token)]
    pub secret: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for HmacauthCredential {
    const NAME: &'static str = "hmacauth_credentials";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("username"),
        cache_key: &["username"],
        workspaceable: true,
        admin_api_name: Some("hmac-auths"),
        admin_api_nested_name: Some("hmac-auth"),
        plugin: Some("hmac-auth"),
        ..Entity::of::<HmacauthCredential>("hmacauth_credentials")
    }
}
