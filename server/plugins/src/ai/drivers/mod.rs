//! Formats of providers, one per file: requests in the format of OpenAI become theirs, and their answers and events
//! become OpenAI's. Functions of their input alone; what upstreams send is not trusted.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod huggingface;
mod ollama;
mod openai;
mod raw;

#[cfg(test)]
mod tests;

pub(super) use bedrock::takes_system;

use super::adapters::Tokens;
use super::config::{Model, Options, Provider, RouteType};
use super::events::Event;
use super::usage::figure;
use bytes::Bytes;
use serde_json::{Map, Value};

/// What ends a stream in the format of OpenAI.
pub(super) const DONE: &str = "[DONE]";

type Object = Map<String, Value>;

/// What an event of a stream becomes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// A chunk as JSON, or [`DONE`]; none where the client is told nothing.
    pub text: Option<String>,
    /// Tokens it tells of.
    pub tokens: Option<Tokens>,
}

impl Told {
    fn chunk(chunk: &Value) -> Self {
        Self { text: Some(chunk.to_string()), tokens: None }
    }
}

/// What is remembered from event to event.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Id of the answer, where the first event tells it.
    id: Option<Value>,
}

/// A format that upstreams speak.
#[derive(Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
    Cohere,
    Gemini,
    Bedrock,
    HuggingFace,
    Ollama,
    Raw,
}

impl Dialect {
    fn of(model: &Model) -> Self {
        let format = match model.provider {
            Provider::OpenAi | Provider::Azure => return Self::OpenAi,
            Provider::Anthropic => return Self::Anthropic,
            Provider::Cohere => return Self::Cohere,
            Provider::Gemini => return Self::Gemini,
            Provider::Bedrock => return Self::Bedrock,
            Provider::HuggingFace => return Self::HuggingFace,
            Provider::Llama2 => &model.options().llama2_format,
            Provider::Mistral => &model.options().mistral_format,
        };
        match format.as_deref() {
            Some("ollama") => Self::Ollama,
            Some("raw") => Self::Raw,
            _ => Self::OpenAi,
        }
    }
}

/// A request as the provider takes it.
///
/// # Errors
/// Kong's sentence on why it cannot be one.
pub(super) fn request(mut request: Object, model: &Model, route: RouteType) -> Result<Object, String> {
    let (dialect, provider, chat) = (Dialect::of(model), model.provider.name(), route == RouteType::Chat);
    if matches!(dialect, Dialect::Gemini | Dialect::Bedrock) && !chat {
        return Err(format!("no transformer for {provider}://{}", route.name()));
    }
    defaults(&mut request, model.options());
    let failed = || format!("error transforming to {provider}://{}", route.name());
    match dialect {
        Dialect::OpenAi => Ok(openai::request(request, model)),
        // Tools are passed on as they are.
        Dialect::Cohere if truthy(request.get("tools")).is_some() => Ok(openai::request(request, model)),
        Dialect::Cohere => Ok(cohere::request(request, model)),
        Dialect::Anthropic if chat => anthropic::chat(request, model).ok_or_else(failed),
        Dialect::Anthropic => Ok(anthropic::completion(&request, model)),
        Dialect::Gemini => gemini::request(&request, model).map_err(|error| format!("{}: {error}", failed())),
        Dialect::Bedrock => bedrock::request(&request, model).map_err(|error| format!("{}: {error}", failed())),
        Dialect::HuggingFace => Ok(huggingface::request(request, model, chat)),
        Dialect::Ollama => Ok(ollama::request(&request, model)),
        Dialect::Raw => Ok(raw::request(&request)),
    }
}

