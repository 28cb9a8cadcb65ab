//! `request-termination`: answers requests itself.

use crate::form::{self, Form, Named};
use entities::{PluginSchema, Scopes};
use exchange::response::Source;
use exchange::{About, Answer, Body, Captures, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Map, Schema, Value, json};
use serde::Deserialize;
use std::sync::LazyLock;
use uuid::Uuid;

/// Options of `request-termination`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = exclusive)]
pub struct Config {
    /// Status of the answer.
    #[field(default = 503, between(100, 599))]
    pub status_code: u16,
    /// Message of a JSON answer.
    pub message: Option<String>,
    /// Type of `body`.
    pub content_type: Option<String>,
    /// The answer's body, as it is.
    pub body: Option<String>,
    /// Whether to answer with a description of the request.
    #[field(default = false)]
    pub echo: bool,
    /// A header or query parameter without which requests pass.
    #[field(is = header_name)]
    pub trigger: Option<String>,
}

fn exclusive(config: &Map<String, Value>) -> Result<(), String> {
    let given = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
    let text = if given("message") && (given("content_type") || given("body")) {
        "message cannot be used with content_type or body"
    } else if given("content_type") && !given("body") {
        "content_type requires a body"
    } else if config.get("echo").and_then(Value::as_bool) == Some(true) && (given("content_type") || given("body")) {
        "echo cannot be used with content_type and body"
    } else {
        return Ok(());
    };
    Err(text.to_owned())
}

/// `request-termination`, configured.
pub struct RequestTermination {
    config: Config,
    node_id: Uuid,
}

static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    kernel.ok().filter(|name| !name.is_empty()).or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default()
});

impl RequestTermination {
    fn message(&self) -> Option<&str> {
        self.config.message.as_deref().or(match self.config.status_code {
            401 => Some("Unauthorized"),
            404 => Some("Not found"),
            405 => Some("Method not allowed"),
            500 => Some("An unexpected error occurred"),
            502 => Some("Bad Gateway"),
            503 => Some("Service unavailable"),
            _ => None,
        })
    }

    fn triggered(&self, exchange: &Exchange) -> bool {
        let Some(trigger) = self.config.trigger.as_deref() else { return true };
        let headers = &exchange.request.headers;
        headers.contains(trigger)
            || (trigger.contains('_') && headers.contains(&trigger.replace('_', "-")))
            || exchange.request.query.as_ref().is_some_and(|query| form::named(query, trigger) != Named::Missing)
    }

    /// The configured answer, without a description of the request.
    fn answer(&self) -> Answer {
        let status = self.config.status_code;
        if let Some(body) = &self.config.body {
            let answer = Answer::bytes(status, body.clone());
            return match &self.config.content_type {
                Some(kind) => answer.header("Content-Type", kind.as_bytes()),
                None => answer,
            };
        }
        match self.message() {
            Some(message) => Answer::message(status, message),
            None => Answer::bytes(status, ""),
        }
    }

    /// The answer that describes the request.
    fn echo(&self, exchange: &Exchange, body: &[u8]) -> Answer {
        let request = &exchange.request;
        let mut headers = Map::new();
        for (name, value) in request.headers.iter() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            form::insert(&mut headers, &name, form::lossy(value));
        }
        let query = request.query.as_ref().map_or_else(Map::new, |query| form::table(query));
        let mut described = json!({
            "scheme": request.scheme.as_str(),
            "host": form::lossy(&request.host),
            "port": request.port,
            "headers": headers,
            "query": query,
            "raw_body": form::lossy(body),
            "method": request.method_str(),
            "path": form::lossy(&request.path),
        });
        let kind = request.headers.get("content-type").unwrap_or_default();
        if let Some(form) = Form::parse(kind, bytes::Bytes::copy_from_slice(body)) {
            described["body"] = form.value();
        }
        described["uri_captures"] = uri_captures(exchange.captures.as_deref());
        let mut content = Map::new();
        if let Some(message) = self.message() {
            content.insert("message".into(), message.into());
        }
        let node = json!({ "node_id": self.node_id, "worker_pid": std::process::id(), "hostname": HOSTNAME.as_str() });
        content.insert("kong".into(), node);
        content.insert("request".into(), described);
        if let Some(route) = exchange.route_entity().and_then(|route| serde_json::to_value(&**route).ok()) {
            content.insert("matched_route".into(), route);
        }
        if let Some(service) = exchange.service.as_deref().and_then(|service| serde_json::to_value(service).ok()) {
            content.insert("matched_service".into(), service);
        }
        Answer { source: Source::Exit, ..Answer::json(self.config.status_code, Value::Object(content)) }
    }
}

/// `{named, unnamed}` as `kong.request.get_uri_captures` tells them; the whole match is not among them.
pub(crate) fn uri_captures(captures: Option<&Captures>) -> Value {
    let named: Map<String, Value> = captures
        .iter()
        .flat_map(|captures| &captures.named)
        .map(|(name, group)| (name.clone(), form::lossy(group)))
        .collect();
    let unnamed: Vec<Value> = captures
        .iter()
        .flat_map(|captures| captures.numbered.iter().skip(1))
        .map(|group| form::lossy(group.as_deref().unwrap_or_default()))
        .collect();
    json!({ "named": named, "unnamed": unnamed })
}

