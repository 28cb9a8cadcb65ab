//! Admins: people who sign in to the manager.

use crate::{Entity, RbacUser, Workspace};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An admin.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Admin {
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
    pub username: String,
    /// The name in lower case: names that differ in case only are one.
    #[field(unique)]
    pub username_lower: String,
    /// Unique name elsewhere.
    #[field(unique)]
    pub custom_id: Option<String>,
    /// Unique address.
    #[field(unique)]
    pub email: Option<String>,
    /// 0 approved, 1 pending, 2 rejected, 3 revoked, 4 invited, 5 unverified.
    #[field(default = 4, between(0, 5))]
    pub status: i64,
    /// Whether the admin may have an RBAC token.
    #[field(default = true)]
    pub rbac_token_enabled: bool,
    /// The RBAC user behind it.
    #[field(is = cascade)]
    pub rbac_user: Foreign<RbacUser>,
    /// The workspace it belongs to.
    pub belong_workspace: Foreign<Workspace>,
    /// Slow hash of the password; none: it cannot sign in with one.
    pub password: Option<String>,
    /// Digest of the token of an open invitation.
    pub register_token: Option<String>,
    /// When the invitation ends, seconds since 1970; none: never.
    pub register_expires: Option<i64>,
    /// Digest of the token of an open reset of the password.
    pub reset_token: Option<String>,
    /// When the reset ends, seconds since 1970.
    pub reset_expires: Option<i64>,
    /// What its one-time codes are made from, in base32.
    pub totp_secret: Option<String>,
    /// Whether a one-time code is asked for beside the password.
    #[field(default = false)]
    pub totp_enabled: bool,
    /// The step of the last code that was used.
    pub totp_step: Option<i64>,
}

impl Named for Admin {
    const NAME: &'static str = "admins";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("username"),
        cache_key: &["username"],
        generate_admin_api: false,
        db_export: false,
        ..Entity::of::<Admin>("admins")
    }
}
