//! `ai-prompt-decorator`: puts messages before and after those of a chat.

use super::adapters::Format;
use super::request::{change, document, refused};
use entities::PluginSchema;
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Options of `ai-prompt-decorator`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// What is put there.
    #[field(required = false)]
    pub prompts: Option<Prompts>,
    /// Largest body, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    pub max_request_body_size: Option<u64>,
    /// The format of requests.
    #[field(required = false, default = "openai", one_of("openai", "bedrock", "gemini"))]
    pub llm_format: Option<String>,
}

/// Messages of `ai-prompt-decorator`.
#[derive(Debug, Default, Deserialize, Schema)]
pub struct Prompts {
    /// Before the first message.
    #[field(required = false, len_max = 15, elements(required = false))]
    pub prepend: Option<Vec<Prompt>>,
    /// After the last.
    #[field(required = false, len_max = 15, elements(required = false))]
    pub append: Option<Vec<Prompt>>,
}

/// A message of `ai-prompt-decorator`.
#[derive(Debug, Deserialize, Schema)]
pub struct Prompt {
    /// Whose message it is.
    #[field(default = "system", one_of("system", "assistant", "user"))]
    pub role: String,
    /// What it says.
    #[field(len_min = 1, len_max = 500)]
    pub content: String,
}

/// `ai-prompt-decorator`, configured.
pub struct AiPromptDecorator {
    before: Vec<Value>,
    after: Vec<Value>,
    largest: u64,
    format: Format,
}

impl AiPromptDecorator {
    /// A request with the messages around its own; the refusal of one that is no chat.
    fn decorated(&self, request: Option<Map<String, Value>>) -> Result<Map<String, Value>, Answer> {
        let no_chat = || refused("this LLM route only supports llm/chat type requests");
        let mut request = request.ok_or_else(no_chat)?;
        let messages = request.get_mut("messages").and_then(Value::as_array_mut);
        let messages = messages.filter(|messages| !messages.is_empty()).ok_or_else(no_chat)?;
        messages.splice(0..0, self.before.iter().cloned());
        messages.extend(self.after.iter().cloned());
        Ok(request)
    }
}

impl Plugin for AiPromptDecorator {
    const NAME: &'static str = "ai-prompt-decorator";
    const PRIORITY: i32 = 772;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .check(Check::at_least_one_of(["config.prompts.prepend", "config.prompts.append"]))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let messages = |prompts: Option<Vec<Prompt>>| {
            let message = |prompt: Prompt| json!({ "role": prompt.role, "content": prompt.content });
            prompts.unwrap_or_default().into_iter().map(message).collect()
        };
        let prompts = config.prompts.unwrap_or_default();
        let largest = config.max_request_body_size.unwrap_or_default();
        let format = Format::named(config.llm_format.as_deref());
        Ok(Self { before: messages(prompts.prepend), after: messages(prompts.append), largest, format })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move {
            match document(exchange, self.largest, self.format).await.and_then(|request| self.decorated(request)) {
                Ok(request) => {
                    change(exchange, request);
                    Flow::Next
                }
                Err(answer) => answer.into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};
    use exchange::Body;

    fn run(config: Value, kind: &str, body: &str) -> Result<Value, u16> {
        let mut exchange = with_body(request("POST", "/", &[], People::new(Manner::Knows)), kind, body.to_owned());
        match access(&plugin::<AiPromptDecorator>(json!({ "prompts": config })), &mut exchange) {
            Some(status) => Err(status),
            None => {
                assert_eq!(exchange.request.headers.get_str("content-type"), Some("application/json"));
                let Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
                assert_eq!(exchange.request.content_length, Some(sent.len() as u64));
                Ok(serde_json::from_slice(sent).expect("JSON"))
            }
        }
    }

    #[test]
    fn messages_are_put_around() {
        let body = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 1.5}"#;
        let (soft, rules) = (json!({ "content": "softly" }), json!({ "role": "user", "content": "rules" }));
        let sent = |messages: Value| Ok(json!({ "model": "m", "messages": messages, "n": 1.5 }));
        let system = json!({ "role": "system", "content": "softly" });
        let own = json!({ "role": "user", "content": "hi" });
        for (prompts, messages) in [
            (json!({ "prepend": [soft, rules] }), json!([system, rules, own])),
            (json!({ "append": [soft] }), json!([own, system])),
            (json!({ "prepend": [rules], "append": [soft] }), json!([rules, own, system])),
        ] {
            assert_eq!(run(prompts, "application/json; charset=utf-8", body), sent(messages));
        }
    }

    #[test]
    fn what_is_no_chat_is_refused() {
        let long = format!(r#"{{"messages": [{{"content": "{}"}}]}}"#, "x".repeat(8192));
        for (kind, body) in [
            ("application/json", r#"{"prompt": "x"}"#),
            ("application/json", r#"{"messages": []}"#),
            ("application/json", r#"{"messages": "x"}"#),
            ("application/json", "{broken"),
            ("application/json", "[]"),
            ("application/json", ""),
            ("application/json", &long),
            ("text/plain", r#"{"messages": [{"role": "user", "content": "hi"}]}"#),
            ("application/x-www-form-urlencoded", "messages=hi"),
        ] {
            assert_eq!(run(json!({ "append": [{ "content": "x" }] }), kind, body), Err(400), "{kind} {body}");
        }
    }
}
