//! `opa`: asks an Open Policy Agent whether a request may pass.

use crate::{auth, form};
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Exchange, Flow, HttpClient, HttpRequest, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Options of `opa`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// How the policy server is spoken to.
    #[field(default = "http", one_of("http", "https"))]
    pub opa_protocol: Option<String>,
    /// Its host.
    #[field(default = "localhost", is = schema::typedefs::host)]
    pub opa_host: String,
    /// Its port.
    #[field(default = 8181, is = schema::typedefs::port)]
    pub opa_port: u16,
    /// Path of the policy's decision, such as `/v1/data/example/allow`.
    #[field(is = schema::typedefs::path)]
    pub opa_path: String,
    /// Whether the policy sees the Service.
    #[field(default = false)]
    pub include_service_in_opa_input: bool,
    /// Whether the policy sees the Route.
    #[field(default = false)]
    pub include_route_in_opa_input: bool,
    /// Whether the policy sees the Consumer.
    #[field(default = false)]
    pub include_consumer_in_opa_input: bool,
    /// Whether the policy sees the body as text.
    #[field(default = false)]
    pub include_body_in_opa_input: bool,
    /// Whether the policy sees a JSON body as JSON.
    #[field(default = false)]
    pub include_parsed_json_body_in_opa_input: bool,
    /// Whether the policy sees the captures of the Route's path.
    #[field(default = false)]
    pub include_uri_captures_in_opa_input: bool,
    /// Whether an https server's certificate must be known.
    #[field(default = true)]
    pub ssl_verify: bool,
}

/// `opa`, configured.
pub struct Opa {
    config: Config,
    url: String,
    http: Arc<dyn HttpClient>,
}

/// What a policy decided.
#[derive(Debug, PartialEq)]
struct Decision {
    allow: bool,
    status: u16,
    /// For the upstream where the request may pass, else for the client.
    headers: Vec<(String, String)>,
    message: Value,
}

impl Decision {
    /// `None` where a policy answers something else than it should.
    fn of(body: &[u8]) -> Option<Self> {
        let mut answer: Value = serde_json::from_slice(body).ok()?;
        let (allow, status, headers, message) = match answer.get_mut("result")?.take() {
            Value::Bool(allow) => (allow, None, Value::Null, Value::Null),
            Value::Object(mut members) => {
                let mut take = |name: &str| members.remove(name).unwrap_or_default();
                (take("allow").as_bool()?, Some(take("status")), take("headers"), take("message"))
            }
            _ => return None,
        };
        let status = match status.filter(|status| !status.is_null()) {
            Some(status) => u16::try_from(status.as_u64()?).ok().filter(|status| (100..=599).contains(status))?,
            None => 403,
        };
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        };
        let headers = match headers {
            Value::Object(members) => {
                let lines = members.into_iter().map(|(name, value)| Some((name, text(value)?)));
                lines.collect::<Option<_>>()?
            }
            Value::Null => Vec::new(),
            _ => return None,
        };
        let message = if message.is_null() { "unauthorized".into() } else { message };
        Some(Self { allow, status, headers, message })
    }
}

