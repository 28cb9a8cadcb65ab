//! `hmac-auth`: a signature over headers of the request, by a secret that both sides hold.

mod signature;

use crate::auth::{self, Anonymous, Identifier};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Credential, Exchange, Flow, Phases, Plugin, Services, Step, form};
use schema::Schema;
use serde::Deserialize;
use signature::Presented;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `hmac-auth`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Whether the header with the signature is taken out of the request before it goes to the upstream.
    #[field(default = false)]
    pub hide_credentials: bool,
    /// How far the client's clock may be off, in seconds.
    #[field(default = 300, gt = 0)]
    pub clock_skew: Option<f64>,
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// Whether the body must have the digest that the `Digest` header tells.
    #[field(default = false)]
    pub validate_request_body: bool,
    /// Headers that a signature must cover.
    #[field(default([]))]
    pub enforce_headers: Option<Vec<String>>,
    /// Algorithms that are accepted.
    #[field(
        default(["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"]),
        elements(one_of("hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"))
    )]
    pub algorithms: Option<Vec<String>>,
    /// The realm of the challenge.
    #[field(required = false)]
    pub realm: Option<String>,
}

/// The entity that holds usernames and secrets.
const CREDENTIALS: &str = "hmacauth_credentials";

const NO_DATE: &str =
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication";
const UNVERIFIABLE: &str = "HMAC signature cannot be verified";
const DIFFERENT: &str = "HMAC signature does not match";

/// `hmac-auth`, configured.
pub struct HmacAuth {
    config: Config,
    anonymous: Anonymous,
    challenge: String,
    /// Seconds.
    skew: f64,
}

impl HmacAuth {
    /// Whether a header tells a time (RFC 9110 §5.6.7) that is not too far from now.
    fn timely(&self, exchange: &Exchange, header: &str) -> bool {
        let told = exchange.request.headers.get_str(header).and_then(|text| httpdate::parse_http_date(text).ok());
        told.is_some_and(|told| (second(told) - second(exchange.timeline.wall())).abs() <= self.skew)
    }

    /// What the headers say; the one that was used is hidden where it should be.
    fn presented(&self, exchange: &mut Exchange) -> Option<Presented> {
        let headers = &mut exchange.request.headers;
        let mut used = "proxy-authorization";
        let mut presented = headers.get(used).and_then(Presented::parse);
        if presented.is_none() {
            used = "authorization";
            presented = headers.get(used).and_then(Presented::parse);
        }
        if self.config.hide_credentials {
            headers.remove(used);
        }
        presented.filter(|presented| self.acceptable(presented))
    }

    /// Whether the algorithm is one of the accepted, and everything is signed that must be.
    fn acceptable(&self, presented: &Presented) -> bool {
        let enforced = self.config.enforce_headers.as_deref().unwrap_or_default();
        let algorithms = self.config.algorithms.as_deref().unwrap_or_default();
        algorithms.contains(&presented.algorithm) && enforced.iter().all(|name| presented.headers.contains(name))
    }

    fn verify<'a>(
        &'a self,
        exchange: &'a mut Exchange,
        credential: Arc<Credential>,
        presented: &Presented,
    ) -> Step<'a> {
        let good = credential.text("secret").is_some_and(|secret| presented.verify(exchange, secret.as_bytes()));
        if !good {
            return self.refuse(exchange, DIFFERENT);
        }
        if !self.config.validate_request_body {
            return auth::accept(exchange, credential, Identifier::Field("username"));
        }
        if let Body::Stream(_) = exchange.request.body {
            return Step::Wait(Box::pin(async move {
                match exchange.request.body.read(form::BODY_LIMIT).await {
                    Ok(_) => auth::flow(self.by_body(exchange, credential)).await,
                    Err(error) => Flow::from(form::broken(&error)),
                }
            }));
        }
        self.by_body(exchange, credential)
    }

    /// With the body in memory: its digest (RFC 3230) decides. No body needs no digest.
    fn by_body<'a>(&'a self, exchange: &'a mut Exchange, credential: Arc<Credential>) -> Step<'a> {
        let body: &[u8] = match &exchange.request.body {
            Body::Buffered(body) => body,
            Body::Empty | Body::Stream(_) => b"",
        };
        let told = exchange.request.headers.get("digest");
        let made = || format!("SHA-256={}", STANDARD.encode(digest(&SHA256, body)));
        if told.map_or(body.is_empty(), |told| auth::same(told, made().as_bytes())) {
            auth::accept(exchange, credential, Identifier::Field("username"))
        } else {
            self.refuse(exchange, DIFFERENT)
        }
    }

    fn refuse<'a>(&self, exchange: &'a mut Exchange, message: &'static str) -> Step<'a> {
        self.anonymous.refuse(exchange, self.answer(message))
    }

    fn answer(&self, message: &'static str) -> Answer {
        auth::unauthorized(message, &self.challenge)
    }
}

