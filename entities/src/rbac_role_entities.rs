//! Entity permissions of RBAC roles.

use crate::{Entity, RbacRole};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a role may do with an entity.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RbacRoleEntity {
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
    /// Id of the entity, or of the workspace whose entities are meant; `*` is all entities.
    pub entity_id: String,
    /// Kind of the entity; `wildcard` where the id is `*`.
    pub entity_type: String,
    /// What it speaks of.
    #[field(elements(one_of("read", "create", "update", "delete")))]
    pub actions: Set<String>,
    /// Whether it forbids instead of allowing.
    #[field(default = false)]
    pub negative: bool,
    /// What it is for.
    pub comment: Option<String>,
}

impl Named for RbacRoleEntity {
    const NAME: &'static str = "rbac_role_entities";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["role", "entity_id"],
        unique_together: &[&["role", "entity_id"]],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<RbacRoleEntity>("rbac_role_entities")
    }
}
