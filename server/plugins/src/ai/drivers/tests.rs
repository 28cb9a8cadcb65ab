use super::*;
use proptest::prelude::*;
use serde_json::json;

fn model(provider: &str, options: Value) -> Model {
    serde_json::from_value(json!({ "provider": provider, "name": "m", "options": options })).expect("a model")
}

fn sent(provider: &str, options: &Value, route: RouteType, asked: &Value) -> Result<Value, String> {
    let asked = asked.as_object().expect("an object").clone();
    request(asked, &model(provider, options.clone()), route).map(Value::Object)
}

const CHAT: RouteType = RouteType::Chat;
const COMPLETIONS: RouteType = RouteType::Completions;

fn talk() -> Value {
    json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "Name a fruit." },
        { "role": "assistant", "content": "Quince." },
        { "role": "user", "content": "Another." },
    ])
}

fn tools() -> Value {
    json!([{ "type": "function", "function": { "name": "stock", "description": "d", "parameters": { "type": "object" } } }])
}

fn calls() -> Value {
    json!([
        { "role": "user", "content": "How many?" },
        { "role": "assistant", "tool_calls": [{ "id": "t", "type": "function", "function": { "name": "stock", "arguments": "{\"a\":1}" } }] },
        { "role": "tool", "tool_call_id": "t", "content": "7" },
    ])
}

#[test]
fn requests_take_the_providers_form() {
    let none = json!({});
    let limits = json!({ "max_tokens": 9, "temperature": 0.5, "top_p": 1, "top_k": 3 });
    let ollama = json!({ "llama2_format": "ollama", "max_tokens": 9 });
    let raw = json!({ "llama2_format": "raw", "max_tokens": 9 });
    let said = json!({ "messages": talk(), "temperature": 0.1, "seed": 4 });
    let prompt = json!({ "prompt": "A fruit:" });
    for (provider, options, route, asked, expected) in [
        (
            "openai",
            &limits,
            CHAT,
            &said,
            json!({ "messages": talk(), "temperature": 0.5, "seed": 4, "max_tokens": 9, "top_p": 1, "model": "m", "stream": false }),
        ),
        ("azure", &none, COMPLETIONS, &prompt, json!({ "prompt": "A fruit:", "model": "m", "stream": false })),
        (
            "anthropic",
            &limits,
            CHAT,
            &said,
            json!({
                "messages": [talk()[1], talk()[2], talk()[3]], "system": "Be brief.", "temperature": 0.5,
                "max_tokens": 9, "model": "m", "stream": false,
            }),
        ),
        (
            "anthropic",
            &limits,
            COMPLETIONS,
            &prompt,
            json!({
                "prompt": "Human: A fruit:\n\nAssistant:", "temperature": 0.5, "max_tokens_to_sample": 9, "model": "m",
                "stream": false,
            }),
        ),
        (
            "cohere",
            &limits,
            CHAT,
            &said,
            json!({
                "temperature": 0.5, "seed": 4, "max_tokens": 9, "p": 1, "k": 3, "model": "m", "stream": false,
                "chat_history": [
                    { "role": "USER", "message": "Be brief." }, { "role": "USER", "message": "Name a fruit." },
                    { "role": "CHATBOT", "message": "Quince." },
                ],
                "message": "Another.",
            }),
        ),
        ("cohere", &none, COMPLETIONS, &prompt, json!({ "prompt": "A fruit:", "model": "m", "stream": false })),
        (
            "gemini",
            &limits,
            CHAT,
            &said,
            json!({
                "contents": [
                    { "role": "user", "parts": [{ "text": "Name a fruit." }] },
                    { "role": "model", "parts": [{ "text": "Quince." }] },
                    { "role": "user", "parts": [{ "text": "Another." }] },
                ],
                "systemInstruction": { "parts": [{ "text": "Be brief." }] },
                "generationConfig": { "maxOutputTokens": 9, "temperature": 0.5, "topK": 3, "topP": 1 },
            }),
        ),
        (
            "bedrock",
            &limits,
            CHAT,
            &said,
            json!({
                "anthropic_version": "bedrock-2023-05-31",
                "messages": [
                    { "role": "user", "content": [{ "text": "Name a fruit." }] },
                    { "role": "assistant", "content": [{ "text": "Quince." }] },
                    { "role": "user", "content": [{ "text": "Another." }] },
                ],
                "system": [{ "text": "Be brief." }],
                "inferenceConfig": { "maxTokens": 9, "temperature": 0.5, "topP": 1 },
            }),
        ),
        (
            "huggingface",
            &limits,
            CHAT,
            &said,
            json!({
                "messages": talk(), "seed": 4, "model": "m", "options": { "use_cache": false, "wait_for_model": false },
                "parameters": { "top_k": 3, "top_p": 1, "temperature": 0.5, "max_lenght": 9 },
            }),
        ),
        (
            "huggingface",
            &json!({ "max_tokens": 9, "huggingface": { "use_cache": true } }),
            COMPLETIONS,
            &prompt,
            json!({
                "inputs": "A fruit:", "model": "m", "options": { "use_cache": true, "wait_for_model": false },
                "parameters": { "max_new_tokens": 9 },
            }),
        ),
        (
            "llama2",
            &ollama,
            CHAT,
            &said,
            json!({ "messages": talk(), "stream": false, "model": "m", "options": { "num_predict": 9, "temperature": 0.1 } }),
        ),
        (
            "llama2",
            &raw,
            CHAT,
            &said,
            json!({
                "parameters": { "max_new_tokens": 9, "temperature": 0.1, "stream": false },
                "inputs": "<s>[INST] <<SYS>> Be brief. <</SYS>> Name a fruit. [/INST] <s>[INST] Another. [/INST]",
            }),
        ),
        (
            "llama2",
            &raw,
            COMPLETIONS,
            &prompt,
            json!({
                "parameters": { "max_new_tokens": 9, "stream": false },
                "inputs": "<s> [INST] <<SYS>> You are a helpful assistant. <<SYS>> A fruit: [/INST]",
            }),
        ),
        (
            "mistral",
            &json!({ "mistral_format": "openai" }),
            COMPLETIONS,
            &prompt,
            json!({ "prompt": "A fruit:", "model": "m", "stream": false }),
        ),
        (
            "mistral",
            &json!({ "mistral_format": "ollama" }),
            COMPLETIONS,
            &prompt,
            json!({ "prompt": "A fruit:", "model": "m", "stream": false, "options": {} }),
        ),
    ] {
        assert_eq!(sent(provider, options, route, asked), Ok(expected), "{provider} {route:?}");
    }
}

