//! What a case says: how the plugin is configured, what is asked, and what is to come of it.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The cases of a plugin, and what settings the gateway has for them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Cases {
    /// Cases alone.
    List(Vec<Case>),
    /// With settings.
    Set(Set),
}

/// Cases with settings of the gateway, as in kong.conf.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Settings by name.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One request and what becomes of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is expected, in words.
    #[serde(default)]
    pub name: String,
    /// The plugin's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// More of a declarative file: Consumers, the plugin's own entities, …
    #[serde(default)]
    pub declarative: Map<String, Value>,
    /// What the client sends.
    #[serde(default)]
    pub request: Sent,
    /// What the upstream answers.
    #[serde(default)]
    pub upstream: Answered,
    /// What the client is to get.
    #[serde(default)]
    pub response: Expected,
    /// What the upstream is to get; `false` where it is not to be asked.
    pub sent: Option<ExpectedRequest>,
}

/// A request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sent {
    /// GET where nothing is said.
    pub method: Option<String>,
    /// With its query; `/` where nothing is said.
    pub path: Option<String>,
    /// Header lines.
    pub headers: BTreeMap<String, String>,
    /// Text, or JSON.
    pub body: Value,
}

/// A response.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answered {
    /// 200 where nothing is said.
    pub status: Option<u16>,
    /// Header lines.
    pub headers: BTreeMap<String, String>,
    /// Text, or JSON.
    pub body: Value,
}

/// What a response must be; what is not said may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expected {
    /// The status.
    pub status: Option<u16>,
    /// Header lines; null for one that is not there.
    pub headers: BTreeMap<String, Option<String>>,
    /// Text; or JSON, of whose objects only the members that are named count.
    pub body: Value,
}

/// What a request must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ExpectedRequest {
    /// Whether there is one.
    Whether(bool),
    /// What it is.
    What(ExpectedParts),
}

/// Parts of a request; what is not said may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedParts {
    /// The method.
    pub method: Option<String>,
    /// With its query.
    pub path: Option<String>,
    /// Header lines; null for one that is not there.
    pub headers: BTreeMap<String, Option<String>>,
    /// As of a response.
    pub body: Value,
}

/// What came: a request or a response.
#[derive(Clone, Debug, Default)]
pub struct Came {
    /// Of a request.
    pub method: String,
    /// Of a request, with its query.
    pub path: String,
    /// Of a response.
    pub status: u16,
    /// Header lines, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Text as it is, anything else as JSON; null is nothing.
pub fn body_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

impl Case {
    /// What differs, a sentence each.
    pub fn differences(&self, response: &Came, request: Option<&Came>) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(status) = self.response.status.filter(|status| *status != response.status) {
            found.push(format!("the response's status is {}, not {status}", response.status));
        }
        parts("response", response, &self.response.headers, &self.response.body, &mut found);
        match (&self.sent, request) {
            (Some(ExpectedRequest::Whether(true) | ExpectedRequest::What(_)), None) => {
                found.push("the upstream was not asked".to_owned());
            }
            (Some(ExpectedRequest::Whether(false)), Some(_)) => found.push("the upstream was asked".to_owned()),
            (Some(ExpectedRequest::What(expected)), Some(request)) => {
                for (what, expected, came) in
                    [("method", &expected.method, &request.method), ("path", &expected.path, &request.path)]
                {
                    if let Some(expected) = expected.as_ref().filter(|expected| *expected != came) {
                        found.push(format!("the request's {what} is '{came}', not '{expected}'"));
                    }
                }
                parts("request", request, &expected.headers, &expected.body, &mut found);
            }
            _ => {}
        }
        found
    }
}

fn parts(whose: &str, came: &Came, headers: &BTreeMap<String, Option<String>>, body: &Value, found: &mut Vec<String>) {
    for (name, expected) in headers {
        let lines = came.headers.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name));
        let values = lines.map(|(_, value)| value.as_str()).collect::<Vec<_>>();
        match expected {
            None if values.is_empty() => {}
            None => found.push(format!("the {whose} has a header {name}: {}", values.join(", "))),
            Some(expected) if values.contains(&expected.as_str()) => {}
            Some(expected) if values.is_empty() => {
                found.push(format!("the {whose} has no header {name}, which is to be '{expected}'"));
            }
            Some(expected) => {
                found.push(format!("the {whose}'s header {name} is '{}', not '{expected}'", values.join(", ")));
            }
        }
    }
    let text = String::from_utf8_lossy(&came.body);
    let same = match body {
        Value::Null => true,
        Value::String(expected) => *expected == text,
        expected => serde_json::from_str(&text).is_ok_and(|json| within(expected, &json)),
    };
    if !same {
        let expected = String::from_utf8_lossy(&body_of(body)).into_owned();
        found.push(format!("the {whose}'s body is '{text}', not '{expected}'"));
    }
}

/// Whether all of what is expected is there.
fn within(expected: &Value, json: &Value) -> bool {
    match (expected, json) {
        (Value::Object(expected), Value::Object(members)) => {
            expected.iter().all(|(name, expected)| members.get(name).is_some_and(|member| within(expected, member)))
        }
        (Value::Array(expected), Value::Array(items)) => {
            expected.len() == items.len() && expected.iter().zip(items).all(|(expected, item)| within(expected, item))
        }
        (Value::Number(expected), Value::Number(number)) => expected.as_f64() == number.as_f64(),
        _ => expected == json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case(value: Value) -> Case {
        serde_json::from_value(value).expect("a case")
    }

    #[test]
    fn differences_are_sentences() {
        let response = Came {
            status: 200,
            headers: vec![("x-a".to_owned(), "1".to_owned())],
            body: br#"{"a":[{"b":1.0,"c":2}],"d":null}"#.to_vec(),
            ..Came::default()
        };
        let request = Came { method: "GET".to_owned(), path: "/a?b".to_owned(), ..Came::default() };
        for (value, expected) in [
            (json!({}), ""),
            (json!({ "response": { "status": 200, "headers": { "X-A": "1", "X-B": null } } }), ""),
            (json!({ "response": { "body": { "a": [{ "b": 1 }] } } }), ""),
            (json!({ "response": { "status": 201 } }), "the response's status is 200, not 201"),
            (json!({ "response": { "headers": { "X-A": "2" } } }), "the response's header X-A is '1', not '2'"),
            (json!({ "response": { "headers": { "X-A": null } } }), "the response has a header X-A: 1"),
            (
                json!({ "response": { "headers": { "X-B": "2" } } }),
                "the response has no header X-B, which is to be '2'",
            ),
            (json!({ "sent": false }), "the upstream was asked"),
            (json!({ "sent": { "method": "GET", "path": "/a" } }), "the request's path is '/a?b', not '/a'"),
        ] {
            let found = case(value.clone()).differences(&response, Some(&request));
            assert_eq!(found.join("; "), expected, "{value}");
        }
        let body = json!({ "response": { "body": { "a": [] } } });
        assert_eq!(case(body).differences(&response, None).len(), 1);
        assert_eq!(case(json!({ "sent": true })).differences(&response, None), ["the upstream was not asked"]);
        assert!(serde_json::from_value::<Case>(json!({ "respons": {} })).is_err());
    }
}
