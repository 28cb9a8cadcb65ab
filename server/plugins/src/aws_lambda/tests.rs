use super::*;
use crate::testing::{Manner, Oracle, People, access, message, plugin_with, request, services, with_body};
use serde_json::{Value, json};

fn lambda(more: Value, oracle: &Oracle) -> AwsLambda {
    let mut config =
        json!({ "aws_key": "AKIDEXAMPLE", "aws_secret": "s", "aws_region": "eu-west-1", "function_name": "sorter" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let services = Services { http: Arc::new(oracle.clone()), ..services() };
    plugin_with(config, &About::default(), &services)
}

fn asking(body: &str, kind: &str) -> Exchange {
    let headers = [("X-Mark", "m"), ("X-Mark", "n")];
    let plain = request("POST", "/in?x=1&x=2&b=q", &headers, People::new(Manner::Knows));
    with_body(plain, kind, body.to_owned())
}

/// What the function is told.
fn told(config: Value, mut exchange: Exchange) -> Value {
    let oracle = Oracle::says(200, &[], "");
    access(&lambda(config, &oracle), &mut exchange);
    serde_json::from_slice(&oracle.body()).expect("JSON")
}

#[test]
fn functions_are_told_what_is_configured() {
    let json_body = || asking(r#"{"b":"body","n":2}"#, "application/json");
    assert_eq!(told(json!({}), json_body()), json!({ "x": ["1", "2"], "b": "body", "n": 2 }));
    assert_eq!(told(json!({}), asking("f=x", "application/x-www-form-urlencoded"))["f"], "x");
    assert_eq!(told(json!({ "forward_request_method": true }), json_body()), json!({ "request_method": "POST" }));
    let every = json!({ "forward_request_uri": true, "forward_request_headers": true, "forward_request_body": true });
    let seen = told(every, json_body());
    assert_eq!(
        (&seen["request_uri"], &seen["request_uri_args"]["x"][1], &seen["request_headers"]["x-mark"]),
        (&json!("/in?x=1&x=2&b=q"), &json!("2"), &json!(["m", "n"]))
    );
    assert_eq!((&seen["request_body_args"]["n"], seen.get("request_body_base64")), (&json!(2), None));
    let body = json!({ "forward_request_body": true });
    assert_eq!(told(body.clone(), asking("words", "text/plain"))["request_body"], "words");
    let unknown = told(body, asking("thing", "application/x-thing"));
    assert_eq!((&unknown["request_body"], &unknown["request_body_base64"]), (&json!("dGhpbmc="), &json!(true)));
    let event = told(json!({ "awsgateway_compatible": true }), asking("plain", "text/plain"));
    assert_eq!(
        (&event["version"], &event["queryStringParameters"]["x"], &event["multiValueQueryStringParameters"]["x"]),
        (&json!("1.0"), &json!("1"), &json!(["1", "2"]))
    );
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("cGxhaW4="), &json!(true)));
    let context = &event["requestContext"];
    assert_eq!((&context["domainName"], &context["identity"]["sourceIp"]), (&json!("api.test"), &json!("10.0.0.1")));
    assert_eq!(context["requestTime"], "14/Nov/2023:22:13:20 +0000");
}

#[test]
fn functions_are_asked_through_a_proxy() {
    for (url, through, secret) in [
        ("http://p.test:3128", "p.test:3128", None),
        ("http://p.test", "p.test:80", None),
        ("http://[::1]:8080/", "[::1]:8080", None),
        ("http://us%40er:p%3Aw@p.test:1", "p.test:1", Some("Basic dXNAZXI6cDp3")),
    ] {
        let proxy = config::proxy(url).expect("a proxy");
        assert_eq!((proxy.to_string().as_str(), proxy.authorization.as_deref()), (through, secret), "{url}");
        let oracle = Oracle::says(200, &[], "");
        access(&lambda(json!({ "proxy_url": url }), &oracle), &mut asking("{}", "application/json"));
        let asked = oracle.asked().concat();
        assert!(asked.ends_with(&format!(" through {through}")), "{asked}");
    }
    assert!(config::proxy("http://").is_err_and(|error| error.contains("expected http://")));
}

#[test]
fn invocations_are_signed_and_addressed() {
    let asked = |config: Value| {
        let oracle = Oracle::says(200, &[], "");
        access(&lambda(config, &oracle), &mut asking("{}", "application/json"));
        oracle.asked().pop().unwrap_or_default()
    };
    let usual = asked(json!({}));
    let url = "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/sorter/invocations ";
    assert!(usual.starts_with(url), "{usual}");
    let scope =
        "authorization=AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/lambda/aws4_request, SignedHeaders=";
    assert!(usual.contains(scope) && usual.contains("x-amz-date=20231114T221320Z"), "{usual}");
    let local = asked(json!({ "host": "127.0.0.1", "port": 8080, "disable_https": true, "qualifier": "live 1",
        "function_name": "arn:aws:f", "invocation_type": "Event", "log_type": "None" }));
    let url = "POST http://127.0.0.1:8080/2015-03-31/functions/arn%3Aaws%3Af/invocations?Qualifier=live%201 ";
    assert!(local.starts_with(url), "{local}");
    assert!(local.contains("x-amz-invocation-type=Event") && local.contains("x-amz-log-type=None"), "{local}");
}

#[test]
fn answers_become_responses() {
    let kind = ("content-type", "application/json");
    let failed = ("x-amz-function-error", "Unhandled");
    let integrated = json!({ "is_proxy_integration": true });
    let correct = json!({ "empty_arrays_mode": "correct" });
    let bad = |reason: &str| {
        format!(r#"502 {{"message":"Bad Gateway","error":"could not JSON decode Lambda function response: {reason}"}}"#)
    };
    for (config, headers, body, seen) in [
        (json!({}), vec![kind], r#"{"statusCode":500}"#, r#"200 {"statusCode":500}"#.to_owned()),
        (json!({}), vec![kind], r#"{"list": []}"#, r#"200 {"list":{}}"#.to_owned()),
        (json!({}), vec![], r#"{"list": []}"#, r#"200 {"list": []}"#.to_owned()),
        (correct, vec![kind], r#"{"list": []}"#, r#"200 {"list": []}"#.to_owned()),
        (json!({ "unhandled_status": 412 }), vec![failed], "x", "412 x".to_owned()),
        (json!({}), vec![failed], "x", "200 x".to_owned()),
        (integrated.clone(), vec![kind], r#"{"statusCode":207,"body":"made"}"#, "207 made".to_owned()),
        (
            integrated.clone(),
            vec![],
            r#"{"statusCode":200,"body":"bWFkZQ==","isBase64Encoded":true}"#,
            "200 made".to_owned(),
        ),
        (integrated.clone(), vec![], r#"{"statusCode":200,"body":{"a":1}}"#, bad("body must be a string")),
        (integrated.clone(), vec![], r#"{"statusCode":200,"headers":"x"}"#, bad("headers must be a table")),
        (integrated.clone(), vec![], r#"{"statusCode":"x"}"#, bad("statusCode must be a number")),
        (
            integrated.clone(),
            vec![],
            r#"{"statusCode":200,"isBase64Encoded":1}"#,
            bad("isBase64Encoded must be a boolean"),
        ),
        (integrated.clone(), vec![], "[]", bad("proxy response must be json format")),
        (integrated, vec![], r#"{"statusCode":7}"#, r#"502 {"message":"Bad Gateway"}"#.to_owned()),
    ] {
        let oracle = Oracle::says(200, &headers, body);
        let mut exchange = asking("{}", "application/json");
        let status = access(&lambda(config.clone(), &oracle), &mut exchange).unwrap_or_default();
        assert_eq!(format!("{status} {}", String::from_utf8_lossy(&exchange.response.body)), seen, "{config} {body}");
    }
    let body =
        r#"{"statusCode":200,"headers":{"X-One":"1","Content-Length":9},"multiValueHeaders":{"X-Many":["a","b"]}}"#;
    let oracle = Oracle::says(200, &[("x-amzn-requestid", "r")], body);
    let mut exchange = asking("{}", "application/json");
    access(&lambda(json!({ "is_proxy_integration": true }), &oracle), &mut exchange);
    let headers = &exchange.response.headers;
    assert_eq!((headers.get_str("x-one"), headers.get_all("x-many").count()), (Some("1"), 2));
    assert!(headers.contains("x-amzn-requestid") && !headers.contains("content-length"));
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let mut exchange = asking("{}", "application/json");
    let unreachable = plugin_with::<AwsLambda>(
        json!({ "aws_key": "k", "aws_secret": "s", "aws_region": "eu-west-1", "function_name": "f" }),
        &About::default(),
        &services(),
    );
    assert_eq!(access(&unreachable, &mut exchange), Some(500));
    assert_eq!(message(&exchange), "An unexpected error occurred");
}
