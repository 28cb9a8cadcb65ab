//! Endpoint permissions of RBAC roles.

use crate::{Entity, RbacRole};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a role may do at an endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacRoleEndpoint {
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
    /// The role.
    #[field(is = cascade)]
    pub role: Foreign<RbacRole>,
    /// Name of the workspace; `*` is all of them.
    #[field(default = "default")]
    pub workspace: String,
    /// Path without workspace, in which `*` stands for one segment; `*` alone is every path.
    pub endpoint: String,
    /// What it speaks of.
    #[field(elements(one_of("read", "create", "update", "delete")))]
    pub actions: Set<String>,
    /// Whether it forbids instead of allowing.
    #[field(default = false)]
    pub negative: bool,
    /// What it is for.
    pub comment: Option<String>,
}

impl Named for RbacRoleEndpoint {
    const NAME: &'static str = "rbac_role_endpoints";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["role", "workspace", "endpoint"],
        unique_together: &[&["role", "workspace", "endpoint"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacRoleEndpoint>("rbac_role_endpoints")
    }
}
