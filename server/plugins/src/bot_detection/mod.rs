//! `bot-detection`: refuses robots by their User-Agent.

mod known;

use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Pattern, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;

/// Options of `bot-detection`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Regular expressions; a User-Agent in which one of them matches passes.
    #[field(default([]), elements(is_regex))]
    pub allow: Option<Vec<String>>,
    /// Regular expressions; a User-Agent in which one of them matches is refused, besides the known robots.
    #[field(default([]), elements(is_regex))]
    pub deny: Option<Vec<String>>,
}

/// `bot-detection`, configured.
pub struct BotDetection {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl BotDetection {
    fn passes(&self, agent: &[u8]) -> bool {
        let one = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_match(agent));
        one(&self.allow) || !(one(&self.deny) || known::is_known(agent))
    }
}

impl Plugin for BotDetection {
    const NAME: &'static str = "bot-detection";
    const PRIORITY: i32 = 2500;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let patterns = |texts: Option<Vec<String>>| -> Result<Vec<_>, _> {
            texts.unwrap_or_default().iter().map(|text| Pattern::pcre(text)).collect()
        };
        Ok(Self { allow: patterns(config.allow)?, deny: patterns(config.deny)? })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let mut agents = exchange.request.headers.get_all("user-agent");
        match (agents.next(), agents.next()) {
            (None, _) => Step::NEXT,
            (Some(_), Some(_)) => Answer::error(400, "Only one User-Agent header allowed").into(),
            (Some(agent), None) if self.passes(agent) => Step::NEXT,
            (Some(_), None) => Answer::error(403, "Forbidden").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request};
    use serde_json::{Value, json};

    fn run(config: Value, agents: &[&str]) -> String {
        let lines: Vec<_> = agents.iter().map(|agent| ("User-Agent", *agent)).collect();
        let mut exchange = request("GET", "/", &lines, People::new(Manner::Knows));
        match access(&plugin::<BotDetection>(config), &mut exchange) {
            Some(status) => format!("{status} {}", message(&exchange)),
            None => "passes".to_owned(),
        }
    }

    #[test]
    fn agents_decide() {
        for (config, agents, outcome) in [
            (json!({}), &["Twitterbot/1.0"][..], "403 Forbidden"),
            (json!({}), &[], "passes"),
            (json!({}), &["one", "two"], "400 Only one User-Agent header allowed"),
            (json!({ "allow": ["Twitterbot"] }), &["Twitterbot/1.0"], "passes"),
            (json!({ "allow": ["helper"], "deny": ["helper"] }), &["helper/1"], "passes"),
            (json!({ "deny": ["Foo"] }), &["a Foo/1"], "403 Forbidden"),
            (json!({ "deny": ["Foo"] }), &["foo"], "passes"),
            (json!({ "deny": ["^Foo(?!bar)"] }), &["Foobar"], "passes"),
            (json!({ "deny": ["^Foo(?!bar)"] }), &["Foobaz"], "403 Forbidden"),
            (json!({ "allow": null, "deny": null }), &["curl/8.5.0"], "passes"),
        ] {
            assert_eq!(run(config.clone(), agents), outcome, "{config} {agents:?}");
        }
    }
}
