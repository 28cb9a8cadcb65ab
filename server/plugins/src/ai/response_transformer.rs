//! `ai-response-transformer`: has a model make another body of an answer's, or the whole answer.

use super::config::Both;
use super::transform::{Asking, ResponseTransformed, Telling, Transform, broken, checks};
use crate::functions::OF_CONNECTION;
use crate::gzip::unpack;
use entities::PluginSchema;
use exchange::timeline::TryError;
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Source, Stamp, Step};
use schema::Schema;
use serde::Deserialize;
use serde_json::Value;

/// The largest answer that is unpacked, in bytes.
const LARGEST: usize = 16 << 20;

/// Options of `ai-response-transformer`.
pub type Config = Both<Telling, Both<Own, Asking>>;

/// The option that is its own.
#[derive(Debug, Deserialize, Schema)]
pub struct Own {
    /// Whether the model's answer is JSON with `status`, `headers` and `body` of the response.
    #[field(required = true, default = false)]
    pub parse_llm_response_json_instructions: bool,
}

/// `ai-response-transformer`, configured.
pub struct AiResponseTransformer {
    transform: Transform,
    instructed: bool,
}

/// What a model says a response is to be.
#[derive(Debug, PartialEq)]
struct Instructions {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the body is JSON that the model gave as such.
    json: bool,
}

impl Instructions {
    fn of(text: &str) -> Result<Self, String> {
        let Value::Object(mut members) = serde_json::from_str(text).map_err(|error| wrong(text, &error))? else {
            return Err("input not table or string".to_owned());
        };
        let whole = Value::Object(members.clone());
        let mut take = |name: &str| members.shift_remove(name).filter(|value| !value.is_null());
        let status = match take("status") {
            None => 200,
            Some(status) => {
                let status = status.as_u64().and_then(|status| u16::try_from(status).ok());
                status
                    .filter(|status| (100..=599).contains(status))
                    .ok_or("code must be a number between 100 and 599")?
            }
        };
        let mut headers = Vec::new();
        match take("headers") {
            None => {}
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    let values = if let Value::Array(values) = value { values } else { vec![value] };
                    headers.extend(values.iter().filter_map(|value| Some((name.clone(), plain(value)?))));
                }
            }
            Some(_) => return Err("headers must be an object".to_owned()),
        }
        let body = take("body").filter(|body| *body != Value::Bool(false)).unwrap_or(whole);
        let json = body.is_object() || body.is_array();
        let body = plain(&body).unwrap_or_else(|| body.to_string());
        Ok(Self { status, headers, body: body.into_bytes(), json })
    }
}

/// What is wrong with JSON: where it begins wrong, in Kong's words.
fn wrong(text: &str, error: &serde_json::Error) -> String {
    let place = text.len() - text.trim_start().len() + 1;
    let begins = |byte: u8| byte.is_ascii_digit() || b"{[\"-tfn".contains(&byte);
    match text.trim_start().bytes().next() {
        None => format!("Expected value but found T_END at character {place}"),
        Some(first) if !begins(first) => format!("Expected value but found invalid token at character {place}"),
        Some(_) => error.to_string(),
    }
}

/// A value as text; none of a list or an object.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl AiResponseTransformer {
    async fn run(&self, exchange: &mut Exchange) -> Answer {
        let packed = exchange.response.headers.get_str("content-encoding").is_some_and(|encoding| encoding == "gzip");
        let body = exchange.response.body.clone();
        let body = match packed.then(|| unpack(&body, LARGEST)) {
            None => body,
            Some(Ok(body)) => body,
            Some(Err(error)) => {
                return broken(self.transform.plugin, &format!("the upstream's answer cannot be unpacked: {error}"));
            }
        };
        let made = match self.transform.run(exchange, Some(&body)).await {
            Ok(made) => made,
            Err(answer) => return answer,
        };
        let instructions = match self.instructed {
            false => Ok(Instructions {
                status: exchange.response.status,
                headers: Vec::new(),
                body: made.into_bytes(),
                json: false,
            }),
            true => Instructions::of(&made),
        };
        let Instructions { status, headers, body, json } = match instructions {
            Ok(instructions) => instructions,
            Err(error) => {
                let error = format!("failed to parse JSON response instructions from AI backend: {error}");
                return broken(self.transform.plugin, &error);
            }
        };
        let mut lines = exchange.response.headers.clone();
        let replaced = headers.iter().map(|(name, _)| name.as_str());
        for name in OF_CONNECTION.into_iter().chain(["content-encoding"]).chain(replaced) {
            lines.remove(name);
        }
        for (name, value) in &headers {
            if !OF_CONNECTION.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                lines.append(name, value);
            }
        }
        if json && !lines.contains("content-type") {
            lines.append("Content-Type", exchange::answer::JSON);
        }
        exchange.state.put(ResponseTransformed);
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines = lines.iter().map(|(name, value)| (owned(name), value.to_vec()));
        lines.fold(Answer::bytes(status, body), |answer, (name, value)| answer.header(name, value))
    }
}

