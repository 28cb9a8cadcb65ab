//! `jwt`: a signed JSON Web Token (RFC 7519) names a credential by one of its claims.

mod signature;
mod token;

use crate::auth::{self, Anonymous, Identifier};
use crate::{cookies, form};
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Credential, Exchange, Phases, Plugin, Services, Step};
use regex::bytes::Regex;
use schema::{Check, Schema, Set};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signature::Algorithm;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::UNIX_EPOCH;
use token::Token;

/// Options of `jwt`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Names of query parameters in which a token may stand.
    #[field(default(["jwt"]))]
    pub uri_param_names: Option<Set<String>>,
    /// Names of cookies in which a token may stand.
    #[field(default([]))]
    pub cookie_names: Option<Set<String>>,
    /// The claim, or member of the header, that names the credential.
    #[field(default = "iss")]
    pub key_claim_name: Option<String>,
    /// Whether the secrets of credentials are in base64.
    #[field(default = false)]
    pub secret_is_base64: bool,
    /// Claims on time that are checked.
    #[field(elements(one_of("exp", "nbf")))]
    pub claims_to_verify: Option<Set<String>>,
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// Whether `OPTIONS` requests need a token, too.
    #[field(default = true)]
    pub run_on_preflight: bool,
    /// How far in the future `exp` may lie, in seconds; 0 = any time.
    #[field(default = 0, between(0, 31_536_000))]
    pub maximum_expiration: Option<f64>,
    /// Names of headers in which a token may stand, after `Bearer`.
    #[field(default(["authorization"]))]
    pub header_names: Option<Set<String>>,
    /// The realm of the challenge.
    #[field(required = false)]
    pub realm: Option<String>,
}

/// The entity that holds keys.
const CREDENTIALS: &str = "jwt_secrets";

static BEARER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)[Bb]earer[ \t]+(.+)").expect("a pattern that is always the same"));

/// `jwt`, configured.
pub struct Jwt {
    config: Config,
    claim: Arc<str>,
    anonymous: Anonymous,
    /// Where there is no token.
    challenge: String,
    /// Where it is not good.
    invalid: String,
}

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
enum Presented {
    Nothing,
    Token(Vec<u8>),
    Several,
    /// A parameter without a value.
    Bare,
}

impl Jwt {
    fn presented(&self, exchange: &Exchange) -> Presented {
        let mut found: SmallVec<[Cow<'_, [u8]>; 2]> = SmallVec::new();
        let mut bare = false;
        let mut add = |token: Cow<'_, [u8]>| {
            if !token.is_empty() && !found.contains(&token) {
                found.push(Cow::Owned(token.into_owned()));
            }
        };
        if let Some(query) = exchange.forward.query.as_ref().or(exchange.request.query.as_ref())
            && let Some(wanted) = &self.config.uri_param_names
        {
            for (name, value) in form::pairs(query) {
                if wanted.iter().any(|wanted| wanted.as_bytes() == &*name) {
                    match value {
                        Some(value) => add(value),
                        None => bare = true,
                    }
                }
            }
        }
        for name in self.config.cookie_names.iter().flat_map(|names| names.iter()) {
            if let Some(value) = cookies::cookie(&exchange.request.headers, name) {
                add(value.into());
            }
        }
        for name in self.config.header_names.iter().flat_map(|names| names.iter()) {
            if let Some(value) = exchange.request.headers.get(name)
                && let Some(token) = BEARER.captures(value).and_then(|captures| captures.get(1))
            {
                add(token.as_bytes().into());
            }
        }
        match (found.len(), bare) {
            (0, false) => Presented::Nothing,
            (0, true) => Presented::Bare,
            (1, false) => Presented::Token(found.swap_remove(0).into_owned()),
            _ => Presented::Several,
        }
    }

    fn invalid(&self, message: &str) -> Answer {
        refusal(&json!({ "message": message }), &self.invalid)
    }

