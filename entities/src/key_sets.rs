//! Sets of keys.

use crate::Entity;
use schema::{Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A set of keys.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct KeySet {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Unique name.
    #[field(required = false, unique)]
    pub name: Option<String>,
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

impl Named for KeySet {
    const NAME: &'static str = "key_sets";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        workspaceable: true,
        admin_api_name: Some("key-sets"),
        ..Entity::of::<KeySet>("key_sets")
    }
}
