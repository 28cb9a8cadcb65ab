//! RBAC roles: named sets of permissions.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacRole {
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
    /// Whether it is a user's own.
    #[field(default = false)]
    pub is_default: bool,
}

impl Named for RbacRole {
    const NAME: &'static str = "rbac_roles";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["name"],
        workspaceable: true,
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacRole>("rbac_roles")
    }
}
