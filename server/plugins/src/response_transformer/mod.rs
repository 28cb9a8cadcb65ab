//! `response-transformer`: changes headers and JSON members of responses.

mod body;
mod config;
mod headers;

pub use config::{Config, Pairs, Removed, Renamed};

use crate::bodies::is_json;
use body::BodyChange;
use bytes::{Bytes, BytesMut};
use entities::{PluginSchema, Scopes};
use exchange::{About, Chunk, Exchange, Flow, Phases, Plugin, Services};
use headers::HeaderChange;

/// `response-transformer`, configured.
pub struct ResponseTransformer {
    headers: HeaderChange,
    body: Option<BodyChange>,
}

/// A body on its way through, kept back until it is whole.
#[derive(Default)]
struct Kept {
    first: Bytes,
    rest: BytesMut,
}

impl Kept {
    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&self.first);
                self.first = Bytes::new();
            }
            self.rest.extend_from_slice(&data);
        }
    }

    fn whole(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

impl Plugin for ResponseTransformer {
    const NAME: &'static str = "response-transformer";
    const PRIORITY: i32 = 800;
    const PHASES: Phases = Phases::HEADER_FILTER.and(Phases::BODY_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::GROUPS)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self { headers: HeaderChange::new(&config), body: BodyChange::new(&config) })
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let headers = &mut exchange.response.headers;
        self.headers.apply(headers);
        if self.body.is_some() && headers.get_str("content-type").is_some_and(is_json) {
            headers.remove("content-length");
            exchange.state.put(Kept::default());
        }
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        let Some(kept) = exchange.state.get_mut::<Kept>() else { return };
        kept.push(std::mem::take(&mut chunk.data));
        if !chunk.last {
            return;
        }
        let whole = exchange.state.take::<Kept>().map(Kept::whole).unwrap_or_default();
        chunk.data = match self.body.as_ref().and_then(|change| change.apply(&whole)) {
            Some(changed) => changed,
            None => {
                tracing::warn!(plugin = Self::NAME, "the body is no JSON object and was not changed");
                whole
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, filter, plugin, request};
    use serde_json::json;

    fn run(config: serde_json::Value, kind: &str, pieces: &[&str]) -> (String, bool) {
        let plugin = plugin::<ResponseTransformer>(config);
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        exchange.response.headers.append("Content-Type", kind);
        exchange.response.headers.append("Content-Length", pieces.concat().len().to_string());
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        let body = filter(&plugin, &mut exchange, pieces);
        (body, exchange.response.headers.contains("content-length"))
    }

    #[test]
    fn bodies_are_changed_whole() {
        let add = json!({ "add": { "json": ["b:1"] } });
        for (config, kind, pieces, body, sized) in [
            (add.clone(), "application/json", &["{\"a\"", ":", "", "1}"][..], r#"{"a":1,"b":"1"}"#, false),
            (add.clone(), "application/problem+json", &["{}"], r#"{"b":"1"}"#, false),
            (add.clone(), "application/json", &["{", "broken", ""], "{broken", false),
            (add.clone(), "text/plain", &["{", "}"], "{}", true),
            (json!({ "add": { "headers": ["X-R:1"] } }), "application/json", &["{\"a\": 1}"], "{\"a\": 1}", true),
            (
                json!({ "add": { "json": ["b:1"] }, "replace": { "headers": ["Content-Type:text/x"] } }),
                "application/json",
                &["{}"],
                "{}",
                true,
            ),
        ] {
            assert_eq!(run(config.clone(), kind, pieces), (body.to_owned(), sized), "{config} {kind} {pieces:?}");
        }
    }

    #[test]
    fn json_types_are_known() {
        for (kind, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/plain, application/json", true),
            ("text/json", false),
            ("application/jsonp", false),
            ("application/x-json", false),
            ("", false),
        ] {
            assert_eq!(is_json(kind), json, "{kind}");
        }
    }
}
