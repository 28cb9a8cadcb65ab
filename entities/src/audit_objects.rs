//! The audit log's changes of entities.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A change of an entity.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct AuditObject {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Id of the request that made it.
    pub request_id: Option<String>,
    /// When, seconds since 1970.
    pub request_timestamp: i64,
    /// Kind of the entity.
    pub dao_name: String,
    /// Primary key of the entity.
    pub entity_key: String,
    /// The entity as JSON text, without what is excluded.
    pub entity: Option<String>,
    /// The entity before, as JSON text, without what is excluded.
    pub entity_before: Option<String>,
    /// What happened.
    #[field(one_of("create", "update", "delete"))]
    pub operation: String,
    /// Who, by id.
    pub rbac_user_id: Option<String>,
    /// Who, by name.
    pub rbac_user_name: Option<String>,
    /// Id of the workspace.
    pub workspace: Option<String>,
    /// Signature of the entry.
    pub signature: Option<String>,
}

impl Named for AuditObject {
    const NAME: &'static str = "audit_objects";
}

pub(crate) fn entity() -> Entity {
    Entity { ttl: true, generate_admin_api: false, db_export: false, ..Entity::of::<AuditObject>("audit_objects") }
}
