//! Llama 2 as it is served by itself: one text with the marks that the model was trained on.

use super::{Object, items, put, read, stream, truthy};
use crate::ai::config::RouteType;
use serde_json::{Value, json};

pub(super) fn request(request: &Object) -> Object {
    let mut parameters = Object::new();
    for (name, of) in
        [("max_new_tokens", "max_tokens"), ("top_p", "top_p"), ("top_k", "top_k"), ("temperature", "temperature")]
    {
        put(&mut parameters, name, request.get(of).cloned());
    }
    parameters.insert("stream".into(), stream(request));
    let mut out = Object::new();
    out.insert("parameters".into(), parameters.into());
    if truthy(request.get("messages")).is_some() {
        out.insert("inputs".into(), instructions(items(request.get("messages"))).into());
    } else if let Some(prompt) = request.get("prompt").and_then(Value::as_str) {
        let text = format!("<s> [INST] <<SYS>> You are a helpful assistant. <<SYS>> {prompt} [/INST]");
        out.insert("inputs".into(), text.into());
    }
    out
}

/// A chat as one text: the first message is the system's, the second the user's.
fn instructions(messages: &[Value]) -> String {
    let mut out = String::new();
    for (index, message) in messages.iter().enumerate() {
        let content = message["content"].as_str().unwrap_or_default();
        out += &match (index, message["role"].as_str()) {
            (0, _) => format!("<s>[INST] <<SYS>> {content} <</SYS>>"),
            (1, _) => format!(" {content} [/INST]"),
            (_, Some("system")) => format!(" {content} </s>"),
            (_, Some("user")) => format!(" <s>[INST] {content} [/INST]"),
            _ => continue,
        };
    }
    out
}

pub(super) fn answer(body: &[u8], route: RouteType) -> Result<Value, String> {
    let answer = read(body, "failed to decode llama2 response")?;
    let data = match truthy(answer.get("data")).and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => one,
        _ => return Err("cannot parse response from llama2 endpoint".to_owned()),
    };
    let Some(text) = data["generated_text"].as_str() else {
        return Err("response data is empty from llama2 endpoint".to_owned());
    };
    // The text begins with what was asked.
    let text = text.rsplit("[/INST]").next().unwrap_or_default().trim();
    let mut out = match route {
        RouteType::Chat => json!({
            "choices": [{ "message": { "content": text, "role": "assistant" }, "index": 0 }],
            "object": "chat.completion",
        }),
        _ => json!({ "choices": [{ "index": 0, "text": text }], "object": "text_completion" }),
    };
    if let Some(usage) = truthy(answer.get("usage")) {
        out["usage"] = usage.clone();
    }
    Ok(out)
}
