//! Requests of Gemini's `generateContent` in the format of OpenAI.

use super::{list, put, system};
use serde_json::{Map, Value, json};

/// Model and operation of `…/models/{model}:{operation}`.
pub(super) fn of_path(path: &str) -> Option<(String, String)> {
    let (before, last) = path.rsplit_once('/')?;
    let (model, operation) = last.split_once(':')?;
    (before.ends_with("/models") && !model.is_empty() && !operation.is_empty())
        .then(|| (model.to_owned(), operation.to_owned()))
}

/// A request in the format of OpenAI.
pub(super) fn openai(request: &Map<String, Value>, model: Option<String>, stream: bool) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(model) = model {
        out.insert("model".into(), model.into());
    }
    out.insert("stream".into(), stream.into());
    match request.get("contents") {
        Some(Value::Array(contents)) if !contents.is_empty() => {
            let mut messages: Vec<Value> = contents.iter().map(message).collect();
            let parts = request.get("system_instruction").and_then(|system| system.get("parts"));
            let first = list(parts).map(|parts| &parts[0]).or(parts);
            system(&mut messages, first.and_then(|part| part.get("text")));
            out.insert("messages".into(), messages.into());
        }
        Some(one @ Value::Object(members)) if !members.is_empty() => {
            out.insert("messages".into(), json!([message(one)]));
        }
        _ => {}
    }
    if let Some(config) = request.get("generationConfig") {
        for (name, of) in [
            ("temperature", "temperature"),
            ("max_tokens", "maxOutputTokens"),
            ("top_p", "topP"),
            ("top_k", "topK"),
            ("stop", "stopSequences"),
        ] {
            put(&mut out, name, config.get(of));
        }
    }
    let functions = list(request.get("tools")).and_then(|tools| list(tools[0].get("function_declarations")));
    if let Some(functions) = functions {
        let tools = functions.iter().map(|function| json!({ "type": "function", "function": function }));
        out.insert("tools".into(), tools.collect());
    }
    out
}

fn message(message: &Value) -> Value {
    let mut out = Map::new();
    if let Some(role) = message["role"].as_str() {
        let role = match role {
            "human" => "user",
            "model" => "assistant",
            "function" => "tool",
            other => other,
        };
        out.insert("role".into(), role.into());
    }
    let parts = match message.get("parts") {
        Some(Value::Array(parts)) => parts.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    let (mut content, mut calls) = (Vec::new(), Vec::new());
    for part in parts {
        if let Some(call) = part.get("functionCall") {
            let (name, arguments) = (call.get("name"), call.get("args").unwrap_or(&Value::Null).to_string());
            calls.push(json!({ "type": "function", "function": { "name": name, "id": name, "arguments": arguments } }));
        } else if let Some(result) = part.get("function_response") {
            put(&mut out, "content", result.pointer("/response/content"));
        } else {
            content.extend(shown(part));
        }
    }
    if !content.is_empty() {
        out.insert("content".into(), content.into());
    }
    if !calls.is_empty() {
        out.insert("tool_calls".into(), calls.into());
    }
    out.into()
}

fn shown(part: &Value) -> Option<Value> {
    if let Some(text) = part.get("text") {
        return Some(json!({ "type": "text", "text": text }));
    }
    if let Some(data) = part.get("inline_data") {
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let url = format!("data:{};base64,{}", text("mime_type"), text("data"));
        return Some(json!({ "type": "image_url", "image_url": { "url": url } }));
    }
    let file = part.get("file_data")?;
    Some(json!({ "type": "image_url", "image_url": { "url": file.get("file_uri") } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_in_the_format_of_openai() {
        let request = json!({
            "system_instruction": { "parts": { "text": "Be brief." } },
            "contents": [
                { "role": "user", "parts": [{ "text": "Which?" }, { "inline_data": { "mime_type": "image/png", "data": "AA" } }] },
                { "role": "model", "parts": [{ "functionCall": { "name": "stock", "args": { "a": 1 } } }] },
                { "role": "function", "parts": [{ "function_response": { "response": { "content": "two" } } }] },
            ],
            "generationConfig": { "maxOutputTokens": 9, "topK": 3 },
            "tools": [{ "function_declarations": [{ "name": "stock" }] }],
        });
        let told = openai(request.as_object().expect("an object"), Some("g".into()), false);
        assert_eq!(
            Value::Object(told),
            json!({
                "model": "g", "stream": false, "max_tokens": 9, "top_k": 3,
                "messages": [
                    { "role": "system", "content": [{ "type": "text", "text": "Be brief." }] },
                    { "role": "user", "content": [
                        { "type": "text", "text": "Which?" },
                        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } },
                    ] },
                    { "role": "assistant", "tool_calls": [
                        { "type": "function", "function": { "name": "stock", "id": "stock", "arguments": "{\"a\":1}" } },
                    ] },
                    { "role": "tool", "content": "two" },
                ],
                "tools": [{ "type": "function", "function": { "name": "stock" } }],
            })
        );
        let one = json!({ "contents": { "parts": { "text": "x" } } });
        let told = openai(one.as_object().expect("an object"), None, true);
        assert_eq!(
            Value::Object(told),
            json!({ "stream": true, "messages": [{ "content": [{ "type": "text", "text": "x" }] }] })
        );
    }

    #[test]
    fn paths_name_model_and_operation() {
        for (path, named) in [
            ("/v1beta/models/g-1.5:generateContent", Some(("g-1.5", "generateContent"))),
            ("/v1/projects/p/models/g:streamGenerateContent", Some(("g", "streamGenerateContent"))),
            ("/models/g", None),
            ("/model/g:x", None),
            ("", None),
        ] {
            let found = of_path(path);
            assert_eq!(found.as_ref().map(|(model, operation)| (model.as_str(), operation.as_str())), named, "{path}");
        }
    }
}