    /// Whether token and credential belong together, and now; else the answer.
    fn verify(&self, token: &Token, text: &[u8], credential: &Credential, now: u64) -> Result<(), Answer> {
        let named = credential.text("algorithm").unwrap_or("HS256");
        if Algorithm::of(named) != Some(token.algorithm) {
            return Err(self.invalid("Invalid algorithm"));
        }
        let key = if !token.algorithm.is_symmetric() {
            credential.text("rsa_public_key").map(|key| Cow::Borrowed(key.as_bytes()))
        } else if self.config.secret_is_base64 {
            credential.text("secret").and_then(|secret| auth::base64(secret.as_bytes())).map(Cow::Owned)
        } else {
            credential.text("secret").map(|secret| Cow::Borrowed(secret.as_bytes()))
        };
        let Some(key) = key else { return Err(self.invalid("Invalid key/secret")) };
        if !token.algorithm.verify(&key, &text[..token.signed], &token.signature) {
            return Err(self.invalid("Invalid signature"));
        }
        self.timely(&token.claims, now as f64).map_err(|errors| refusal(&errors.into(), &self.invalid))
    }

    /// The claims on time.
    fn timely(&self, claims: &Map<String, Value>, now: f64) -> Result<(), Map<String, Value>> {
        let mut errors = Map::new();
        for name in self.config.claims_to_verify.iter().flat_map(|names| names.iter()) {
            let error = match (name.as_str(), claims.get(name).and_then(Value::as_f64)) {
                (_, None) => "must be a number",
                ("exp", Some(end)) if end <= now => "token expired",
                ("nbf", Some(begin)) if begin > now => "token not valid yet",
                _ => continue,
            };
            errors.insert(name.clone(), error.into());
        }
        let most = self.config.maximum_expiration.unwrap_or_default();
        if errors.is_empty()
            && most > 0.0
            && claims.get("exp").and_then(Value::as_f64).is_none_or(|end| end - now > most)
        {
            errors.insert("exp".into(), "exceeds maximum allowed expiration".into());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn refuse<'a>(&self, exchange: &'a mut Exchange, answer: Answer) -> Step<'a> {
        self.anonymous.refuse(exchange, answer)
    }
}

fn refusal(body: &Value, challenge: &str) -> Answer {
    Answer::json(401, body.clone()).header("WWW-Authenticate", challenge)
}

/// `maximum_expiration` needs a checked `exp`.
fn checks() -> Check {
    Check::conditional(
        "config.maximum_expiration",
        |most| most.gt(0),
        "config.claims_to_verify",
        |claims| claims.contains("exp"),
    )
}

impl Plugin for Jwt {
    const NAME: &'static str = "jwt";
    const PRIORITY: i32 = 1450;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER).check(checks())
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let challenge = auth::challenge("Bearer", config.realm.as_deref());
        Ok(Self {
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            claim: config.key_claim_name.as_deref().unwrap_or("iss").into(),
            invalid: format!("{challenge} error=\"invalid_token\""),
            challenge,
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let preflight = exchange.request.method.as_slice() == b"OPTIONS";
        if (preflight && !self.config.run_on_preflight) || self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let text = match self.presented(exchange) {
            Presented::Token(text) => text,
            Presented::Nothing => {
                let answer = refusal(&json!({ "message": "Unauthorized" }), &self.challenge);
                return self.refuse(exchange, answer);
            }
            Presented::Several => return self.refuse(exchange, self.invalid("Multiple tokens provided")),
            Presented::Bare => return self.refuse(exchange, self.invalid("Unrecognizable token")),
        };
        let token = match Token::parse(&text) {
            Ok(token) => token,
            Err(error) => return self.refuse(exchange, self.invalid(&format!("Bad token; {error}"))),
        };
        let claim = &*self.claim;
        let key = match token.member(claim) {
            Some(Value::String(key)) if !key.is_empty() => key,
            Some(_) => return self.refuse(exchange, self.invalid(&format!("Invalid '{claim}' in claims"))),
            None => return self.refuse(exchange, self.invalid(&format!("No mandatory '{claim}' in claims"))),
        };
        let lookup = exchange.directory.credential(exchange.workspace, CREDENTIALS, key);
        auth::settled(exchange, lookup, move |exchange, found| {
            let credential = match found {
                Ok(Some(credential)) => credential,
                Ok(None) => {
                    let answer = self.invalid(&format!("No credentials found for given '{claim}'"));
                    return self.refuse(exchange, answer);
                }
                Err(error) => return auth::unavailable(&error).into(),
            };
            let now = exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            match self.verify(&token, &text, &credential, now) {
                Ok(()) => auth::accept(exchange, credential, Identifier::Field("key")),
                Err(answer) => self.refuse(exchange, answer),
            }
        })
    }
}

#[cfg(test)]
mod tests;