/// An answer in the format of OpenAI.
///
/// # Errors
/// Kong's sentence on why it cannot be one.
pub(super) fn answer(body: &Bytes, model: &Model, route: RouteType) -> Result<Bytes, String> {
    let dialect = Dialect::of(model);
    let read = match dialect {
        Dialect::OpenAi => openai::answer(body, route).map(|()| None),
        Dialect::Anthropic => anthropic::answer(body, route).map(Some),
        Dialect::Cohere => cohere::answer(body, model, route).map(Some),
        Dialect::Gemini => gemini::answer(body, model).map(Some),
        Dialect::Bedrock => bedrock::answer(body, model).map(Some),
        Dialect::HuggingFace => huggingface::answer(body, model, route).map(Some),
        Dialect::Ollama => ollama::answer(body, model, route).map(Some),
        Dialect::Raw => raw::answer(body, route).map(Some),
    };
    match read {
        Ok(Some(answer)) => Ok(answer.to_string().into()),
        Ok(None) => Ok(body.clone()),
        Err(error) => {
            // Kong names a version here that there never is.
            let version =
                if matches!((dialect, model.provider), (Dialect::Ollama, Provider::Mistral)) { "/nil" } else { "" };
            let provider = model.provider.name();
            Err(format!("transformation failed from type {provider}://{}{version}: {error}", route.name()))
        }
    }
}

/// Why an answer must not be used to transform with, where it must not: a provider withheld it.
pub(super) fn withheld(body: &[u8], model: &Model) -> Option<String> {
    let withheld = matches!(Dialect::of(model), Dialect::Gemini) && gemini::withheld(body);
    withheld.then(|| {
        let route = RouteType::Chat.name();
        let error = "transformation generation candidate breached Gemini content safety";
        format!("transformation failed from type gemini://{route}: {error}")
    })
}

/// What an event of a stream becomes in the format of OpenAI: nothing where it cannot be told.
pub(super) fn event(event: &Event, model: &Model, route: RouteType, memory: &mut Memory) -> Told {
    let chat = route == RouteType::Chat;
    match Dialect::of(model) {
        Dialect::OpenAi => Told { text: event.data.clone(), tokens: None },
        Dialect::Anthropic if chat => anthropic::event(event, model, memory),
        Dialect::Gemini if chat => gemini::event(event),
        Dialect::Bedrock if chat => bedrock::event(event, model),
        Dialect::Cohere => cohere::event(event, model, chat, memory),
        Dialect::HuggingFace => huggingface::event(event, model, chat),
        Dialect::Ollama => {
            let told = ollama::event(event, chat);
            let counted = model.provider == Provider::Llama2;
            Told { tokens: told.tokens.filter(|_| counted), ..told }
        }
        Dialect::Anthropic | Dialect::Gemini | Dialect::Bedrock | Dialect::Raw => Told::default(),
    }
}

/// Puts what is configured in the place of what the request says.
fn defaults(request: &mut Object, options: &Options) {
    for (name, value) in [
        ("temperature", options.temperature.map(figure)),
        ("max_tokens", options.max_tokens.map(Value::from)),
        ("top_p", options.top_p.map(figure)),
        ("top_k", options.top_k.map(Value::from)),
    ] {
        if let Some(value) = value {
            request.insert(name.to_owned(), value);
        }
    }
}

/// What Lua takes for something: not what is missing or `false`.
fn truthy(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Bool(false))
}

/// Puts in what is there.
fn put(into: &mut Object, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        into.insert(name.to_owned(), value.into());
    }
}

/// The model's name: the configured one, or else the request's.
fn name(request: &Object, model: &Model) -> Option<Value> {
    model.name.as_deref().map(Value::from).or_else(|| request.get("model").cloned())
}

/// Whether the answer is to be a stream.
fn stream(request: &Object) -> Value {
    truthy(request.get("stream")).cloned().unwrap_or(Value::Bool(false))
}

/// JSON that an upstream sent.
fn read(body: &[u8], or: &str) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|_| or.to_owned())
}

/// Members of a list; none where it is no list.
fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a message says, as one text: its content, or the texts among its parts.
fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The sum of two counts, where both are there.
fn sum(one: Option<&Value>, other: Option<&Value>) -> Option<Value> {
    Some(figure(one?.as_f64()? + other?.as_f64()?))
}
