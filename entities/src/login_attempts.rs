//! Failed sign-ins and changes of passwords of admins.

use crate::{Admin, Entity};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Failures of an admin since the last success.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct LoginAttempt {
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
    /// What failed.
    #[field(one_of("login", "change_password", "totp"))]
    pub attempt_type: String,
    /// How often.
    #[field(default = 0)]
    pub attempts: i64,
}

impl Named for LoginAttempt {
    const NAME: &'static str = "login_attempts";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["admin", "attempt_type"],
        unique_together: &[&["admin", "attempt_type"]],
        ttl: true,
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<LoginAttempt>("login_attempts")
    }
}
