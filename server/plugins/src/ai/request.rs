//! Requests to language models as plugins see them: JSON in the format of OpenAI, with `messages` (chat) or a `prompt`
//! (completions). The first plugin reads the request, the others see what it and those after it made of it.

use super::adapters::Format;
use super::usage::Usage;
use bytes::Bytes;
use exchange::form::Form;
use exchange::{Answer, BodyError, Exchange, form};
use serde_json::{Map, Value, json};

/// Bodies of so many bytes are looked at whatever `max_request_body_size` says: what Kong holds in memory by default.
const HELD: u64 = 8192;

/// A request as it was read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// In the format of OpenAI; nothing of one that is no JSON, no form, or too large.
    pub request: Option<Map<String, Value>>,
    /// The format that the client speaks.
    pub format: Format,
    /// Whether a plugin has changed `request` since.
    pub changed: bool,
    /// Whether the client takes answers that are packed with gzip.
    pub takes_gzip: bool,
    /// The model that the client named.
    pub model: Option<String>,
}

/// A plugin that looks at models has put another body into memory.
struct InMemory;

/// Sends another body on; later plugins look at it whatever its size.
pub(super) fn replace(exchange: &mut Exchange, body: Bytes) {
    form::replace(exchange, body);
    exchange.state.put(InMemory);
}

/// The body, where it is not larger than `largest` or [`HELD`] bytes.
pub(super) async fn body(exchange: &mut Exchange, largest: u64) -> Result<Option<Bytes>, Answer> {
    let largest = match exchange.state.get::<InMemory>() {
        Some(InMemory) => u64::MAX,
        None => largest.max(HELD),
    };
    if exchange.request.content_length.is_some_and(|length| length > largest) {
        return Ok(None);
    }
    match exchange.request.body.read(largest).await {
        Ok(body) => Ok(Some(body)),
        Err(BodyError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(form::broken(&error)),
    }
}

/// Reads the request, where no plugin has done so before.
pub(super) async fn parse(exchange: &mut Exchange, largest: u64, format: Format) -> Result<(), Answer> {
    if exchange.state.get::<Parsed>().is_some() {
        return Ok(());
    }
    let headers = &exchange.request.headers;
    let kind = headers.get_str("content-type").unwrap_or("application/json").trim_start().to_owned();
    let takes_gzip = headers.joined("accept-encoding").is_some_and(|accepted| names_gzip(&accepted));
    let read = match body(exchange, largest).await? {
        Some(body) => Form::parse(kind.as_bytes(), body).map(Form::value),
        None => None,
    };
    let request = match read {
        Some(Value::Object(request)) => Some(format.openai(request, exchange)),
        _ => None,
    };
    let model = request.as_ref().and_then(|request| request.get("model")?.as_str()).map(str::to_owned);
    if request.is_some() {
        let usage = Usage::of(exchange);
        let started = usage.started.or_else(|| Some(exchange.timeline.now()));
        exchange.state.put(Usage { started, ..usage });
    }
    exchange.state.put(Parsed { request, format, changed: false, takes_gzip, model });
    Ok(())
}

/// The request, as the last plugin left it.
pub(super) async fn document(
    exchange: &mut Exchange,
    largest: u64,
    format: Format,
) -> Result<Option<Map<String, Value>>, Answer> {
    parse(exchange, largest, format).await?;
    Ok(exchange.state.get::<Parsed>().and_then(|parsed| parsed.request.clone()))
}

/// Sends another request on, for plugins that come after this one, too.
pub(super) fn change(exchange: &mut Exchange, request: Map<String, Value>) {
    let body = Value::Object(request);
    replace(exchange, body.to_string().into());
    exchange.request.headers.set("Content-Type", "application/json");
    if let (Some(parsed), Value::Object(request)) = (exchange.state.get_mut::<Parsed>(), body) {
        parsed.request = Some(request);
        parsed.changed = true;
    }
}

/// A member, where it is given: as Lua takes it, `false` is not, and `null` is.
pub(super) fn given<'r>(request: &'r Map<String, Value>, name: &str) -> Option<&'r Value> {
    request.get(name).filter(|value| **value != Value::Bool(false))
}

/// Whether `gzip` is among what is accepted, as a word.
fn names_gzip(accepted: &[u8]) -> bool {
    accepted.split(|byte| !byte.is_ascii_alphabetic()).any(|word| word == b"gzip")
}

/// A refusal in the format of OpenAI.
pub(super) fn refused(message: impl Into<String>) -> Answer {
    let message = message.into();
    tracing::debug!("refused: {message}");
    failed(400, message)
}

/// An answer that says what failed, in the format of OpenAI.
pub(super) fn failed(status: u16, message: impl Into<String>) -> Answer {
    Answer::json(status, json!({ "error": { "message": message.into() } }))
}
