//! What a hook is told, as a request.

use super::template::{filled, filled_value};
use aws_lc_rs::hmac;
use exchange::HttpRequest;
use serde_json::{Map, Value};

/// The request that tells a webhook of an event.
pub(super) fn question(handler: &str, config: &Map<String, Value>, event: &Value) -> Result<HttpRequest, String> {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let flag = |name: &str, default: bool| config.get(name).and_then(Value::as_bool).unwrap_or(default);
    let url = text("url").ok_or("it has no url")?;
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in config.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = if flag("headers_format", false) { filled(&value, event) } else { value };
        headers.push((name.clone(), value));
    }
    let (method, body) = match handler {
        "webhook" => ("POST", event.to_string()),
        _ => {
            let payload = config.get("payload").filter(|payload| !payload.is_null());
            let body = match (payload, text("body")) {
                (Some(payload), _) if flag("payload_format", true) => filled_value(payload, event).to_string(),
                (Some(payload), _) => payload.to_string(),
                (None, Some(body)) if flag("body_format", true) => filled(body, event),
                (None, Some(body)) => body.to_owned(),
                (None, None) => String::new(),
            };
            (text("method").unwrap_or("POST"), body)
        }
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) && !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if let Some(secret) = text("secret") {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        headers.push(("x-kong-signature".to_owned(), format!("sha1={digits}")));
    }
    let mut request = HttpRequest::new(method, url, body);
    request.headers = headers;
    request.verify = flag("ssl_verify", false);
    Ok(request)
}