#[test]
fn functions_are_declared_and_called_in_the_providers_form() {
    let asked = json!({ "messages": calls(), "tools": tools(), "tool_choice": "auto" });
    let of = |provider| sent(provider, &json!({}), CHAT, &asked).expect("a request");
    let anthropic = of("anthropic");
    assert_eq!(
        anthropic["tools"],
        json!([{ "name": "stock", "description": "d", "input_schema": { "type": "object" } }])
    );
    assert_eq!(anthropic["tool_choice"], "auto");
    assert_eq!(
        anthropic["messages"],
        json!([
            { "role": "user", "content": "How many?" },
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "stock", "input": { "a": 1 } }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "7" }] },
        ])
    );
    let bedrock = of("bedrock");
    assert_eq!(
        bedrock["toolConfig"],
        json!({ "tools": [{ "toolSpec": { "name": "stock", "description": "d", "inputSchema": { "json": { "type": "object" } } } }] })
    );
    assert_eq!(
        bedrock["messages"][1]["content"],
        json!([{ "toolUse": { "toolUseId": "t", "name": "stock", "input": { "a": 1 } } }])
    );
    assert_eq!(
        bedrock["messages"][2],
        json!({ "role": "user", "content": [{ "toolResult": { "toolUseId": "t", "content": [{ "json": { "result": 7 } }] } }] })
    );
    let gemini = of("gemini");
    assert_eq!(gemini["tools"], json!([{ "function_declarations": [tools()[0]["function"]] }]));
    assert_eq!(
        gemini["contents"][1],
        json!({ "role": "function", "parts": [{ "function_call": { "name": "stock" } }] })
    );
    assert_eq!(
        gemini["contents"][2],
        json!({ "role": "function", "parts": [{ "function_response": { "name": "stock", "response": { "content": ["7"] } } }] })
    );
    assert_eq!(of("cohere")["tools"], tools());
    assert_eq!(of("cohere")["messages"], calls());
}

