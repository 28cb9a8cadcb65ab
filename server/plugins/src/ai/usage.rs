//! What asking a model took: counted while a request is under way, and told to logs under `ai`.

use super::config::{Model, Provider};
use exchange::Exchange;
use exchange::log_entry::Mode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What is known so far. One per request: plugins that ask models share it, the last one that counts says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Tokens of the prompt.
    pub prompt: f64,
    /// Tokens of the answer.
    pub completion: f64,
    /// Costs, in the currency of `input_cost` and `output_cost`.
    pub cost: f64,
    /// When the request was read, µs on the timeline.
    pub started: Option<u32>,
    /// Until the answer's head was there, ms.
    pub latency: u32,
}

impl Usage {
    /// That of a request; put it back into the state where it changes.
    pub fn of(exchange: &Exchange) -> Self {
        exchange.state.get::<Self>().copied().unwrap_or_default()
    }

    /// Takes the counts that an answer in the format of OpenAI tells.
    pub fn read(&mut self, answer: &Value) {
        let count = |name: &str| answer["usage"][name].as_f64();
        self.prompt = count("prompt_tokens").unwrap_or(self.prompt);
        self.completion = count("completion_tokens").unwrap_or(self.completion);
    }

    /// Takes the counts as the costs that are configured.
    pub fn price(&mut self, model: &Model) {
        self.cost = cost(model, self.prompt, self.completion).unwrap_or_default();
    }
}

/// What so many tokens cost; none where no costs are configured.
pub(super) fn cost(model: &Model, prompt: f64, completion: f64) -> Option<f64> {
    let options = model.options();
    Some((prompt * options.input_cost? + completion * options.output_cost?) / 1e6)
}

/// A number as JSON: whole ones without a fraction.
pub(super) fn figure(number: f64) -> Value {
    match number == number.trunc() && number.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the bounds")]
        true => (number as i64).into(),
        false => number.into(),
    }
}

/// Tokens of a request, estimated by its words: some providers do not count those of a stream.
pub(super) fn estimate(request: &Map<String, Value>, factor: f64) -> f64 {
    let words = |text: &str| text.split_whitespace().count();
    let content = |content: &Value| match content {
        Value::String(text) => words(text),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text");
            texts.filter_map(|part| part["text"].as_str()).map(words).sum()
        }
        _ => 0,
    };
    let counted = match (request.get("messages"), request.get("prompt")) {
        (Some(Value::Array(messages)), _) => {
            messages.iter().map(|message| content(&message["content"]) as f64 * factor).sum::<f64>()
        }
        (_, Some(Value::String(prompt))) => words(prompt) as f64 * factor,
        _ => 0.0,
    };
    (counted + 0.5).floor()
}

/// Tokens of an answer, estimated by its words.
pub(super) fn estimate_answer(answer: &Value) -> f64 {
    let choices = answer["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |choice: &Value| match choice.pointer("/message/content").or_else(|| choice.get("text")) {
        Some(Value::String(text)) => text.split_whitespace().count(),
        _ => 0,
    };
    choices.iter().map(text).sum::<usize>() as f64
}

/// Who asked which model, for a log.
pub(super) struct Told<'t> {
    /// Id of the plugin's entity.
    pub id: Uuid,
    /// `meta.provider_name`
    pub provider: &'t str,
    /// `meta.request_model`
    pub request_model: &'t str,
    /// `meta.response_model`
    pub response_model: Value,
}

impl Told<'_> {
    /// `meta`.
    pub fn meta(self, latency: u32) -> Map<String, Value> {
        let mut meta = Map::new();
        meta.insert("plugin_id".into(), self.id.to_string().into());
        meta.insert("provider_name".into(), self.provider.into());
        meta.insert("request_model".into(), self.request_model.into());
        meta.insert("response_model".into(), self.response_model);
        meta.insert("llm_latency".into(), latency.into());
        meta
    }
}

/// Tells logs something under `ai.{plugin}`.
pub(super) fn tell(exchange: &Exchange, plugin: &str, what: &str, value: Value) {
    exchange.log_values.set(format!("ai.{plugin}.{what}"), Mode::Set, value);
}

/// `usage` as `ai-proxy` tells it.
pub(super) fn told(usage: Usage) -> Value {
    let per_token = if usage.completion > 0.0 { f64::from(usage.latency) / usage.completion } else { 0.0 };
    json!({
        "time_per_token": figure(per_token),
        "prompt_tokens": figure(usage.prompt),
        "completion_tokens": figure(usage.completion),
        "total_tokens": figure(usage.prompt + usage.completion),
        "cost": figure(usage.cost),
    })
}

/// What is told of a model on Azure further.
pub(super) fn azure(model: &Model, meta: &mut Map<String, Value>) {
    if model.provider != Provider::Azure {
        return;
    }
    let options = model.options();
    for (name, value) in [
        ("azure_instance_id", &options.azure_instance),
        ("azure_deployment_id", &options.azure_deployment_id),
        ("azure_api_version", &options.azure_api_version),
    ] {
        if let Some(value) = value {
            meta.insert(name.into(), value.as_str().into());
        }
    }
}
