//! Which group has which RBAC role.

use crate::{Entity, Group, RbacRole, Workspace};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A role of a group.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct GroupRbacRole {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The group.
    #[field(is = cascade)]
    pub group: Foreign<Group>,
    /// The role.
    #[field(is = cascade)]
    pub rbac_role: Foreign<RbacRole>,
    /// The workspace of the role.
    #[field(is = cascade)]
    pub workspace: Foreign<Workspace>,
}

impl Named for GroupRbacRole {
    const NAME: &'static str = "group_rbac_roles";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["group", "rbac_role"],
        unique_together: &[&["group", "rbac_role"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<GroupRbacRole>("group_rbac_roles")
    }
}
