//! Formats in which clients may speak to the gateway: OpenAI's, and those of providers themselves, whose requests and
//! answers pass as they are. For plugins that look at requests, and for logs, they are told in OpenAI's.

mod bedrock;
mod gemini;

use exchange::Exchange;
use serde_json::{Map, Value};

/// A format (`llm_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenAI's.
    #[default]
    OpenAi,
    /// Bedrock's `Converse`.
    Bedrock,
    /// Gemini's `generateContent`.
    Gemini,
}

/// Tokens of prompt and answer.
pub(super) type Tokens = (f64, f64);

impl Format {
    /// By its name.
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("bedrock") => Self::Bedrock,
            Some("gemini") => Self::Gemini,
            _ => Self::OpenAi,
        }
    }

    /// Its name, where it is a provider's.
    pub fn native(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => None,
            Self::Bedrock => Some("bedrock"),
            Self::Gemini => Some("gemini"),
        }
    }

    /// A request in the format of OpenAI. Model and streaming are told by the path.
    pub fn openai(self, request: Map<String, Value>, exchange: &Exchange) -> Map<String, Value> {
        match self {
            Self::OpenAi => request,
            Self::Bedrock => {
                let (model, operation) = asked(exchange, bedrock::of_path);
                bedrock::openai(&request, model, operation.as_deref() == Some("converse-stream"))
            }
            Self::Gemini => {
                let (model, operation) = asked(exchange, gemini::of_path);
                gemini::openai(&request, model, operation.as_deref() == Some("streamGenerateContent"))
            }
        }
    }

    /// The tokens that an answer tells of; none where it is no JSON.
    pub fn tokens(self, answer: &[u8]) -> Option<Tokens> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let (usage, prompt, completion) = match self {
            Self::OpenAi => return None,
            Self::Bedrock => ("usage", "inputTokens", "outputTokens"),
            Self::Gemini => ("usageMetadata", "promptTokenCount", "candidatesTokenCount"),
        };
        let count = |name| answer[usage][name].as_f64().unwrap_or_default();
        Some((count(prompt), count(completion)))
    }

    /// The model that an answer says it is of.
    pub fn model(self, answer: &Value) -> Option<&Value> {
        match self {
            Self::OpenAi => answer.get("model"),
            Self::Bedrock => None,
            Self::Gemini => answer.get("modelVersion"),
        }
        .filter(|model| !matches!(model, Value::Null | Value::Bool(false)))
    }
}

/// Model and operation: captures of the Route with these names, or else by the path.
fn asked(exchange: &Exchange, of_path: fn(&str) -> Option<(String, String)>) -> (Option<String>, Option<String>) {
    let named = |name: &str| {
        let captures = exchange.captures.as_ref()?;
        let (_, value) = captures.named.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    match (named("model"), named("operation")) {
        (Some(model), Some(operation)) => (Some(model), Some(operation)),
        (model, operation) => match of_path(&String::from_utf8_lossy(&exchange.request.path)) {
            Some((model, operation)) => (Some(model), Some(operation)),
            None => (model, operation),
        },
    }
}

/// Puts in what is there.
fn put(into: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    if let Some(value) = value {
        into.insert(name.to_owned(), value.clone());
    }
}

/// A list that is not empty.
fn list(value: Option<&Value>) -> Option<&[Value]> {
    value.and_then(Value::as_array).map(Vec::as_slice).filter(|list| !list.is_empty())
}

/// A message of the system, before all others.
fn system(messages: &mut Vec<Value>, text: Option<&Value>) {
    if let Some(text) = text {
        messages.insert(0, serde_json::json!({ "role": "system", "content": [{ "type": "text", "text": text }] }));
    }
}
