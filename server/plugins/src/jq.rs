//! `jq`: JSON bodies made by programs of jq.

use crate::bodies::LARGEST;
use crate::form;
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::programs::{Job, ProgramError, Programs, Writing};
use exchange::{About, Body, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use std::sync::Arc;

/// Options of `jq`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// What is run on requests' bodies.
    #[field(validate = ::jq::check)]
    pub request_jq_program: Option<String>,
    /// How what it gives is written.
    pub request_jq_program_options: Option<Options>,
    /// Types of requests whose bodies it is run on.
    #[field(default(["application/json"]))]
    pub request_if_media_type: Option<Vec<String>>,
    /// What is run on responses' bodies.
    #[field(validate = ::jq::check)]
    pub response_jq_program: Option<String>,
    /// How what it gives is written.
    pub response_jq_program_options: Option<Options>,
    /// Types of responses whose bodies it is run on.
    #[field(default(["application/json"]))]
    pub response_if_media_type: Option<Vec<String>>,
    /// Statuses of responses whose bodies it is run on.
    #[field(default([200]), elements(between(100, 599)))]
    pub response_if_status_code: Option<Vec<u16>>,
}

/// How what a program gives is written: options of jq's command line.
#[derive(Clone, Copy, Debug, Deserialize, Schema)]
pub struct Options {
    /// Without spaces and line ends inside a value (`-c`).
    #[field(default = true)]
    pub compact_output: Option<bool>,
    /// Strings as they are, without quotes (`-r`).
    #[field(default = false)]
    pub raw_output: Option<bool>,
    /// As with `raw_output`, and no line end after each value (`-j`).
    #[field(default = false)]
    pub join_output: Option<bool>,
    /// Letters beyond ASCII as `\uXXXX` (`-a`).
    #[field(default = false)]
    pub ascii_output: Option<bool>,
    /// Members of objects in the order of their names (`-S`).
    #[field(default = false)]
    pub sort_keys: Option<bool>,
}

fn writing(options: Option<Options>) -> Writing {
    let is = |option: fn(Options) -> Option<bool>, otherwise| options.and_then(option).unwrap_or(otherwise);
    let join = is(|options| options.join_output, false);
    Writing {
        compact: is(|options| options.compact_output, true),
        raw: join || is(|options| options.raw_output, false),
        join,
        ascii: is(|options| options.ascii_output, false),
        sort: is(|options| options.sort_keys, false),
    }
}

/// One direction.
struct Direction {
    program: Arc<str>,
    writing: Writing,
    media_types: Vec<String>,
}

impl Direction {
    fn of(program: Option<String>, options: Option<Options>, media_types: Option<Vec<String>>) -> Option<Self> {
        let media_types = media_types.unwrap_or_default().into_iter().map(|media| media.trim().to_ascii_lowercase());
        Some(Self { program: program?.into(), writing: writing(options), media_types: media_types.collect() })
    }

    /// Whether bodies of this Content-Type are meant: its parameters do not count, but where an option names some.
    fn is_for(&self, content_type: Option<&str>) -> bool {
        let Some(given) = content_type.map(|given| given.trim().to_ascii_lowercase()) else { return false };
        let bare = given.split(';').next().unwrap_or_default().trim_end();
        self.media_types.iter().any(|media| media == bare || *media == given)
    }
}

/// `jq`, configured.
pub struct Jq {
    request: Option<Direction>,
    response: Option<Direction>,
    statuses: Vec<u16>,
    programs: Arc<dyn Programs>,
}

impl Jq {
    /// The new body; none where the one that is there stays.
    async fn made(&self, direction: &Direction, body: Bytes, what: &'static str) -> Option<Bytes> {
        let job = Job { program: direction.program.clone(), writing: direction.writing, body };
        match self.programs.run(job).await {
            Ok(made) => Some(made),
            Err(ProgramError::Failed(error)) => {
                // What the program says may quote the body, which is nobody's business.
                tracing::error!(plugin = Self::NAME, "the program for {what}s failed; the {what} is left as it is");
                tracing::debug!(plugin = Self::NAME, "the program for {what}s failed: {error}");
                None
            }
            Err(error) => {
                tracing::error!(
                    plugin = Self::NAME,
                    "the program for {what}s gave nothing: {error}; the {what} is left as it is"
                );
                None
            }
        }
    }