impl Opa {
    fn input(&self, exchange: &Exchange, body: Option<&Bytes>) -> Value {
        let request = &exchange.request;
        let mut headers = Map::new();
        for (name, value) in request.headers.iter() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            form::insert(&mut headers, &name, form::lossy(value));
        }
        let mut http = json!({
            "method": request.method_str(),
            "scheme": request.forwarded_scheme(),
            "host": form::lossy(request.forwarded_host()),
            "port": request.forwarded_port().to_string(),
            "path": form::lossy(&request.path),
            "querystring": request.query.as_ref().map_or_else(Map::new, |query| form::table(query)),
            "headers": headers,
            "tls": tls(exchange),
        });
        if let Some(body) = body {
            if self.config.include_body_in_opa_input {
                http["body"] = form::lossy(body);
                http["body_size"] = body.len().into();
            }
            if self.config.include_parsed_json_body_in_opa_input
                && let Ok(parsed) = serde_json::from_slice(body)
            {
                http["parsed_body"] = parsed;
            }
        }
        if self.config.include_uri_captures_in_opa_input {
            http["uri_captures"] = crate::request_termination::uri_captures(exchange.captures.as_deref());
        }
        let mut input = json!({ "request": { "http": http }, "client_ip": request.client_ip().to_string() });
        if self.config.include_service_in_opa_input {
            input["service"] =
                exchange.service.as_deref().and_then(|it| serde_json::to_value(it).ok()).unwrap_or_default();
        }
        if self.config.include_route_in_opa_input {
            input["route"] =
                exchange.route_entity().and_then(|it| serde_json::to_value(&**it).ok()).unwrap_or_default();
        }
        if self.config.include_consumer_in_opa_input
            && let Some(consumer) = &exchange.identity.consumer
        {
            let tags: Vec<&str> = consumer.tags.iter().map(|tag| &**tag).collect();
            input["consumer"] = json!({
                "id": consumer.id, "username": consumer.username.as_deref(), "custom_id": consumer.custom_id.as_deref(),
                "tags": tags, "created_at": consumer.created_at, "updated_at": consumer.updated_at,
            });
        }
        json!({ "input": input })
    }

    fn looks_into_bodies(&self, exchange: &Exchange) -> bool {
        let kind = exchange.request.headers.get_str("content-type").unwrap_or_default();
        let json = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
        self.config.include_body_in_opa_input || self.config.include_parsed_json_body_in_opa_input && json
    }

    async fn decide(&self, exchange: &mut Exchange) -> Flow {
        let mut body = None;
        if self.looks_into_bodies(exchange) && !matches!(exchange.request.body, Body::Empty) {
            match exchange.request.body.read(form::BODY_LIMIT).await {
                Ok(read) => body = Some(read),
                Err(error) => return form::broken(&error).into(),
            }
        }
        let question = self.input(exchange, body.as_ref()).to_string();
        let mut question = HttpRequest::new("POST", &self.url, question).header("content-type", "application/json");
        question.verify = self.config.ssl_verify;
        let decision = match exchange.ask(&*self.http, question).await {
            Ok(answer) if answer.status == 200 => {
                Decision::of(&answer.body).ok_or("its answer is no decision".to_owned())
            }
            Ok(answer) => Err(format!("it answered with {}", answer.status)),
            Err(error) => Err(error.to_string()),
        };
        match decision {
            Ok(decision) if decision.allow => {
                for (name, value) in &decision.headers {
                    if !exchange.request.headers.set(name, value) {
                        return failed(&format!("'{name}' is no header that can be set"));
                    }
                }
                Flow::Next
            }
            Ok(decision) => {
                let answer = Answer::json(decision.status, json!({ "message": decision.message }));
                decision.headers.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value)).into()
            }
            Err(error) => failed(&error),
        }
    }
}

/// Nobody passes whom the policy could not be asked about.
fn failed(why: &str) -> Flow {
    tracing::error!(plugin = Opa::NAME, "the policy server gave no decision: {why}");
    auth::failure().into()
}

fn tls(exchange: &Exchange) -> Value {
    match &exchange.request.tls {
        Some(tls) => json!({ "version": tls.version, "cipher": tls.cipher, "sni": tls.sni.as_deref() }),
        None => json!({}),
    }
}

