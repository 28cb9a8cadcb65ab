//! Anthropic's format: Messages for chats, Text Completions for completions.

use super::{DONE, Memory, Object, Told, items, name, put, read, stream, sum, truthy};
use crate::ai::config::{Model, RouteType};
use crate::ai::events::Event;
use serde_json::{Value, json};

/// A chat; none where a call of a function is no call.
pub(super) fn chat(mut request: Object, model: &Model) -> Option<Object> {
    let (mut messages, mut system) = (Vec::new(), None);
    for message in items(request.get("messages")) {
        match message["role"].as_str() {
            Some("assistant") if truthy(message.get("tool_calls")).is_some() => {
                let calls = items(message.get("tool_calls")).iter().map(call).collect::<Option<Vec<_>>>()?;
                messages.push(json!({ "role": "assistant", "content": calls }));
            }
            Some("tool") => messages.push(json!({ "role": "user", "content": [{
                "type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": message.get("content"),
            }] })),
            Some("assistant" | "user") => messages.push(message.clone()),
            // Anything else is the system's; the last one counts.
            _ => system = message.get("content").cloned(),
        }
    }
    let mut out = Object::new();
    out.insert("messages".into(), messages.into());
    put(&mut out, "system", system);
    put(&mut out, "temperature", request.remove("temperature"));
    put(&mut out, "max_tokens", request.remove("max_tokens"));
    put(&mut out, "model", name(&request, model));
    out.insert("stream".into(), stream(&request));
    if truthy(request.get("tools")).is_some() {
        out.insert("tools".into(), items(request.get("tools")).iter().filter_map(tool).collect());
    }
    put(&mut out, "tool_choice", request.remove("tool_choice"));
    Some(out)
}

fn call(call: &Value) -> Option<Value> {
    let function = call.get("function")?;
    let input: Option<Value> = serde_json::from_str(function["arguments"].as_str()?).ok();
    Some(json!({ "type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": input }))
}

fn tool(tool: &Value) -> Option<Value> {
    let mut function = tool.get("function")?.as_object()?.clone();
    let parameters = function.shift_remove("parameters");
    put(&mut function, "input_schema", parameters);
    Some(function.into())
}

/// A completion.
pub(super) fn completion(request: &Object, model: &Model) -> Object {
    let mut out = Object::new();
    if let Some(prompt) = request.get("prompt").and_then(Value::as_str) {
        out.insert("prompt".into(), format!("Human: {prompt}\n\nAssistant:").into());
    }
    put(&mut out, "temperature", request.get("temperature").cloned());
    put(&mut out, "max_tokens_to_sample", request.get("max_tokens").cloned());
    put(&mut out, "model", name(request, model));
    out.insert("stream".into(), stream(request));
    out
}

pub(super) fn answer(body: &[u8], route: RouteType) -> Result<Value, String> {
    let answer = read(body, "failed to decode anthropic response")?;
    let missing = |what| Err(format!("'{what}' not in anthropic://llm/v1/chat response"));
    let finish_reason = answer.get("stop_reason").cloned();
    let mut choice = Object::new();
    choice.insert("index".into(), 0.into());
    let mut out = Object::new();
    if route == RouteType::Chat {
        if truthy(answer.get("content")).is_none() {
            return missing("content");
        }
        let content = items(answer.get("content"));
        choice.insert("message".into(), message(content));
        out.insert("usage".into(), usage(truthy(answer.get("usage"))));
        out.insert("object".into(), "chat.completion".into());
    } else {
        let Some(text) = truthy(answer.get("completion")) else { return missing("completion") };
        choice.insert("text".into(), text.clone());
        out.insert("object".into(), "text_completion".into());
    }
    put(&mut choice, "finish_reason", finish_reason);
    out.insert("choices".into(), json!([choice]));
    put(&mut out, "model", answer.get("model").cloned());
    Ok(out.into())
}

fn message(content: &[Value]) -> Value {
    let mut text = String::new();
    for (index, part) in content.iter().enumerate() {
        if let Some(said) = part["text"].as_str() {
            text.push_str(if index > 0 { "\n" } else { "" });
            text.push_str(said);
        }
    }
    let mut message = json!({ "role": "assistant", "content": text });
    let calls: Vec<Value> = content.iter().filter(|part| part["type"] == "tool_use").map(used).collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

fn used(part: &Value) -> Value {
    let arguments = part.get("input").unwrap_or(&Value::Null).to_string();
    json!({ "id": part.get("id"), "type": "function", "function": { "name": part.get("name"), "arguments": arguments } })
}

fn usage(usage: Option<&Value>) -> Value {
    let Some(usage) = usage else { return "no usage data returned from upstream".into() };
    let (input, output) = (usage.get("input_tokens"), usage.get("output_tokens"));
    let mut out = Object::new();
    put(&mut out, "prompt_tokens", input.cloned());
    put(&mut out, "completion_tokens", output.cloned());
    put(&mut out, "total_tokens", sum(input, output));
    out.into()
}

pub(super) fn event(event: &Event, model: &Model, memory: &mut Memory) -> Told {
    let data: Option<Value> = event.data.as_ref().and_then(|data| serde_json::from_str(data).ok());
    let (Some(kind), Some(data)) = (event.event.as_deref(), data) else { return Told::default() };
    let count = |usage: &Value, name: &str| usage[name].as_f64().unwrap_or_default();
    match kind {
        "message_start" => {
            let Some(start) = data.get("message") else { return Told::default() };
            memory.id = start.get("id").cloned();
            let mut delta = json!({ "content": "" });
            if let Some(role) = start.get("role") {
                delta["role"] = role.clone();
            }
            let usage = &start["usage"];
            let mut chunk = chunk(json!({ "delta": delta, "index": 0, "logprobs": null }), model, memory);
            chunk["system_fingerprint"] = Value::Null;
            let tokens = Some((count(usage, "input_tokens"), count(usage, "output_tokens")));
            Told { tokens, ..Told::chunk(&chunk) }
        }
        "message_delta" => {
            let tokens = data.get("usage").map(|usage| (0.0, count(usage, "output_tokens")));
            Told { text: None, tokens }
        }
        "content_block_start" | "content_block_delta" => {
            let text = data.pointer("/delta/text").and_then(Value::as_str).unwrap_or_default();
            let choice = json!({ "delta": { "content": text }, "index": 0, "finish_reason": null, "logprobs": null });
            Told::chunk(&chunk(choice, model, memory))
        }
        "message_stop" => Told { text: Some(DONE.to_owned()), tokens: None },
        _ => Told::default(),
    }
}

fn chunk(choice: Value, model: &Model, memory: &Memory) -> Value {
    let mut out = Object::new();
    out.insert("choices".into(), json!([choice]));
    put(&mut out, "id", memory.id.clone());
    put(&mut out, "model", model.name.as_deref());
    out.insert("object".into(), "chat.completion.chunk".into());
    out.into()
}
