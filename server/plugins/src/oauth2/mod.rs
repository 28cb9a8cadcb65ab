//! `oauth2`: access tokens (RFC 6750), and the endpoints that give them (RFC 6749).

mod authorize;
mod config;
mod issue;
mod parameters;
mod pkce;
mod redirect;
mod secret;

pub use config::{Config, Pkce};

use crate::auth::{self, Anonymous, Identifier};
use entities::{PluginSchema, Scopes};
use exchange::form::{self, Form, Named};
use exchange::records::Pending;
use exchange::{
    About, Answer, Body, Credential, Exchange, Flow, Lookup, Phases, Plugin, Records, RecordsError, Services, Step,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

/// The entity that holds applications.
const APPLICATIONS: &str = "oauth2_credentials";

/// The entity that holds tokens.
const TOKENS: &str = "oauth2_tokens";

/// The entity that holds codes.
const CODES: &str = "oauth2_authorization_codes";

/// Tell the upstream what a token is good for, and who agreed to it.
const SCOPE: &str = "X-Authenticated-Scope";
const USER: &str = "X-Authenticated-Userid";

const INVALID: &str = "The access token is invalid or has expired";
const GLOBAL: &str = "The access token is global, but the current plugin is configured without 'global_credentials'";

/// `oauth2`, configured.
pub struct Oauth2 {
    config: Config,
    id: Uuid,
    header: String,
    records: Arc<dyn Records>,
    anonymous: Anonymous,
    challenge: String,
}

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Parameters,
}

impl Oauth2 {
    fn missing(&self) -> Answer {
        let body = json!({ "error": "invalid_request", "error_description": "The access token is missing" });
        Answer::json(401, body).header("WWW-Authenticate", self.challenge.as_str())
    }

    fn invalid(&self, description: &str) -> Answer {
        let challenge = format!("{} error=\"invalid_token\" error_description=\"{description}\"", self.challenge);
        Answer::json(401, json!({ "error": "invalid_token", "error_description": description }))
            .header("WWW-Authenticate", challenge)
    }

    /// A token in the header: `Bearer` or `token`, and one word.
    fn in_header(&self, exchange: &Exchange) -> Option<String> {
        let mut words = exchange.request.headers.get_str(&self.header)?.split_ascii_whitespace();
        let (scheme, token, None) = (words.next()?, words.next()?, words.next()) else { return None };
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")).then(|| token.to_owned())
    }

    /// Looks for a token, hides it where it should be, and goes on with it.
    async fn authenticate(&self, exchange: &mut Exchange) -> Flow {
        for name in [SCOPE, USER] {
            exchange.request.headers.remove(name);
        }
        let mut form = None;
        let (token, place) = match self.in_header(exchange) {
            Some(token) => (token, Place::Header),
            None => match in_parameters(exchange, &mut form).await {
                Ok(Some(token)) => (token, Place::Parameters),
                Ok(None) => return self.refuse(exchange, self.missing()).await,
                Err(answer) => return answer.into(),
            },
        };
        if self.config.hide_credentials {
            self.hide(exchange, place, form.as_ref());
        }
        match self.check(exchange, &token).await {
            Ok((token, application)) => {
                for (name, field) in [(SCOPE, "scope"), (USER, "authenticated_userid")] {
                    if let Some(value) = token.text(field) {
                        exchange.request.headers.append(name, value);
                    }
                }
                auth::flow(auth::accept(exchange, application, Identifier::Field("client_id"))).await
            }
            Err(Refused::Token(description)) => self.refuse(exchange, self.invalid(description)).await,
            Err(Refused::Unable(answer)) => answer.into(),
        }
    }

    async fn refuse(&self, exchange: &mut Exchange, answer: Answer) -> Flow {
        auth::flow(self.anonymous.refuse(exchange, answer)).await
    }

    fn hide(&self, exchange: &mut Exchange, place: Place, form: Option<&Form>) {
        if place == Place::Header {
            exchange.request.headers.remove(&self.header);
            return;
        }
        if let Some(query) = &exchange.forward.query
            && form::named(query, "access_token") != Named::Missing
        {
            let rest = form::without(query, "access_token");
            exchange.forward.query = (!rest.is_empty()).then(|| rest.into());
        }
        if let Some(rest) = form.and_then(|form| form.without("access_token")) {
            form::replace(exchange, rest);
        }
    }

    /// The record of a token that is good here and now, with its application.
    async fn check(&self, exchange: &Exchange, token: &str) -> Result<(Arc<Credential>, Arc<Credential>), Refused> {
        let ws = exchange.workspace;
        let token = known(exchange.directory.credential(ws, TOKENS, token)).await?.ok_or(Refused::Token(INVALID))?;
        match (reference(&token, "service"), exchange.service.as_ref().map(|service| service.id)) {
            (None, _) if !self.config.global_credentials => return Err(Refused::Token(GLOBAL)),
            (Some(bound), here) if here != Some(bound) => return Err(Refused::Token(INVALID)),
            _ => {}
        }
        let seconds = |name: &str| token.record.get(name).and_then(Value::as_i64).unwrap_or_default();
        let life = seconds("expires_in");
        if life > 0 && now(exchange) - seconds("created_at") > life {
            return Err(Refused::Token(INVALID));
        }
        let id = reference(&token, "credential").ok_or(Refused::Token(INVALID))?;
        let application = known(exchange.directory.credential_by_id(ws, APPLICATIONS, id)).await?;
        application.map(|application| (token, application)).ok_or(Refused::Token(INVALID))
    }

