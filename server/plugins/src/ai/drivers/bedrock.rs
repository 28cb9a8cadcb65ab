//! Bedrock's format (`Converse`).

use super::{DONE, Object, Told, items, put, read, text, truthy};
use crate::ai::config::Model;
use crate::ai::events::Event;
use regex::Regex;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Models that take no messages of the system.
static WITHOUT_SYSTEM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let models = "amazon.titan|cohere.command.*text|mistral.mistral.*7b.*instruct|mistral.mixtral.*8x7b.*instruct";
    Regex::new(models).ok()
});

/// Whether a model takes messages of the system.
pub(in crate::ai) fn takes_system(model: &Model) -> bool {
    let named = |pattern: &Regex| model.name.as_deref().is_some_and(|name| pattern.is_match(name));
    !WITHOUT_SYSTEM.as_ref().is_some_and(named)
}

pub(super) fn request(request: &Object, model: &Model) -> Result<Object, String> {
    let mut out = Object::new();
    let version = model.options().anthropic_version.as_deref().unwrap_or("bedrock-2023-05-31");
    out.insert("anthropic_version".into(), version.into());
    let (mut system, mut messages) = (Vec::new(), Vec::new());
    for message in items(request.get("messages")) {
        let (role, content) = match message["role"].as_str() {
            Some("system") => {
                system.push(json!({ "text": text(message.get("content")) }));
                continue;
            }
            Some("tool") => ("user", json!([result(message)?])),
            role => (if role == Some("assistant") { "assistant" } else { "user" }, content(message)?),
        };
        messages.push(json!({ "role": role, "content": content }));
    }
    if !messages.is_empty() {
        out.insert("messages".into(), messages.into());
    }
    if !system.is_empty() {
        if !takes_system(model) {
            let name = model.name.as_deref().unwrap_or_default();
            return Err(format!("system prompts are unsupported for model '{name}"));
        }
        out.insert("system".into(), system.into());
    }
    let mut config = Object::new();
    for (name, of) in
        [("maxTokens", "max_tokens"), ("stopSequences", "stop"), ("temperature", "temperature"), ("topP", "top_p")]
    {
        put(&mut config, name, request.get(of).cloned());
    }
    out.insert("inferenceConfig".into(), config.into());
    put(&mut out, "guardrailConfig", request.get("guardrailConfig").cloned());
    let further = |name: &str| request.get("bedrock").and_then(|further| truthy(further.get(name)));
    put(&mut out, "toolConfig", further("toolConfig").map(|config| json!([config])));
    let tools = items(request.get("tools"));
    if !tools.is_empty() {
        let tools: Value = tools.iter().filter_map(|tool| Some(declared(truthy(tool.get("function"))?))).collect();
        out.insert("toolConfig".into(), json!({ "tools": tools }));
    }
    let fields = further("additionalModelRequestFields").map(|fields| json!([fields]));
    put(&mut out, "additionalModelRequestFields", fields);
    Ok(out)
}

fn declared(function: &Value) -> Value {
    let mut spec = Object::new();
    put(&mut spec, "name", function.get("name").cloned());
    put(&mut spec, "description", function.get("description").cloned());
    let mut schema = Object::new();
    put(&mut schema, "json", function.get("parameters").cloned());
    spec.insert("inputSchema".into(), schema.into());
    json!({ "toolSpec": spec })
}

/// What a function gave.
fn result(message: &Value) -> Result<Value, String> {
    let text = message["content"].as_str().unwrap_or_default();
    let given: Value = read(text.as_bytes(), "failed to decode function response arguments, not JSON format")?;
    let given = if given.is_object() || given.is_array() { given } else { json!({ "result": given }) };
    let mut result = Object::new();
    put(&mut result, "toolUseId", message.get("tool_call_id").cloned());
    result.insert("content".into(), json!([{ "json": given }]));
    put(&mut result, "status", message.get("status").cloned());
    Ok(json!({ "toolResult": result }))
}

fn content(message: &Value) -> Result<Value, String> {
    match message.get("content") {
        // Parts in the form of OpenAI, or Bedrock's own.
        Some(Value::Array(parts)) => return Ok(parts.iter().map(part).collect()),
        Some(parts @ Value::Object(_)) => return Ok(parts.clone()),
        _ => {}
    }
    if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
        let used = |call: &Value| {
            let arguments = call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default();
            let error = "failed to decode function response arguments from assistant's message, not JSON format";
            let input = read(arguments.as_bytes(), error)?;
            let name = call.pointer("/function/name");
            Ok(json!({ "toolUse": { "toolUseId": call.get("id"), "name": name, "input": input } }))
        };
        return calls.iter().map(used).collect();
    }
    Ok(json!([{ "text": truthy(message.get("content")).unwrap_or(&Value::from("")) }]))
}