/// Whole seconds since 1970: clients tell no fractions.
fn second(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs() as f64)
}

impl Plugin for HmacAuth {
    const NAME: &'static str = "hmac-auth";
    const PRIORITY: i32 = 1030;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            challenge: auth::challenge("hmac", config.realm.as_deref()),
            skew: config.clock_skew.unwrap_or(300.0),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let headers = &exchange.request.headers;
        if !headers.contains("authorization") && !headers.contains("proxy-authorization") {
            return self.refuse(exchange, "Unauthorized");
        }
        if !self.timely(exchange, "x-date") && !self.timely(exchange, "date") {
            return self.refuse(exchange, NO_DATE);
        }
        let Some(presented) = self.presented(exchange) else { return self.refuse(exchange, UNVERIFIABLE) };
        let lookup = exchange.directory.credential(exchange.workspace, CREDENTIALS, &presented.username);
        auth::settled(exchange, lookup, move |exchange, found| match found {
            Ok(Some(credential)) => self.verify(exchange, credential, &presented),
            Ok(None) => self.refuse(exchange, UNVERIFIABLE),
            Err(error) => auth::unavailable(&error).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANNERS, Manner, People, access, message, plugin, request, sent, with_body};
    use aws_lc_rs::hmac;
    use serde_json::{Value, json};

    /// The second at which requests come, and one an hour before it.
    const NOW: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const EARLIER: &str = "Tue, 14 Nov 2023 21:13:20 GMT";

    fn people(manner: Manner) -> People {
        People::new(manner).credential(CREDENTIALS, 11, 1, json!({ "username": "m-h", "secret": "orchard" }))
    }

    fn header(headers: &str, signed: &str, secret: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
        let signature = STANDARD.encode(tag);
        format!("hmac username=\"m-h\", algorithm=\"hmac-sha256\", headers=\"{headers}\", signature=\"{signature}\"")
    }

    const MAYA: &str = "X-Consumer-ID=00000000-0000-0000-0000-000000000001 X-Consumer-Custom-ID=m-1 \
                        X-Consumer-Username=maya X-Credential-Identifier=m-h";

    #[test]
    fn signatures_decide() {
        let good = header("date", &format!("date: {NOW}"), "orchard");
        let late = header("date", &format!("date: {EARLIER}"), "orchard");
        let bad = header("date", &format!("date: {NOW}"), "meadow");
        let by_x = header("x-date", &format!("x-date: {NOW}"), "orchard");
        let stranger = good.replace("m-h", "nobody");
        type Case<'a> = (Value, Vec<(&'a str, &'a str)>, Result<(), &'a str>);
        let cases: Vec<Case<'_>> = vec![
            (json!({}), vec![("Date", NOW), ("Authorization", &good)], Ok(())),
            (json!({}), vec![("Date", NOW), ("Proxy-Authorization", &good)], Ok(())),
            (json!({}), vec![("Date", NOW), ("Proxy-Authorization", "x"), ("Authorization", &good)], Ok(())),
            (json!({}), vec![("Date", NOW), ("Proxy-Authorization", &bad), ("Authorization", &good)], Err(DIFFERENT)),
            (json!({}), vec![("X-Date", NOW), ("Authorization", &by_x)], Ok(())),
            (json!({}), vec![("X-Date", "soon"), ("Date", NOW), ("Authorization", &good)], Ok(())),
            (json!({}), vec![], Err("Unauthorized")),
            (json!({}), vec![("Authorization", &good)], Err(NO_DATE)),
            (json!({}), vec![("Date", "yesterday"), ("Authorization", &good)], Err(NO_DATE)),
            (json!({}), vec![("Date", EARLIER), ("Authorization", &late)], Err(NO_DATE)),
            (json!({ "clock_skew": 3600 }), vec![("Date", EARLIER), ("Authorization", &late)], Ok(())),
            (json!({}), vec![("Date", NOW), ("Authorization", "Basic x")], Err(UNVERIFIABLE)),
            (json!({}), vec![("Date", NOW), ("Authorization", &stranger)], Err(UNVERIFIABLE)),
            (json!({}), vec![("Date", NOW), ("Authorization", &bad)], Err(DIFFERENT)),
            (json!({ "algorithms": ["hmac-sha1"] }), vec![("Date", NOW), ("Authorization", &good)], Err(UNVERIFIABLE)),
            (
                json!({ "enforce_headers": ["date", "host"] }),
                vec![("Date", NOW), ("Authorization", &good)],
                Err(UNVERIFIABLE),
            ),
            (json!({ "enforce_headers": ["date"] }), vec![("Date", NOW), ("Authorization", &good)], Ok(())),
        ];
        for manner in MANNERS {
            for (config, headers, expected) in &cases {
                let mut exchange = request("GET", "/", headers, people(manner));
                let status = access(&plugin::<HmacAuth>(config.clone()), &mut exchange);
                let case = format!("{manner:?} {config} {headers:?}");
                match expected {
                    Ok(()) => assert_eq!((status, sent(&exchange, &[]).as_str()), (None, MAYA), "{case}"),
                    Err(text) => {
                        assert_eq!((status, message(&exchange).as_str()), (Some(401), *text), "{case}");
                        assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("hmac"), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn bodies_must_have_their_digest() {
        let good = header("date", &format!("date: {NOW}"), "orchard");
        let digest = format!("SHA-256={}", STANDARD.encode(digest(&SHA256, b"crates")));
        for manner in MANNERS {
            for (body, told, status) in [
                ("crates", Some(digest.as_str()), None),
                ("crate", Some(digest.as_str()), Some(401)),
                ("crates", None, Some(401)),
                ("", None, None),
                ("", Some(digest.as_str()), Some(401)),
            ] {
                let mut headers = vec![("Date", NOW), ("Authorization", good.as_str())];
                headers.extend(told.map(|told| ("Digest", told)));
                let mut exchange = with_body(request("POST", "/", &headers, people(manner)), "text/plain", body);
                let config = json!({ "validate_request_body": true });
                assert_eq!(access(&plugin::<HmacAuth>(config), &mut exchange), status, "{body} {told:?}");
            }
        }
    }

    #[test]
    fn the_used_header_is_hidden_and_anonymous_stands_in() {
        let good = header("date", &format!("date: {NOW}"), "orchard");
        let config = json!({ "hide_credentials": true, "anonymous": "guest", "realm": "orchard" });
        let headers = [("Date", NOW), ("Authorization", good.as_str()), ("Proxy-Authorization", "keep")];
        let mut exchange = request("GET", "/", &headers, people(Manner::Waits));
        assert_eq!(access(&plugin::<HmacAuth>(config.clone()), &mut exchange), None);
        assert_eq!(
            sent(&exchange, &["authorization", "proxy-authorization"]),
            format!("Proxy-Authorization=keep {MAYA}")
        );
        let mut exchange = request("GET", "/", &[], people(Manner::Waits));
        assert_eq!(access(&plugin::<HmacAuth>(config), &mut exchange), None);
        assert!(sent(&exchange, &[]).ends_with("X-Consumer-Username=guest X-Anonymous-Consumer=true"));
        let mut exchange = request("GET", "/", &[], people(Manner::Fails));
        assert_eq!(access(&plugin::<HmacAuth>(json!({ "realm": "orchard" })), &mut exchange), Some(401));
        assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("hmac realm=\"orchard\""));
    }
}
