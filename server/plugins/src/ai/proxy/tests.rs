use super::*;
use crate::gzip::{pack, unpack};
use crate::testing::{
    Manner, Oracle, People, access, filter, plugin, plugin_with, request, services, settle, with_body,
};
use exchange::log_entry;
use exchange::{ErrorTemplates, Source};
use serde_json::json;
use std::sync::Arc;

const SAID: &str = r#"{"messages":[{"role":"user","content":"Hello there"}]}"#;

fn config(more: Value) -> Value {
    let mut config = json!({ "route_type": "llm/v1/chat", "logging": {},
        "model": { "provider": "openai", "name": "m", "options": { "upstream_url": "http://llm.test:81/v1" } } });
    for (name, value) in more.as_object().expect("an object") {
        config[name] = value.clone();
    }
    config
}

fn asked(plugin: &AiProxy, target: &str, headers: &[(&str, &str)], body: &str) -> (Exchange, Option<u16>) {
    let plain = request("POST", target, headers, People::new(Manner::Knows));
    let mut exchange = with_body(plain, "application/json", body.to_owned());
    let status = access(plugin, &mut exchange);
    (exchange, status)
}

fn sent(exchange: &Exchange) -> Value {
    let Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
    assert_eq!(exchange.request.content_length, Some(sent.len() as u64));
    serde_json::from_slice(sent).expect("JSON")
}

/// An upstream answers.
fn answers(exchange: &mut Exchange, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
    exchange.response.status = status;
    exchange.response.upstream_status = status;
    exchange.response.source = Source::Service;
    exchange.response.headers = headers.iter().copied().collect();
    exchange.response.body = body.into();
}

/// The answer as the client gets it.
fn received(plugin: &AiProxy, exchange: &mut Exchange) -> Bytes {
    assert!(matches!(Plugin::header_filter(plugin, exchange), Flow::Next));
    let mut chunk = Chunk { data: exchange.response.body.clone(), last: true };
    Plugin::body_filter(plugin, exchange, &mut chunk);
    chunk.data
}

#[test]
fn requests_go_to_the_model() {
    let auth = json!({ "header_name": "X-Key", "header_value": "k", "param_name": "key", "param_value": "q", "param_location": "query" });
    let plugin = plugin::<AiProxy>(config(json!({ "auth": auth })));
    let (exchange, status) = asked(&plugin, "/in?b=2&a", &[("X-Key", "own"), ("Accept-Encoding", "br")], SAID);
    assert_eq!(status, None);
    assert_eq!(
        sent(&exchange),
        json!({ "messages": [{ "role": "user", "content": "Hello there" }], "model": "m", "stream": false })
    );
    let forward = &exchange.forward;
    assert_eq!((forward.scheme.as_str(), &forward.host[..], forward.port), ("http", &b"llm.test"[..], 81));
    assert_eq!((&forward.path[..], forward.query.as_deref()), (&b"/v1"[..], Some(&b"a&b=2&key=q"[..])));
    let header = |name| exchange.request.headers.get_str(name);
    assert_eq!((header("x-key"), header("accept-encoding")), (Some("k"), Some("gzip, identity")));
    assert!(exchange.buffer_response);
}

#[test]
fn a_clients_key_may_stay() {
    let auth = json!({ "header_name": "X-Key", "header_value": "k", "param_name": "key", "param_value": "b",
        "param_location": "body", "allow_override": true });
    let plugin = plugin::<AiProxy>(config(json!({ "auth": auth })));
    let own = r#"{"messages":[{"content":"x"}],"key":"own"}"#;
    for (headers, body, header, member) in [(&[("X-Key", "own")][..], own, "own", "own"), (&[], SAID, "k", "b")] {
        let (exchange, _) = asked(&plugin, "/", headers, body);
        assert_eq!(exchange.request.headers.get_str("x-key"), Some(header));
        assert_eq!(sent(&exchange)["key"], member);
    }
}

