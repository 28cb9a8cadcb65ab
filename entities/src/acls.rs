//! ACL groups of Consumers.

use crate::{Consumer, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A Consumer's place in an ACL group.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Acl {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The Consumer it belongs to.
    #[field(is = cascade)]
    pub consumer: Foreign<Consumer>,
    /// Name of the group.
    pub group: String,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for Acl {
    const NAME: &'static str = "acls";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["consumer", "group"],
        unique_together: &[&["consumer", "group"]],
        workspaceable: true,
        plugin: Some("acl"),
        ..Entity::of::<Acl>("acls")
    }
}
