//! What the plugin `acme` keeps.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One entry.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct AcmeStorage {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The key.
    #[field(auto = token, unique)]
    pub key: String,
    /// The value.
    #[field(auto = token)]
    pub value: String,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
}

impl Named for AcmeStorage {
    const NAME: &'static str = "acme_storage";
}

pub(crate) fn entity() -> Entity {
    Entity { cache_key: &["key"], ttl: true, plugin: Some("acme"), ..Entity::of::<AcmeStorage>("acme_storage") }
}
