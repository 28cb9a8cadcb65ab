//! Values the nodes of a cluster share.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};

/// A value.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Parameter {
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The key.
    #[field(unique)]
    pub key: String,
    /// The value.
    pub value: String,
}

impl Named for Parameter {
    const NAME: &'static str = "parameters";
}

pub(crate) fn entity() -> Entity {
    Entity {
        primary_key: &["key"],
        cache_key: &["key"],
        generate_admin_api: false,
        ..Entity::of::<Parameter>("parameters")
    }
}
