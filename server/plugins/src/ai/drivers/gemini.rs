//! Gemini's format (`generateContent`).

use super::{DONE, Object, Told, items, put, read, text, truthy};
use crate::ai::config::Model;
use crate::ai::events::Event;
use serde_json::{Value, json};

pub(super) fn request(request: &Object, model: &Model) -> Result<Object, String> {
    let messages = items(request.get("messages"));
    let mut system: Option<String> = None;
    let mut contents: Vec<Value> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let calls = items(message.get("tool_calls"));
        match message["role"].as_str() {
            // All of them are one instruction.
            Some("system") => {
                system.get_or_insert_default().push_str(&text(message.get("content")));
            }
            Some("tool") => {
                let response =
                    json!({ "response": { "content": [message.get("content")] }, "name": called(messages, message) });
                contents.push(json!({ "role": "function", "parts": [{ "function_response": response }] }));
            }
            Some("assistant") if !calls.is_empty() => {
                let calls =
                    calls.iter().map(|call| json!({ "function_call": { "name": call.pointer("/function/name") } }));
                contents.push(json!({ "role": "function", "parts": calls.collect::<Value>() }));
            }
            role => {
                let role = if role == Some("assistant") { "model" } else { "user" };
                contents.push(json!({ "role": role, "parts": parts(index + 1, message)? }));
            }
        }
    }
    let mut out = Object::new();
    if !contents.is_empty() {
        out.insert("contents".into(), contents.into());
    }
    if let Some(text) = system {
        // Models before 1.5 know no such thing.
        if model.name.as_deref().is_some_and(|name| name.starts_with("gemini-1.0")) {
            return Err("system prompts aren't supported on gemini-1.0 models".to_owned());
        }
        out.insert("systemInstruction".into(), json!({ "parts": [{ "text": text }] }));
    }
    let mut config = Object::new();
    for (name, of) in [
        ("maxOutputTokens", "max_tokens"),
        ("stopSequences", "stop"),
        ("temperature", "temperature"),
        ("topK", "top_k"),
        ("topP", "top_p"),
    ] {
        put(&mut config, name, request.get(of).cloned());
    }
    out.insert("generationConfig".into(), config.into());
    let functions: Vec<Value> =
        items(request.get("tools")).iter().filter_map(|tool| truthy(tool.get("function")).cloned()).collect();
    if !functions.is_empty() {
        out.insert("tools".into(), json!([{ "function_declarations": functions }]));
    }
    put(&mut out, "tool_config", request.get("tool_config").cloned());
    Ok(out)
}

/// The name of the function whose result a message is: its own, that of the call it names, or that of the last call.
fn called(messages: &[Value], result: &Value) -> Value {
    if let Some(name) = result.get("name") {
        return name.clone();
    }
    let calls = messages.iter().flat_map(|message| items(message.get("tool_calls")));
    let wanted = result.get("tool_call_id");
    let (mut last, mut named) = (None, None);
    for call in calls {
        last = call.pointer("/function/name");
        if wanted.is_some() && call.get("id") == wanted {
            named = last;
        }
    }
    named.or(last).cloned().unwrap_or_default()
}

/// What a message says; `position` counts from 1.
fn parts(position: usize, message: &Value) -> Result<Vec<Value>, String> {
    match message.get("content") {
        Some(Value::String(text)) => Ok(vec![json!({ "text": text })]),
        Some(Value::Array(parts)) if !parts.is_empty() => parts.iter().map(part).collect(),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(format!("message at position {position} does not match expected array format"))
        }
        _ => Ok(Vec::new()),
    }
}

fn part(part: &Value) -> Result<Value, String> {
    match part["type"].as_str() {
        Some("text") => match truthy(part.get("text")) {
            Some(text) => Ok(json!({ "text": text })),
            None => Err("message part type is 'text' but is missing .text block".to_owned()),
        },
        Some("image_url") => match part.pointer("/image_url/url").and_then(Value::as_str) {
            Some(url) => image(url),
            None => Err("message part type is 'image_url' but is missing .image_url.url block".to_owned()),
        },
        other => Err(format!("cannot transform part of type '{}' to Gemini format", other.unwrap_or("nil"))),
    }
}

