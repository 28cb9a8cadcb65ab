//! `GET /openapi.json`: what the API says of itself is what it does.

use crate::app;
use crate::support::{JSON, call, node_of};
use serde_json::{Value, json};

/// What is wrong with `value` under a schema, of what the document uses of JSON Schema.
fn unfit(document: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return match target {
            Some(target) => unfit(document, target, value, place),
            None => Some(format!("{place}: nothing is at {reference}")),
        };
    }
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if !fits {
        return Some(format!("{place}: {value} is no {}", schema["type"]));
    }
    if let Some(values) = schema["enum"].as_array()
        && !value.is_array()
        && !values.contains(value)
    {
        return Some(format!("{place}: {value} is none of {}", schema["enum"]));
    }
    if let Some(any) = schema["anyOf"].as_array()
        && !value.is_null()
        && any.iter().all(|schema| unfit(document, schema, value, place).is_some())
    {
        return Some(format!("{place}: {value} fits none"));
    }
    match value {
        Value::Object(members) => {
            let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(name) = missing.into_iter().find(|name| !members.contains_key(*name)) {
                return Some(format!("{place}: {name} is missing"));
            }
            members.iter().find_map(|(name, member)| {
                let (own, others) = (&schema["properties"][name], &schema["additionalProperties"]);
                match (own.is_null(), others) {
                    (false, _) => unfit(document, own, member, &format!("{place}.{name}")),
                    (true, Value::Bool(false)) => Some(format!("{place}: {name} is not described")),
                    (true, others) => unfit(document, others, member, &format!("{place}.{name}")),
                }
            })
        }
        Value::Array(items) => {
            items.iter().find_map(|item| unfit(document, &schema["items"], item, &format!("{place}[]")))
        }
        _ => None,
    }
}

#[actix_web::test]
async fn answers_fit_the_description() {
    let (state, _) = node_of(true);
    let app = app!(state);
    let (status, body, _) = call(&app, "GET", "/openapi.json", None, b"").await;
    assert_eq!(status, 200);
    let document: Value = serde_json::from_slice(&body).unwrap();
    let schema = |path: &str, method: &str, status: &str| {
        let found = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"];
        assert!(!found.is_null(), "{method} {path} {status} is not described");
        found.clone()
    };
    for (method, path, body, template, status) in [
        ("POST", "/services", json!({"name": "s", "host": "h"}), "/services", 201),
        ("PUT", "/services/t", json!({"url": "https://t.example/x", "tags": ["a"]}), "/services/{services}", 200),
        ("POST", "/services/s/routes", json!({"name": "r", "paths": ["/"]}), "/services/{services}/routes", 201),
        ("PATCH", "/routes/r", json!({"headers": {"x": ["1"]}}), "/routes/{routes}", 200),
        ("GET", "/routes/r/service", Value::Null, "/routes/{routes}/service", 200),
        ("POST", "/consumers", json!({"username": "c"}), "/consumers", 201),
        ("POST", "/consumers/c/key-auth", json!({"key": "k", "ttl": 9}), "/consumers/{consumers}/key-auth", 201),
        ("POST", "/consumers/c/acls", json!({"group": "g"}), "/consumers/{consumers}/acls", 201),
        (
            "POST",
            "/consumers/c/basic-auth",
            json!({"username": "b", "password": "p"}),
            "/consumers/{consumers}/basic-auth",
            201,
        ),
        ("POST", "/consumers/c/jwt", json!({"key": "j"}), "/consumers/{consumers}/jwt", 201),
        ("POST", "/consumers/c/hmac-auth", json!({"username": "h"}), "/consumers/{consumers}/hmac-auth", 201),
        ("POST", "/consumers/c/oauth2", json!({"name": "o"}), "/consumers/{consumers}/oauth2", 201),
        ("GET", "/consumers/c/key-auth", Value::Null, "/consumers/{consumers}/key-auth", 200),
        ("GET", "/key-auths", Value::Null, "/key-auths", 200),
        ("POST", "/plugins", json!({"name": "key-auth"}), "/plugins", 201),
        ("POST", "/upstreams", json!({"name": "u"}), "/upstreams", 201),
        ("POST", "/upstreams", json!({"name": "v", "circuit_breaker": {"max_requests": 9}}), "/upstreams", 201),
        ("POST", "/upstreams/u/targets", json!({"target": "a:1"}), "/upstreams/{upstreams}/targets", 201),
        ("POST", "/vaults", json!({"name": "env", "prefix": "my"}), "/vaults", 201),
        ("POST", "/key-sets", json!({"name": "k"}), "/key-sets", 201),
        ("GET", "/services", Value::Null, "/services", 200),
        ("GET", "/services?size=1", Value::Null, "/services", 200),
        ("GET", "/upstreams/u/targets/all", Value::Null, "/upstreams/{upstreams}/targets/all", 200),
        ("GET", "/plugins", Value::Null, "/plugins", 200),
        ("GET", "/upstreams/u/health", Value::Null, "/upstreams/{upstreams}/health", 200),
        ("GET", "/status", Value::Null, "/status", 200),
        ("GET", "/", Value::Null, "/", 200),
        ("GET", "/tags", Value::Null, "/tags", 200),
        ("GET", "/timers", Value::Null, "/timers", 200),
        ("GET", "/endpoints", Value::Null, "/endpoints", 200),
        ("GET", "/schemas/services", Value::Null, "/schemas/{name}", 200),
        ("GET", "/cache/none", Value::Null, "/cache/{key}", 404),
        ("POST", "/services", json!({"host": 1}), "/services", 400),
        ("POST", "/services", json!({"host": "h", "name": "s"}), "/services", 409),
        ("GET", "/services/none", Value::Null, "/services/{services}", 404),
    ] {
        let sent = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (found, bytes, _) = call(&app, method, path, JSON, &sent).await;
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(found, status, "{method} {path}: {answer}");
        let response = if status < 300 { status.to_string() } else { "default".to_owned() };
        let wrong = unfit(&document, &schema(template, &method.to_ascii_lowercase(), &response), &answer, "$");
        assert_eq!(wrong, None, "{method} {path}");
        // What is sent fits what is said of bodies, too.
        let told = &document["paths"][template][method.to_ascii_lowercase()]["requestBody"];
        if status == 201 && method != "PUT" {
            let wrong = unfit(&document, &told["content"]["application/json"]["schema"], &body, "$");
            let nested = template.matches('/').count() > 1;
            assert!(wrong.is_none() || nested, "{method} {path}: {wrong:?}");
        }
    }
    assert!(document["paths"]["/targets"].is_null(), "a path that never answers is not described");
}
