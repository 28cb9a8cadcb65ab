//! `ai-prompt-guard`: lets prompts through, or keeps them out, by regular expressions.

use super::adapters::Format;
use super::request::{document, refused};
use entities::PluginSchema;
use exchange::{About, Answer, Exchange, Flow, Pattern, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Options of `ai-prompt-guard`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Regular expressions one of which must match; without any, everything may pass that is not denied.
    #[field(required = false, len_max = 10, elements(len_min = 1, len_max = 500))]
    pub allow_patterns: Option<Vec<String>>,
    /// Regular expressions none of which may match.
    #[field(required = false, len_max = 10, elements(len_min = 1, len_max = 500))]
    pub deny_patterns: Option<Vec<String>>,
    /// Whether the last message alone is looked at.
    #[field(default = false)]
    pub allow_all_conversation_history: bool,
    /// Largest body, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    pub max_request_body_size: Option<u64>,
    /// Whether messages of all roles are looked at, not those of users alone.
    #[field(default = false)]
    pub match_all_roles: bool,
    /// The format of requests.
    #[field(required = false, default = "openai", one_of("openai", "bedrock", "gemini"))]
    pub llm_format: Option<String>,
}

/// `ai-prompt-guard`, configured.
pub struct AiPromptGuard {
    allow: Vec<Result<Pattern, String>>,
    deny: Vec<Result<Pattern, String>>,
    last_alone: bool,
    all_roles: bool,
    largest: u64,
    format: Format,
}

/// Why a prompt does not pass.
#[derive(Debug, PartialEq)]
enum Why {
    /// What the log says; clients are not told that somebody looks.
    Refused(&'static str),
    /// A regular expression that is none.
    Broken(String),
}

const NO_PROMPT: Why = Why::Refused("only chats and completions have prompts");

impl AiPromptGuard {
    /// The text that is looked at: what was said last comes first.
    fn said(&self, request: &Map<String, Value>) -> Result<String, Why> {
        let messages = match (request.get("messages"), request.get("prompt")) {
            (Some(Value::Array(messages)), _) => messages,
            // As an empty list.
            (Some(Value::Object(_)), _) => return Ok(String::new()),
            (_, Some(Value::String(prompt))) => return Ok(prompt.clone()),
            _ => return Err(NO_PROMPT),
        };
        let mut said = String::new();
        for message in messages.iter().rev() {
            let role = message.get("role").and_then(Value::as_str).ok_or(NO_PROMPT)?;
            if role != "user" && !self.all_roles {
                continue;
            }
            said.push_str(message.get("content").and_then(Value::as_str).ok_or(NO_PROMPT)?);
            if self.last_alone {
                break;
            }
            said.push(' ');
        }
        Ok(said)
    }