#[test]
fn parts_of_messages_are_told() {
    let parts = json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
    let asked = json!({ "messages": [{ "role": "system", "content": parts }, { "role": "user", "content": parts }] });
    let bedrock = sent("bedrock", &json!({}), CHAT, &asked).expect("a request");
    assert_eq!(
        (&bedrock["system"], &bedrock["messages"][0]["content"]),
        (&json!([{ "text": "ab" }]), &json!([{ "text": "a" }, { "text": "b" }]))
    );
    let gemini = sent("gemini", &json!({}), CHAT, &asked).expect("a request");
    assert_eq!(gemini["systemInstruction"], json!({ "parts": [{ "text": "ab" }] }));
    assert_eq!(gemini["contents"][0]["parts"], json!([{ "text": "a" }, { "text": "b" }]));
}

#[test]
fn images_are_told_to_gemini() {
    let of =
        |part: Value| sent("gemini", &json!({}), CHAT, &json!({ "messages": [{ "role": "user", "content": [part] }] }));
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    for (part, expected) in [
        (json!({ "type": "text", "text": "x" }), Ok(json!({ "text": "x" }))),
        (image("data:image/png;base64,QUI="), Ok(json!({ "inlineData": { "data": "QUI=", "mimeType": "image/png" } }))),
        (
            image("https://i.test/a.png"),
            Ok(json!({ "fileData": { "fileUri": "https://i.test/a.png", "mimeType": "image/generic" } })),
        ),
        (
            image("data:x"),
            Err("could not decode OpenAI image-part, image URL is less than 10 bytes, which is not parsable"),
        ),
        (json!({ "type": "image_url" }), Err("message part type is 'image_url' but is missing .image_url.url block")),
        (json!({ "type": "text" }), Err("message part type is 'text' but is missing .text block")),
        (json!({ "type": "audio" }), Err("cannot transform part of type 'audio' to Gemini format")),
    ] {
        let expected = expected.map_err(|error| format!("error transforming to gemini://llm/v1/chat: {error}"));
        assert_eq!(of(part).map(|sent| sent["contents"][0]["parts"][0].clone()), expected);
    }
}

#[test]
fn what_a_provider_does_not_take_is_refused() {
    let none = json!({});
    let said = json!({ "messages": talk() });
    let wrong_call = json!({ "messages": [{ "role": "assistant", "tool_calls": [{ "id": "t" }] }] });
    let wrong_result = json!({ "messages": [{ "role": "tool", "content": "seven" }] });
    for (provider, route, asked, expected) in [
        ("gemini", COMPLETIONS, json!({ "prompt": "x" }), "no transformer for gemini://llm/v1/completions"),
        ("bedrock", COMPLETIONS, json!({ "prompt": "x" }), "no transformer for bedrock://llm/v1/completions"),
        ("anthropic", CHAT, wrong_call, "error transforming to anthropic://llm/v1/chat"),
        (
            "bedrock",
            CHAT,
            wrong_result,
            "error transforming to bedrock://llm/v1/chat: failed to decode function response arguments, not JSON format",
        ),
        (
            "gemini",
            CHAT,
            json!({ "messages": [{ "role": "user", "content": [] }] }),
            "error transforming to gemini://llm/v1/chat: message at position 1 does not match expected array format",
        ),
    ] {
        assert_eq!(sent(provider, &none, route, &asked), Err(expected.to_owned()));
    }
    for (provider, name, expected) in [
        ("gemini", "gemini-1.0-pro", "system prompts aren't supported on gemini-1.0 models"),
        ("bedrock", "amazon.titan-text-lite-v1", "system prompts are unsupported for model 'amazon.titan-text-lite-v1"),
        (
            "bedrock",
            "mistral.mistral-7b-instruct-v0:2",
            "system prompts are unsupported for model 'mistral.mistral-7b-instruct-v0:2",
        ),
    ] {
        let model = Model { name: Some(name.to_owned()), ..model(provider, json!({})) };
        let asked = said.as_object().expect("an object").clone();
        let error = format!("error transforming to {provider}://llm/v1/chat: {expected}");
        assert_eq!(request(asked, &model, CHAT).map(Value::Object), Err(error));
    }
    for (name, takes) in
        [("anthropic.claude-v2", true), ("cohere.command-light-text-v14", false), ("cohere.command-r-v1:0", true)]
    {
        assert_eq!(
            takes_system(&Model { name: Some(name.to_owned()), ..model("bedrock", json!({})) }),
            takes,
            "{name}"
        );
    }
}

