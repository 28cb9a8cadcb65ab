//! Ollama's format, which Llama 2 and Mistral may be run with.

use super::{DONE, Object, Told, put, read, stream, truthy};
use crate::ai::config::{Model, RouteType};
use crate::ai::events::Event;
use crate::ai::usage::figure;
use serde_json::{Value, json};

pub(super) fn request(request: &Object, model: &Model) -> Object {
    let mut out = Object::new();
    let said = if truthy(request.get("messages")).is_some() { "messages" } else { "prompt" };
    put(&mut out, said, truthy(request.get(said)).cloned());
    out.insert("stream".into(), stream(request));
    let name = model.name.as_deref().map(Value::from).or_else(|| request.get("name").cloned());
    put(&mut out, "model", name);
    put(&mut out, "tools", request.get("tools").cloned());
    put(&mut out, "tool_choice", request.get("tool_choice").cloned());
    if model.options.is_some() {
        let mut options = Object::new();
        for (name, of) in
            [("num_predict", "max_tokens"), ("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "top_k")]
        {
            put(&mut options, name, request.get(of).cloned());
        }
        out.insert("options".into(), options.into());
    }
    out
}

pub(super) fn answer(body: &[u8], model: &Model, route: RouteType) -> Result<Value, String> {
    let answer = read(body, "failed to decode ollama response")?;
    let count = |name: &str| answer[name].as_f64();
    let (prompt, completion) = (count("prompt_eval_count"), count("eval_count"));
    // Why it ended is told by how long it is.
    let most = model.options().max_tokens.unwrap_or(-1) as f64;
    let ended = if completion == Some(most) { "length" } else { "stop" };
    let (prompt, completion) = (prompt.unwrap_or_default(), completion.unwrap_or_default());
    let mut out = Object::new();
    put(&mut out, "model", answer.get("model").cloned());
    put(&mut out, "created", answer.get("created_at").cloned());
    out.insert(
        "usage".into(),
        json!({
            "completion_tokens": figure(completion), "prompt_tokens": figure(prompt),
            "total_tokens": figure(completion + prompt),
        }),
    );
    let mut choice = Object::new();
    choice.insert("index".into(), 0.into());
    if route == RouteType::Chat {
        let given = truthy(answer.get("finish_reason")).cloned();
        choice.insert("finish_reason".into(), given.unwrap_or_else(|| ended.into()));
        put(&mut choice, "message", answer.get("message").cloned());
        out.insert("object".into(), "chat.completion".into());
    } else {
        put(&mut choice, "text", answer.get("response").cloned());
        out.insert("object".into(), "text_completion".into());
    }
    out.insert("choices".into(), json!([choice]));
    Ok(out.into())
}

pub(super) fn event(event: &Event, chat: bool) -> Told {
    let data: Option<Value> = event.data.as_ref().and_then(|data| serde_json::from_str(data).ok());
    let Some(data) = data else { return Told::default() };
    if truthy(data.get("done")).is_some() {
        let count = |name: &str| data[name].as_f64().unwrap_or_default();
        return Told { text: Some(DONE.to_owned()), tokens: Some((count("prompt_eval_count"), count("eval_count"))) };
    }
    let text = |path: &str| data.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (choice, object) = match chat {
        true => (json!({ "delta": { "content": text("/message/content") }, "index": 0 }), "chat.completion.chunk"),
        false => (json!({ "text": text("/response"), "index": 0 }), "text_completion"),
    };
    let mut out = Object::new();
    out.insert("choices".into(), json!([choice]));
    put(&mut out, "model", data.get("model").cloned());
    out.insert("object".into(), object.into());
    Told::chunk(&out.into())
}
