//! What a function is told of a request.

use super::Config;
use crate::form::{self, Form};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use exchange::Exchange;
use serde_json::{Map, Value, json};
use std::time::UNIX_EPOCH;
use time::OffsetDateTime;
use time::macros::format_description;

/// Types of bodies that are told as text.
const TEXTS: [&str; 5] = ["text/plain", "text/html", "application/xml", "text/xml", "application/soap+xml"];

/// The payload for a request.
pub(super) fn payload(config: &Config, exchange: &Exchange, body: &Bytes) -> Value {
    let on = |option: Option<bool>| option == Some(true);
    if on(config.awsgateway_compatible) {
        return gateway_event(config, exchange, body);
    }
    let Config { forward_request_method: method, forward_request_uri: uri, .. } = *config;
    let (headers, with_body) = (config.forward_request_headers, config.forward_request_body);
    if ![method, uri, headers, with_body].into_iter().any(on) {
        let mut merged = table(exchange);
        if let Some(Value::Object(members)) = parsed(exchange, body) {
            merged.extend(members);
        }
        return Value::Object(merged);
    }
    let mut payload = Map::new();
    if on(method) {
        payload.insert("request_method".into(), exchange.request.method_str().into());
    }
    if on(headers) {
        payload.insert("request_headers".into(), Value::Object(single_or_list(exchange)));
    }
    if on(uri) {
        let mut target = exchange.request.path.to_vec();
        if let Some(query) = exchange.request.query.as_deref().filter(|query| !query.is_empty()) {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        payload.insert("request_uri".into(), form::lossy(&target));
        payload.insert("request_uri_args".into(), Value::Object(table(exchange)));
    }
    if on(with_body) {
        let arguments = parsed(exchange, body);
        let kind = exchange.request.headers.get_str("content-type").unwrap_or_default();
        let unknown = arguments.is_none() && !TEXTS.contains(&kind.split(';').next().unwrap_or_default().trim());
        let encoded = unknown && on(config.base64_encode_body);
        let text = if encoded { STANDARD.encode(body).into() } else { form::lossy(body) };
        payload.insert("request_body".into(), text);
        payload.insert("request_body_args".into(), arguments.unwrap_or_else(|| json!({})));
        if encoded {
            payload.insert("request_body_base64".into(), true.into());
        }
    }
    Value::Object(payload)
}

fn table(exchange: &Exchange) -> Map<String, Value> {
    form::table(exchange.request.query.as_deref().unwrap_or_default())
}

fn parsed(exchange: &Exchange, body: &Bytes) -> Option<Value> {
    let kind = exchange.request.headers.get("content-type")?;
    Form::parse(kind, body.clone()).map(Form::value)
}

/// Headers by their names in lower case; a list where a name comes again.
fn single_or_list(exchange: &Exchange) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in exchange.request.headers.iter() {
        form::insert(&mut out, &String::from_utf8_lossy(name).to_ascii_lowercase(), form::lossy(value));
    }
    out
}

/// The first value of each name, and all of them.
fn first_and_all(table: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let (mut first, mut all) = (Map::new(), Map::new());
    for (name, value) in table {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        first.insert(name.clone(), values.first().cloned().unwrap_or_default());
        all.insert(name, values.into());
    }
    (first, all)
}

/// The event that Amazon API Gateway makes of a request (payload format 1.0).
fn gateway_event(config: &Config, exchange: &Exchange, body: &Bytes) -> Value {
    let request = &exchange.request;
    let (headers, all_headers) = first_and_all(single_or_list(exchange));
    let (arguments, all_arguments) = first_and_all(table(exchange));
    let path = form::lossy(&request.path);
    let host = String::from_utf8_lossy(&request.host);
    let encoded = config.base64_encode_body == Some(true) && !body.is_empty();
    let text = if encoded { STANDARD.encode(body).into() } else { form::lossy(body) };
    let captures = exchange.captures.iter().flat_map(|captures| &captures.named);
    let parameters: Map<_, _> = captures.map(|(name, value)| (name.clone(), form::lossy(value))).collect();
    let wall = exchange.timeline.wall();
    let written = format_description!(
        "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
    );
    let time = OffsetDateTime::from(wall).format(&written).unwrap_or_default();
    let epoch = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    json!({
        "version": "1.0",
        "resource": path,
        "path": path,
        "httpMethod": request.method_str(),
        "headers": headers,
        "multiValueHeaders": all_headers,
        "pathParameters": parameters,
        "queryStringParameters": arguments,
        "multiValueQueryStringParameters": all_arguments,
        "body": text,
        "isBase64Encoded": encoded,
        "requestContext": {
            "path": path,
            "protocol": format!("HTTP/{}", request.version.as_str()),
            "httpMethod": request.method_str(),
            "domainName": host,
            "domainPrefix": host.split('.').next().unwrap_or_default(),
            "identity": { "sourceIp": request.client_ip().to_string(),
                "userAgent": request.headers.get_str("user-agent").unwrap_or_default() },
            "requestId": exchange.id.as_str(),
            "requestTime": time,
            "requestTimeEpoch": epoch,
            "resourcePath": path,
        },
    })
}
