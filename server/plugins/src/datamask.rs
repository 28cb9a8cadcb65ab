//! `datamask`: puts a mask over values in logs and in JSON bodies.

use crate::bodies::{LARGEST, is_json};
use crate::form;
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::log_entry::Mode;
use exchange::{About, Answer, Body, Exchange, Flow, Phases, Plugin, Services, Source, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use serde_json::Value;

/// Options of `datamask`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Names in log entries, such as `request.headers.authorization`.
    #[field(elements(len_min = 1))]
    pub log_fields: Option<Vec<String>>,
    /// Members of requests' JSON bodies, such as `card.number` or `items.*.card`; `*` is every member or element.
    #[field(elements(validate = path))]
    pub request_fields: Option<Vec<String>>,
    /// Members of responses' JSON bodies.
    #[field(elements(validate = path))]
    pub response_fields: Option<Vec<String>>,
    /// What stands in the place of a value.
    #[field(default = "*****")]
    pub mask: String,
    /// How many letters at the end of a text in a body stay behind the mask; a text that is no longer has none.
    #[field(default = 0, between(0, 64))]
    pub keep_last: usize,
}

fn path(text: &str) -> Result<(), String> {
    if text.split('.').all(|step| !step.is_empty()) {
        Ok(())
    } else {
        Err("must be names with dots between".to_owned())
    }
}

/// `datamask`, configured.
pub struct Datamask {
    log: Vec<String>,
    request: Vec<Vec<String>>,
    response: Vec<Vec<String>>,
    mask: String,
    keep_last: usize,
}

impl Datamask {
    /// The body with masks; `None` where it is no JSON.
    fn masked(&self, body: &[u8], paths: &[Vec<String>]) -> Option<Bytes> {
        let mut document: Value = serde_json::from_slice(body).ok()?;
        for path in paths {
            self.cover(&mut document, path);
        }
        Some(document.to_string().into())
    }

    fn cover(&self, value: &mut Value, path: &[String]) {
        let Some((step, rest)) = path.split_first() else {
            *value = match std::mem::take(value) {
                Value::Null => Value::Null,
                Value::String(text) => self.over(&text).into(),
                _ => self.mask.as_str().into(),
            };
            return;
        };
        match value {
            Value::Object(members) if step == "*" => members.values_mut().for_each(|member| self.cover(member, rest)),
            Value::Array(items) if step == "*" => items.iter_mut().for_each(|item| self.cover(item, rest)),
            Value::Object(members) => {
                if let Some(member) = members.get_mut(step) {
                    self.cover(member, rest);
                }
            }
            Value::Array(items) => {
                if let Some(item) = step.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                    self.cover(item, rest);
                }
            }
            _ => {}
        }
    }

    fn over(&self, text: &str) -> String {
        let count = text.chars().count();
        let kept = if count > self.keep_last { count - self.keep_last } else { count };
        self.mask.chars().chain(text.chars().skip(kept)).collect()
    }

    async fn mask_request(&self, exchange: &mut Exchange) -> Flow {
        let body = match exchange.request.body.read(LARGEST).await {
            Ok(body) => body,
            Err(error) => return form::broken(&error).into(),
        };
        match self.masked(&body, &self.request) {
            Some(masked) => {
                form::replace(exchange, masked);
                Flow::Next
            }
            None => Answer::message(400, "request body is not valid JSON").into(),
        }
    }
}