fn told(provider: &str, options: &Value, route: RouteType, body: &str) -> Result<Value, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let answer = answer(&body, &model(provider, options.clone()), route)?;
    Ok(serde_json::from_slice(&answer).expect("JSON"))
}

#[test]
fn answers_take_the_form_of_openai() {
    let none = json!({});
    let usage = |prompt: u64, completion: u64| json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
    let chat = |content: &str, reason: Value, usage: Value| {
        json!({
            "object": "chat.completion", "model": "m", "usage": usage,
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": reason }],
        })
    };
    let openai = r#"{"choices":[],"x":1.0}"#;
    assert_eq!(answer(&Bytes::from(openai), &model("openai", none.clone()), CHAT), Ok(Bytes::from(openai)));
    for (provider, options, route, body, expected) in [
        (
            "anthropic",
            &none,
            CHAT,
            json!({ "model": "m", "content": [{ "text": "A" }, { "text": "B" }], "stop_reason": "end_turn",
                "usage": { "input_tokens": 2, "output_tokens": 3 } }),
            chat("A\nB", json!("end_turn"), usage(2, 3)),
        ),
        (
            "anthropic",
            &none,
            CHAT,
            json!({ "model": "m", "content": [], "stop_reason": null }),
            chat("", Value::Null, json!("no usage data returned from upstream")),
        ),
        (
            "anthropic",
            &none,
            COMPLETIONS,
            json!({ "model": "m", "completion": " A", "stop_reason": "max_tokens" }),
            json!({ "object": "text_completion", "model": "m",
                "choices": [{ "index": 0, "text": " A", "finish_reason": "max_tokens" }] }),
        ),
        (
            "gemini",
            &none,
            CHAT,
            json!({ "candidates": [{ "content": { "parts": [{ "text": "A" }] }, "finishReason": "STOP" }],
                "usageMetadata": { "promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5 } }),
            chat("A", json!("stop"), usage(2, 3)),
        ),
        (
            "gemini",
            &none,
            CHAT,
            json!({ "candidates": [{ "content": { "parts": [{ "functionCall": { "name": "f", "args": { "a": 1 } } }] } }] }),
            json!({ "choices": [{ "index": 0, "message": { "role": "assistant",
                "tool_calls": [{ "function": { "name": "f", "arguments": "{\"a\":1}" } }] } }] }),
        ),
        (
            "bedrock",
            &none,
            CHAT,
            json!({ "output": { "message": { "content": [{ "text": "A" }] } }, "stopReason": "max_tokens",
                "usage": { "inputTokens": 2, "outputTokens": 3, "totalTokens": 5 } }),
            chat("A", json!("length"), usage(2, 3)),
        ),
        (
            "cohere",
            &none,
            CHAT,
            json!({ "prompt": "p", "generations": [{ "text": "A" }, { "text": "B" }], "id": "i" }),
            json!({ "object": "text_completion", "model": "m", "id": "i", "usage": {}, "choices": [
                { "index": 0, "text": "A", "finish_reason": "stop" }, { "index": 1, "text": "B", "finish_reason": "stop" },
            ] }),
        ),
        (
            "cohere",
            &none,
            CHAT,
            json!({ "message": { "tool_plan": "A", "tool_calls": [1] }, "finish_reason": "TOOL_CALL", "id": "i",
                "usage": { "billed_units": { "input_tokens": 2, "output_tokens": 3 } } }),
            json!({ "object": "chat.completion", "model": "m", "id": "i", "usage": usage(2, 3), "choices": [
                { "index": 0, "message": { "role": "assistant", "content": "A", "tool_calls": [1] }, "finish_reason": "TOOL_CALL" },
            ] }),
        ),
        (
            "cohere",
            &none,
            COMPLETIONS,
            json!({ "text": "A", "generation_id": "g",
                "token_count": { "prompt_tokens": 2, "response_tokens": 3, "total_tokens": 5 } }),
            json!({ "object": "chat.completion", "model": "m", "id": "g", "usage": usage(2, 3), "choices": [
                { "index": 0, "message": { "role": "assistant", "content": "A" }, "finish_reason": "stop" },
            ] }),
        ),
        (
            "huggingface",
            &none,
            COMPLETIONS,
            json!([{ "generated_text": "A" }]),
            json!({ "object": "llm/v1/completions", "model": "m", "usage": {}, "choices": [
                { "message": { "content": "A" }, "index": 0, "finish_reason": "complete" },
            ] }),
        ),
        (
            "llama2",
            &json!({ "llama2_format": "ollama", "max_tokens": 3 }),
            CHAT,
            json!({ "model": "m", "created_at": "now", "message": { "role": "assistant", "content": "A" },
                "prompt_eval_count": 2, "eval_count": 3 }),
            json!({ "object": "chat.completion", "model": "m", "created": "now", "usage": usage(2, 3), "choices": [
                { "index": 0, "message": { "role": "assistant", "content": "A" }, "finish_reason": "length" },
            ] }),
        ),
        (
            "mistral",
            &json!({ "mistral_format": "ollama" }),
            COMPLETIONS,
            json!({ "model": "m", "response": "A" }),
            json!({ "object": "text_completion", "model": "m", "usage": usage(0, 0), "choices": [{ "index": 0, "text": "A" }] }),
        ),
        (
            "llama2",
            &json!({ "llama2_format": "raw" }),
            CHAT,
            json!({ "data": [{ "generated_text": "x [/INST] y [/INST]\n A " }], "usage": { "total_tokens": 4 } }),
            json!({ "object": "chat.completion", "usage": { "total_tokens": 4 },
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "A" } }] }),
        ),
    ] {
        assert_eq!(told(provider, options, route, &body.to_string()), Ok(expected), "{provider} {body}");
    }
}