#[test]
fn what_is_no_request_for_the_model_is_refused() {
    let unnamed = json!({ "model": { "provider": "openai" } });
    let template = json!({ "model": { "provider": "openai", "name": "$(headers.x-pick)" } });
    for (more, body, message) in [
        (json!({}), "{", "request body doesn't contain valid prompts"),
        (json!({}), r#"{"messages":[]}"#, "request body doesn't contain valid prompts"),
        (json!({}), r#"{"messages":{}}"#, "request body doesn't contain valid prompts"),
        (json!({}), r#"{"messages":[{}],"prompt":"x"}"#, "request matches multiple LLM request formats"),
        (
            json!({}),
            r#"{"prompt":"x"}"#,
            "[llm/v1/completions] message format is not compatible with [llm/v1/chat] route type",
        ),
        (json!({}), r#"{"messages":[{}],"model":"n"}"#, "cannot use own model - must be: m"),
        (
            json!({ "response_streaming": "deny" }),
            r#"{"messages":[{}],"stream":true}"#,
            "response streaming is not enabled for this LLM",
        ),
        (unnamed, SAID, "model parameter not found in request, nor in gateway configuration"),
        (template, SAID, "headers key x-pick was not provided"),
    ] {
        let plugin = plugin::<AiProxy>(config(more));
        let (exchange, status) = asked(&plugin, "/", &[], body);
        let answer: Value = serde_json::from_slice(&exchange.response.body).expect("JSON");
        assert_eq!((status, answer["error"]["message"].as_str()), (Some(400), Some(message)), "{body}");
    }
}

const ANSWER: &str = r#"{"choices":[{"message":{"content":"A medlar."}}],"model":"m-2","usage":{"prompt_tokens":5,"completion_tokens":3}}"#;

#[test]
fn answers_come_back_packed_as_the_client_takes_them() {
    let plugin = plugin::<AiProxy>(config(json!({})));
    for (takes, packs) in [("gzip, br", true), ("xgzip", false), ("", false)] {
        for packed in [false, true] {
            let (mut exchange, _) = asked(&plugin, "/", &[("Accept-Encoding", takes)], SAID);
            let (body, encoding) = if packed { (pack(ANSWER.as_bytes()), "gzip") } else { (ANSWER.into(), "identity") };
            answers(&mut exchange, 200, &[("Content-Encoding", encoding), ("Set-Cookie", "c=1")], body);
            let out = received(&plugin, &mut exchange);
            let out = if packs { unpack(&out, 1000).expect("packed") } else { out };
            assert_eq!(out, ANSWER, "{takes} {packed}");
            let header = |name| exchange.response.headers.get_str(name);
            assert_eq!(header("content-encoding"), packs.then_some("gzip"));
            assert_eq!(header("x-kong-llm-model"), Some("openai/m"));
            assert_eq!(header("set-cookie"), None);
        }
    }
}

#[test]
fn answers_of_another_kind_are_told_or_left() {
    let plugin = plugin::<AiProxy>(config(json!({})));
    let (mut exchange, _) = asked(&plugin, "/", &[], SAID);
    answers(&mut exchange, 200, &[], "{}");
    let error = r#"{"error":{"message":"transformation failed from type openai://llm/v1/chat: 'choices' not in llm/v1/chat response"}}"#;
    assert_eq!(received(&plugin, &mut exchange), error);
    assert_eq!(exchange.response.status, 500);
    for status in [201, 401, 503] {
        let (mut exchange, _) = asked(&plugin, "/", &[], SAID);
        answers(&mut exchange, status, &[], "words");
        assert_eq!((received(&plugin, &mut exchange), exchange.response.status), (Bytes::from("words"), status));
        assert!(!exchange.response.headers.contains("x-kong-llm-model"));
    }
    let (mut exchange, _) = asked(&plugin, "/", &[], SAID);
    answers(&mut exchange, 429, &[("Content-Encoding", "br")], "packed");
    assert_eq!(received(&plugin, &mut exchange), "packed");
    assert_eq!(exchange.response.headers.get_str("content-encoding"), Some("br"));
    let (mut exchange, _) = asked(&plugin, "/", &[], SAID);
    answers(&mut exchange, 200, &[("Content-Encoding", "gzip")], "not packed");
    let out = received(&plugin, &mut exchange);
    assert!(
        exchange.response.status == 500 && out.starts_with(b"{\"error\":{\"message\":\"the answer cannot be unpacked")
    );
}

#[test]
fn what_is_preserved_is_passed_on() {
    let plugin = plugin::<AiProxy>(config(json!({ "route_type": "preserve" })));
    let plain = request("POST", "/audio/x", &[], People::new(Manner::Knows));
    let mut exchange = with_body(plain, "text/plain", "words");
    assert_eq!(access(&plugin, &mut exchange), None);
    assert_eq!(&exchange.forward.path[..], b"/audio/x");
    assert!(matches!(&exchange.request.body, Body::Buffered(body) if body == "words"));
    answers(&mut exchange, 200, &[], "sound");
    assert_eq!(received(&plugin, &mut exchange), "sound");
}

#[test]
fn native_requests_pass_signed_or_with_a_token() {
    let amazon = json!({ "llm_format": "bedrock", "auth": { "aws_access_key_id": "AKID", "aws_secret_access_key": "s" },
        "model": { "provider": "bedrock", "options": { "bedrock": { "aws_region": "eu-1" } } } });
    let native = r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#;
    let plugin_of = plugin::<AiProxy>;
    let plugin = plugin_of(config(amazon));
    let (exchange, status) = asked(&plugin, "/in/model/a%3A1/converse", &[], native);
    assert_eq!((status, sent(&exchange).to_string()), (None, native.to_owned()));
    assert_eq!(&exchange.forward.host[..], b"bedrock-runtime.eu-1.amazonaws.com");
    let signature = exchange.request.headers.get_str("authorization").unwrap_or_default();
    assert!(
        signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20231114/eu-1/bedrock/aws4_request"),
        "{signature}"
    );

    let google = Oracle::says(200, &[], r#"{"access_token":"t","expires_in":3600}"#);
    let services = Services { http: Arc::new(google), ..services() };
    let gemini = json!({ "llm_format": "gemini", "auth": { "gcp_use_service_account": true }, "model": { "provider": "gemini" } });
    let plugin = plugin_with::<AiProxy>(config(gemini), &About::default(), &services);
    let native = r#"{"contents":[{"parts":[{"text":"x"}]}]}"#;
    let (mut exchange, status) = asked(&plugin, "/models/g-2:streamGenerateContent", &[], native);
    assert_eq!((status, exchange.request.headers.get_str("authorization")), (None, Some("Bearer t")));
    assert_eq!(&exchange.forward.path[..], b"/v1beta/models/g-2:streamGenerateContent");
    assert!(!exchange.buffer_response);
    let stream = "[{\"candidates\":[]}\n]";
    answers(&mut exchange, 200, &[("Content-Type", "application/json")], "");
    Plugin::header_filter(&plugin, &mut exchange);
    assert_eq!(filter(&plugin, &mut exchange, &[&stream[..4], &stream[4..], ""]), stream);
}

#[test]
fn native_requests_that_were_changed_are_sent_in_the_providers_form() {
    let decorator = json!({ "llm_format": "gemini", "prompts": { "prepend": [{ "content": "Softly." }] } });
    let decorator = plugin::<crate::AiPromptDecorator>(decorator);
    let gemini = json!({ "llm_format": "gemini", "auth": {}, "model": { "provider": "gemini" } });
    let plugin = plugin::<AiProxy>(config(gemini));
    let native = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"topK":3},
        "system_instruction":{"parts":[{"text":" Be brief."}]}}"#;
    let plain = request("POST", "/models/g-2:generateContent", &[], People::new(Manner::Knows));
    let mut exchange = with_body(plain, "application/json", native);
    assert_eq!((access(&decorator, &mut exchange), access(&plugin, &mut exchange)), (None, None));
    assert_eq!(
        sent(&exchange),
        json!({
            "contents": [{ "role": "user", "parts": [{ "text": "x" }] }],
            "systemInstruction": { "parts": [{ "text": "Softly. Be brief." }] }, "generationConfig": { "topK": 3 },
        })
    );
    answers(&mut exchange, 200, &[], r#"{"candidates":[]}"#);
    assert_eq!(received(&plugin, &mut exchange), r#"{"candidates":[]}"#);
}

#[test]
fn requests_that_a_plugin_made_larger_are_looked_at() {
    let decorator =
        plugin::<crate::AiPromptDecorator>(json!({ "prompts": { "append": [{ "content": "y".repeat(400) }] } }));
    let plugin = plugin::<AiProxy>(config(json!({})));
    let body = json!({ "messages": [{ "role": "user", "content": "x".repeat(8000) }] }).to_string();
    let plain = request("POST", "/", &[], People::new(Manner::Knows));
    let mut exchange = with_body(plain, "application/json", body);
    assert_eq!((access(&decorator, &mut exchange), access(&plugin, &mut exchange)), (None, None));
    assert_eq!(sent(&exchange)["messages"].as_array().map(Vec::len), Some(2));
}

#[test]
fn without_a_proof_nothing_is_asked() {
    let amazon = json!({ "auth": {}, "model": { "provider": "bedrock", "name": "m" } });
    if crate::aws::region().is_some() {
        return;
    }
    let plugin = plugin::<AiProxy>(config(amazon));
    let (exchange, status) = asked(&plugin, "/", &[], SAID);
    assert_eq!(status, Some(500));
    assert_eq!(exchange.response.body, r#"{"error":{"message":"LLM request failed before proxying"}}"#);
}

fn logged(exchange: &Exchange) -> Value {
    log_entry::value(exchange).get("ai").cloned().unwrap_or_default()
}

#[test]
fn logs_tell_what_it_took() {
    let costs = json!({ "provider": "azure", "name": "m", "options": { "upstream_url": "http://llm.test", "azure_instance": "i",
        "azure_deployment_id": "d", "input_cost": 1000, "output_cost": 2000 } });
    let logging = json!({ "log_statistics": true, "log_payloads": true });
    let plugin = plugin::<AiProxy>(config(json!({ "model": costs, "logging": logging })));
    let (mut exchange, _) = asked(&plugin, "/", &[], SAID);
    answers(&mut exchange, 200, &[], ANSWER);
    received(&plugin, &mut exchange);
    let told = &logged(&exchange)["proxy"];
    let usage = &told["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"], &usage["cost"]),
        (&json!(5), &json!(3), &json!(8), &json!(0.011))
    );
    let meta = &told["meta"];
    assert_eq!(
        (&meta["provider_name"], &meta["request_model"], &meta["response_model"], &meta["azure_instance_id"]),
        (&json!("azure"), &json!("m"), &json!("m-2"), &json!("i"))
    );
    assert_eq!(meta["azure_api_version"], "2023-05-15");
    assert_eq!(told["payload"]["response"], ANSWER);
    assert!(told["payload"]["request"].as_str().is_some_and(|sent| sent.contains("Hello there")));
}

#[test]
fn logs_tell_of_what_was_refused() {
    let plugin = plugin::<AiProxy>(config(json!({ "logging": { "log_statistics": true } })));
    let (mut exchange, status) = asked(&plugin, "/", &[], r#"{"messages":[],"model":"n"}"#);
    assert_eq!(status, Some(400));
    received(&plugin, &mut exchange);
    let told = &logged(&exchange)["proxy"];
    assert_eq!((&told["meta"]["provider_name"], &told["meta"]["request_model"]), (&json!("UNSPECIFIED"), &json!("n")));
    assert_eq!(told["usage"]["total_tokens"], 0);
    assert!(told["payload"].is_null());
}

#[test]
fn streams_are_passed_on_and_counted() {
    let logging = json!({ "log_statistics": true, "log_payloads": true });
    let plugin = plugin::<AiProxy>(config(json!({ "response_streaming": "always", "logging": logging })));
    let (mut exchange, status) = asked(&plugin, "/", &[("Accept-Encoding", "gzip")], SAID);
    assert_eq!((status, sent(&exchange)["stream"].clone(), exchange.buffer_response), (None, json!(true), false));
    answers(&mut exchange, 200, &[("Content-Type", "text/event-stream"), ("Content-Length", "9")], "");
    Plugin::header_filter(&plugin, &mut exchange);
    assert!(!exchange.response.headers.contains("content-length"));
    let pieces = ["data: {\"choices\":[{\"delta\":{\"content\":\"A med", "lar.\"}}]}\n\ndata: [DONE]\n\n", ""];
    let out = filter(&plugin, &mut exchange, &pieces);
    assert_eq!(out, "data: {\"choices\":[{\"delta\":{\"content\":\"A medlar.\"}}]}\n\ndata: [DONE]");
    let told = &logged(&exchange)["proxy"];
    // Two words at 1.8 tokens, and nine characters.
    assert_eq!((&told["usage"]["prompt_tokens"], &told["usage"]["completion_tokens"]), (&json!(4), &json!(3)));
    let response: Value = serde_json::from_str(told["payload"]["response"].as_str().expect("a text")).expect("JSON");
    assert_eq!(response["choices"][0]["message"]["content"], "A medlar.");
}

#[test]
fn what_another_plugin_answered_is_left() {
    let plugin = plugin::<AiProxy>(config(json!({})));
    let mut exchange = request("POST", "/", &[], People::new(Manner::Knows));
    exchange.answer(Answer::message(401, "no"), &ErrorTemplates::default());
    assert_eq!(received(&plugin, &mut exchange), r#"{"message":"no"}"#);
    let flow = settle(Plugin::access(&plugin, &mut exchange));
    assert!(matches!(flow, Flow::Answer(_)));
}
