//! The answer's way through `ai-proxy`: whole, or as a stream.

use super::adapters::Format;
use super::config::{Model, Provider, RouteType};
use super::drivers;
use super::proxy::AiProxy;
use super::request::Parsed;
use super::stream::Relay;
use super::transform::{RequestTransformed, ResponseTransformed};
use super::usage::{self, Told, Usage, figure};
use crate::gzip::{pack, unpack};
use bytes::Bytes;
use exchange::{Chunk, Exchange, Plugin};
use serde_json::{Value, json};

/// The largest answer that is unpacked, in bytes.
const LARGEST: usize = 16 << 20;
/// The largest answer that is packed, in bytes: larger ones would keep a worker busy.
const LARGEST_PACKED: usize = 1 << 20;
/// What a log says where nothing is known.
const UNSPECIFIED: &str = "UNSPECIFIED";

/// A request of which the model is known, and its answer.
pub(super) struct Course {
    /// With what the request put into its templates.
    pub model: Model,
    pub streams: bool,
    /// The body as it was sent, where the log is to have it.
    pub sent: Option<Bytes>,
    preserves: bool,
    format: Format,
    takes_gzip: bool,
    /// The answer that takes the place of the upstream's, not packed.
    answer: Option<Bytes>,
    /// Whether it is packed for the client.
    packs: bool,
    relay: Option<Relay>,
}

impl Course {
    pub fn new(model: Model, route: RouteType, format: Format, takes_gzip: bool) -> Self {
        let preserves = route == RouteType::Preserve;
        let (answer, relay) = (None, None);
        Self { model, streams: false, sent: None, preserves, format, takes_gzip, answer, packs: false, relay }
    }
}

/// Provider and model of a request, as logs tell them.
pub(super) fn in_use(exchange: &Exchange) -> (&str, &str) {
    if let Some(course) = exchange.state.get::<Course>() {
        return (course.model.provider.name(), course.model.name.as_deref().unwrap_or(UNSPECIFIED));
    }
    match exchange.state.get::<Parsed>() {
        Some(parsed) => (parsed.format.native().unwrap_or(UNSPECIFIED), parsed.model.as_deref().unwrap_or(UNSPECIFIED)),
        None => (UNSPECIFIED, UNSPECIFIED),
    }
}

impl AiProxy {
    /// The head of the answer is there; with it the whole answer, where it does not stream.
    pub(super) fn answered(&self, exchange: &mut Exchange) {
        if !exchange.is_proxied() {
            return;
        }
        let Some(mut course) = exchange.state.take::<Course>() else { return };
        let mut usage = Usage::of(exchange);
        usage.latency = usage.started.map_or(0, |started| exchange.timeline.now().saturating_sub(started) / 1000);
        let transformed = exchange.state.get::<RequestTransformed>().is_some();
        let counts = exchange.response.upstream_status == 200 && !transformed;
        let headers = &mut exchange.response.headers;
        let encoding = headers.get_str("content-encoding").unwrap_or("identity").trim().to_ascii_lowercase();
        if counts
            && let Some(name) = &course.model.name
            && (self.model_header || exchange.request.headers.contains("kong-debug"))
        {
            headers.set("X-Kong-LLM-Model", format!("{}/{name}", course.model.provider.name()));
        }
        let tells = counts && !course.preserves;
        if course.streams {
            let kind = headers.get_str("content-type").map(str::to_owned);
            headers.set("Content-Type", "text/event-stream");
            if tells {
                let (packed, native) = (encoding == "gzip", course.format.native().is_some());
                let keeps = self.logging.log_statistics && self.logging.log_payloads;
                course.relay = Some(Relay::new(kind.as_deref(), packed, native, keeps));
                if !native {
                    headers.remove("content-length");
                    headers.remove("content-encoding");
                }
            }
        } else {
            let body = match encoding.as_str() {
                "gzip" => unpack(&exchange.response.body, LARGEST).map_err(|error| error.to_string()),
                "identity" | "" => Ok(exchange.response.body.clone()),
                other => Err(format!("it is packed with {other}")),
            };
            // What cannot be read goes on as it is, but for what must be.
            if tells || body.is_ok() {
                self.take(exchange, &mut course, body, tells, &mut usage);
            }
        }
        if tells {
            usage.price(self.templates.configured());
        }
        exchange.state.put(usage);
        exchange.state.put(course);
    }

