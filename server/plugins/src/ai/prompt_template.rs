//! `ai-prompt-template`: makes requests of templates that clients name and fill in.

use super::request::{body, refused, replace};
use bytes::Bytes;
use entities::PluginSchema;
use exchange::log_entry::Mode;
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use regex::{Captures, Regex};
use schema::Schema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Options of `ai-prompt-template`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Requests as text, with `{{NAME}}` where a property of the client goes.
    #[field(elements(required = true))]
    pub templates: Vec<Template>,
    /// Whether requests pass that name no template.
    #[field(default = true)]
    pub allow_untemplated_requests: bool,
    /// Whether log entries have the request as it came, under `ai.payload.original_request`.
    #[field(default = false)]
    pub log_original_request: bool,
    /// Largest body, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    pub max_request_body_size: Option<u64>,
}

/// A template of `ai-prompt-template`.
#[derive(Debug, Deserialize, Schema)]
pub struct Template {
    /// What clients call it: `{template://NAME}`.
    pub name: String,
    /// The request that is made of it.
    pub template: String,
}

/// `ai-prompt-template`, configured.
pub struct AiPromptTemplate {
    config: Config,
}

/// A place in a template.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{([0-9A-Za-z_]+)\}\}").ok());

/// What Lua calls the type of a value.
fn lua_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

/// What a client fills in, as JSON has it between quotes.
fn properties(given: Option<&Value>) -> Result<HashMap<&str, String>, String> {
    let given = match given {
        None | Some(Value::Bool(false)) => return Ok(HashMap::new()),
        Some(Value::Array(list)) if list.is_empty() => return Ok(HashMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("properties must be an object".to_owned()),
    };
    let escaped = |(name, value)| match value {
        text @ &Value::String(_) => {
            let quoted = text.to_string();
            Ok((name, quoted[1..quoted.len() - 1].to_owned()))
        }
        other => Err(format!("property values must be a string, got {}", lua_type(other))),
    };
    given.iter().map(|(name, value): (&String, &Value)| (name.as_str(), value)).map(escaped).collect()
}

/// A template with what a client fills in.
fn rendered(template: &str, given: Option<&Value>) -> Result<String, String> {
    let given = properties(given)?;
    let Some(place) = &*PLACE else { return Ok(template.to_owned()) };
    let filled = place.replace_all(template, |found: &Captures<'_>| match given.get(&found[1]) {
        Some(value) => value.clone(),
        None => found[0].to_owned(),
    });
    let mut missing: Vec<String> = Vec::new();
    for found in place.captures_iter(&filled) {
        let name = format!("[{}]", &found[1]);
        if !missing.contains(&name) {
            missing.push(name);
        }
    }
    match missing.is_empty() {
        true => Ok(filled.into_owned()),
        false => Err(format!("missing template parameters: {}", missing.join(", "))),
    }
}

/// A field, where it is given: as Lua takes it, `false` is not.
fn given<'r>(request: &'r Map<String, Value>, name: &str) -> Option<&'r Value> {
    request.get(name).filter(|value| **value != Value::Bool(false))
}

impl AiPromptTemplate {
    /// The request that a template makes; none where the client's may stay as it is.
    fn made(&self, body: &[u8]) -> Result<Option<String>, String> {
        let request = match serde_json::from_slice(body) {
            Ok(Value::Object(request)) => request,
            Ok(Value::Array(_)) => Map::new(),
            _ => return Err("this LLM route only supports application/json requests".to_owned()),
        };
        let named = match (given(&request, "messages"), given(&request, "prompt")) {
            (Some(_), Some(_)) => {
                return Err("cannot run 'messages' and 'prompt' templates at the same time".to_owned());
            }
            (Some(named), None) | (None, Some(named)) => named,
            (None, None) => {
                let text = "only 'llm/v1/chat' and 'llm/v1/completions' formats are supported for templating";
                return Err(text.to_owned());
            }
        };
        let name = named.as_str().and_then(|text| text.strip_prefix("{template://")?.strip_suffix('}'));
        let Some(name) = name else {
            return match self.config.allow_untemplated_requests {
                true => Ok(None),
                false => Err("this LLM route only supports templated requests".to_owned()),
            };
        };
        let template = self.config.templates.iter().find(|template| template.name == name);
        let template = template.ok_or_else(|| format!("could not find template name [{name}]"))?;
        rendered(&template.template, request.get("properties")).map(Some)
    }

    async fn run(&self, exchange: &mut Exchange) -> Result<(), Answer> {
        let body = body(exchange, self.config.max_request_body_size.unwrap_or_default()).await?;
        if let (true, Some(body)) = (self.config.log_original_request, &body) {
            let text = String::from_utf8_lossy(body).into_owned();
            exchange.log_values.set("ai.payload.original_request", Mode::Set, text.into());
        }
        if let Some(made) = self.made(&body.unwrap_or_default()).map_err(refused)? {
            replace(exchange, Bytes::from(made));
        }
        Ok(())
    }
}