impl Plugin for RequestTermination {
    const NAME: &'static str = "request-termination";
    const PRIORITY: i32 = 2;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::GROUPS)
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        Ok(Self { config, node_id: services.node_id })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if !self.triggered(exchange) {
            return Step::NEXT;
        }
        if !self.config.echo {
            return self.answer().into();
        }
        let unread = exchange.request.content_length > Some(form::BODY_LIMIT);
        if unread || matches!(exchange.request.body, Body::Empty) {
            return self.echo(exchange, b"").into();
        }
        Step::Wait(Box::pin(async move {
            let answer = match exchange.request.body.read(form::BODY_LIMIT).await {
                Ok(body) => self.echo(exchange, &body),
                Err(error) => form::broken(&error),
            };
            Flow::from(answer)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};

    fn run(config: Value, target: &str, headers: &[(&str, &str)]) -> Option<(u16, String, String)> {
        let mut exchange = request("GET", target, headers, People::new(Manner::Knows));
        let status = access(&plugin::<RequestTermination>(config), &mut exchange)?;
        let kind = exchange.response.headers.get_str("content-type").unwrap_or_default().to_owned();
        Some((status, kind, String::from_utf8_lossy(&exchange.response.body).into_owned()))
    }

    const JSON: &str = "application/json; charset=utf-8";

    #[test]
    fn answers_are_as_configured() {
        for (config, status, kind, body) in [
            (json!({}), 503, JSON, r#"{"message":"Service unavailable"}"#),
            (json!({ "status_code": 401 }), 401, JSON, r#"{"message":"Unauthorized"}"#),
            (json!({ "status_code": 404 }), 404, JSON, r#"{"message":"Not found"}"#),
            (json!({ "status_code": 405 }), 405, JSON, r#"{"message":"Method not allowed"}"#),
            (json!({ "status_code": 500 }), 500, JSON, r#"{"message":"An unexpected error occurred"}"#),
            (json!({ "status_code": 502 }), 502, JSON, r#"{"message":"Bad Gateway"}"#),
            (json!({ "status_code": 204 }), 204, "", ""),
            (json!({ "status_code": 418 }), 418, "", ""),
            (json!({ "status_code": 403, "message": "closed" }), 403, JSON, r#"{"message":"closed"}"#),
            (json!({ "status_code": 202, "body": "fine" }), 202, "", "fine"),
            (json!({ "status_code": 200, "body": "<b>", "content_type": "text/html" }), 200, "text/html", "<b>"),
        ] {
            assert_eq!(run(config.clone(), "/", &[]), Some((status, kind.into(), body.into())), "{config}");
        }
    }

    #[test]
    fn triggers_decide() {
        let config = json!({ "status_code": 410, "trigger": "x-stop" });
        for (target, headers, answered) in [
            ("/", &[("X-Stop", "please")][..], true),
            ("/", &[("X-Stop", "")], true),
            ("/?x-stop=1", &[], true),
            ("/?x-stop", &[], true),
            ("/?X-Stop", &[], false),
            ("/", &[("X-Go", "1")], false),
        ] {
            assert_eq!(run(config.clone(), target, headers).is_some(), answered, "{target} {headers:?}");
        }
    }

    #[test]
    fn echoes_describe_the_request() {
        let plain =
            request("POST", "/a/pear/12?q=1&q=2&b", &[("X-Debug", "1"), ("x-debug", "2")], People::new(Manner::Knows));
        let mut exchange = with_body(plain, "application/json", r#"{"n":5}"#);
        exchange.captures = Some(Box::new(Captures {
            numbered: vec![Some(b"/a/pear/12".into()), Some(b"pear".into()), Some(b"12".into()), None],
            named: vec![("item".into(), b"pear".into())],
        }));
        exchange.service = Some(crate::testing::service());
        let config = json!({ "status_code": 404, "echo": true, "trigger": "x-debug" });
        assert_eq!(access(&plugin::<RequestTermination>(config), &mut exchange), Some(404));
        let echo: Value = serde_json::from_slice(&exchange.response.body).unwrap();
        let expected = json!({
            "scheme": "http", "host": "api.test", "port": 8000, "method": "POST", "path": "/a/pear/12",
            "headers": { "x-debug": ["1", "2"], "content-type": "application/json" },
            "query": { "q": ["1", "2"], "b": true }, "raw_body": "{\"n\":5}", "body": { "n": 5 },
            "uri_captures": { "named": { "item": "pear" }, "unnamed": ["pear", "12", ""] },
        });
        assert_eq!((&echo["message"], &echo["request"]), (&json!("Not found"), &expected));
        assert_eq!(echo["kong"]["worker_pid"], std::process::id());
        assert_eq!(echo["kong"]["node_id"], "00000000-0000-0000-0000-000000000063");
        assert!(echo["matched_service"]["id"].is_string() && echo.get("matched_route").is_none());
    }

    #[test]
    fn options_exclude_each_other() {
        for (config, text) in [
            (json!({ "message": "a", "body": "b" }), "message cannot be used with content_type or body"),
            (json!({ "message": "a", "content_type": "b" }), "message cannot be used with content_type or body"),
            (json!({ "content_type": "b" }), "content_type requires a body"),
            (json!({ "echo": true, "body": "b" }), "echo cannot be used with content_type and body"),
            (json!({ "echo": false, "body": "b", "message": null }), ""),
        ] {
            let Value::Object(config) = config else { continue };
            assert_eq!(exclusive(&config).err().unwrap_or_default(), text);
        }
    }
}
