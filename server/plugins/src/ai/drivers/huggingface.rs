//! The format of Hugging Face's inference interface.

use super::{Object, Told, items, name, put, read, truthy};
use crate::ai::config::{Model, RouteType};
use crate::ai::events::Event;
use serde_json::{Value, json};

pub(super) fn request(mut request: Object, model: &Model, chat: bool) -> Object {
    let mut parameters = match request.shift_remove("parameters") {
        Some(Value::Object(parameters)) => parameters,
        _ => Object::new(),
    };
    for option in ["top_k", "top_p", "temperature"] {
        let value = request.shift_remove(option);
        if !parameters.contains_key(option) {
            put(&mut parameters, option, value);
        }
    }
    let most = request.shift_remove("max_tokens");
    if !parameters.contains_key("max_tokens") {
        // Of chats by this name, as Kong writes it.
        let option = if request.contains_key("messages") { "max_lenght" } else { "max_new_tokens" };
        put(&mut parameters, option, most);
    }
    let own = model.options().huggingface.clone().unwrap_or_default();
    let options = json!({
        "use_cache": own.use_cache.unwrap_or(false), "wait_for_model": own.wait_for_model.unwrap_or(false),
    });
    if !chat {
        let prompt = request.shift_remove("prompt");
        put(&mut request, "inputs", prompt);
    }
    request.insert("options".into(), options);
    request.insert("parameters".into(), parameters.into());
    let name = name(&request, model);
    put(&mut request, "model", name);
    request
}

pub(super) fn answer(body: &[u8], model: &Model, route: RouteType) -> Result<Value, String> {
    let answer = read(body, "Failed to decode response")?;
    if let Some(error) = truthy(answer.get("error")).or_else(|| truthy(answer.get("message"))) {
        let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Err(format!("API error: {text}"));
    }
    let choice = |content: &Value, index| json!({ "message": { "content": content }, "index": index, "finish_reason": "complete" });
    let choices: Value = if let Some(text) = truthy(answer.get(0).and_then(|first| first.get("generated_text"))) {
        json!([choice(text, 0)])
    } else if truthy(answer.get("choices")).is_some() {
        let said = items(answer.get("choices")).iter().enumerate();
        let empty = Value::from("");
        said.map(|(index, one)| choice(one.pointer("/message/content").unwrap_or(&empty), index)).collect()
    } else {
        return Err("Invalid response format".to_owned());
    };
    let mut out = Object::new();
    put(&mut out, "model", model.name.as_deref());
    out.insert("object".into(), truthy(answer.get("object")).cloned().unwrap_or_else(|| route.name().into()));
    out.insert("choices".into(), choices);
    out.insert("usage".into(), truthy(answer.get("usage")).cloned().unwrap_or_else(|| json!({})));
    Ok(out.into())
}

pub(super) fn event(event: &Event, model: &Model, chat: bool) -> Told {
    let data: Option<Value> = event.data.as_ref().and_then(|data| serde_json::from_str(data).ok());
    let Some(data) = data else { return Told::default() };
    let text = |path: &str| data.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = Object::new();
    let own = model.name.as_deref().map(Value::from);
    if chat {
        let delta = json!({ "content": text("/choices/0/delta/content"), "role": "assistant" });
        out.insert("choices".into(), json!([{ "delta": delta, "index": 0 }]));
        put(&mut out, "model", truthy(data.get("model")).cloned().or(own));
        out.insert("object".into(), "chat.completion.chunk".into());
    } else {
        out.insert("choices".into(), json!([{ "text": text("/token/text"), "index": 0 }]));
        put(&mut out, "model", own);
        out.insert("object".into(), "text_completion".into());
    }
    Told::chunk(&out.into())
}
