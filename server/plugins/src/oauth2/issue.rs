//! The token endpoint (RFC 6749 §3.2).

use super::parameters::{Parameters, Refusal};
use super::{CODES, Oauth2, TOKENS, asked, now, pkce, reference, referring, secret, unkept};
use crate::auth;
use exchange::{Answer, Credential, Exchange};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// What an application says it is.
struct Claimed {
    id: Option<String>,
    secret: Option<String>,
    /// Whether it said so by the Basic scheme.
    in_header: bool,
}

/// An application that is who it says, or why not.
type Proven = Result<Arc<Credential>, Refusal>;

impl Oauth2 {
    pub(super) async fn issue(&self, exchange: &mut Exchange) -> Answer {
        let parameters = match Parameters::read(exchange).await {
            Ok(parameters) => parameters,
            Err(answer) => return answer,
        };
        if !self.is_secure(exchange) {
            return told(Err(Refusal::new("access_denied", "You must use HTTPS")), &parameters, false);
        }
        let claimed = self.claimed(exchange, &parameters);
        let outcome = match self.proven(exchange, &parameters, &claimed).await {
            Ok(Ok(client)) => self.grant(exchange, &parameters, &client).await,
            Ok(Err(refusal)) => Ok(Err(refusal)),
            Err(answer) => Err(answer),
        };
        match outcome {
            Ok(outcome) => told(outcome, &parameters, claimed.in_header),
            Err(answer) => answer,
        }
    }

    fn claimed(&self, exchange: &Exchange, parameters: &Parameters) -> Claimed {
        let owned = |name: &str| parameters.text(name).map(str::to_owned);
        let (id, secret) = (owned("client_id"), owned("client_secret"));
        let header = exchange.request.headers.get(&self.header);
        match header {
            Some(value) if id.is_none() || secret.is_none() => {
                let basic = basic(value);
                if basic.is_none() && id.is_some() {
                    return Claimed { id, secret, in_header: false };
                }
                let (id, secret) = basic.unzip();
                Claimed { id, secret, in_header: true }
            }
            _ => Claimed { id, secret, in_header: false },
        }
    }

    /// Checks grant, redirection and application, in this order; of several errors the last is told.
    async fn proven(&self, exchange: &Exchange, parameters: &Parameters, claimed: &Claimed) -> Result<Proven, Answer> {
        let grant = parameters.text("grant_type");
        let mut refusal = match grant {
            Some("authorization_code" | "refresh_token") => None,
            Some("client_credentials") if self.config.enable_client_credentials => None,
            Some("password") if self.config.enable_password_grant => None,
            _ => Some(Refusal::new("unsupported_grant_type", "Invalid grant_type")),
        };
        let Some(client) = self.application(exchange, claimed.id.as_deref()).await? else {
            return Ok(Err(Refusal::client()));
        };
        if grant != Some("client_credentials") {
            let Some(registered) = client.record.get("redirect_uris").and_then(Value::as_array) else {
                return Ok(Err(Refusal::client()));
            };
            let wanted = parameters.text("redirect_uri");
            if wanted.is_some_and(|wanted| !registered.iter().any(|uri| uri.as_str() == Some(wanted))) {
                let text =
                    "Invalid redirect_uri that does not match with any redirect_uri created with the application";
                refusal = Some(Refusal::new("invalid_request", text));
            }
        }
        if pkce::is_public(&client) {
            if claimed.secret.as_ref().is_some_and(|secret| !secret.trim().is_empty()) {
                let text = "client_secret is disallowed for public clients";
                refusal = Some(Refusal::new("invalid_request", text));
            } else if grant == Some("client_credentials") {
                // Whose secret anybody may know cannot speak for itself (RFC 6749 §4.4).
                refusal = Some(Refusal::client());
            }
        } else {
            let stored = client.text("client_secret").unwrap_or_default();
            let hashed = client.record.get("hash_secret") == Some(&Value::Bool(true));
            let given = claimed.secret.as_deref().unwrap_or_default();
            if given.is_empty() || stored.is_empty() || !secret::verify(given, stored, hashed) {
                refusal = Some(Refusal::client());
            }
        }
        Ok(refusal.map_or(Ok(client), Err))
    }

