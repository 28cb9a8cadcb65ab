//! Which RBAC user is in which group.

use crate::{Entity, Group, RbacUser};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user's place in a group.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacUserGroup {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The user.
    #[field(is = cascade)]
    pub user: Foreign<RbacUser>,
    /// The group.
    #[field(is = cascade)]
    pub group: Foreign<Group>,
}

impl Named for RbacUserGroup {
    const NAME: &'static str = "rbac_user_groups";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["user", "group"],
        unique_together: &[&["user", "group"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacUserGroup>("rbac_user_groups")
    }
}
