//! Cohere's format.

use super::{DONE, Memory, Object, Told, items, name, put, read, stream, sum, truthy};
use crate::ai::config::{Model, RouteType};
use crate::ai::events::Event;
use serde_json::{Value, json};

pub(super) fn request(mut request: Object, model: &Model) -> Object {
    for (from, to) in [("top_p", "p"), ("top_k", "k")] {
        let value = request.shift_remove(from);
        put(&mut request, to, value);
    }
    let name = name(&request, model);
    put(&mut request, "model", name);
    let stream = stream(&request);
    request.insert("stream".into(), stream);
    let Some(Value::Array(mut messages)) = request.shift_remove("messages") else {
        request.shift_remove("message");
        return request;
    };
    // The last one is what is said now, those before it are the history.
    let last = messages.pop();
    if !messages.is_empty() {
        request.insert("chat_history".into(), messages.iter().map(said).collect());
    }
    put(&mut request, "message", last.and_then(|last| last.get("content").cloned()));
    request
}

fn said(message: &Value) -> Value {
    let role = if matches!(message["role"].as_str(), Some("assistant" | "CHATBOT")) { "CHATBOT" } else { "USER" };
    let mut out = Object::new();
    out.insert("role".into(), role.into());
    put(&mut out, "message", message.get("content").cloned());
    out.into()
}

pub(super) fn answer(body: &[u8], model: &Model, route: RouteType) -> Result<Value, String> {
    let answer = read(body, "failed to decode cohere response")?;
    let chat = route == RouteType::Chat;
    let has = |name: &str| truthy(answer.get(name));
    let (choices, object, id, usage) = if let (Some(_), Some(generations)) = (has("prompt"), has("generations")) {
        let choices = items(Some(generations)).iter().enumerate().map(|(index, one)| {
            let mut choice = Object::new();
            choice.insert("index".into(), index.into());
            put(&mut choice, "text", one.get("text").cloned());
            choice.insert("finish_reason".into(), "stop".into());
            Value::Object(choice)
        });
        (choices.collect::<Value>(), "text_completion", "id", billed(answer.pointer("/meta/billed_units")))
    } else if let Some(text) = has("text") {
        let message = json!({ "role": "assistant", "content": text });
        let choices = json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
        let usage = if chat { billed(answer.pointer("/meta/billed_units")) } else { counted(&answer) };
        (choices, "chat.completion", "generation_id", usage)
    } else if let (true, Some(said)) = (chat, has("message")) {
        let mut message = Object::new();
        message.insert("role".into(), "assistant".into());
        let content = truthy(said.get("tool_plan")).or_else(|| said.get("content"));
        put(&mut message, "content", content.cloned());
        put(&mut message, "tool_calls", said.get("tool_calls").cloned());
        let mut choice = Object::new();
        choice.insert("index".into(), 0.into());
        choice.insert("message".into(), message.into());
        put(&mut choice, "finish_reason", answer.get("finish_reason").cloned());
        (json!([choice]), "chat.completion", "id", billed(answer.pointer("/usage/billed_units")))
    } else {
        return Err("'text' or 'generations' missing from cohere response body".to_owned());
    };
    let mut out = Object::new();
    out.insert("choices".into(), choices);
    out.insert("object".into(), object.into());
    put(&mut out, "model", model.name.as_deref());
    put(&mut out, "id", answer.get(id).cloned());
    out.insert("usage".into(), usage);
    Ok(out.into())
}

/// Tokens as they are billed.
fn billed(units: Option<&Value>) -> Value {
    let count = |name: &str| units.and_then(|units| units.get(name));
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    let mut usage = Object::new();
    put(&mut usage, "completion_tokens", output.cloned());
    put(&mut usage, "prompt_tokens", input.cloned());
    put(&mut usage, "total_tokens", sum(output, input));
    usage.into()
}

/// Tokens as a chat counts them.
fn counted(answer: &Value) -> Value {
    let mut usage = Object::new();
    for (name, of) in
        [("completion_tokens", "response_tokens"), ("prompt_tokens", "prompt_tokens"), ("total_tokens", "total_tokens")]
    {
        put(&mut usage, name, answer["token_count"].get(of).cloned());
    }
    usage.into()
}

pub(super) fn event(event: &Event, model: &Model, chat: bool, memory: &mut Memory) -> Told {
    let data: Option<Value> = event.data.as_ref().and_then(|data| serde_json::from_str(data).ok());
    let Some(data) = data else { return Told::default() };
    match data["event_type"].as_str() {
        Some("stream-start") => {
            memory.id = data.get("generation_id").cloned();
            let choice = json!({ "delta": { "content": "", "role": "assistant" }, "index": 0 });
            Told::chunk(&chunk(choice, "chat.completion.chunk", model, memory))
        }
        Some("text-generation") => {
            let text = data["text"].as_str().unwrap_or_default();
            let (said, object) = match chat {
                true => (json!({ "delta": { "content": text } }), "chat.completion.chunk"),
                false => (json!({ "text": text }), "text_completion"),
            };
            let mut choice = said;
            choice["index"] = 0.into();
            choice["finish_reason"] = Value::Null;
            choice["logprobs"] = Value::Null;
            Told::chunk(&chunk(choice, object, model, memory))
        }
        Some("stream-end") => {
            let count =
                |paths: [&str; 2]| paths.iter().find_map(|path| data.pointer(path)?.as_f64()).unwrap_or_default();
            let prompt = ["/response/meta/billed_units/input_tokens", "/response/token_count/prompt_tokens"];
            let completion = ["/response/meta/billed_units/output_tokens", "/response/token_count/response_tokens"];
            Told { text: Some(DONE.to_owned()), tokens: Some((count(prompt), count(completion))) }
        }
        _ => Told::default(),
    }
}

fn chunk(choice: Value, object: &str, model: &Model, memory: &Memory) -> Value {
    let mut out = Object::new();
    out.insert("choices".into(), json!([choice]));
    put(&mut out, "id", memory.id.clone());
    put(&mut out, "model", model.name.as_deref());
    out.insert("object".into(), object.into());
    out.into()
}