impl Plugin for Datamask {
    const NAME: &'static str = "datamask";
    /// Behind what changes bodies, before what logs.
    const PRIORITY: i32 = 700;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::LOG);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::ALL)
            .check(Check::at_least_one_of(["config.log_fields", "config.request_fields", "config.response_fields"]))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let paths = |list: Option<Vec<String>>| {
            let steps = |path: &String| path.split('.').map(str::to_owned).collect();
            list.iter().flatten().map(steps).collect()
        };
        Ok(Self {
            log: config.log_fields.unwrap_or_default(),
            request: paths(config.request_fields),
            response: paths(config.response_fields),
            mask: config.mask,
            keep_last: config.keep_last,
        })
    }

    fn used(&self) -> Phases {
        let given = |phases: Phases, there: bool| if there { phases } else { Phases::default() };
        given(Phases::LOG, !self.log.is_empty())
            .and(given(Phases::ACCESS, !self.request.is_empty() || !self.response.is_empty()))
            .and(given(Phases::HEADER_FILTER, !self.response.is_empty()))
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if !self.response.is_empty() {
            // Nothing of an answer may go out before all of it was looked at, and what is packed cannot be.
            exchange.buffer_response = true;
            exchange.request.headers.remove("accept-encoding");
        }
        let json = exchange.request.headers.get_str("content-type").is_some_and(is_json);
        if self.request.is_empty() || !json || matches!(exchange.request.body, Body::Empty) {
            return Step::NEXT;
        }
        Step::Wait(Box::pin(self.mask_request(exchange)))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let response = &mut exchange.response;
        let json = response.headers.get_str("content-type").is_some_and(is_json);
        if self.response.is_empty() || response.source != Source::Service || !json || response.body.is_empty() {
            return Flow::Next;
        }
        match self.masked(&response.body, &self.response).filter(|_| !response.headers.contains("content-encoding")) {
            Some(masked) => {
                response.body = masked;
                response.headers.remove("content-length");
                Flow::Next
            }
            None => {
                tracing::error!(plugin = Self::NAME, "an answer could not be masked and was kept back");
                Answer::page(502).into()
            }
        }
    }

    fn log(&self, exchange: &Exchange) {
        for field in &self.log {
            exchange.log_values.set(field.as_str(), Mode::Replace, self.mask.as_str().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};
    use serde_json::json;

    const PATHS: &str = r#"["card.number", "items.*.ssn", "list.1", "all.*", "whole", "none.x"]"#;

    fn paths() -> Value {
        serde_json::from_str(PATHS).unwrap()
    }

    fn document() -> Value {
        json!({
            "card": { "number": "4111111111111111", "name": "ann" }, "items": [{ "ssn": 123, "a": 1 }, { "a": 2 }, 5],
            "list": ["a", "b"], "all": { "x": "y", "z": null }, "whole": { "x": 1 }, "none": "text",
        })
    }

    fn covered() -> Value {
        json!({
            "card": { "number": "#1111", "name": "ann" }, "items": [{ "ssn": "#", "a": 1 }, { "a": 2 }, 5],
            "list": ["a", "#"], "all": { "x": "#", "z": null }, "whole": "#", "none": "text",
        })
    }

    #[test]
    fn members_of_requests_are_covered() {
        let config = || json!({ "request_fields": paths(), "mask": "#", "keep_last": 4 });
        for (kind, body, expected) in [
            ("application/json", document().to_string(), Ok(covered().to_string())),
            ("application/x+json; charset=utf-8", document().to_string(), Ok(covered().to_string())),
            ("text/plain", document().to_string(), Ok(document().to_string())),
            ("application/json", "{".into(), Err(400)),
        ] {
            let mut exchange = with_body(request("POST", "/", &[], People::new(Manner::Knows)), kind, body);
            let status = access(&plugin::<Datamask>(config()), &mut exchange);
            assert_eq!(status, expected.as_ref().err().copied(), "{kind}");
            if let Ok(sent) = expected {
                let Body::Buffered(body) = &exchange.request.body else { panic!("a body") };
                assert_eq!(&body[..], sent.as_bytes());
            }
            assert!(!exchange.buffer_response);
        }
    }

    #[test]
    fn no_answer_goes_out_uncovered() {
        let mask: Datamask = plugin(json!({ "response_fields": paths(), "mask": "#", "keep_last": 4 }));
        for (kind, encoding, source, body, expected) in [
            ("application/json", "", Source::Service, document().to_string(), Ok(covered().to_string())),
            ("text/plain", "", Source::Service, "x".into(), Ok("x".to_owned())),
            ("application/json", "", Source::Exit, "{\"whole\":1}".into(), Ok("{\"whole\":1}".to_owned())),
            ("application/json", "gzip", Source::Service, "{}".into(), Err(502)),
            ("application/json", "", Source::Service, "{".into(), Err(502)),
        ] {
            let mut exchange = request("GET", "/", &[("Accept-Encoding", "gzip")], People::new(Manner::Knows));
            assert_eq!(access(&mask, &mut exchange), None);
            assert!(exchange.buffer_response && !exchange.request.headers.contains("accept-encoding"));
            let response = &mut exchange.response;
            response.headers.append("Content-Type", kind);
            if !encoding.is_empty() {
                response.headers.append("Content-Encoding", encoding);
            }
            (response.source, response.body) = (source, Bytes::from(body));
            let flow = Plugin::header_filter(&mask, &mut exchange);
            let status = crate::testing::answered(flow, &mut exchange);
            assert_eq!(status, expected.as_ref().err().copied(), "{kind} {encoding}");
            if let Ok(body) = expected {
                assert_eq!(exchange.response.body, body);
            }
        }
    }

    #[test]
    fn logs_are_covered() {
        let mask: Datamask = plugin(json!({ "log_fields": ["request.headers.authorization", "request.headers.none"] }));
        assert_eq!(mask.used(), Phases::LOG);
        let exchange = request("GET", "/", &[("Authorization", "secret"), ("A", "b")], People::new(Manner::Knows));
        Plugin::log(&mask, &exchange);
        let entry = exchange::log_entry::value(&exchange);
        assert_eq!(entry["request"]["headers"]["authorization"], "*****");
        assert_eq!(entry["request"]["headers"].get("none"), None);
        assert_eq!(entry["request"]["headers"]["a"], "b");
    }

    #[test]
    fn short_texts_keep_nothing() {
        let mask: Datamask = plugin(json!({ "request_fields": ["a"], "keep_last": 3, "mask": "#" }));
        for (text, shown) in [("", "#"), ("abc", "#"), ("abcd", "#bcd"), ("äöüß", "#öüß")] {
            assert_eq!(mask.over(text), shown);
        }
        assert!(path("a..b").is_err() && path("").is_err() && path("*").is_ok());
    }
}
