//! `ai-request-transformer`: has a model make another body of a request's.

use super::config::Both;
use super::request::{body, replace};
use super::transform::{Asking, RequestTransformed, Telling, Transform, checks};
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};

/// Options of `ai-request-transformer`.
pub type Config = Both<Telling, Asking>;

/// `ai-request-transformer`, configured.
pub struct AiRequestTransformer {
    transform: Transform,
    largest: u64,
}

impl AiRequestTransformer {
    async fn run(&self, exchange: &mut Exchange) -> Result<(), Answer> {
        let text = body(exchange, self.largest).await?;
        let made = self.transform.run(exchange, text.as_deref()).await?;
        replace(exchange, made.into());
        exchange.state.put(RequestTransformed);
        Ok(())
    }
}

impl Plugin for AiRequestTransformer {
    const NAME: &'static str = "ai-request-transformer";
    const PRIORITY: i32 = 777;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::NO_CONSUMER)
            .protocols_first()
            .checks(checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let Both(telling, asking) = config;
        let largest = asking.max_request_body_size.unwrap_or_default();
        let transform = Transform::new(Self::NAME, about.id, telling, asking, &services.http);
        Ok(Self { transform, largest })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move { self.run(exchange).await.map_or_else(Flow::from, |()| Flow::Next) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, Oracle, People, access, plugin_with, request, services, with_body};
    use exchange::{Body, log_entry};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn config(more: &Value) -> Value {
        let llm = json!({ "route_type": "llm/v1/chat", "logging": { "log_statistics": true, "log_payloads": true },
            "auth": { "header_name": "X-Key", "header_value": "k" },
            "model": { "provider": "openai", "name": "m", "options": { "upstream_url": "http://llm.test/v1" } } });
        let mut config = json!({ "prompt": "Shout.", "llm": llm });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        config
    }

    fn run(more: &Value, oracle: &Oracle, body: &str) -> (Exchange, Option<u16>) {
        let services = Services { http: Arc::new(oracle.clone()), ..services() };
        let plugin = plugin_with::<AiRequestTransformer>(config(more), &About::default(), &services);
        let plain = request("POST", "/", &[], People::new(Manner::Knows));
        let mut exchange = with_body(plain, "text/plain", body.to_owned());
        let status = access(&plugin, &mut exchange);
        (exchange, status)
    }

    const ANSWER: &str =
        r#"{"choices":[{"message":{"content":"HI! (loud)"}}],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#;

    #[test]
    fn bodies_are_what_the_model_makes_of_them() {
        for (more, made) in [(json!({}), "HI! (loud)"), (json!({ "transformation_extract_pattern": "h[a-z]!" }), "HI!")]
        {
            let oracle = Oracle::says(200, &[], ANSWER);
            let (exchange, status) = run(&more, &oracle, "hi");
            assert_eq!(status, None);
            assert!(matches!(&exchange.request.body, Body::Buffered(body) if body == made));
            assert_eq!(
                oracle.asked(),
                [
                    r#"POST http://llm.test/v1 accept=application/json x-key=k content-type=application/json {"messages":[{"role":"system","content":"Shout."},{"role":"user","content":"hi"}],"stream":false,"model":"m"}"#
                ]
            );
            let told = &log_entry::value(&exchange)["ai"]["ai-request-transformer"];
            assert_eq!(
                (&told["meta"]["request_model"], &told["meta"]["response_model"]),
                (&json!("UNSPECIFIED"), &json!("m"))
            );
            assert_eq!(told["usage"], json!({ "time_per_token": 0, "prompt_tokens": 4, "completion_tokens": 2 }));
            assert_eq!((&told["payload"]["request"], &told["payload"]["response"]), (&json!("hi"), &json!(ANSWER)));
            assert_eq!(told["cache"], json!({}));
        }
    }

    #[test]
    fn bodies_that_are_too_large_are_not_told() {
        let oracle = Oracle::says(200, &[], ANSWER);
        let (_, status) = run(&json!({ "max_request_body_size": 9000 }), &oracle, &"x".repeat(9001));
        assert_eq!(status, None);
        assert!(oracle.asked()[0].contains(r#"{"role":"user"}]"#));
    }

    #[test]
    fn what_the_model_does_not_do_is_refused() {
        let pattern = |text: &str| json!({ "transformation_extract_pattern": text });
        let gemini = json!({ "llm": { "route_type": "llm/v1/chat", "logging": {}, "auth": {}, "model": { "provider": "gemini", "name": "g" } } });
        for (more, status, answer, message) in [
            (json!({}), 401, "", "failed to introspect request with AI service: status code 401"),
            (
                json!({}),
                200,
                "{}",
                "failed to convert AI response to Kong format: transformation failed from type \
                openai://llm/v1/chat: 'choices' not in llm/v1/chat response",
            ),
            (json!({}), 200, r#"{"choices":[]}"#, "no 'choices' in upstream AI service response"),
            (pattern("^nothing$"), 200, ANSWER, "AI response did not match specified regular expression"),
            (
                gemini,
                200,
                r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
                "failed to convert AI response to Kong format: \
                transformation failed from type gemini://llm/v1/chat: transformation generation candidate breached Gemini content safety",
            ),
        ] {
            let (exchange, refused) = run(&more, &Oracle::says(status, &[], answer), "hi");
            let told: Value = serde_json::from_slice(&exchange.response.body).expect("JSON");
            assert_eq!((refused, told["error"]["message"].as_str()), (Some(400), Some(message)));
        }
        let (exchange, refused) = run(&pattern("("), &Oracle::says(200, &[], ANSWER), "hi");
        let told = String::from_utf8_lossy(&exchange.response.body).into_owned();
        assert!(refused == Some(400) && told.contains("failed regex matching ai response: "), "{told}");
    }

    #[test]
    fn the_model_is_asked_through_the_proxy_of_its_scheme() {
        let https = json!({ "https_proxy_host": "p.test", "https_proxy_port": 3128 });
        let both = json!({ "http_proxy_host": "q.test", "http_proxy_port": 80, "https_proxy_host": "p.test",
            "https_proxy_port": 3128 });
        for (more, through) in [(json!({}), ""), (https, ""), (both, " through q.test:80")] {
            let oracle = Oracle::says(200, &[], ANSWER);
            run(&more, &oracle, "hi");
            let asked = oracle.asked().concat();
            assert!(asked.ends_with(&format!(r#""model":"m"}}{through}"#)), "{asked}");
        }
    }
}
