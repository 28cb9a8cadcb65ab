//! Which RBAC user has which role.

use crate::{Entity, RbacRole, RbacUser};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A role of a user.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacUserRole {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The user.
    #[field(is = cascade)]
    pub user: Foreign<RbacUser>,
    /// The role.
    #[field(is = cascade)]
    pub role: Foreign<RbacRole>,
    /// Who gave it: this gateway, or the identity provider at the last sign-in.
    #[field(default = "local", one_of("local", "idp"))]
    pub role_source: String,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
}

impl Named for RbacUserRole {
    const NAME: &'static str = "rbac_user_roles";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["user", "role"],
        unique_together: &[&["user", "role"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacUserRole>("rbac_user_roles")
    }
}
