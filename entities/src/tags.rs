//! Which entity has which tag; made from the entities' own lists.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One tag of one entity.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Tag {
    /// The tag.
    #[field(is = tag)]
    pub tag: String,
    /// Kind of the entity.
    pub entity_name: String,
    /// Id of the entity.
    #[field(auto = uuid)]
    pub entity_id: Uuid,
}

impl Named for Tag {
    const NAME: &'static str = "tags";
}

pub(crate) fn entity() -> Entity {
    Entity { primary_key: &["tag"], endpoint_key: Some("tag"), db_export: false, ..Entity::of::<Tag>("tags") }
}