    async fn change_request(&self, direction: &Direction, exchange: &mut Exchange) -> Flow {
        let body = match exchange.request.body.read(LARGEST).await {
            Ok(body) => body,
            Err(error) => return form::broken(&error).into(),
        };
        if !body.is_empty()
            && let Some(made) = self.made(direction, body, "request").await
        {
            form::replace(exchange, made);
        }
        Flow::Next
    }

    async fn change_response(&self, direction: &Direction, exchange: &mut Exchange) -> Flow {
        if let Some(made) = self.made(direction, exchange.response.body.clone(), "response").await {
            exchange.response.body = made;
            exchange.response.headers.remove("content-length");
        }
        Flow::Next
    }
}

impl Plugin for Jq {
    const NAME: &'static str = "jq";
    const PRIORITY: i32 = 811;
    const PHASES: Phases = Phases::ACCESS.and(Phases::RESPONSE);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::ALL)
            .check(Check::at_least_one_of(["config.request_jq_program", "config.response_jq_program"]))
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let request =
            Direction::of(config.request_jq_program, config.request_jq_program_options, config.request_if_media_type);
        let response = Direction::of(
            config.response_jq_program,
            config.response_jq_program_options,
            config.response_if_media_type,
        );
        let statuses = config.response_if_status_code.unwrap_or_default();
        Ok(Self { request, response, statuses, programs: services.programs.clone() })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if self.response.is_some() {
            // What is packed cannot be read.
            exchange.request.headers.remove("accept-encoding");
            exchange.buffer_response = true;
        }
        let given = exchange.request.headers.get_str("content-type");
        match &self.request {
            Some(direction) if direction.is_for(given) && !matches!(exchange.request.body, Body::Empty) => {
                Step::Wait(Box::pin(self.change_request(direction, exchange)))
            }
            _ => Step::NEXT,
        }
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let Some(direction) = &self.response else { return Step::NEXT };
        let response = &exchange.response;
        let meant = self.statuses.contains(&response.status)
            && direction.is_for(response.headers.get_str("content-type"))
            && !response.headers.contains("content-encoding");
        if !meant || response.body.is_empty() {
            return Step::NEXT;
        }
        Step::Wait(Box::pin(self.change_response(direction, exchange)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin_with, request, services, settle, with_body};
    use serde_json::{Value, json};

    /// Runs programs where it stands.
    struct AtOnce;

    impl Programs for AtOnce {
        fn run(&self, job: Job) -> exchange::programs::Making {
            let outcome = match ::jq::Program::parse(&job.program) {
                Ok(program) => program.run(&job.body, job.writing).map_err(|fault| fault.to_string()),
                Err(error) => Err(error),
            };
            Box::pin(std::future::ready(outcome.map(Bytes::from).map_err(ProgramError::Failed)))
        }
    }

    fn jq_plugin(config: Value) -> Jq {
        let services = Services { programs: Arc::new(AtOnce), ..services() };
        plugin_with(config, &About::default(), &services)
    }

    #[test]
    fn requests_are_what_the_program_makes_of_them() {
        let program = ".name = \"Joe\"";
        for (config, kind, body, sent) in [
            (json!({}), "application/json", r#"{"name":"Ann","n":1.0}"#, "{\"name\":\"Joe\",\"n\":1.0}\n"),
            (json!({}), "Application/JSON; charset=utf-8", r#"{"b":2}"#, "{\"b\":2,\"name\":\"Joe\"}\n"),
            (json!({}), "application/vnd.a+json", r#"{"b":2}"#, r#"{"b":2}"#),
            (json!({ "request_if_media_type": ["text/x"] }), "text/x", "{}", "{\"name\":\"Joe\"}\n"),
            (json!({ "request_if_media_type": [] }), "application/json", "{}", "{}"),
            (json!({}), "application/json", "", ""),
            // Failures leave what is there.
            (json!({}), "application/json", "[1]", "[1]"),
            (json!({}), "application/json", "{", "{"),
            (json!({}), "application/json", "{} {}", "{} {}"),
        ] {
            let mut config = config;
            config["request_jq_program"] = program.into();
            let mut exchange = with_body(request("POST", "/", &[], People::new(Manner::Knows)), kind, body);
            exchange.request.headers.append("Content-Length", body.len().to_string());
            assert_eq!(access(&jq_plugin(config.clone()), &mut exchange), None);
            let Body::Buffered(now) = &exchange.request.body else { panic!("a body") };
            assert_eq!(&now[..], sent.as_bytes(), "{config} {kind} {body}");
            let length = sent.len().to_string();
            assert_eq!(exchange.request.headers.get_str("content-length"), Some(&*length));
            assert!(!exchange.buffer_response);
        }
    }

    #[test]
    fn options_are_those_of_the_command_line() {
        let body = r#"{"b":"ä","a":["x",1]}"#;
        for (program, options, expected) in [
            (".", json!({}), "{\"b\":\"ä\",\"a\":[\"x\",1]}\n"),
            (".", json!({ "sort_keys": true }), "{\"a\":[\"x\",1],\"b\":\"ä\"}\n"),
            (".", json!({ "ascii_output": true }), "{\"b\":\"\\u00e4\",\"a\":[\"x\",1]}\n"),
            (".a", json!({ "compact_output": false }), "[\n  \"x\",\n  1\n]\n"),
            (".a[], .b", json!({}), "\"x\"\n1\n\"ä\"\n"),
            (".a[], .b", json!({ "raw_output": true }), "x\n1\nä\n"),
            (".a[], .b", json!({ "join_output": true }), "x1ä"),
            ("empty", json!({}), ""),
        ] {
            let config = json!({ "request_jq_program": program, "request_jq_program_options": options });
            let plain = request("POST", "/", &[], People::new(Manner::Knows));
            let mut exchange = with_body(plain, "application/json", body);
            assert_eq!(access(&jq_plugin(config), &mut exchange), None);
            let Body::Buffered(now) = &exchange.request.body else { panic!("a body") };
            assert_eq!(&now[..], expected.as_bytes(), "{program} {options}");
        }
    }

    #[test]
    fn responses_are_changed_by_status_and_type() {
        for (config, status, headers, body, expected) in [
            (json!({}), 200, vec![("Content-Type", "application/json")], r#"{"a":1}"#, "1\n"),
            (json!({}), 201, vec![("Content-Type", "application/json")], r#"{"a":1}"#, r#"{"a":1}"#),
            (
                json!({ "response_if_status_code": [201, 404] }),
                404,
                vec![("Content-Type", "application/json")],
                r#"{"a":1}"#,
                "1\n",
            ),
            (json!({}), 200, vec![("Content-Type", "text/plain")], r#"{"a":1}"#, r#"{"a":1}"#),
            (json!({}), 200, vec![], r#"{"a":1}"#, r#"{"a":1}"#),
            (
                json!({}),
                200,
                vec![("Content-Type", "application/json"), ("Content-Encoding", "br")],
                r#"{"a":1}"#,
                r#"{"a":1}"#,
            ),
            (json!({}), 200, vec![("Content-Type", "application/json")], "", ""),
            (json!({}), 200, vec![("Content-Type", "application/json")], "[]", "[]"),
        ] {
            let mut config = config;
            config["response_jq_program"] = ".a".into();
            let jq = jq_plugin(config.clone());
            let mut exchange = request("GET", "/", &[("Accept-Encoding", "gzip")], People::new(Manner::Knows));
            assert_eq!(access(&jq, &mut exchange), None);
            assert!(exchange.buffer_response && !exchange.request.headers.contains("accept-encoding"));
            exchange.response.status = status;
            headers.iter().for_each(|(name, value)| assert!(exchange.response.headers.append(name, *value)));
            exchange.response.body = Bytes::from_static(body.as_bytes());
            assert!(matches!(settle(Plugin::response(&jq, &mut exchange)), Flow::Next));
            assert_eq!(&exchange.response.body[..], expected.as_bytes(), "{config} {status} {headers:?} {body}");
        }
    }
}
