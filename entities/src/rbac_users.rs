//! RBAC users: who may use the Admin API.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user of the Admin API.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacUser {
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
    #[field(unique, unique_across_ws, is = utf8_name)]
    pub name: String,
    /// Slow hash of its token; none: it has no token.
    pub user_token: Option<String>,
    /// The first digits of another digest of the token, to find the user by.
    pub user_token_ident: Option<String>,
    /// Whether its token and its sessions count.
    #[field(default = true)]
    pub enabled: bool,
    /// What it is for.
    pub comment: Option<String>,
    /// Whether an admin stands behind it.
    #[field(default = false)]
    pub is_admin: bool,
}

impl Named for RbacUser {
    const NAME: &'static str = "rbac_users";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["name"],
        workspaceable: true,
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacUser>("rbac_users")
    }
}
