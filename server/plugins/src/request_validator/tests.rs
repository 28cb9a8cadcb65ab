use super::*;
use crate::testing::{Manner, People, access, context, plugin, request, with_body};
use exchange::Captures;
use proptest::prelude::*;
use schema::Schema;

const PEOPLE: &str = r#"[
  {"name": {"type": "string", "required": true, "len_max": 5, "match": "^%l+$"}},
  {"age": {"type": "integer", "between": [0, 150]}},
  {"tags": {"type": "array", "elements": {"type": "string", "one_of": ["a", "b"]}}},
  {"rooms": {"type": "map", "keys": {"type": "string"}, "values": {"type": "boolean"}}},
  {"home": {"type": "record", "fields": [{"street": {"type": "string", "required": true}}]}}
]"#;

const JSON_SCHEMA: &str = r#"{
  "type": "object", "required": ["name"],
  "properties": {"name": {"type": "string"}, "day": {"type": "string", "format": "date"}, "n": {"type": "integer", "maximum": 10}}
}"#;

fn run(config: Value, kind: &str, body: &str) -> Option<(u16, Value)> {
    let plain = request("POST", "/", &[], People::new(Manner::Knows));
    let exchange = &mut match kind {
        "" => plain,
        kind => with_body(plain, kind, body.to_owned()),
    };
    let status = access(&plugin::<RequestValidator>(config), exchange)?;
    Some((status, serde_json::from_slice(&exchange.response.body).unwrap_or_default()))
}

