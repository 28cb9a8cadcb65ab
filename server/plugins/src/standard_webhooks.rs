//! `standard-webhooks`: lets webhooks pass that are signed with a shared secret (standardwebhooks.com, `v1`).

use crate::{form, number};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use std::time::UNIX_EPOCH;

/// Options of `standard-webhooks`.
#[derive(Deserialize, Schema)]
pub struct Config {
    /// The shared secret.
    #[field(referenceable, encrypted)]
    pub secret_v1: String,
    /// How old a webhook may be, in seconds.
    #[field(default = 300, gt = -1)]
    pub tolerance_second: i64,
}

/// `standard-webhooks`, configured.
pub struct StandardWebhooks {
    key: hmac::Key,
    tolerance: f64,
}

/// What the headers of a webhook say.
struct Claim {
    id: Vec<u8>,
    /// In seconds of the Unix epoch; 0 where it is no number.
    timestamp: f64,
    /// Several may stand in one line.
    signatures: Vec<u8>,
}

impl Claim {
    fn of(exchange: &Exchange) -> Option<Self> {
        let header = |name| exchange.request.headers.get(name);
        let timestamp = std::str::from_utf8(header("webhook-timestamp")?).ok().and_then(number::parse);
        Some(Self {
            id: header("webhook-id")?.to_vec(),
            timestamp: timestamp.unwrap_or(0.0),
            signatures: header("webhook-signature")?.to_vec(),
        })
    }
}

impl StandardWebhooks {
    /// Whether one of the signatures is that of id, time and body; compared in constant time.
    fn signed(&self, claim: &Claim, body: &[u8]) -> bool {
        let timestamp = number::text(claim.timestamp);
        let text = [&claim.id, b".".as_slice(), timestamp.as_bytes(), b".", body].concat();
        claim.signatures.split(u8::is_ascii_whitespace).any(|signature| {
            let tag = signature.strip_prefix(b"v1,").and_then(|text| STANDARD.decode(text).ok());
            tag.is_some_and(|tag| hmac::verify(&self.key, &text, &tag).is_ok())
        })
    }
}

fn refuse(reason: &'static str) -> Answer {
    tracing::debug!(plugin = StandardWebhooks::NAME, reason);
    Answer::error(400, "")
}

impl Plugin for StandardWebhooks {
    const NAME: &'static str = "standard-webhooks";
    const PRIORITY: i32 = 760;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret_v1.as_bytes());
        Ok(Self { key, tolerance: config.tolerance_second as f64 })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let Some(claim) = Claim::of(exchange) else { return refuse("a header is missing").into() };
        let now = exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if now - claim.timestamp > self.tolerance {
            return refuse("the webhook is too old").into();
        }
        Step::Wait(Box::pin(async move {
            match exchange.request.body.read(form::BODY_LIMIT).await {
                Ok(body) if body.is_empty() => refuse("there is no body").into(),
                Ok(body) if self.signed(&claim, &body) => Flow::Next,
                Ok(_) => refuse("no signature fits").into(),
                Err(error) => form::broken(&error).into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request, with_body};
    use serde_json::json;

    fn sign(secret: &str, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, text.as_bytes())))
    }

    fn run(id: &str, timestamp: &str, signature: &str, body: &str) -> Option<u16> {
        let headers = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
        let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let plain = request("POST", "/", &headers, People::new(Manner::Knows));
        let mut exchange = with_body(plain, "application/json", body.to_owned());
        let config = json!({ "secret_v1": "hook-secret" });
        let status = access(&plugin::<StandardWebhooks>(config), &mut exchange);
        if status.is_some() {
            assert_eq!(message(&exchange), "Bad request");
        }
        status
    }

    #[test]
    fn only_what_is_signed_passes() {
        let now = "1700000000";
        let good = sign("hook-secret", "msg_01.1700000000.{}");
        let bad = sign("another", "msg_01.1700000000.{}");
        let late = sign("hook-secret", "msg_01.1699999699.{}");
        let just = sign("hook-secret", "msg_01.1699999700.{}");
        let untimed = sign("hook-secret", "msg_01.0.{}");
        for (id, timestamp, signature, body, passes) in [
            ("msg_01", now, good.as_str(), "{}", true),
            ("msg_01", now, &format!("v1,AAAA v2,xyz {good}"), "{}", true),
            ("msg_01", "1.7e9", &good, "{}", true),
            ("msg_01", "1699999700", &just, "{}", true),
            ("msg_01", "1699999699", &late, "{}", false),
            ("msg_01", "noon", &untimed, "{}", false),
            ("msg_02", now, &good, "{}", false),
            ("msg_01", now, &good, "{ }", false),
            ("msg_01", now, &good, "", false),
            ("msg_01", now, &bad, "{}", false),
            ("msg_01", now, good.trim_start_matches("v1,"), "{}", false),
            ("", now, &good, "{}", false),
            ("msg_01", "", &good, "{}", false),
            ("msg_01", now, "", "{}", false),
        ] {
            let outcome = run(id, timestamp, signature, body);
            assert_eq!(outcome.is_none(), passes, "{id} {timestamp} {signature} {body}");
            assert!(passes || outcome == Some(400));
        }
    }
}
