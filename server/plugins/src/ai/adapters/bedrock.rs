//! Requests of Bedrock's `Converse` in the format of OpenAI.

use super::{list, put, system};
use exchange::form::decoded;
use serde_json::{Map, Value, json};

/// Model and operation of `…/model/{model}/{operation}`.
pub(super) fn of_path(path: &str) -> Option<(String, String)> {
    let (rest, operation) = path.rsplit_once('/')?;
    let (before, model) = rest.rsplit_once('/')?;
    (before.ends_with("/model") && !model.is_empty() && !operation.is_empty())
        .then(|| (model.to_owned(), operation.to_owned()))
}

/// A request in the format of OpenAI.
pub(super) fn openai(request: &Map<String, Value>, model: Option<String>, stream: bool) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(model) = model {
        out.insert("model".into(), String::from_utf8_lossy(&decoded(model.as_bytes())).into());
    }
    out.insert("stream".into(), stream.into());
    if let Some(messages) = list(request.get("messages")) {
        let mut messages: Vec<Value> = messages.iter().map(message).collect();
        system(&mut messages, list(request.get("system")).and_then(|texts| texts[0].get("text")));
        out.insert("messages".into(), messages.into());
    }
    if let Some(config) = request.get("inferenceConfig") {
        for (name, of) in
            [("temperature", "temperature"), ("max_tokens", "maxTokens"), ("top_p", "topP"), ("stop", "stopSequences")]
        {
            put(&mut out, name, config.get(of));
        }
    }
    if let Some(tools) = list(request.get("toolConfig").and_then(|config| config.get("tools"))) {
        out.insert("tools".into(), tools.iter().filter_map(|tool| Some(declared(tool.get("toolSpec")?))).collect());
    }
    out
}

fn declared(spec: &Value) -> Value {
    let mut function = Map::new();
    put(&mut function, "name", spec.get("name"));
    put(&mut function, "description", spec.get("description"));
    put(&mut function, "parameters", spec.pointer("/inputSchema/json"));
    json!({ "type": "function", "function": function })
}

fn message(message: &Value) -> Value {
    let mut out = Map::new();
    if let Some(role) = message["role"].as_str() {
        out.insert("role".into(), role.into());
    }
    let (mut content, mut calls) = (Vec::new(), Vec::new());
    for part in list(message.get("content")).unwrap_or_default() {
        if let Some(text) = part.get("text") {
            content.push(json!({ "type": "text", "text": text }));
        } else if let Some(image) = part.get("image") {
            let text = |path: &str| image.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let url = format!("data:image/{};base64,{}", text("/format"), text("/source/bytes"));
            content.push(json!({ "type": "image_url", "image_url": { "url": url } }));
        } else if let Some(call) = part.get("toolUse") {
            let arguments = call.get("input").map_or_else(|| "{}".to_owned(), Value::to_string);
            calls.push(json!({
                "id": call.get("toolUseId"), "type": "function",
                "function": { "name": call.get("name"), "arguments": arguments },
            }));
        } else if let Some(result) = part.get("toolResult") {
            // It takes the place of the whole message.
            let first = list(result.get("content")).map(|parts| parts[0].get("json").unwrap_or(&result["content"]));
            out.insert("role".into(), "tool".into());
            out.insert("content".into(), first.unwrap_or(&Value::Null).to_string().into());
            put(&mut out, "tool_call_id", result.get("toolUseId"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_in_the_format_of_openai() {
        let request = json!({
            "system": [{ "text": "Be brief." }],
            "messages": [
                { "role": "user", "content": [{ "text": "Which?" }, { "image": { "format": "png", "source": { "bytes": "AA" } } }] },
                { "role": "assistant", "content": [{ "toolUse": { "toolUseId": "t", "name": "stock", "input": { "a": 1 } } }] },
                { "role": "user", "content": [{ "toolResult": { "toolUseId": "t", "content": [{ "json": { "n": 2 } }] } }] },
            ],
            "inferenceConfig": { "maxTokens": 9, "stopSequences": ["x"] },
            "toolConfig": { "tools": [{ "toolSpec": { "name": "stock", "inputSchema": { "json": { "type": "object" } } } }] },
        });
        let told = openai(request.as_object().expect("an object"), Some("a%3Ab".into()), true);
        assert_eq!(
            Value::Object(told),
            json!({
                "model": "a:b", "stream": true, "max_tokens": 9, "stop": ["x"],
                "messages": [
                    { "role": "system", "content": [{ "type": "text", "text": "Be brief." }] },
                    { "role": "user", "content": [
                        { "type": "text", "text": "Which?" },
                        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } },
                    ] },
                    { "role": "assistant", "tool_calls": [
                        { "id": "t", "type": "function", "function": { "name": "stock", "arguments": "{\"a\":1}" } },
                    ] },
                    { "role": "tool", "content": "{\"n\":2}", "tool_call_id": "t" },
                ],
                "tools": [{ "type": "function", "function": { "name": "stock", "parameters": { "type": "object" } } }],
            })
        );
    }

    #[test]
    fn paths_name_model_and_operation() {
        for (path, named) in [
            ("/in/model/m-1/converse", Some(("m-1", "converse"))),
            ("/model/m/converse-stream", Some(("m", "converse-stream"))),
            ("/models/m/converse", None),
            ("/model//converse", None),
            ("/model/m", None),
            ("", None),
        ] {
            let found = of_path(path);
            assert_eq!(found.as_ref().map(|(model, operation)| (model.as_str(), operation.as_str())), named, "{path}");
        }
    }
}