/// An image: what a `data:` URL holds (RFC 2397), else where it is.
fn image(url: &str) -> Result<Value, String> {
    if url.len() < 10 {
        return Err(
            "could not decode OpenAI image-part, image URL is less than 10 bytes, which is not parsable".to_owned()
        );
    }
    let Some(data) = url.strip_prefix("data:") else {
        return Ok(json!({ "fileData": { "fileUri": url, "mimeType": "image/generic" } }));
    };
    let (head, data) = data.split_once(',').ok_or("could not decode OpenAI image-part, the data URL has no data")?;
    let kind = head.split(';').next().unwrap_or_default();
    Ok(json!({ "inlineData": { "data": data, "mimeType": kind } }))
}

pub(super) fn answer(body: &[u8], model: &Model) -> Result<Value, String> {
    let answer = read(body, "failed to decode response from Gemini")?;
    let Some(candidate) = items(answer.get("candidates")).first() else {
        return Err("no generation candidates received from Gemini, or max_tokens too short".to_owned());
    };
    let parts = items(candidate.pointer("/content/parts"));
    let mut out = Object::new();
    let mut choices = Vec::new();
    if let Some(text) = parts.first().and_then(|part| truthy(part.get("text"))) {
        let mut choice = Object::new();
        choice.insert("index".into(), 0.into());
        choice.insert("message".into(), json!({ "role": "assistant", "content": text }));
        put(&mut choice, "finish_reason", candidate["finishReason"].as_str().map(str::to_lowercase));
        choices.push(choice.into());
        out.insert("object".into(), "chat.completion".into());
        put(&mut out, "model", model.name.as_deref());
    } else if calls(parts) {
        let message = json!({ "role": "assistant", "tool_calls": parts.iter().map(call).collect::<Value>() });
        choices.push(json!({ "index": 0, "message": message }));
    }
    out.insert("choices".into(), Value::Array(choices));
    if let Some(usage) = truthy(answer.get("usageMetadata")) {
        let mut counts = Object::new();
        for (name, of) in [
            ("prompt_tokens", "promptTokenCount"),
            ("completion_tokens", "candidatesTokenCount"),
            ("total_tokens", "totalTokenCount"),
        ] {
            put(&mut counts, name, usage.get(of).cloned());
        }
        out.insert("usage".into(), counts.into());
    }
    Ok(out.into())
}

fn calls(parts: &[Value]) -> bool {
    parts.first().is_some_and(|part| truthy(part.get("functionCall")).is_some())
}

fn call(part: &Value) -> Value {
    let call = &part["functionCall"];
    let arguments = call.get("args").unwrap_or(&Value::Null).to_string();
    json!({ "function": { "name": call.get("name"), "arguments": arguments } })
}

/// Whether an answer was withheld because of what it says; then there is nothing to transform with.
pub(super) fn withheld(body: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    answer.pointer("/candidates/0/finishReason").is_some_and(|reason| reason == "SAFETY")
}

pub(super) fn event(event: &Event) -> Told {
    let Some(data) = event.data.as_deref() else { return Told::default() };
    if data == DONE {
        return Told { text: Some(DONE.to_owned()), tokens: None };
    }
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let Some(candidate) = items(data.get("candidates")).first() else { return Told::default() };
    let parts = items(candidate.pointer("/content/parts"));
    let delta = match parts.first().and_then(|part| truthy(part.get("text"))) {
        Some(text) => json!({ "content": text, "role": "assistant" }),
        None if calls(parts) => {
            let typed = parts.iter().map(|part| {
                let mut call = call(part);
                call["type"] = "function".into();
                call
            });
            json!({ "tool_calls": typed.collect::<Value>() })
        }
        None => return Told::default(),
    };
    let mut choice = Object::new();
    choice.insert("delta".into(), delta);
    choice.insert("index".into(), 0.into());
    put(&mut choice, "finish_reason", candidate.get("finishReason").cloned());
    let count = |name: &str| data["usageMetadata"][name].as_f64().unwrap_or_default();
    let tokens = Some((count("promptTokenCount"), count("candidatesTokenCount")));
    Told { tokens, ..Told::chunk(&json!({ "choices": [choice] })) }
}
