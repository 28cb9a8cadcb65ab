//! OAuth 2.0 authorization codes.

use crate::{Entity, Oauth2Credential, Plugin, Service};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A code.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Oauth2AuthorizationCode {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The Service it holds for.
    #[field(is = cascade, default = null)]
    pub service: Option<Foreign<Service>>,
    /// The application it was made for.
    #[field(is = cascade)]
    pub credential: Foreign<Oauth2Credential>,
    /// The code.
    #[field(required = false, auto = token, unique)]
    pub code: Option<String>,
    /// The user who agreed.
    #[field(required = false)]
    pub authenticated_userid: Option<String>,
    /// What was agreed to.
    pub scope: Option<String>,
    /// Challenge of PKCE (RFC 7636).
    #[field(required = false)]
    pub challenge: Option<String>,
    /// Method of the challenge.
    #[field(required = false, one_of("S256"))]
    pub challenge_method: Option<String>,
    /// The plugin that made it.
    #[field(is = cascade, default = null)]
    pub plugin: Option<Foreign<Plugin>>,
}

impl Named for Oauth2AuthorizationCode {
    const NAME: &'static str = "oauth2_authorization_codes";
}

pub(crate) fn entity() -> Entity {
    Entity {
        workspaceable: true,
        ttl: true,
        generate_admin_api: false,
        db_export: false,
        plugin: Some("oauth2"),
        ..Entity::of::<Oauth2AuthorizationCode>("oauth2_authorization_codes")
    }
}