#[test]
fn bodies_are_as_their_schema_has_them() {
    for (version, schema, body, message) in [
        ("kong", PEOPLE, r#"{"name": "ann"}"#, json!(null)),
        (
            "kong",
            PEOPLE,
            r#"{"name": "ann", "age": 5, "tags": ["a"], "rooms": {"x": true}, "home": {"street": "s"}}"#,
            json!(null),
        ),
        ("kong", PEOPLE, "{}", json!({ "name": "required field missing" })),
        ("kong", PEOPLE, "", json!({ "name": "required field missing" })),
        ("kong", PEOPLE, r#"{"name": true}"#, json!({ "name": "expected a string" })),
        ("kong", PEOPLE, r#"{"name": "toolong"}"#, json!({ "name": "length must be at most 5" })),
        ("kong", PEOPLE, r#"{"name": "ANN"}"#, json!({ "name": "invalid value: ANN" })),
        ("kong", PEOPLE, r#"{"name": "ann", "age": 151}"#, json!({ "age": "value should be between 0 and 150" })),
        ("kong", PEOPLE, r#"{"name": "ann", "home": {}}"#, json!({ "home": { "street": "required field missing" } })),
        ("kong", PEOPLE, r#"{"name": "ann", "more": 1}"#, json!({ "more": "unknown field" })),
        ("kong", PEOPLE, "5", json!("expected a record")),
        ("kong", PEOPLE, "{", json!("request body is not valid JSON")),
        ("kong", "[]", "{}", json!(null)),
        ("kong", "[]", r#"{"a": 1}"#, json!({ "a": "unknown field" })),
        ("draft4", JSON_SCHEMA, r#"{"name": "ann", "day": "2030-01-31", "n": 10}"#, json!(null)),
        ("draft4", JSON_SCHEMA, "{}", json!("\"name\" is a required property")),
        (
            "draft4",
            JSON_SCHEMA,
            r#"{"name": 5}"#,
            json!("property name validation failed: 5 is not of type \"string\""),
        ),
        (
            "draft4",
            JSON_SCHEMA,
            r#"{"name": "a", "day": "31.1.2030"}"#,
            json!("property day validation failed: \"31.1.2030\" is not a \"date\""),
        ),
        (
            "draft4",
            JSON_SCHEMA,
            r#"{"name": "a", "n": 11}"#,
            json!("property n validation failed: 11 is greater than the maximum of 10"),
        ),
        ("draft4", "{}", "5", json!(null)),
        ("draft4", r#"{"type": "boolean"}"#, "true", json!(null)),
    ] {
        for verbose in [false, true] {
            let config = json!({ "body_schema": schema, "version": version, "verbose_response": verbose });
            let expected = match (message.is_null(), verbose) {
                (true, _) => None,
                (false, true) => Some((400, json!({ "message": message }))),
                (false, false) => Some((400, json!({ "message": BODY }))),
            };
            assert_eq!(run(config, "application/json", body), expected, "{version} {body}");
        }
    }
}

#[test]
fn types_are_those_that_are_allowed() {
    for (allowed, strict, kind, message) in [
        (json!(["application/json"]), true, "application/json", Some("name")),
        (json!(["application/json"]), true, "Application/JSON", Some("name")),
        (json!(["application/json"]), true, "text/plain", Some(CONTENT_TYPE)),
        (json!(["application/json"]), true, "nonsense", Some(CONTENT_TYPE)),
        (json!(["application/json"]), true, "application/json; charset=UTF-8", Some(CONTENT_TYPE)),
        (json!(["application/json"]), false, "application/json; charset=UTF-8", Some("name")),
        (json!(["application/json; charset=utf-8"]), true, "application/json;Charset=\"UTF-8\"", Some("name")),
        (json!(["application/json; charset=utf-8"]), true, "application/json", Some(CONTENT_TYPE)),
        (json!(["text/plain"]), true, "text/plain", None),
        (json!(["text/*"]), true, "text/html", None),
        (json!(["*/*"]), true, "application/merge-patch+json", Some("name")),
        (json!(["application/json"]), true, "", Some("name")),
    ] {
        let config = json!({
            "body_schema": PEOPLE, "allowed_content_types": allowed, "verbose_response": true,
            "content_type_parameter_validation": strict,
        });
        let message = message.map(|message| match message {
            "name" => json!({ "name": "required field missing" }),
            text => text.into(),
        });
        let expected = message.map(|message| (400, json!({ "message": message })));
        assert_eq!(run(config, kind, "{}"), expected, "{allowed} {kind}");
    }
}

/// What is wrong with a parameter, and its value.
fn parameter(place: &str, style: &str, explode: bool, schema: Value, target: &str, given: &str) -> Option<Value> {
    let config = json!({ "verbose_response": true, "parameter_schema": [{
        "in": place, "name": "p", "required": true, "style": style, "explode": explode, "schema": schema.to_string(),
    }] });
    let lines: &[(&str, &str)] = if place == "header" { &[("P", given)] } else { &[] };
    let mut exchange = request("GET", target, lines, People::new(Manner::Knows));
    if place == "path" {
        exchange.captures = Some(Box::new(Captures { numbered: Vec::new(), named: vec![("p".into(), given.into())] }));
    }
    access(&plugin::<RequestValidator>(config), &mut exchange)?;
    let mut body: Value = serde_json::from_slice(&exchange.response.body).unwrap();
    assert!(body["message"].as_str().unwrap().starts_with(&format!("{place} 'p' validation failed, [error] ")));
    Some(body["data"].take())
}

#[test]
fn parameters_are_read_by_their_style() {
    let list = |kind: &str| json!({ "type": "array", "items": { "type": kind }, "maxItems": 0 });
    let object = json!({ "type": "object", "properties": { "r": { "type": "integer" }, "g": { "type": "boolean" } }, "minProperties": 9 });
    let nothing = |kind: &str| json!({ "type": kind, "not": {} });
    let colour = || json!({ "r": 1, "g": true });
    let numbers = || json!([1, 2]);
    for (place, style, explode, schema, target, given, data) in [
        ("header", "simple", false, list("integer"), "/", "1, 2", numbers()),
        ("header", "simple", false, list("integer"), "/", "a,2", json!(["a", 2])),
        ("header", "simple", false, object.clone(), "/", "r,1,g,true", colour()),
        ("header", "simple", true, object.clone(), "/", "r=1, g=true ", colour()),
        ("header", "simple", false, nothing("integer"), "/", "5", json!(5)),
        ("header", "simple", false, nothing("number"), "/", "1.5", json!(1.5)),
        ("header", "simple", false, nothing("string"), "/", "5", json!("5")),
        ("path", "simple", false, nothing("string"), "/", "a%20b", json!("a b")),
        ("path", "simple", false, list("integer"), "/", "1,2", numbers()),
        ("path", "label", false, list("integer"), "/", ".1,2", numbers()),
        ("path", "label", true, list("integer"), "/", ".1.2", numbers()),
        ("path", "label", true, object.clone(), "/", ".r=1.g=true", colour()),
        ("path", "label", false, nothing("integer"), "/", ".5", json!(5)),
        ("path", "matrix", false, nothing("integer"), "/", ";p=5", json!(5)),
        ("path", "matrix", false, list("integer"), "/", ";p=1,2", numbers()),
        ("path", "matrix", true, list("integer"), "/", ";p=1;p=2", numbers()),
        ("path", "matrix", false, object.clone(), "/", ";p=r,1,g,true", colour()),
        ("path", "matrix", true, object.clone(), "/", ";r=1;g=true", colour()),
        ("query", "form", true, list("integer"), "/?p=1&p=2", "", numbers()),
        ("query", "form", false, list("integer"), "/?p=1,2", "", numbers()),
        ("query", "form", true, object.clone(), "/?r=1&g=true&x=1", "", colour()),
        ("query", "form", false, object.clone(), "/?p=r,1,g,true", "", colour()),
        ("query", "spaceDelimited", false, list("integer"), "/?p=1%202", "", numbers()),
        ("query", "pipeDelimited", false, list("integer"), "/?p=1|2", "", numbers()),
        ("query", "deepObject", true, object, "/?p[r]=1&p%5Bg%5D=true", "", colour()),
        ("query", "form", true, nothing("integer"), "/?q=1", "", json!(null)),
    ] {
        assert_eq!(
            parameter(place, style, explode, schema, target, given),
            Some(data),
            "{place} {style} {target} {given}"
        );
    }
    assert_eq!(parameter("query", "form", true, json!({ "type": "integer", "maximum": 5 }), "/?p=5", ""), None);
}

#[test]
fn parameters_that_are_not_there() {
    for (required, schema, target, message) in [
        (
            true,
            Some("{\"type\": \"integer\"}"),
            "/",
            Some("query 'p' validation failed, [error] required parameter missing"),
        ),
        (true, None, "/", Some("query 'p' validation failed, [error] required parameter missing")),
        (true, None, "/?p", None),
        (false, Some("{\"type\": \"integer\"}"), "/", None),
        (
            false,
            Some("{\"type\": \"integer\"}"),
            "/?p=x",
            Some("query 'p' validation failed, [error] \"x\" is not of type \"integer\""),
        ),
    ] {
        let mut checked = json!({ "in": "query", "name": "p", "required": required });
        if let Some(schema) = schema {
            checked["schema"] = schema.into();
            checked["style"] = "form".into();
            checked["explode"] = true.into();
        }
        for verbose in [true, false] {
            let config = json!({ "parameter_schema": [checked], "verbose_response": verbose });
            let mut exchange = request("GET", target, &[], People::new(Manner::Knows));
            let status = access(&plugin::<RequestValidator>(config), &mut exchange);
            assert_eq!(status, message.map(|_| 400), "{checked} {target}");
            if let Some(message) = message {
                assert_eq!(crate::testing::message(&exchange), if verbose { message } else { PARAMETER });
            }
        }
    }
}

#[test]
fn schemas_that_are_none_are_refused() {
    let parameter = |schema: &str| json!({ "parameter_schema": [{ "in": "query", "name": "p", "required": true, "style": "form", "explode": true, "schema": schema }] });
    for (config, text) in [
        (json!({ "body_schema": "[{" }), "failed decoding schema: "),
        (json!({ "body_schema": "{\"a\": 1}" }), "schema violation: fields are a list"),
        (json!({ "body_schema": "[{\"a\": {\"type\": \"text\"}}]" }), "schema violation: 'a': there is no type 'text'"),
        (json!({ "body_schema": "[{\"a\": {}}]" }), "schema violation: 'a' has no type"),
        (json!({ "body_schema": "[{\"a\": {\"type\": \"array\"}}]" }), "schema violation: 'a' needs 'elements'"),
        (
            json!({ "body_schema": "[{\"a\": {\"type\": \"string\", \"size\": 1}}]" }),
            "schema violation: 'a': 'size' is no rule",
        ),
        (json!({ "body_schema": "{\"type\": 5}", "version": "draft4" }), "not a valid JSONschema draft 4 schema: "),
        (json!({ "body_schema": "{\"$ref\": \"http://a.test/x\"}", "version": "draft4" }), "not a valid JSONschema"),
        (parameter("{"), "failed decoding schema: "),
        (parameter("{}"), "the schema of parameter 'p' needs a 'type'"),
    ] {
        let plugin = schema::Record::new().field(schema::Field::record("config", Config::record()));
        let given = [("config".to_owned(), config.clone())].into_iter().collect();
        let refused = plugin.insert(given, &context()).expect_err("refused").message();
        assert!(refused.contains(text), "{config}: {refused}");
    }
}

proptest! {
    #[test]
    fn any_parameter_is_read(text in "[a1,;=.|% ]{0,16}", style in 0..7_usize, explode: bool, shape in 0..3_usize) {
        let style = ["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"][style];
        let schema = [
            json!({ "type": "integer" }),
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "type": "object", "properties": { "a": { "type": "integer" } } }),
        ][shape].clone();
        parameter("path", style, explode, schema, "/", &text);
    }
}
