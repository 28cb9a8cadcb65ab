//! `request-size-limiting`: refuses requests with large bodies.

use crate::form;
use entities::PluginSchema;
use exchange::{About, Answer, Body, BodyError, BodySource, Exchange, Headers, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use std::task::{Context, Poll, ready};

/// Options of `request-size-limiting`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// The largest body that passes, in units of `size_unit`.
    #[field(default = 128)]
    pub allowed_payload_size: Option<i64>,
    /// The unit of `allowed_payload_size`.
    #[field(default = "megabytes")]
    pub size_unit: Unit,
    /// Whether requests that do not say how long their body is are refused.
    #[field(default = false)]
    pub require_content_length: bool,
}

/// Units of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// 1,048,576 bytes.
    Megabytes,
    /// 1024 bytes.
    Kilobytes,
    /// Bytes.
    Bytes,
}

/// `request-size-limiting`, configured.
pub struct RequestSizeLimiting {
    limit: u64,
    require_content_length: bool,
}

/// A body that ends with an error once it has become longer than it may be.
struct Limited {
    source: Box<dyn BodySource>,
    left: u64,
    limit: u64,
}

impl BodySource for Limited {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<bytes::Bytes, BodyError>>> {
        let chunk = ready!(self.source.poll_chunk(context));
        if let Some(Ok(data)) = &chunk {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit }))),
            }
        }
        Poll::Ready(chunk)
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.source.trailers()
    }
}

fn refusal(exchange: &Exchange) -> Answer {
    let expects = exchange.request.headers.get("expect");
    let waits = expects.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"100-continue"));
    Answer::error(if waits { 417 } else { 413 }, "Request size limit exceeded")
}

impl Plugin for RequestSizeLimiting {
    const NAME: &'static str = "request-size-limiting";
    const PRIORITY: i32 = 951;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let factor = match config.size_unit {
            Unit::Megabytes => 1 << 20,
            Unit::Kilobytes => 1 << 10,
            Unit::Bytes => 1,
        };
        let size = u64::try_from(config.allowed_payload_size.unwrap_or(128)).unwrap_or(0);
        Ok(Self { limit: size.saturating_mul(factor), require_content_length: config.require_content_length })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if let Some(length) = exchange.request.content_length {
            return if length > self.limit { refusal(exchange).into() } else { Step::NEXT };
        }
        if self.require_content_length {
            return Answer::error(411, "A valid Content-Length header is required").into();
        }
        match std::mem::take(&mut exchange.request.body) {
            Body::Empty => Step::NEXT,
            Body::Buffered(bytes) => {
                let length = bytes.len() as u64;
                exchange.request.body = Body::Buffered(bytes);
                if length > self.limit { refusal(exchange).into() } else { Step::NEXT }
            }
            // What may be large is counted while it goes to the upstream, and costs no memory.
            Body::Stream(source) => {
                let limit = self.limit;
                exchange.request.body = Body::Stream(Box::new(Limited { source, left: limit, limit }));
                if limit > form::BODY_LIMIT {
                    return Step::NEXT;
                }
                Step::Wait(Box::pin(async move {
                    match exchange.request.body.read(limit).await {
                        Ok(_) => exchange::Flow::Next,
                        Err(BodyError::TooLarge { .. }) => refusal(exchange).into(),
                        Err(error) => form::broken(&error).into(),
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request, with_body};
    use bytes::Bytes;
    use serde_json::{Value, json};

    struct Pieces(Vec<Bytes>);

    impl BodySource for Pieces {
        fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
            Poll::Ready(self.0.pop().map(Ok))
        }
    }

    fn run(config: Value, exchange: &mut Exchange) -> String {
        match access(&plugin::<RequestSizeLimiting>(config), exchange) {
            Some(status) => format!("{status} {}", message(exchange)),
            None => "passes".to_owned(),
        }
    }

    fn plain(headers: &[(&str, &str)]) -> Exchange {
        request("POST", "/", headers, People::new(Manner::Knows))
    }

    #[test]
    fn declared_lengths_decide() {
        let sized = |length: usize| with_body(plain(&[]), "text/plain", "a".repeat(length));
        for (config, length, outcome) in [
            (json!({ "allowed_payload_size": 4, "size_unit": "bytes" }), 4, "passes"),
            (json!({ "allowed_payload_size": 4, "size_unit": "bytes" }), 5, "413 Request size limit exceeded"),
            (json!({ "allowed_payload_size": 1, "size_unit": "kilobytes" }), 1024, "passes"),
            (json!({ "allowed_payload_size": 1, "size_unit": "kilobytes" }), 1025, "413 Request size limit exceeded"),
            (json!({}), 5000, "passes"),
            (json!({ "allowed_payload_size": -1 }), 1, "413 Request size limit exceeded"),
            (json!({ "allowed_payload_size": i64::MAX }), 1, "passes"),
        ] {
            assert_eq!(run(config.clone(), &mut sized(length)), outcome, "{config} {length}");
        }
        let mut waiting = with_body(plain(&[("Expect", " 100-Continue")]), "text/plain", "aaaaa");
        let config = json!({ "allowed_payload_size": 4, "size_unit": "bytes" });
        assert_eq!(run(config, &mut waiting), "417 Request size limit exceeded");
    }

    #[test]
    fn bodies_without_a_length_are_counted() {
        let streamed = |pieces: usize| {
            let mut exchange = plain(&[]);
            exchange.request.body = Body::Stream(Box::new(Pieces(vec![Bytes::from_static(b"abcd"); pieces])));
            exchange
        };
        let config = json!({ "allowed_payload_size": 8, "size_unit": "bytes" });
        let mut fits = streamed(2);
        assert_eq!(run(config.clone(), &mut fits), "passes");
        assert!(matches!(&fits.request.body, Body::Buffered(bytes) if bytes == "abcdabcd"));
        assert_eq!(run(config, &mut streamed(3)), "413 Request size limit exceeded");
        let mut large = streamed(2);
        assert_eq!(run(json!({}), &mut large), "passes");
        assert!(matches!(&large.request.body, Body::Stream(_)));
        let strict = json!({ "require_content_length": true });
        assert_eq!(run(strict.clone(), &mut streamed(1)), "411 A valid Content-Length header is required");
        assert_eq!(run(strict, &mut plain(&[])), "411 A valid Content-Length header is required");
        assert_eq!(run(json!({}), &mut plain(&[])), "passes");
    }

    #[test]
    fn a_stream_ends_where_it_becomes_too_long() {
        let source = Box::new(Pieces(vec![Bytes::from_static(b"abcd"); 3]));
        let mut limited = Limited { source, left: 9, limit: 9 };
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(matches!(limited.poll_chunk(&mut context), Poll::Ready(Some(Ok(_)))));
        }
        assert_eq!(outcomes, [true, true, false]);
    }
}