fn part(part: &Value) -> Value {
    match part.get("text").filter(|_| part["type"] == "text") {
        Some(text) => json!({ "text": text }),
        None => part.clone(),
    }
}

/// Why an answer ended.
fn reason(stop: &Value) -> &'static str {
    match stop.as_str() {
        Some("max_tokens") => "length",
        Some("tool_use") => "tool_calls",
        Some("guardrail_intervened") => "guardrail_intervened",
        _ => "stop",
    }
}

pub(super) fn answer(body: &[u8], model: &Model) -> Result<Value, String> {
    let answer = read(body, "failed to decode response from Bedrock")?;
    let content = items(answer.pointer("/output/message/content"));
    let Some(first) = content.first() else {
        return Err("no generation candidates received from Bedrock, or max_tokens too short".to_owned());
    };
    let mut message = Object::new();
    message.insert("role".into(), "assistant".into());
    put(&mut message, "content", first.get("text").cloned());
    let calls: Vec<Value> = content.iter().filter_map(|part| Some(call(truthy(part.get("toolUse"))?))).collect();
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let mut out = Object::new();
    out.insert(
        "choices".into(),
        json!([{ "index": 0, "message": message, "finish_reason": reason(&answer["stopReason"]) }]),
    );
    out.insert("object".into(), "chat.completion".into());
    put(&mut out, "model", model.name.as_deref());
    if let Some(usage) = truthy(answer.get("usage")) {
        let mut counts = Object::new();
        for (name, of) in
            [("prompt_tokens", "inputTokens"), ("completion_tokens", "outputTokens"), ("total_tokens", "totalTokens")]
        {
            put(&mut counts, name, usage.get(of).cloned());
        }
        out.insert("usage".into(), counts.into());
    }
    put(&mut out, "trace", answer.get("trace").cloned());
    Ok(out.into())
}

fn call(used: &Value) -> Value {
    let mut function = Object::new();
    if let Some(input) = used.get("input").and_then(Value::as_object).filter(|input| !input.is_empty()) {
        function.insert("arguments".into(), Value::Object(input.clone()).to_string().into());
    }
    put(&mut function, "name", used.get("name").cloned());
    json!({ "function": function, "id": used.get("toolUseId"), "type": "function" })
}

/// An event's name is its `:event-type`, its data what it carries.
pub(super) fn event(event: &Event, model: &Model) -> Told {
    let data: Option<Value> = event.data.as_ref().and_then(|data| serde_json::from_str(data).ok());
    let (Some(kind), Some(data)) = (event.event.as_deref(), data) else { return Told::default() };
    let index = data.get("contentBlockIndex");
    let delta = match kind {
        "messageStart" => json!({ "content": "", "role": data.get("role") }),
        "contentBlockStart" => match data.pointer("/start/toolUse") {
            Some(used) => {
                let function = json!({ "name": used.get("name"), "arguments": "" });
                json!({ "tool_calls": [{ "index": index, "id": used.get("toolUseId"), "function": function }] })
            }
            None => return Told::default(),
        },
        "contentBlockDelta" => match data.pointer("/delta/toolUse") {
            Some(used) => {
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": used.get("input") } }] })
            }
            None => json!({ "content": data.pointer("/delta/text").and_then(Value::as_str).unwrap_or_default() }),
        },
        "messageStop" => json!({}),
        "metadata" => {
            let count = |name: &str| data["usage"][name].as_f64().unwrap_or_default();
            let tokens = Some((count("inputTokens"), count("outputTokens")));
            return Told { text: Some(DONE.to_owned()), tokens };
        }
        _ => return Told::default(),
    };
    let mut choice = json!({ "delta": delta, "index": 0, "logprobs": null });
    let mut out = Object::new();
    if kind == "messageStop" {
        choice["finish_reason"] = reason(&data["stopReason"]).into();
    } else {
        out.insert("system_fingerprint".into(), Value::Null);
    }
    out.insert("choices".into(), json!([choice]));
    put(&mut out, "model", model.name.as_deref());
    out.insert("object".into(), "chat.completion.chunk".into());
    Told::chunk(&out.into())
}
