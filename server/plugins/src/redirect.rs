//! `redirect`: sends clients elsewhere.

use crate::auth;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use url::Url;

/// Options of `redirect`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Status of the answer.
    #[field(default = 301, between(100, 599))]
    pub status_code: u16,
    /// Where to: a URL.
    #[field(is = url)]
    pub location: String,
    /// Whether path and query of the request take the place of the URL's.
    #[field(default = false)]
    pub keep_incoming_path: Option<bool>,
}

/// `redirect`, configured.
pub struct Redirect {
    config: Config,
    /// With `keep_incoming_path`: the URL in its parts; none where it is none.
    base: Option<Url>,
}

impl Redirect {
    fn location(&self, exchange: &Exchange) -> Option<String> {
        if self.config.keep_incoming_path != Some(true) {
            return Some(self.config.location.clone());
        }
        let mut url = self.base.clone()?;
        url.set_path(&String::from_utf8_lossy(&exchange.request.path));
        let query = exchange.request.query.as_deref().filter(|query| !query.is_empty());
        url.set_query(query.map(String::from_utf8_lossy).as_deref());
        Some(url.into())
    }
}

impl Plugin for Redirect {
    const NAME: &'static str = "redirect";
    const PRIORITY: i32 = 779;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::GROUPS)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self { base: Url::parse(&config.location).ok(), config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match self.location(exchange) {
            Some(location) => Answer::bytes(self.config.status_code, "redirecting").header("Location", location).into(),
            None => auth::failure().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request};
    use serde_json::{Value, json};

    fn run(config: Value, target: &str) -> (Option<u16>, String) {
        let mut exchange = request("POST", target, &[], People::new(Manner::Knows));
        let status = access(&plugin::<Redirect>(config), &mut exchange);
        (status, exchange.response.headers.get_str("location").unwrap_or_default().to_owned())
    }

    #[test]
    fn locations_are_as_configured() {
        for (more, target, status, location) in [
            (json!({}), "/a?b=1", 301, "https://elsewhere.test:9443/landing?x=1"),
            (json!({ "status_code": 308 }), "/", 308, "https://elsewhere.test:9443/landing?x=1"),
            (json!({ "keep_incoming_path": true }), "/a/b?q=1&r=2", 301, "https://elsewhere.test:9443/a/b?q=1&r=2"),
            (json!({ "keep_incoming_path": true }), "/a", 301, "https://elsewhere.test:9443/a"),
            (json!({ "keep_incoming_path": true }), "/a?", 301, "https://elsewhere.test:9443/a"),
            (json!({ "keep_incoming_path": true }), "/a b?\"", 301, "https://elsewhere.test:9443/a%20b?%22"),
            (json!({ "keep_incoming_path": true, "location": "http://e.test:80/x" }), "/a", 301, "http://e.test/a"),
            (json!({ "keep_incoming_path": true, "location": "http://e test/x" }), "/a", 500, ""),
        ] {
            let mut config = json!({ "location": "https://elsewhere.test:9443/landing?x=1" });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(run(config.clone(), target), (Some(status), location.to_owned()), "{config} {target}");
        }
    }
}
