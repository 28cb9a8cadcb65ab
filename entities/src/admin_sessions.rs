//! Sessions of signed-in admins.

use crate::{Admin, Entity};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct AdminSession {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The admin.
    #[field(is = cascade)]
    pub admin: Foreign<Admin>,
    /// Digest of the cookie's value.
    #[field(unique)]
    pub digest: String,
    /// When the admin signed in, seconds since 1970; rotation keeps it.
    pub started_at: i64,
    /// When it was last known to be used, seconds since 1970.
    pub seen_at: i64,
}

impl Named for AdminSession {
    const NAME: &'static str = "admin_sessions";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["digest"],
        ttl: true,
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<AdminSession>("admin_sessions")
    }
}