#[test]
fn functions_that_are_called_are_told() {
    let anthropic = json!({ "content": [{ "type": "tool_use", "id": "t", "name": "f", "input": { "a": 1 } }] });
    let bedrock = json!({ "output": { "message": { "content": [{ "toolUse": { "toolUseId": "t", "name": "f", "input": { "a": 1 } } }] } },
        "stopReason": "tool_use" });
    for (provider, body) in [("anthropic", anthropic), ("bedrock", bedrock)] {
        let answer = told(provider, &json!({}), CHAT, &body.to_string()).expect("an answer");
        assert_eq!(
            answer["choices"][0]["message"]["tool_calls"],
            json!([{ "id": "t", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } }])
        );
    }
}

#[test]
fn answers_of_another_shape_are_errors() {
    let (none, raw) = (json!({}), json!({ "llama2_format": "raw" }));
    for (provider, options, route, body, error) in [
        ("openai", &none, CHAT, "{}", "openai://llm/v1/chat: 'choices' not in llm/v1/chat response"),
        ("openai", &none, COMPLETIONS, "", "openai://llm/v1/completions: failed to decode llm/v1/completions response"),
        ("anthropic", &none, CHAT, "{}", "anthropic://llm/v1/chat: 'content' not in anthropic://llm/v1/chat response"),
        (
            "anthropic",
            &none,
            COMPLETIONS,
            "[]",
            "anthropic://llm/v1/completions: 'completion' not in anthropic://llm/v1/chat response",
        ),
        (
            "cohere",
            &none,
            CHAT,
            "{}",
            "cohere://llm/v1/chat: 'text' or 'generations' missing from cohere response body",
        ),
        (
            "gemini",
            &none,
            CHAT,
            "7",
            "gemini://llm/v1/chat: no generation candidates received from Gemini, or max_tokens too short",
        ),
        ("bedrock", &none, CHAT, "{", "bedrock://llm/v1/chat: failed to decode response from Bedrock"),
        ("huggingface", &none, CHAT, r#"{"error":"busy"}"#, "huggingface://llm/v1/chat: API error: busy"),
        ("huggingface", &none, CHAT, "{}", "huggingface://llm/v1/chat: Invalid response format"),
        ("llama2", &raw, CHAT, r#"{"data":[1,2]}"#, "llama2://llm/v1/chat: cannot parse response from llama2 endpoint"),
        ("llama2", &raw, CHAT, r#"{"data":[{}]}"#, "llama2://llm/v1/chat: response data is empty from llama2 endpoint"),
    ] {
        assert_eq!(told(provider, options, route, body), Err(format!("transformation failed from type {error}")));
    }
    let withheld_answer = r#"{"candidates":[{"finishReason":"SAFETY"}]}"#;
    assert!(withheld(withheld_answer.as_bytes(), &model("gemini", json!({}))).is_some());
    assert!(withheld(withheld_answer.as_bytes(), &model("openai", json!({}))).is_none());
}

#[test]
fn events_take_the_form_of_openai() {
    let (none, ollama) = (json!({}), json!({ "llama2_format": "ollama", "mistral_format": "ollama" }));
    let chunk = |delta: Value| json!({ "delta": delta, "index": 0 });
    for (provider, options, route, kind, data, choice, tokens) in [
        (
            "anthropic",
            &none,
            CHAT,
            "content_block_delta",
            json!({ "delta": { "text": "A" } }),
            Some(json!({ "delta": { "content": "A" }, "index": 0, "finish_reason": null, "logprobs": null })),
            None,
        ),
        ("anthropic", &none, COMPLETIONS, "content_block_delta", json!({ "delta": { "text": "A" } }), None, None),
        ("anthropic", &none, CHAT, "ping", json!({}), None, None),
        ("anthropic", &none, CHAT, "message_delta", json!({ "usage": { "output_tokens": 3 } }), None, Some((0.0, 3.0))),
        (
            "cohere",
            &none,
            CHAT,
            "",
            json!({ "event_type": "stream-start", "generation_id": "g" }),
            Some(chunk(json!({ "content": "", "role": "assistant" }))),
            None,
        ),
        (
            "cohere",
            &none,
            COMPLETIONS,
            "",
            json!({ "event_type": "text-generation", "text": "A" }),
            Some(json!({ "text": "A", "index": 0, "finish_reason": null, "logprobs": null })),
            None,
        ),
        (
            "bedrock",
            &none,
            CHAT,
            "messageStart",
            json!({ "role": "assistant" }),
            Some(json!({ "delta": { "content": "", "role": "assistant" }, "index": 0, "logprobs": null })),
            None,
        ),
        (
            "bedrock",
            &none,
            CHAT,
            "contentBlockDelta",
            json!({ "contentBlockIndex": 1, "delta": { "toolUse": { "input": "{" } } }),
            Some(
                json!({ "delta": { "tool_calls": [{ "index": 1, "function": { "arguments": "{" } }] }, "index": 0, "logprobs": null }),
            ),
            None,
        ),
        (
            "bedrock",
            &none,
            CHAT,
            "messageStop",
            json!({ "stopReason": "end_turn" }),
            Some(json!({ "delta": {}, "index": 0, "logprobs": null, "finish_reason": "stop" })),
            None,
        ),
        ("bedrock", &none, CHAT, "contentBlockStop", json!({}), None, None),
        (
            "huggingface",
            &none,
            CHAT,
            "",
            json!({ "choices": [{ "delta": { "content": "A" } }] }),
            Some(chunk(json!({ "content": "A", "role": "assistant" }))),
            None,
        ),
        (
            "huggingface",
            &none,
            COMPLETIONS,
            "",
            json!({ "token": { "text": "A" } }),
            Some(json!({ "text": "A", "index": 0 })),
            None,
        ),
        (
            "llama2",
            &ollama,
            CHAT,
            "",
            json!({ "message": { "content": "A" } }),
            Some(chunk(json!({ "content": "A" }))),
            None,
        ),
        (
            "llama2",
            &ollama,
            COMPLETIONS,
            "",
            json!({ "response": "A" }),
            Some(json!({ "text": "A", "index": 0 })),
            None,
        ),
        (
            "gemini",
            &none,
            CHAT,
            "",
            json!({ "candidates": [{ "content": { "parts": [{ "text": "A" }] }, "finishReason": "STOP" }],
            "usageMetadata": { "promptTokenCount": 2, "candidatesTokenCount": 3 } }),
            Some(json!({ "delta": { "content": "A", "role": "assistant" }, "index": 0, "finish_reason": "STOP" })),
            Some((2.0, 3.0)),
        ),
    ] {
        let event = Event { event: (!kind.is_empty()).then(|| kind.to_owned()), data: Some(data.to_string()) };
        let told = super::event(&event, &model(provider, options.clone()), route, &mut Memory::default());
        let shown: Option<Value> = told.text.map(|text| serde_json::from_str(&text).expect("JSON"));
        assert_eq!(shown.map(|chunk| chunk["choices"][0].clone()), choice, "{provider} {data}");
        assert_eq!(told.tokens, tokens, "{provider} {data}");
    }
    for (provider, kind, data, tokens) in [
        ("openai", "", json!("[DONE]"), None),
        ("anthropic", "message_stop", json!({}), None),
        ("bedrock", "metadata", json!({ "usage": { "inputTokens": 2, "outputTokens": 3 } }), Some((2.0, 3.0))),
        (
            "cohere",
            "",
            json!({ "event_type": "stream-end", "response": { "meta": { "billed_units": { "input_tokens": 2, "output_tokens": 3 } } } }),
            Some((2.0, 3.0)),
        ),
        ("llama2", "", json!({ "done": true, "prompt_eval_count": 2, "eval_count": 3 }), Some((2.0, 3.0))),
        ("mistral", "", json!({ "done": true, "prompt_eval_count": 2, "eval_count": 3 }), None),
    ] {
        let data = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
        let event = Event { event: (!kind.is_empty()).then(|| kind.to_owned()), data: Some(data) };
        let told = super::event(&event, &model(provider, ollama.clone()), CHAT, &mut Memory::default());
        assert_eq!(told, Told { text: Some(DONE.to_owned()), tokens }, "{provider}");
    }
}

#[test]
fn chunks_of_one_answer_have_its_id() {
    let mut memory = Memory::default();
    let mut id = |kind: &str, data: Value| {
        let event = Event { event: Some(kind.to_owned()), data: Some(data.to_string()) };
        let told = super::event(&event, &model("anthropic", json!({})), CHAT, &mut memory);
        serde_json::from_str::<Value>(&told.text.expect("a chunk")).expect("JSON")["id"].clone()
    };
    assert_eq!(id("message_start", json!({ "message": { "id": "i-1", "role": "assistant" } })), "i-1");
    assert_eq!(id("content_block_delta", json!({ "delta": { "text": "A" } })), "i-1");
}

const PROVIDERS: [&str; 9] =
    ["openai", "azure", "anthropic", "cohere", "mistral", "llama2", "gemini", "bedrock", "huggingface"];
const FORMATS: [&str; 3] = ["raw", "ollama", "openai"];

/// Any JSON that looks a little like what providers send.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("messages"),
        Just("content"),
        Just("role"),
        Just("parts"),
        Just("text"),
        Just("tool_calls"),
        Just("function"),
        Just("candidates"),
        Just("choices"),
        Just("message"),
        Just("usage"),
        Just("output"),
        Just("data"),
        Just("delta"),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names.clone(), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_a_driver_panic(
        provider in 0..PROVIDERS.len(), format in 0..FORMATS.len(), chat in any::<bool>(), value in any_json(),
        kind in prop_oneof![Just("message_start"), Just("contentBlockStart"), Just("metadata"), Just("x")],
    ) {
        let format = FORMATS[format];
        let model = model(PROVIDERS[provider], json!({ "llama2_format": format, "mistral_format": format }));
        let route = if chat { CHAT } else { COMPLETIONS };
        let text = value.to_string();
        let _ = answer(&Bytes::from(text.clone()), &model, route);
        let event = Event { event: Some(kind.to_owned()), data: Some(text) };
        let _ = super::event(&event, &model, route, &mut Memory::default());
        let mut asked = Map::new();
        asked.insert("messages".into(), value);
        let _ = request(asked, &model, route);
    }
}