impl Plugin for Opa {
    const NAME: &'static str = "opa";
    const PRIORITY: i32 = 920;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let protocol = config.opa_protocol.as_deref().unwrap_or("http");
        // An address of version 6 stands in brackets.
        let host = match config.opa_host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => config.opa_host.clone(),
        };
        let url = format!("{protocol}://{host}:{}{}", config.opa_port, config.opa_path);
        Ok(Self { config, url, http: services.http.clone() })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(self.decide(exchange)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, Oracle, People, access, plugin, plugin_with, request, services, with_body};

    fn opa(config: Value, oracle: &Oracle) -> Opa {
        let services = Services { http: Arc::new(oracle.clone()), ..services() };
        plugin_with(config, &About::default(), &services)
    }

    #[test]
    fn decisions_are_read() {
        let decision = |allow, status, headers: &[(&str, &str)], message: Value| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Some(Decision { allow, status, headers, message })
        };
        for (answer, read) in [
            (json!({ "result": true }), decision(true, 403, &[], json!("unauthorized"))),
            (json!({ "result": false, "decision_id": "x" }), decision(false, 403, &[], json!("unauthorized"))),
            (
                json!({ "result": { "allow": false, "status": 451, "headers": { "X-A": "b", "X-N": 5 }, "message": { "no": 1 } } }),
                decision(false, 451, &[("X-A", "b"), ("X-N", "5")], json!({ "no": 1 })),
            ),
            (json!({ "result": { "allow": true } }), decision(true, 403, &[], json!("unauthorized"))),
            (json!({ "result": {} }), None),
            (json!({ "result": { "allow": "yes" } }), None),
            (json!({ "result": { "allow": false, "status": 700 } }), None),
            (json!({ "result": { "allow": false, "headers": [1] } }), None),
            (json!({ "result": "true" }), None),
            (json!({}), None),
        ] {
            assert_eq!(Decision::of(answer.to_string().as_bytes()), read, "{answer}");
        }
        assert_eq!(Decision::of(b"<html>"), None);
    }

    #[test]
    fn requests_pass_as_the_policy_says() {
        let config = json!({ "opa_path": "/v1/data/a" });
        for (status, answer, outcome) in [
            (200, r#"{"result":true}"#, None),
            (200, r#"{"result":false}"#, Some((403, r#"{"message":"unauthorized"}"#))),
            (
                200,
                r#"{"result":{"allow":false,"status":401,"message":"sign in"}}"#,
                Some((401, r#"{"message":"sign in"}"#)),
            ),
            (500, r#"{"result":true}"#, Some((500, ""))),
            (200, "", Some((500, ""))),
        ] {
            let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
            let given = access(&opa(config.clone(), &Oracle::says(status, &[], answer)), &mut exchange);
            assert_eq!(given, outcome.map(|(status, _)| status), "{status} {answer}");
            if let Some((401 | 403, body)) = outcome {
                assert_eq!(exchange.response.body, body);
            }
        }
        // Nobody there: nobody passes.
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        assert_eq!(access(&plugin::<Opa>(config.clone()), &mut exchange), Some(500));
        let allowed = Oracle::says(200, &[], r#"{"result":{"allow":true,"headers":{"X-User":"ann"}}}"#);
        let mut exchange = request("GET", "/", &[("x-user", "eve")], People::new(Manner::Knows));
        assert_eq!(access(&opa(config, &allowed), &mut exchange), None);
        assert_eq!(exchange.request.headers.joined("x-user").as_deref(), Some(&b"ann"[..]));
    }

    #[test]
    fn the_policy_sees_what_it_should() {
        let oracle = Oracle::says(200, &[], r#"{"result":true}"#);
        let plain = json!({ "opa_path": "/v1/data/a", "opa_host": "::1", "opa_protocol": "https", "opa_port": 1 });
        let mut exchange = with_body(
            request("POST", "/a?b=1&b=2", &[("X-A", "c")], People::new(Manner::Knows)),
            "application/json",
            r#"{"n":1}"#,
        );
        assert_eq!(access(&opa(plain.clone(), &oracle), &mut exchange), None);
        assert!(oracle.asked()[0].starts_with("POST https://[::1]:1/v1/data/a "), "{:?}", oracle.asked());
        let input: Value = serde_json::from_slice(&oracle.body()).unwrap();
        let expected = json!({ "input": { "client_ip": "10.0.0.1", "request": { "http": {
            "method": "POST", "scheme": "http", "host": "api.test", "port": "8000", "path": "/a", "tls": {},
            "querystring": { "b": ["1", "2"] }, "headers": { "x-a": "c", "content-type": "application/json" },
        } } } });
        assert_eq!(input, expected);

        let mut all = plain;
        for what in ["service", "route", "consumer", "body", "parsed_json_body", "uri_captures"] {
            all[format!("include_{what}_in_opa_input")] = true.into();
        }
        exchange.service = Some(crate::testing::service());
        exchange.identity.consumer = Some(People::new(Manner::Knows).consumers[0].clone());
        assert_eq!(access(&opa(all, &oracle), &mut exchange), None);
        let input: Value = serde_json::from_slice(&oracle.body()).unwrap();
        let http = &input["input"]["request"]["http"];
        assert_eq!(
            (&http["body"], &http["body_size"], &http["parsed_body"]),
            (&json!("{\"n\":1}"), &json!(7), &json!({ "n": 1 }))
        );
        assert_eq!(http["uri_captures"], json!({ "named": {}, "unnamed": [] }));
        assert_eq!(
            (&input["input"]["service"]["name"], &input["input"]["consumer"]["username"]),
            (&json!("main"), &json!("maya"))
        );
    }
}
