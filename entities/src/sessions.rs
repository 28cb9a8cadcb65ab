//! Sessions of the plugin `session`.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Session {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Id of the session.
    #[field(unique)]
    pub session_id: String,
    /// When it ends, seconds since 1970.
    pub expires: Option<i64>,
    /// Its content.
    pub data: Option<String>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
}

impl Named for Session {
    const NAME: &'static str = "sessions";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("session_id"),
        cache_key: &["session_id"],
        ttl: true,
        db_export: false,
        plugin: Some("session"),
        ..Entity::of::<Session>("sessions")
    }
}