    /// The Service that tokens of this request are good for; `None` for all. Without `global_credentials` there must be
    /// one.
    fn service(&self, exchange: &Exchange) -> Result<Option<Uuid>, Answer> {
        if self.config.global_credentials {
            return Ok(None);
        }
        exchange.service.as_ref().map(|service| Some(service.id)).ok_or_else(auth::failure)
    }

    /// Whether the client came over TLS.
    fn is_secure(&self, exchange: &Exchange) -> bool {
        let request = &exchange.request;
        request.scheme == exchange::Scheme::Https
            || (self.config.accept_http_if_already_terminated && request.forwarded_scheme() == "https")
    }

    /// The application of an id.
    async fn application(&self, exchange: &Exchange, id: Option<&str>) -> Result<Option<Arc<Credential>>, Answer> {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(None) };
        let found = exchange.directory.credential(exchange.workspace, APPLICATIONS, id).get().await;
        found.map_err(|error| auth::unavailable(&error))
    }
}

/// Why a token is not good.
enum Refused {
    /// The client is told.
    Token(&'static str),
    /// It cannot be known.
    Unable(Answer),
}

/// What a look-up finds.
async fn known<T>(lookup: Lookup<T>) -> Result<Option<T>, Refused> {
    lookup.get().await.map_err(|error| Refused::Unable(auth::unavailable(&error)))
}

/// What the database says; where it cannot say anything nobody is let in.
async fn asked<T>(pending: Pending<T>) -> Result<T, Answer> {
    pending.await.map_err(|error: RecordsError| {
        tracing::error!(%error, "tokens and codes cannot be read or stored");
        auth::failure()
    })
}

/// A token in query or body. The body, where it was read, is left in `form`.
async fn in_parameters(exchange: &mut Exchange, form: &mut Option<Form>) -> Result<Option<String>, Answer> {
    let text = |named: Named<'_>| match named {
        Named::Text(text) => String::from_utf8(text.into_owned()).ok().filter(|text| !text.is_empty()),
        _ => None,
    };
    let query = exchange.forward.query.as_ref().or(exchange.request.query.as_ref());
    let in_query = query.and_then(|query| text(form::named(query, "access_token")));
    let has_body = matches!(exchange.request.method.as_slice(), b"POST" | b"PUT" | b"PATCH");
    if !has_body || matches!(exchange.request.body, Body::Empty) {
        return Ok(in_query);
    }
    *form = form::read(exchange).await?;
    Ok(form.as_ref().and_then(|form| text(form.named("access_token"))).or(in_query))
}

/// The record that a field refers to.
fn reference(record: &Credential, field: &str) -> Option<Uuid> {
    record.record.get(field)?.get("id")?.as_str().and_then(|id| Uuid::try_parse(id).ok())
}

/// The value of a field that refers to a record.
fn referring(id: Uuid) -> Value {
    json!({ "id": id.to_string() })
}

fn now(exchange: &Exchange) -> i64 {
    exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// Answers of the endpoints are kept by nobody (RFC 6749 §5.1).
fn unkept(status: u16, body: Map<String, Value>) -> Answer {
    Answer::json(status, body.into()).header("Cache-Control", "no-store").header("Pragma", "no-cache")
}

impl Plugin for Oauth2 {
    const NAME: &'static str = "oauth2";
    const PRIORITY: i32 = 1400;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        Ok(Self {
            id: about.id,
            header: config.auth_header_name.clone().unwrap_or_else(|| "authorization".to_owned()),
            records: services.records.clone(),
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            challenge: auth::challenge("Bearer", config.realm.as_deref()),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if exchange.request.method.as_slice() == b"POST" {
            let path = exchange.request.path.as_slice();
            let path = path.strip_suffix(b"/").unwrap_or(path);
            if path.ends_with(b"/oauth2/token") {
                return Step::Wait(Box::pin(async move { self.issue(exchange).await.into() }));
            }
            if path.ends_with(b"/oauth2/authorize") {
                return Step::Wait(Box::pin(async move { self.authorize(exchange).await.into() }));
            }
        }
        if self.anonymous.satisfied(exchange) {
            for name in [SCOPE, USER] {
                exchange.request.headers.remove(name);
            }
            return Step::NEXT;
        }
        Step::Wait(Box::pin(self.authenticate(exchange)))
    }
}

#[cfg(test)]
mod tests;
