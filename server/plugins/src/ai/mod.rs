//! Plugins that look at requests to language models: JSON in the format of OpenAI, with `messages` (chat) or a `prompt`
//! (completions).

pub mod prompt_decorator;
pub mod prompt_guard;
pub mod prompt_template;

use bytes::Bytes;
use exchange::{Answer, BodyError, Exchange, form};
use serde_json::{Map, Value, json};

/// Bodies of so many bytes are looked at whatever `max_request_body_size` says: what Kong holds in memory by default.
const HELD: u64 = 8192;

/// The body, where it is not larger than `largest` or [`HELD`] bytes.
async fn body(exchange: &mut Exchange, largest: u64) -> Result<Option<Bytes>, Answer> {
    let largest = largest.max(HELD);
    if exchange.request.content_length.is_some_and(|length| length > largest) {
        return Ok(None);
    }
    match exchange.request.body.read(largest).await {
        Ok(body) => Ok(Some(body)),
        Err(BodyError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(form::broken(&error)),
    }
}

/// The request in the format of OpenAI; nothing of one that is no JSON, by its Content-Type or its body, or too large.
async fn document(exchange: &mut Exchange, largest: u64) -> Result<Option<Map<String, Value>>, Answer> {
    let kind = exchange.request.headers.get_str("content-type").unwrap_or("application/json");
    if !kind.trim_start().to_ascii_lowercase().starts_with("application/json") {
        return Ok(None);
    }
    let body = body(exchange, largest).await?;
    Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
}

/// A refusal in the format of OpenAI.
fn refused(message: impl Into<String>) -> Answer {
    let message = message.into();
    tracing::debug!("refused: {message}");
    Answer::json(400, json!({ "error": { "message": message } }))
}

/// Whether requests can be read in a format.
fn readable(format: &str) -> Result<(), String> {
    match format {
        "openai" => Ok(()),
        _ => Err("only 'openai' is available: other formats need ai-proxy, which is not available yet".to_owned()),
    }
}