    async fn grant(
        &self,
        exchange: &Exchange,
        parameters: &Parameters,
        client: &Credential,
    ) -> Result<Result<Map<String, Value>, Refusal>, Answer> {
        let service = self.service(exchange)?;
        match parameters.text("grant_type") {
            Some("authorization_code") => self.by_code(exchange, parameters, client, service).await,
            Some("refresh_token") => self.by_refresh_token(exchange, parameters, client, service).await,
            Some("password") => {
                let user = parameters.provisioned(&self.config).and_then(|()| parameters.user());
                match user.and_then(|user| Ok((user, parameters.scope(&self.config)?))) {
                    Ok((user, scope)) => {
                        self.token(exchange, client, service, Some(user), scope.as_deref(), true).await.map(Ok)
                    }
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
            _ => {
                let user = parameters.text("authenticated_userid");
                let checked = match user {
                    Some(_) => parameters.provisioned(&self.config),
                    None => Ok(()),
                };
                match checked.and_then(|()| parameters.scope(&self.config)) {
                    Ok(scope) => self.token(exchange, client, service, user, scope.as_deref(), false).await.map(Ok),
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
        }
    }

    async fn by_code(
        &self,
        exchange: &Exchange,
        parameters: &Parameters,
        client: &Credential,
        service: Option<Uuid>,
    ) -> Result<Result<Map<String, Value>, Refusal>, Answer> {
        let invalid = || Ok(Err(Refusal::new("invalid_request", "Invalid code")));
        let Some(code) = parameters.text("code") else { return invalid() };
        let found = asked(self.records.find(exchange.workspace, CODES, "code", code)).await?;
        let Some(code) = found.filter(|code| {
            (service.is_none() || reference(code, "service") == service)
                && reference(code, "credential") == Some(client.id)
                && reference(code, "plugin").is_none_or(|plugin| plugin == self.id)
        }) else {
            return invalid();
        };
        let challenge = code.text("challenge");
        if (challenge.is_some() || pkce::is_required(self.config.pkce, client))
            && let Err(refusal) = pkce::verify(parameters, challenge)
        {
            return Ok(Err(refusal));
        }
        // Of several who present a code at the same time one gets a token.
        if !asked(self.records.delete(exchange.workspace, CODES, code.id)).await? {
            return invalid();
        }
        let (user, scope) = (code.text("authenticated_userid"), code.text("scope"));
        self.token(exchange, client, service, user, scope, true).await.map(Ok)
    }

    async fn by_refresh_token(
        &self,
        exchange: &Exchange,
        parameters: &Parameters,
        client: &Credential,
        service: Option<Uuid>,
    ) -> Result<Result<Map<String, Value>, Refusal>, Answer> {
        let invalid = || Ok(Err(Refusal::new("invalid_request", "Invalid refresh_token")));
        let Some(given) = parameters.text("refresh_token") else { return invalid() };
        let found = asked(self.records.find(exchange.workspace, TOKENS, "refresh_token", given)).await?;
        let fits = |token: &Arc<Credential>| service.is_none() || reference(token, "service") == service;
        let Some(token) = found.filter(fits) else { return invalid() };
        if reference(&token, "credential") != Some(client.id) {
            return Ok(Err(Refusal::client()));
        }
        let (user, scope) = (token.text("authenticated_userid"), token.text("scope"));
        let granted: Vec<_> = scope.unwrap_or_default().split_ascii_whitespace().collect();
        let mut wanted = parameters.text("scope").unwrap_or_default().split_ascii_whitespace();
        if wanted.any(|wanted| !granted.contains(&wanted)) {
            return Ok(Err(Refusal::new("invalid_scope", "Scope mismatch")));
        }
        if self.config.reuse_refresh_token {
            return self.renewed(exchange, &token, given).await;
        }
        // Of several who present a refresh token at the same time one gets another.
        if !asked(self.records.delete(exchange.workspace, TOKENS, token.id)).await? {
            return invalid();
        }
        self.token(exchange, client, service, user, scope, true).await.map(Ok)
    }

    /// The same token record with another access token.
    async fn renewed(
        &self,
        exchange: &Exchange,
        token: &Credential,
        refresh_token: &str,
    ) -> Result<Result<Map<String, Value>, Refusal>, Answer> {
        let mut changes = Map::new();
        changes.insert("access_token".into(), entities::random_token().into());
        changes.insert("expires_in".into(), self.life().into());
        changes.insert("created_at".into(), now(exchange).into());
        let left = token.expires.map(|until| u64::try_from(until - now(exchange)).unwrap_or_default().max(1));
        match asked(self.records.update(exchange.workspace, TOKENS, token.id, changes, left)).await? {
            Some(token) => Ok(Ok(self.shown(&token, Some(refresh_token)))),
            None => Ok(Err(Refusal::new("invalid_request", "Invalid refresh_token"))),
        }
    }

    /// Stores a token, and tells it as an answer does.
    pub(super) async fn token(
        &self,
        exchange: &Exchange,
        client: &Credential,
        service: Option<Uuid>,
        user: Option<&str>,
        scope: Option<&str>,
        refreshable: bool,
    ) -> Result<Map<String, Value>, Answer> {
        let refresh_token = (refreshable && self.life() > 0).then(entities::random_token);
        let mut fields = Map::new();
        fields.extend(service.map(|service| ("service".to_owned(), referring(service))));
        fields.insert("credential".into(), referring(client.id));
        fields.insert("expires_in".into(), self.life().into());
        fields.extend(user.map(|user| ("authenticated_userid".to_owned(), user.into())));
        fields.extend(scope.map(|scope| ("scope".to_owned(), scope.into())));
        fields.extend(refresh_token.as_ref().map(|token| ("refresh_token".to_owned(), token.as_str().into())));
        let stored = asked(self.records.insert(exchange.workspace, TOKENS, fields, self.config.ttl())).await?;
        if stored.text("access_token").is_none() {
            return Err(auth::failure());
        }
        Ok(self.shown(&stored, refresh_token.as_deref()))
    }

    fn shown(&self, token: &Credential, refresh_token: Option<&str>) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.extend(refresh_token.map(|token| ("refresh_token".to_owned(), token.into())));
        shown.insert("token_type".into(), "bearer".into());
        shown.insert("access_token".into(), token.text("access_token").unwrap_or_default().into());
        if self.life() > 0 {
            shown.insert("expires_in".into(), self.life().into());
        }
        shown
    }

    /// Seconds for which an access token is good.
    fn life(&self) -> i64 {
        self.config.token_expiration.max(0.0) as i64
    }
}

/// Id and secret of a `Basic` header.
fn basic(value: &[u8]) -> Option<(String, String)> {
    let at = value.windows(5).position(|window| window == b"Basic" || window == b"basic")?;
    let decoded = String::from_utf8(auth::base64(value[at + 5..].trim_ascii())?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    (!id.is_empty()).then(|| (id.to_owned(), secret.to_owned()))
}

/// The answer. An application that was refused after it used a header is challenged.
fn told(outcome: Result<Map<String, Value>, Refusal>, parameters: &Parameters, in_header: bool) -> Answer {
    let challenged = in_header && outcome.as_ref().is_err_and(|refusal| refusal.error == "invalid_client");
    let (status, mut body) = match outcome {
        Ok(body) => (200, body),
        Err(refusal) => (if challenged { 401 } else { 400 }, refusal.members()),
    };
    body.extend(parameters.state().map(|state| ("state".to_owned(), state.clone())));
    let answer = unkept(status, body);
    if challenged { answer.header("WWW-Authenticate", "Basic realm=\"OAuth2.0\"") } else { answer }
}
