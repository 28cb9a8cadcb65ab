//! Consumer groups: Consumers that plugins treat alike.

use crate::Entity;
use schema::{Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A named group of Consumers.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ConsumerGroup {
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
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for ConsumerGroup {
    const NAME: &'static str = "consumer_groups";
}

pub(crate) fn entity() -> Entity {
    Entity { endpoint_key: Some("name"), workspaceable: true, ..Entity::of::<ConsumerGroup>("consumer_groups") }
}