    fn check(&self, request: Option<Map<String, Value>>) -> Result<(), Why> {
        let said = self.said(&request.ok_or(NO_PROMPT)?)?;
        let one = |patterns: &[Result<Pattern, String>]| {
            for pattern in patterns {
                if pattern.as_ref().map_err(|error| Why::Broken(error.clone()))?.is_match(said.as_bytes()) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if one(&self.deny)? {
            return Err(Why::Refused("a pattern denies the prompt"));
        }
        if !self.allow.is_empty() && !one(&self.allow)? {
            return Err(Why::Refused("no pattern allows the prompt"));
        }
        Ok(())
    }

    fn answer(why: &Why) -> Answer {
        match why {
            Why::Refused(why) => {
                tracing::debug!(plugin = Self::NAME, "refused: {why}");
                refused("bad request")
            }
            Why::Broken(error) => {
                tracing::error!(plugin = Self::NAME, "bad regular expression: {error}");
                Answer::bytes(500, "")
            }
        }
    }
}

impl Plugin for AiPromptGuard {
    const NAME: &'static str = "ai-prompt-guard";
    const PRIORITY: i32 = 771;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .check(Check::at_least_one_of(["config.allow_patterns", "config.deny_patterns"]))
            .check(Check::conditional(
                "config.match_all_roles",
                |all| all.eq(true),
                "config.allow_all_conversation_history",
                |history| history.eq(false),
            ))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let patterns = |texts: Option<Vec<String>>| -> Vec<Result<Pattern, String>> {
            texts.unwrap_or_default().iter().map(|text| Pattern::pcre(text)).collect()
        };
        Ok(Self {
            allow: patterns(config.allow_patterns),
            deny: patterns(config.deny_patterns),
            last_alone: config.allow_all_conversation_history,
            all_roles: config.match_all_roles,
            largest: config.max_request_body_size.unwrap_or_default(),
            format: Format::named(config.llm_format.as_deref()),
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move {
            match document(exchange, self.largest, self.format).await {
                Ok(request) => self.check(request).map_or_else(|why| Self::answer(&why).into(), |()| Flow::Next),
                Err(answer) => answer.into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};
    use serde_json::json;

    fn run(config: &Value, body: &str) -> Option<u16> {
        let plain = request("POST", "/", &[], People::new(Manner::Knows));
        let mut exchange = with_body(plain, "application/json", body.to_owned());
        access(&plugin::<AiPromptGuard>(config.clone()), &mut exchange)
    }

    #[test]
    fn patterns_decide() {
        let chat = |said: &[(&str, &str)]| {
            let messages: Vec<_> =
                said.iter().map(|(role, content)| json!({ "role": role, "content": content })).collect();
            json!({ "messages": messages }).to_string()
        };
        let (allow, deny) = (json!({ "allow_patterns": ["fig", "plum"] }), json!({ "deny_patterns": ["durian"] }));
        let all = json!({ "deny_patterns": ["durian"], "match_all_roles": true });
        let last = json!({ "deny_patterns": ["durian"], "allow_all_conversation_history": true });
        let whole = json!({ "allow_patterns": ["^plum fig $"] });
        let both = json!({ "allow_patterns": ["fruit"], "deny_patterns": ["rotten"] });
        for (config, body, status) in [
            (&allow, chat(&[("user", "a fig")]), None),
            (&allow, chat(&[("user", "a durian")]), Some(400)),
            (&deny, chat(&[("user", "a durian")]), Some(400)),
            (&deny, chat(&[("user", "a DURIAN")]), None),
            (&deny, chat(&[("system", "durian"), ("user", "a fig")]), None),
            (&all, chat(&[("system", "durian"), ("user", "a fig")]), Some(400)),
            (&deny, chat(&[("user", "durian"), ("user", "a fig")]), Some(400)),
            (&last, chat(&[("user", "durian"), ("user", "a fig")]), None),
            (&last, chat(&[("user", "a fig"), ("user", "durian"), ("assistant", "no")]), Some(400)),
            (&whole, chat(&[("user", "fig"), ("assistant", "?"), ("user", "plum")]), None),
            (&both, chat(&[("user", "rotten fruit")]), Some(400)),
            (&both, chat(&[("user", "fresh fruit")]), None),
            (&deny, json!({ "prompt": "durian" }).to_string(), Some(400)),
            (&deny, json!({ "prompt": "fig" }).to_string(), None),
            (&deny, json!({ "messages": [] }).to_string(), None),
            (&allow, json!({ "messages": [] }).to_string(), Some(400)),
            (&deny, json!({ "messages": {} }).to_string(), None),
            (&deny, json!({ "messages": ["durian"] }).to_string(), Some(400)),
            (&deny, json!({ "messages": [{ "content": "fig" }] }).to_string(), Some(400)),
            (&deny, json!({ "messages": [{ "role": "user", "content": [] }] }).to_string(), Some(400)),
            (&deny, json!({ "messages": [{ "role": "system" }] }).to_string(), None),
            (&deny, json!({ "other": 1 }).to_string(), Some(400)),
            (&deny, "{broken".to_owned(), Some(400)),
            (&deny, String::new(), Some(400)),
        ] {
            assert_eq!(run(config, &body), status, "{config} {body}");
        }
    }

    #[test]
    fn a_regular_expression_that_is_none_is_an_error_of_ours() {
        let body = json!({ "prompt": "x" }).to_string();
        assert_eq!(run(&json!({ "deny_patterns": ["("] }), &body), Some(500));
        assert_eq!(run(&json!({ "deny_patterns": ["x", "("] }), &body), Some(400), "the first that matches decides");
        assert_eq!(run(&json!({ "allow_patterns": ["x", "("] }), &body), None);
    }
}