impl Plugin for AiResponseTransformer {
    const NAME: &'static str = "ai-response-transformer";
    const PRIORITY: i32 = 768;
    const PHASES: Phases = Phases::ACCESS.and(Phases::RESPONSE).and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).checks(checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let Both(telling, Both(own, asking)) = config;
        let transform = Transform::new(Self::NAME, about.id, telling, asking, &services.http);
        Ok(Self { transform, instructed: own.parse_llm_response_json_instructions })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        exchange.buffer_response = true;
        Step::NEXT
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move { self.run(exchange).await.into() }))
    }

    /// An upstream that gives no answer is told as Kong tells it.
    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let asked = exchange.timeline.at(Stamp::Balanced).is_some();
        if exchange.response.source != Source::Error || !asked {
            return Flow::Next;
        }
        let why = match exchange.timeline.tries.last().and_then(|last| last.error) {
            Some(TryError::Connect) => "failed to connect to upstream: connection refused",
            Some(TryError::ConnectTimeout) => "failed to connect to upstream: timeout",
            Some(TryError::Tls) => "failed to connect to upstream: handshake failed",
            Some(TryError::ReadTimeout) => "subrequest failed: timeout",
            Some(TryError::Send | TryError::Closed | TryError::Malformed) => "subrequest failed: closed",
            None => "failed to connect to upstream: no address",
        };
        broken(Self::NAME, why).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gzip::pack;
    use crate::testing::{Manner, Oracle, People, answered, plugin_with, request, services, settle};
    use bytes::Bytes;
    use exchange::timeline::Try;
    use serde_json::json;
    use std::sync::Arc;

    fn plugin(oracle: &Oracle, instructed: bool) -> AiResponseTransformer {
        let llm = json!({ "route_type": "llm/v1/chat", "logging": {}, "auth": {},
            "model": { "provider": "openai", "name": "m", "options": { "upstream_url": "http://llm.test" } } });
        let config = json!({ "prompt": "p", "llm": llm, "parse_llm_response_json_instructions": instructed });
        let services = Services { http: Arc::new(oracle.clone()), ..services() };
        plugin_with(config, &About::default(), &services)
    }

    fn says(content: &str) -> Oracle {
        Oracle::says(200, &[], &json!({ "choices": [{ "message": { "content": content } }] }).to_string())
    }

    fn run(oracle: &Oracle, instructed: bool, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Exchange {
        let plugin = plugin(oracle, instructed);
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        assert!(matches!(settle(Plugin::access(&plugin, &mut exchange)), Flow::Next) && exchange.buffer_response);
        exchange.response.status = 207;
        exchange.response.upstream_status = 207;
        exchange.response.headers = headers.iter().copied().collect();
        exchange.response.body = body.into();
        let flow = settle(Plugin::response(&plugin, &mut exchange));
        answered(flow, &mut exchange);
        exchange
    }

    #[test]
    fn answers_are_what_the_model_makes_of_them() {
        for (packed, body) in [(false, Bytes::from("long")), (true, pack(b"long"))] {
            let oracle = says("short");
            let encoding = if packed { "gzip" } else { "identity" };
            let lines =
                [("X-Up", "1"), ("Content-Encoding", encoding), ("Content-Length", "9"), ("Connection", "close")];
            let exchange = run(&oracle, false, &lines, body);
            assert_eq!((exchange.response.status, &exchange.response.body[..]), (207, &b"short"[..]));
            assert_eq!(exchange.response.headers.get_str("x-up"), Some("1"));
            assert!(
                !["content-encoding", "content-length", "connection"]
                    .iter()
                    .any(|name| exchange.response.headers.contains(name))
            );
            assert!(oracle.asked()[0].contains(r#"{"role":"user","content":"long"}"#));
        }
        let exchange = run(&says("x"), false, &[("Content-Encoding", "gzip")], "not packed");
        assert_eq!(exchange.response.status, 500);
    }

    #[test]
    fn models_say_whole_responses() {
        let exchange = run(
            &says(
                r#"{"status":209,"headers":{"content-type":"text/x-poem","X-By":["a","b"],"Connection":"close"},"body":"roses"}"#,
            ),
            true,
            &[("Content-Type", "text/html")],
            "",
        );
        let shown: Vec<_> = exchange
            .response
            .headers
            .iter()
            .map(|(name, value)| [name, value].map(String::from_utf8_lossy).concat())
            .collect();
        assert_eq!((exchange.response.status, &exchange.response.body[..]), (209, &b"roses"[..]));
        assert_eq!(shown, ["content-typetext/x-poem", "X-Bya", "X-Byb"]);
        let exchange = run(&says(r#"{"a":1}"#), true, &[], "");
        assert_eq!((exchange.response.status, &exchange.response.body[..]), (200, &br#"{"a":1}"#[..]));
        assert_eq!(exchange.response.headers.get_str("content-type"), Some("application/json; charset=utf-8"));
    }

    #[test]
    fn what_are_no_instructions_is_said() {
        for text in ["words", "[1]", r#"{"status":99}"#, r#"{"status":"ok"}"#, r#"{"headers":"x"}"#] {
            let exchange = run(&says(text), true, &[], "");
            let body = String::from_utf8_lossy(&exchange.response.body).into_owned();
            assert_eq!(exchange.response.status, 500, "{text}");
            assert!(body.contains("failed to parse JSON response instructions from AI backend: "), "{body}");
        }
        let exchange = run(&says(" words"), true, &[], "");
        let told = "failed to parse JSON response instructions from AI backend: Expected value but found invalid token at character 2";
        assert_eq!(exchange.response.body, json!({ "error": { "message": told } }).to_string());
    }

    #[test]
    fn an_upstream_that_cannot_be_reached_is_told_like_this() {
        let plugin = plugin(&says("x"), false);
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        exchange.answer(Answer::page(502), &exchange::ErrorTemplates::default());
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        exchange.timeline.mark(Stamp::Balanced);
        let address = ([10, 0, 0, 9], 80).into();
        let failed = Try { address, start: 0, connect: 0, tls: 0, pooled: false, error: Some(TryError::Connect) };
        exchange.timeline.tries.push(failed);
        let flow = Plugin::header_filter(&plugin, &mut exchange);
        assert_eq!(answered(flow, &mut exchange), Some(500));
        assert_eq!(
            exchange.response.body,
            r#"{"error":{"message":"failed to connect to upstream: connection refused"}}"#
        );
    }
}
