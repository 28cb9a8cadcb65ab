//! Options of `oauth2`.

use schema::{Check, Map, Schema, Value};
use serde::Deserialize;

/// Options of `oauth2`.
#[derive(Debug, Deserialize, Schema)]
#[schema(
    validate = some_grant,
    check = Check::conditional("mandatory_scope", |on| on.eq(true), "scopes", |scopes| scopes.required(true))
)]
pub struct Config {
    /// Scopes that can be asked for.
    pub scopes: Option<Vec<String>>,
    /// Whether a scope must be asked for.
    #[field(default = false)]
    pub mandatory_scope: bool,
    /// What the application that asks users for their consent proves itself with.
    #[field(auto = token, unique, encrypted)]
    pub provision_key: String,
    /// Life time of access tokens in seconds; 0 = for ever.
    #[field(default = 7200)]
    pub token_expiration: f64,
    /// Whether codes are given (RFC 6749 §4.1).
    #[field(default = false)]
    pub enable_authorization_code: bool,
    /// Whether tokens are given without a code (RFC 6749 §4.2).
    #[field(default = false)]
    pub enable_implicit_grant: bool,
    /// Whether applications get tokens for themselves (RFC 6749 §4.4).
    #[field(default = false)]
    pub enable_client_credentials: bool,
    /// Whether tokens are given for a user who was asked for a password (RFC 6749 §4.3).
    #[field(default = false)]
    pub enable_password_grant: bool,
    /// Whether the token is taken out of the request before it goes to the upstream.
    #[field(default = false)]
    pub hide_credentials: bool,
    /// Whether a trusted proxy's word counts that the client came over TLS.
    #[field(default = false)]
    pub accept_http_if_already_terminated: bool,
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// Whether tokens are good for every Service whose plugin says the same.
    #[field(default = false)]
    pub global_credentials: bool,
    /// The header with the token.
    #[field(default = "authorization")]
    pub auth_header_name: Option<String>,
    /// Life time of refresh tokens in seconds; 0 = for ever.
    #[field(default = 1_209_600, between(0, 100_000_000))]
    pub refresh_token_ttl: f64,
    /// Whether a refresh token can be used again.
    #[field(default = false)]
    pub reuse_refresh_token: bool,
    /// Who must use PKCE (RFC 7636): nobody, public applications, all.
    #[field(required = false, default = "lax")]
    pub pkce: Option<Pkce>,
    /// The realm of the challenge.
    #[field(required = false)]
    pub realm: Option<String>,
}

/// Who must use PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Pkce {
    /// Nobody.
    None,
    /// Public applications.
    Lax,
    /// Every application.
    Strict,
}

const GRANTS: [&str; 4] =
    ["enable_authorization_code", "enable_implicit_grant", "enable_client_credentials", "enable_password_grant"];

fn some_grant(config: &Map<String, Value>) -> Result<(), String> {
    if GRANTS.iter().any(|grant| config.get(*grant) == Some(&Value::Bool(true))) {
        return Ok(());
    }
    Err(format!("at least one of these fields must be true: {}", GRANTS.join(", ")))
}

impl Config {
    /// Seconds until tokens and what is needed to refresh them are removed; `None` = never.
    pub(super) fn ttl(&self) -> Option<u64> {
        (self.token_expiration > 0.0 && self.refresh_token_ttl > 0.0).then_some(self.refresh_token_ttl as u64)
    }
}