impl Plugin for AiPromptTemplate {
    const NAME: &'static str = "ai-prompt-template";
    const PRIORITY: i32 = 773;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self { config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move { self.run(exchange).await.map_or_else(Flow::from, |()| Flow::Next) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};
    use exchange::Body;
    use proptest::prelude::*;
    use serde_json::json;

    fn config() -> Value {
        json!({ "templates": [
            { "name": "guide", "template": r#"{"messages":[{"role":"user","content":"Tell {{who}} of {{topic}}, {{who}}."}]}"# },
            { "name": "line", "template": r#"{"prompt":"{{start}}"}"# },
        ] })
    }

    fn run(more: &Value, body: &str) -> Result<String, String> {
        let mut config = config();
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let mut exchange =
            with_body(request("POST", "/", &[], People::new(Manner::Knows)), "text/plain", body.to_owned());
        match access(&plugin::<AiPromptTemplate>(config), &mut exchange) {
            Some(400) => {
                let answer: Value = serde_json::from_slice(&exchange.response.body).expect("JSON");
                Err(answer["error"]["message"].as_str().expect("a message").to_owned())
            }
            Some(status) => panic!("{status}"),
            None => {
                let Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
                assert_eq!(exchange.request.content_length, Some(sent.len() as u64));
                Ok(String::from_utf8(sent.to_vec()).expect("text"))
            }
        }
    }

    #[test]
    fn templates_are_filled_in() {
        for (body, expected) in [
            (
                r#"{"messages": "{template://guide}", "properties": {"who": "Ada", "topic": "\"pears\"", "more": "x"}}"#,
                Ok(r#"{"messages":[{"role":"user","content":"Tell Ada of \"pears\", Ada."}]}"#),
            ),
            (r#"{"prompt": "{template://line}", "properties": {"start": "a\nb"}}"#, Ok(r#"{"prompt":"a\nb"}"#)),
            (r#"{"messages": "{template://}"}"#, Err("could not find template name []")),
            (r#"{"prompt": "once"}"#, Ok(r#"{"prompt": "once"}"#)),
            (r#"{"messages": [1]}"#, Ok(r#"{"messages": [1]}"#)),
            (r#"{"messages": "{template://nope}"}"#, Err("could not find template name [nope]")),
            (r#"{"messages": "{template://guide}"}"#, Err("missing template parameters: [who], [topic]")),
            (
                r#"{"prompt": "{template://line}", "properties": {"start": "{{end}}"}}"#,
                Err("missing template parameters: [end]"),
            ),
            (r#"{"prompt": "{template://line}", "properties": 1}"#, Err("properties must be an object")),
            (r#"{"prompt": "{template://line}", "properties": ["a"]}"#, Err("properties must be an object")),
            (
                r#"{"prompt": "{template://line}", "properties": {"start": 1}}"#,
                Err("property values must be a string, got number"),
            ),
            (
                r#"{"prompt": "{template://line}", "properties": {"start": null}}"#,
                Err("property values must be a string, got userdata"),
            ),
            (
                r#"{"messages": "{template://guide}", "prompt": "x"}"#,
                Err("cannot run 'messages' and 'prompt' templates at the same time"),
            ),
            (
                r#"{"other": 1}"#,
                Err("only 'llm/v1/chat' and 'llm/v1/completions' formats are supported for templating"),
            ),
            ("[]", Err("only 'llm/v1/chat' and 'llm/v1/completions' formats are supported for templating")),
            ("words", Err("this LLM route only supports application/json requests")),
            ("", Err("this LLM route only supports application/json requests")),
        ] {
            assert_eq!(run(&json!({}), body), expected.map(str::to_owned).map_err(str::to_owned), "{body}");
        }
        let strict = json!({ "allow_untemplated_requests": false });
        let told = Err("this LLM route only supports templated requests".to_owned());
        assert_eq!(run(&strict, r#"{"prompt": "once"}"#), told);
    }

    #[test]
    fn bodies_are_looked_at_up_to_a_size() {
        let body = format!(r#"{{"prompt": "{}"}}"#, "x".repeat(9000));
        let small = run(&json!({ "max_request_body_size": 10 }), &body);
        assert_eq!(small, Err("this LLM route only supports application/json requests".to_owned()));
        assert_eq!(run(&json!({ "max_request_body_size": 10_000 }), &body), Ok(body));
    }

    proptest! {
        #[test]
        fn what_is_filled_in_stays_text(start in "[ -~\\u{0}-\\u{1f}äß😀]{0,20}") {
            let request = json!({ "prompt": "{template://line}", "properties": { "start": start } }).to_string();
            if let Ok(made) = run(&json!({}), &request) {
                prop_assert_eq!(serde_json::from_str::<Value>(&made).expect("JSON"), json!({ "prompt": start }));
            }
        }
    }
}
