//! API keys of Consumers.

use crate::{Consumer, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An API key.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct KeyauthCredential {
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
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for KeyauthCredential {
    const NAME: &'static str = "keyauth_credentials";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("key"),
        cache_key: &["key"],
        workspaceable: true,
        ttl: true,
        admin_api_name: Some("key-auths"),
        admin_api_nested_name: Some("key-auth"),
        plugin: Some("key-auth"),
        ..Entity::of::<KeyauthCredential>("keyauth_credentials")
    }
}
