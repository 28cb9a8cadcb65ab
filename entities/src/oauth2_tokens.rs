//! OAuth 2.0 tokens.

use crate::{Entity, Oauth2Credential, Service};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A token.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Oauth2Token {
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
    /// Type of the token.
    #[field(default = "bearer", one_of("bearer"))]
    pub token_type: String,
    /// Life time in seconds.
    pub expires_in: i64,
    /// The token.
    #[field(required = false, auto = token, unique)]
    pub access_token: Option<String>,
    /// The token to get a new one with.
    #[field(required = false, unique)]
    pub refresh_token: Option<String>,
    /// The user who agreed.
    #[field(required = false)]
    pub authenticated_userid: Option<String>,
    /// What was agreed to.
    pub scope: Option<String>,
}

impl Named for Oauth2Token {
    const NAME: &'static str = "oauth2_tokens";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("access_token"),
        cache_key: &["access_token"],
        workspaceable: true,
        ttl: true,
        plugin: Some("oauth2"),
        ..Entity::of::<Oauth2Token>("oauth2_tokens")
    }
}
