//! Groups of admins, as identity providers name them.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Group {
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
    /// Unique name.
    #[field(unique, is = utf8_name)]
    pub name: String,
    /// What it is for.
    pub comment: Option<String>,
}

impl Named for Group {
    const NAME: &'static str = "groups";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["name"],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<Group>("groups")
    }
}
