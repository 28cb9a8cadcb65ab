//! What of a function's answer becomes the response.

use super::Config;
use crate::functions::{OF_CONNECTION, answered};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::{Answer, AnswerBody, HttpResponse};
use serde_json::{Value, json};

/// The response that an answer is.
pub(super) fn response(config: &Config, mut answer: HttpResponse) -> Answer {
    if let (Some(status), Some(b"Unhandled")) = (config.unhandled_status, answer.header("x-amz-function-error")) {
        answer.status = status;
    }
    if config.is_proxy_integration == Some(true)
        && let Err(reason) = interpret(&mut answer)
    {
        let error = format!("could not JSON decode Lambda function response: {reason}");
        tracing::error!(plugin = "aws-lambda", "{error}");
        return Answer::json(502, json!({ "message": "Bad Gateway", "error": error }));
    }
    if config.empty_arrays_mode == "legacy" && is_json(&answer) {
        without_empty_lists(&mut answer);
    }
    let response = answered(answer);
    match response.body {
        // A status that no response may have is none.
        _ if !(100..=999).contains(&response.status) => Answer::message(502, "Bad Gateway"),
        AnswerBody::Empty | AnswerBody::Bytes(_) | AnswerBody::Json(_) | AnswerBody::Error(_) => response,
    }
}

/// Takes status, headers and body from the content of an answer.
fn interpret(answer: &mut HttpResponse) -> Result<(), String> {
    let content: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let Value::Object(mut content) = content else { return Err("proxy response must be json format".to_owned()) };
    let mut member = |name: &str| content.shift_remove(name).filter(|value| !value.is_null());
    let status = match member("statusCode") {
        Some(Value::Number(status)) => status.as_u64(),
        Some(Value::String(status)) => status.parse().ok(),
        _ => None,
    };
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or("statusCode must be a number")?;
    let mut headers = Vec::new();
    match member("headers") {
        None => {}
        Some(Value::Object(members)) => headers.extend(members),
        Some(_) => return Err("headers must be a table".to_owned()),
    }
    let body = match member("body") {
        None => String::new(),
        Some(Value::String(body)) => body,
        Some(_) => return Err("body must be a string".to_owned()),
    };
    let body = match member("isBase64Encoded") {
        None | Some(Value::Bool(false)) => body.into_bytes(),
        Some(Value::Bool(true)) => STANDARD.decode(body).map_err(|_| "body must be valid Base64")?,
        Some(_) => return Err("isBase64Encoded must be a boolean".to_owned()),
    };
    match member("multiValueHeaders") {
        None => {}
        Some(Value::Object(members)) => headers.extend(members),
        Some(_) => return Err("multiValueHeaders must be a table".to_owned()),
    }
    answer.status = status;
    answer.body = body.into();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if OF_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        answer.headers.retain(|(known, _)| *known != name);
        for value in values {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            answer.headers.push((name.clone(), text.into_bytes()));
        }
    }
    Ok(())
}

fn is_json(answer: &HttpResponse) -> bool {
    let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
    kind.starts_with(b"application/") && kind.windows(4).any(|window| window == b"json")
}

/// Empty lists become empty objects, as Kong has always written them.
fn without_empty_lists(answer: &mut HttpResponse) {
    let Ok(mut content) = serde_json::from_slice::<Value>(&answer.body) else { return };
    if replaced(&mut content) {
        answer.body = content.to_string().into();
    }
}

fn replaced(value: &mut Value) -> bool {
    match value {
        Value::Array(values) if values.is_empty() => {
            *value = json!({});
            true
        }
        Value::Array(values) => values.iter_mut().fold(false, |found, value| replaced(value) | found),
        Value::Object(members) => members.values_mut().fold(false, |found, value| replaced(value) | found),
        _ => false,
    }
}
