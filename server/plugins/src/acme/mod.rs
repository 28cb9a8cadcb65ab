//! `acme`: answers what certificate authorities ask (ACME HTTP-01, RFC 8555 §8.3). Ordering and renewing certificates
//! is the node's work; this is what requests see of it.

mod config;
mod domains;

pub use config::{AccountKey, CertType, Config, ExtraOptions, RedisStorage, Storage, StorageConfig};
pub use domains::Domains;

use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Challenges, Exchange, Flow, Phases, Plugin, Scheme, Services, Step};
use std::sync::Arc;

/// Where authorities ask.
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge/";

/// A token that is never given out: who asks for it wants to know whether requests come this far.
const SANITY: &str = "x";

/// `acme`, configured.
pub struct Acme {
    domains: Domains,
    challenges: Arc<dyn Challenges>,
}

impl Plugin for Acme {
    const NAME: &'static str = "acme";
    const PRIORITY: i32 = 1705;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::GLOBAL)
            .checks(config::checks())
            .check_by_storage(config::storages)
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        Ok(Self { domains: Domains::of(&config), challenges: services.challenges.clone() })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let request = &exchange.request;
        let token = request.path.strip_prefix(CHALLENGES).filter(|token| !token.is_empty());
        let (Some(token), Scheme::Http) = (token, request.scheme) else { return Step::NEXT };
        let host = String::from_utf8_lossy(&request.host).to_ascii_lowercase();
        if !self.domains.contains(&host) {
            return Step::NEXT;
        }
        let token = match std::str::from_utf8(token) {
            Ok(SANITY) => return Answer::bytes(404, "Not found\n").into(),
            Ok(token) => token,
            Err(_) => return Answer::page(404).into(),
        };
        let answer = self.challenges.answer(token);
        Step::Wait(Box::pin(async move {
            Flow::from(match answer.await {
                Ok(Some(text)) => Answer::bytes(200, text + "\n").header("Content-Type", "text/plain; charset=UTF-8"),
                Ok(None) => Answer::page(404),
                Err(error) => {
                    tracing::error!(plugin = "acme", "a challenge cannot be answered: {error}");
                    Answer::page(500)
                }
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin_with, request, services};
    use exchange::challenges::{ChallengeError, Pending};
    use serde_json::json;

    struct Known;

    impl Challenges for Known {
        fn answer(&self, token: &str) -> Pending {
            Box::pin(std::future::ready(match token {
                "known" => Ok(Some("known.thumbprint".to_owned())),
                "broken" => Err(ChallengeError::new("the storage is gone")),
                _ => Ok(None),
            }))
        }
    }

    #[test]
    fn challenges_of_its_domains_are_answered() {
        let services = Services { challenges: Arc::new(Known), ..services() };
        let config = json!({ "account_email": "ops@grove.test", "domains": ["grove.test"] });
        let plugin = plugin_with::<Acme>(config, &About::default(), &services);
        for (scheme, host, target, expected) in [
            (Scheme::Http, "grove.test", "/.well-known/acme-challenge/x", Some((404, "Not found\n"))),
            (Scheme::Http, "Grove.TEST", "/.well-known/acme-challenge/known", Some((200, "known.thumbprint\n"))),
            (Scheme::Http, "grove.test", "/.well-known/acme-challenge/other", Some((404, ""))),
            (Scheme::Http, "grove.test", "/.well-known/acme-challenge/broken", Some((500, ""))),
            (Scheme::Http, "grove.test", "/.well-known/acme-challenge/", None),
            (Scheme::Http, "grove.test", "/a/.well-known/acme-challenge/x", None),
            (Scheme::Http, "other.test", "/.well-known/acme-challenge/x", None),
            (Scheme::Https, "grove.test", "/.well-known/acme-challenge/x", None),
        ] {
            let mut exchange = request("GET", target, &[], People::new(Manner::Knows));
            exchange.request.scheme = scheme;
            exchange.request.host = host.as_bytes().into();
            let status = access(&plugin, &mut exchange);
            assert_eq!(status, expected.map(|(status, _)| status), "{scheme:?} {host} {target}");
            if let Some((_, body)) = expected.filter(|(_, body)| !body.is_empty()) {
                assert_eq!(exchange.response.body, body.as_bytes(), "{target}");
            }
        }
    }
}
