//! `exit-transformer`: functions of the configuration that change what the gateway answers itself.

use crate::current::{self, Call, Remembered};
use crate::error;
use crate::pdk::{given_headers, lines};
use crate::phase::Phase;
use crate::runner::Runner;
use crate::value::{self, Null};
use crate::worker::{self, Slot, Worker};
use entities::{PluginSchema, Scopes};
use exchange::answer::JSON;
use exchange::{About, Exchange, Flow, Headers, Phases, Plugin, Services, Source};
use mlua::{MultiValue, Value};
use schema::Schema;
use serde::Deserialize;
use std::borrow::Cow;

/// Options of `exit-transformer`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Lua chunks, each of which returns a function of status, body and headers that returns the three as they shall be;
    /// each is given what the one before made.
    #[field(elements(validate = loadable))]
    pub functions: Vec<String>,
    /// Whether answers to requests that no Route matches are changed too; for a plugin that is configured globally.
    #[field(default = false)]
    pub handle_unknown: bool,
    /// Whether error pages of the gateway are changed too: requests that are none, upstreams that fail.
    #[field(default = false)]
    pub handle_unexpected: bool,
}

fn loadable(source: &str) -> Result<(), String> {
    worker::check(source).map_err(|error| format!("error parsing function: {error}"))
}

/// `exit-transformer`, configured.
pub struct ExitTransformer {
    config: Config,
    runner: Runner,
}

/// An answer as functions see it.
struct Seen {
    status: Value,
    /// JSON as a table, anything else as text; `nil` where there is none.
    body: Value,
    /// `nil` where there are none of its own.
    headers: Value,
}

impl Seen {
    fn of(exchange: &Exchange, worker: &Worker) -> mlua::Result<Self> {
        let (lua, response) = (&worker.lua, &exchange.response);
        let body = &response.body;
        let json = response.headers.get_str("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let table = json.then(|| serde_json::from_slice::<serde_json::Value>(body).ok()).flatten();
        let body = match table {
            Some(table) => value::from_json(lua, &table, Null::Null)?,
            None if body.is_empty() => Value::Nil,
            None => Value::String(lua.create_string(body)?),
        };
        // Names as they are sent: a function that sets one of another case adds a line, as in Kong.
        let headers = lua.create_table()?;
        for (name, line) in lines(&response.headers).into_iter().filter(|(name, _)| !follows(name)) {
            let (name, line) = (lua.create_string(name)?, Value::String(lua.create_string(line)?));
            match headers.raw_get(&name)? {
                Value::Nil => headers.raw_set(name, line)?,
                Value::Table(lines) => lines.raw_push(line)?,
                before => headers.raw_set(name, lua.create_sequence_from([before, line])?)?,
            }
        }
        let headers = if headers.is_empty() { Value::Nil } else { Value::Table(headers) };
        Ok(Self { status: Value::Integer(response.status.into()), body, headers })
    }

    /// What a function made of it.
    fn through(self, function: &Slot, call: &Call) -> mlua::Result<Self> {
        let given = || MultiValue::from_iter([self.status.clone(), self.body.clone(), self.headers.clone()]);
        let first: MultiValue = function.function().call(given())?;
        let made = match function.settle(first.front().unwrap_or(&Value::Nil)) {
            Some(inner) => inner.call::<MultiValue>(given())?,
            None => first,
        };
        if call.ended.get() {
            return Err(error::of("the function ended its phase instead of returning"));
        }
        let mut made = made.into_iter();
        let mut next = || made.next().unwrap_or(Value::Nil);
        Ok(Self { status: next(), body: next(), headers: next() })
    }

    /// Makes it the response.
    fn apply(self, exchange: &mut Exchange, worker: &Worker) -> mlua::Result<()> {
        let status =
            value::number(&self.status).filter(|status| status.fract() == 0.0 && (200.0..600.0).contains(status));
        let Some(status) = status else { return Err(error::of("the status must be a number between 200 and 599")) };
        let mut headers: Headers = Headers::default();
        for (name, value) in given_headers(&self.headers)? {
            headers.append(&name, value);
        }
        let (body, kind) = match &self.body {
            Value::Nil => (Vec::new(), None),
            Value::Table(_) => {
                (value::to_json(&worker.lua, &self.body)?.to_string().into_bytes(), Some(Cow::Borrowed(JSON)))
            }
            Value::String(text) => {
                let text = text.as_bytes().to_vec();
                // Whoever leaves the text as it is leaves its type.
                let kind = exchange.response.headers.get_str("content-type").filter(|_| text == exchange.response.body);
                (text, kind.map(|kind| Cow::Owned(kind.to_owned())))
            }
            _ => return Err(error::of("the body must be a table, text or nil")),
        };
        if let Some(kind) = kind.filter(|_| !headers.contains("content-type")) {
            headers.set("Content-Type", kind.as_bytes());
        }
        let response = &mut exchange.response;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 200 and 599")]
        {
            response.status = status as u16;
        }
        response.reason = bytes::Bytes::new();
        response.headers = headers;
        response.body = body.into();
        Ok(())
    }
}

/// Whether a header follows from the body.
fn follows(name: &[u8]) -> bool {
    ["content-type", "content-length"].iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
}

impl ExitTransformer {
    /// Whether the response is one that this configuration changes.
    fn takes(&self, exchange: &Exchange) -> bool {
        match exchange.response.source {
            Source::Service => false,
            Source::Error => self.config.handle_unexpected,
            Source::Exit => exchange.route.is_some() || self.config.handle_unknown,
        }
    }