    /// Takes a whole answer; `tells`: as one in the format that the client speaks.
    fn take(
        &self,
        exchange: &mut Exchange,
        course: &mut Course,
        body: Result<Bytes, String>,
        tells: bool,
        usage: &mut Usage,
    ) {
        let mut failed = body.as_ref().err().map(|error| format!("the answer cannot be unpacked: {error}"));
        let mut body = body.unwrap_or_default();
        if failed.is_none() {
            count(course.format, &body, usage);
        }
        if tells {
            if matches!(
                self.templates.configured().provider,
                Provider::OpenAi | Provider::Azure | Provider::Mistral | Provider::Gemini | Provider::Bedrock
            ) {
                exchange.response.headers.remove("set-cookie");
            }
            if failed.is_none() && course.format.native().is_none() {
                match drivers::answer(&body, self.templates.configured(), self.route) {
                    Ok(told) => body = told,
                    Err(error) => failed = Some(error),
                }
            }
        }
        if let Some(error) = failed {
            tracing::error!(plugin = Self::NAME, "issue when transforming the response body for analytics: {error}");
            exchange.response.status = 500;
            body = json!({ "error": { "message": error } }).to_string().into();
        } else if tells && course.format.native().is_none() {
            count(course.format, &body, usage);
        }
        let headers = &mut exchange.response.headers;
        headers.remove("content-length");
        course.packs = course.takes_gzip && body.len() <= LARGEST_PACKED;
        match course.packs {
            true => drop(headers.set("Content-Encoding", "gzip")),
            false => drop(headers.remove("content-encoding")),
        }
        course.answer = Some(body);
    }

    /// A piece of the answer goes out.
    pub(super) fn pass(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if exchange.state.get::<ResponseTransformed>().is_some() {
            return;
        }
        let proxied = exchange.is_proxied();
        let mut told: Option<Bytes> = None;
        if let Some(course) = exchange.state.get_mut::<Course>().filter(|_| proxied) {
            if let Some(answer) = &course.answer {
                chunk.data = match (chunk.last, course.packs) {
                    // It came in one piece.
                    (false, _) => Bytes::new(),
                    (true, true) => pack(answer),
                    (true, false) => answer.clone(),
                };
                told = Some(answer.clone());
            } else if let Some(relay) = &mut course.relay {
                let piece = std::mem::take(&mut chunk.data);
                chunk.data = relay.pass(piece, chunk.last, self.templates.configured(), self.route);
                if chunk.last {
                    told = self.streamed(exchange);
                }
            }
        }
        if chunk.last && self.logging.log_statistics {
            self.tell(exchange, told.as_deref());
        }
    }

    /// A stream is over: its counts, and the answer as a whole where the log is to have it.
    fn streamed(&self, exchange: &mut Exchange) -> Option<Bytes> {
        let mut usage = Usage::of(exchange);
        let relay = exchange.state.get_mut::<Course>()?.relay.take()?;
        usage.prompt = if relay.tokens.0 > 0.0 { usage.prompt + relay.tokens.0 } else { usage.prompt };
        usage.completion = relay.tokens.1;
        if usage.completion == 0.0 {
            // Four characters are a token, as a rule of thumb.
            let said = relay.text.as_ref().map_or(0, |text| text.trim().len());
            usage.completion = said.div_ceil(4) as f64;
        }
        usage.price(self.templates.configured());
        exchange.state.put(usage);
        let text = relay.text?;
        let choice = json!({
            "finish_reason": relay.finish_reason, "index": 0, "logprobs": null,
            "message": { "role": "assistant", "content": text },
        });
        let counts = json!({
            "prompt_tokens": figure(usage.prompt), "completion_tokens": figure(usage.completion),
            "total_tokens": figure(usage.prompt + usage.completion),
        });
        let answer = json!({ "choices": [choice], "object": "chat.completion", "response": text, "usage": counts });
        Some(answer.to_string().into())
    }

    /// Tells logs of a request that is over; `answer` is what was answered.
    fn tell(&self, exchange: &Exchange, answer: Option<&[u8]>) {
        let course = exchange.state.get::<Course>();
        let usage = Usage::of(exchange);
        let (provider, request_model) = in_use(exchange);
        let format = course.map(|course| course.format).unwrap_or_default();
        let body: Option<Value> = answer.and_then(|answer| serde_json::from_slice(answer).ok());
        let response_model = body.as_ref().and_then(|body| format.model(body)).cloned();
        let response_model = response_model.unwrap_or_else(|| request_model.into());
        let told = Told { id: self.id, provider, request_model, response_model };
        let mut meta = told.meta(usage.latency);
        if let Some(course) = course {
            usage::azure(&course.model, &mut meta);
        }
        usage::tell(exchange, "proxy", "meta", meta.into());
        usage::tell(exchange, "proxy", "usage", usage::told(usage));
        if self.logging.log_payloads {
            let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
            if let Some(sent) = course.and_then(|course| course.sent.as_deref()) {
                usage::tell(exchange, "proxy", "payload.request", text(sent));
            }
            if let Some(answer) = answer {
                usage::tell(exchange, "proxy", "payload.response", text(answer));
            }
        }
    }
}

/// Takes the tokens that an answer tells of.
fn count(format: Format, body: &[u8], usage: &mut Usage) {
    match format {
        Format::OpenAi => {
            if let Ok(answer) = serde_json::from_slice(body) {
                usage.read(&answer);
            }
        }
        Format::Bedrock | Format::Gemini => {
            if let Some((prompt, completion)) = format.tokens(body) {
                (usage.prompt, usage.completion) = (prompt, completion);
            }
        }
    }
}
