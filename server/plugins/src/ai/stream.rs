//! An answer that streams: events of the provider become those of OpenAI, piece by piece, and are counted.

use super::adapters::Tokens;
use super::config::{Model, Provider, RouteType};
use super::drivers::{self, DONE, Memory};
use super::events::{Event, Events};
use crate::gzip::Unpacker;
use bytes::Bytes;
use serde_json::Value;

/// What a piece may become when it is unpacked, in bytes.
const LARGEST_PIECE: usize = 16 << 20;
/// What the log keeps of an answer, in bytes.
const LARGEST_TEXT: usize = 4 << 20;
/// What a client gets instead of a stream that cannot be told.
const UNTOLD: &[u8] = br#"data: {"error": true, "message": "empty or unsupported transformer response"}"#;

/// A stream on its way to the client.
pub(super) struct Relay {
    /// None where what comes is no stream, or broken.
    events: Option<Events>,
    unpacker: Option<Unpacker>,
    memory: Memory,
    /// Whether the client gets it as it came.
    native: bool,
    /// Whether the client has been told that nothing can be told.
    given_up: bool,
    /// What the answer says, where the log is to have it.
    pub text: Option<String>,
    /// Why it ended, as far as it is known.
    pub finish_reason: Value,
    /// Tokens it told of.
    pub tokens: Tokens,
}

impl Relay {
    /// For an upstream's answer of this type; `native` leaves it as it is, `keeps` remembers what it says.
    pub fn new(content_type: Option<&str>, packed: bool, native: bool, keeps: bool) -> Self {
        Self {
            events: Events::of(content_type),
            unpacker: packed.then(|| Unpacker::new(LARGEST_PIECE)),
            memory: Memory::default(),
            native,
            given_up: false,
            text: keeps.then(String::new),
            finish_reason: Value::Null,
            tokens: (0.0, 0.0),
        }
    }

    /// What a piece becomes.
    pub fn pass(&mut self, piece: Bytes, last: bool, model: &Model, route: RouteType) -> Bytes {
        let Some(events) = &mut self.events else {
            return match piece.is_empty() || std::mem::replace(&mut self.given_up, true) {
                true => Bytes::new(),
                false => Bytes::from_static(UNTOLD),
            };
        };
        let plain = match &mut self.unpacker {
            Some(unpacker) => unpacker.feed(&piece).map(Bytes::from).map_err(|error| error.to_string()),
            None => Ok(piece.clone()),
        };
        let found = plain.and_then(|plain| events.feed(&plain).map_err(str::to_owned));
        let rest = if last { events.finish() } else { Vec::new() };
        let mut out = Vec::new();
        match found {
            Ok(found) => found.iter().chain(&rest).for_each(|event| self.tell(event, model, route, &mut out)),
            Err(error) => {
                tracing::error!(plugin = "ai-proxy", "the stream of {} cannot be read: {error}", model.provider.name());
                self.events = None;
                self.given_up = true;
            }
        }
        if self.native { piece } else { out.into() }
    }

    fn tell(&mut self, event: &Event, model: &Model, route: RouteType, out: &mut Vec<u8>) {
        let told = drivers::event(event, model, route, &mut self.memory);
        if let Some((prompt, completion)) = told.tokens {
            // Gemini tells sums, others tell what is added.
            let before = if model.provider == Provider::Gemini { (0.0, 0.0) } else { self.tokens };
            self.tokens = (before.0 + prompt, before.1 + completion);
        }
        let Some(text) = told.text else { return };
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(text.as_bytes());
        if text == DONE {
            return;
        }
        out.extend_from_slice(b"\n\n");
        if let Some(said) = &mut self.text {
            let chunk: Value = serde_json::from_str(&text).unwrap_or_default();
            let choice = &chunk["choices"][0];
            if let Some(reason) = choice.get("finish_reason") {
                self.finish_reason = reason.clone();
            }
            let token = choice["delta"]["content"].as_str().or_else(|| choice["text"].as_str()).unwrap_or_default();
            if said.len() + token.len() <= LARGEST_TEXT {
                said.push_str(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gzip::pack;
    use serde_json::json;

    fn model(provider: &str) -> Model {
        serde_json::from_value(json!({ "provider": provider, "name": "m" })).expect("a model")
    }

    const CHUNKS: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"A \"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"sloe\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

    fn run(relay: &mut Relay, provider: &str, stream: &[u8], cut: usize) -> String {
        let mut out = Vec::new();
        for piece in stream.chunks(cut) {
            out.extend(relay.pass(Bytes::copy_from_slice(piece), false, &model(provider), RouteType::Chat));
        }
        out.extend(relay.pass(Bytes::new(), true, &model(provider), RouteType::Chat));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn chunks_of_openai_pass() {
        for (packed, stream) in [(false, CHUNKS.as_bytes().to_vec()), (true, pack(CHUNKS.as_bytes()).to_vec())] {
            for cut in [1, 5, 1000] {
                let mut relay = Relay::new(Some("text/event-stream"), packed, false, true);
                let out = run(&mut relay, "openai", &stream, cut);
                assert_eq!(out, CHUNKS.strip_suffix("\n\n").expect("an end"), "{packed} {cut}");
                assert_eq!(relay.text.as_deref(), Some("A sloe"));
                assert_eq!(relay.finish_reason, "stop");
            }
        }
    }

    #[test]
    fn tokens_are_added_but_for_gemini() {
        let anthropic = "event: message_start\ndata: {\"message\":{\"id\":\"i\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
            event: ping\ndata: {}\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":3}}\n\n\
            event: message_stop\ndata: {}\n\n";
        let mut relay = Relay::new(Some("text/event-stream"), false, false, false);
        assert!(run(&mut relay, "anthropic", anthropic.as_bytes(), 9).ends_with("data: [DONE]"));
        assert_eq!(relay.tokens, (5.0, 4.0));
        let event = |prompt, completion| {
            json!({ "candidates": [{ "content": { "parts": [{ "text": "x" }] } }],
                "usageMetadata": { "promptTokenCount": prompt, "candidatesTokenCount": completion } })
        };
        let stream = json!([event(7, 1), event(7, 2)]).to_string();
        let mut relay = Relay::new(Some("application/json"), false, true, false);
        assert_eq!(run(&mut relay, "gemini", stream.as_bytes(), 11), stream);
        assert_eq!(relay.tokens, (7.0, 2.0));
    }

    #[test]
    fn what_cannot_be_told_is_said_once() {
        let mut relay = Relay::new(Some("text/html"), false, false, false);
        assert_eq!(run(&mut relay, "openai", b"<html></html>", 4).as_bytes(), UNTOLD);
        let mut relay = Relay::new(Some("text/event-stream"), true, false, false);
        assert_eq!(run(&mut relay, "openai", b"not packed at all", 4), "");
    }
}
