//! Consumers: who uses a Service.

use crate::Entity;
use schema::{Check, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user of Services.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(check = Check::at_least_one_of(["custom_id", "username"]))]
pub struct Consumer {
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
    #[field(unique)]
    pub username: Option<String>,
    /// Unique id in another system.
    #[field(unique)]
    pub custom_id: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for Consumer {
    const NAME: &'static str = "consumers";
}

pub(crate) fn entity() -> Entity {
    Entity { endpoint_key: Some("username"), workspaceable: true, ..Entity::of::<Consumer>("consumers") }
}