    fn change(&self, exchange: &mut Exchange) -> mlua::Result<()> {
        let make = |worker: &Worker| {
            self.config.functions.iter().map(|source| worker.compile(source).map(Slot::of_chunk)).collect()
        };
        let remembered = exchange.state.get::<Remembered>().cloned();
        let (functions, call) = self.runner.begin(Phase::HeaderFilter, remembered, &make)?;
        exchange.state.put(call.remembered.clone());
        let worker = Worker::of_thread()?;
        let mut seen = Seen::of(exchange, &worker)?;
        for function in &*functions {
            seen = current::run(&call, exchange, || seen.through(function, &call))?;
        }
        seen.apply(exchange, &worker)
    }
}

impl Plugin for ExitTransformer {
    const NAME: &'static str = "exit-transformer";
    const PRIORITY: i32 = 9999;
    const PHASES: Phases = Phases::HEADER_FILTER;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::ALL)
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        Ok(Self { config, runner: Runner::new(Self::NAME, about.id, services.node_id, worker::BUDGET) })
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        if self.takes(exchange)
            && let Err(error) = self.change(exchange)
        {
            // The answer goes out as it was.
            tracing::error!("[{}] {}", Self::NAME, error::text(&error));
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::directory::Nobody;
    use exchange::{Answer, ErrorTemplates, PluginType, Request, Timeline};
    use serde_json::{Value as Json, json};
    use std::sync::Arc;

    fn exchange(answer: Answer, routed: bool) -> Exchange {
        let request = Request { method: b"GET".as_slice().into(), ..Request::default() };
        let mut exchange = Exchange::new(request, Timeline::default(), Arc::new(Nobody));
        if routed {
            let route = json!({
                "id": uuid::Uuid::nil(), "protocols": ["http"], "https_redirect_status_code": 426, "strip_path": true,
                "preserve_host": false, "request_buffering": true, "response_buffering": true,
            });
            exchange.route = Some(
                Arc::new(serde_json::from_value::<entities::Route>(route).unwrap_or_else(|error| panic!("{error}")))
                    .into(),
            );
        }
        exchange.answer(answer, &ErrorTemplates::default());
        exchange
    }

    fn changed(config: Json, answer: Answer, routed: bool) -> Exchange {
        let plugin = PluginType::of::<ExitTransformer>();
        let mut complete = json!({ "handle_unknown": false, "handle_unexpected": false });
        for (name, value) in config.as_object().into_iter().flatten() {
            complete[name] = value.clone();
        }
        let services = Services::alone(uuid::Uuid::nil());
        let instance = plugin.build(&complete, &About::default(), &services).unwrap_or_else(|error| panic!("{error}"));
        let mut exchange = exchange(answer, routed);
        assert!(matches!(instance.header_filter(&mut exchange), Flow::Next));
        exchange
    }

    fn shown(exchange: &Exchange) -> (u16, String, Option<String>) {
        let response = &exchange.response;
        let kind = response.headers.get_str("content-type").map(str::to_owned);
        (response.status, String::from_utf8_lossy(&response.body).into_owned(), kind)
    }

    #[test]
    fn functions_change_status_body_and_headers() {
        let refused = || Answer::message(401, "no").header("WWW-Authenticate", "Key");
        let json = || Some(JSON.to_owned());
        for (functions, answer, expected) in [
            (
                vec!["return function(s, b, h) return s, b, h end"],
                refused(),
                (401, r#"{"message":"no"}"#.into(), json()),
            ),
            (
                vec!["return function(s, b, h) b.message = b.message .. '!' return 403, b, h end"],
                refused(),
                (403, r#"{"message":"no!"}"#.into(), json()),
            ),
            (
                vec![
                    "return function(s, b, h) return 418, { n = 1 } end",
                    "return function(s, b, h) b.n = b.n + s return s, b end",
                ],
                refused(),
                (418, r#"{"n":419}"#.into(), json()),
            ),
            (
                vec![
                    "return function(s, b, h) return s, '<h1>' .. b.message .. '</h1>', { ['Content-Type'] = 'text/html' } end",
                ],
                refused(),
                (401, "<h1>no</h1>".into(), Some("text/html".into())),
            ),
            (vec!["return function(s) return 204 end"], refused(), (204, String::new(), None)),
            (
                vec!["return function(s, b, h) return s, tostring(b) .. tostring(h), h end"],
                Answer::bytes(429, ""),
                (429, "nilnil".into(), None),
            ),
            (
                vec!["return function(s, b) return 400, b end"],
                Answer::bytes(401, "plain").header("Content-Type", "text/plain"),
                (400, "plain".into(), Some("text/plain".into())),
            ),
        ] {
            let found = shown(&changed(json!({ "functions": functions }), answer, true));
            assert_eq!(found, expected, "{functions:?}");
        }
        let kept = changed(
            json!({ "functions": ["return function(s, b, h) h['X-A'] = 'b' return s, b, h end"] }),
            refused(),
            true,
        );
        assert_eq!(kept.response.headers.get_str("www-authenticate"), Some("Key"));
        assert_eq!(kept.response.headers.get_str("x-a"), Some("b"));
    }

    #[test]
    fn what_fails_changes_nothing() {
        for function in [
            "return 5",
            "error('broken')",
            "return function(s, b, h) return b.no.such end",
            "return function(s, b, h) return 'x', b, h end",
            "return function(s, b, h) return 100, b, h end",
            "return function(s, b, h) return s, true end",
            "return function(s, b, h) return s, b, 5 end",
            "return function(s, b, h) return s, { f = print } end",
            "return function(s, b, h) kong.response.exit(200) end",
            "while true do end",
            "return function() while true do end end",
        ] {
            let found = shown(&changed(json!({ "functions": [function] }), Answer::message(401, "no"), true));
            assert_eq!(found, (401, r#"{"message":"no"}"#.to_owned(), Some(JSON.to_owned())), "{function}");
        }
        assert!(loadable("return function(").is_err());
    }

    #[test]
    fn answers_are_changed_as_configured() {
        let function = "return function(s, b, h) return 418 end";
        let service = || Answer { source: Source::Service, ..Answer::message(404, "upstream") };
        for (unknown, unexpected, answer, routed, changes) in [
            (false, false, Answer::message(404, "plugin"), true, true),
            (false, false, Answer::error(404, "no Route"), false, false),
            (true, false, Answer::error(404, "no Route"), false, true),
            (true, false, Answer::page(502), true, false),
            (false, true, Answer::page(502), true, true),
            (false, true, Answer::page(400), false, true),
            (true, true, service(), true, false),
        ] {
            let config = json!({ "functions": [function], "handle_unknown": unknown, "handle_unexpected": unexpected });
            let status = answer.status;
            let found = changed(config, answer, routed).response.status;
            assert_eq!(found, if changes { 418 } else { status }, "{unknown} {unexpected} {status} {routed}");
        }
    }
}
