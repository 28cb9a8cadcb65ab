use super::*;
use crate::testing::{Manner, People, access, plugin, request, with_body};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use std::sync::LazyLock;

const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import public "extra.proto";

enum Size { SMALL = 0; LARGE = 1; }
message Part { string name = 1; int32 count = 2; }
message Order {
  string name = 1;
  uint32 count = 2;
  bool gift = 3;
  Part part = 4;
  repeated string tags = 5;
  Size size = 6;
  int64 big = 7;
  double weight = 8;
  map<string, int32> stock = 9;
  google.protobuf.Timestamp at = 10;
  oneof pay { string card = 11; string cash = 12; }
  bytes raw = 13;
  repeated Part parts = 14;
}
service Orders {
  rpc Place(Order) returns (Order) {
    option (google.api.http) = {
      get: "/v1/orders/{name}"
      additional_bindings { post: "/v1/orders" body: "*" }
      additional_bindings { put: "/v1/orders/{name}/part" body: "part" }
      additional_bindings { patch: "/v1/parts/{part.name=racks/*}" }
    };
  }
  rpc Plain(Order) returns (Order);
}
"#;

const EXTRA: &str = r#"
syntax = "proto3";
package extra;
import "google/api/annotations.proto";
message Empty {}
service Health { rpc Check(Empty) returns (Empty) { option (google.api.http) = { delete: "/v1/health" }; } }
"#;

/// The files, in a folder of their own.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.proto"), PROTO).unwrap();
    std::fs::write(folder.path().join("extra.proto"), EXTRA).unwrap();
    std::fs::write(folder.path().join("broken.proto"), "syntax = \"proto3\"; message {").unwrap();
    folder
});

fn file(name: &str) -> String {
    FOLDER.path().join(name).to_str().unwrap().to_owned()
}

fn gateway() -> GrpcGateway {
    plugin(json!({ "proto": file("shop.proto") }))
}

/// Path of the call and its message as JSON; or status and text of the refusal.
fn called(method: &str, target: &str, body: &str) -> Result<(String, Value), (u16, String)> {
    let gateway = gateway();
    let mut exchange =
        with_body(request(method, target, &[], People::new(Manner::Knows)), "application/json", body.to_owned());
    if let Some(status) = access(&gateway, &mut exchange) {
        return Err((status, String::from_utf8_lossy(&exchange.response.body).into_owned()));
    }
    assert_eq!(exchange.request.method_str(), "POST");
    assert_eq!(exchange.request.headers.get_str("content-type"), Some("application/grpc"));
    assert_eq!(exchange.request.headers.get_str("te"), Some("trailers"));
    assert!(exchange.forward.query.is_none());
    let exchange::Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
    let mut frames = Frames::default();
    frames.push(sent);
    let Next::Message(message) = frames.next() else { panic!("a message") };
    let input = gateway.rules.as_ref().unwrap().as_ref().unwrap().find(&method.to_lowercase(), &exchange.request.path);
    let shown = protobuf::decoded(&input.unwrap().0.input, &message).unwrap();
    Ok((String::from_utf8_lossy(&exchange.forward.path).into_owned(), shown))
}

/// The message without what is not set.
fn set(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let unset = [json!(""), json!(0), json!(false), json!([]), json!({}), json!("SMALL")];
    members.iter().filter(|(_, value)| !unset.contains(value)).map(|(name, value)| (name.clone(), set(value))).collect()
}

#[test]
fn requests_become_calls() {
    for (method, target, body, message) in [
        ("GET", "/v1/orders/tea", "", json!({ "name": "tea" })),
        (
            "GET",
            "/v1/orders/tea?count=3&gift=1&part.name=cup&part.count=2&nobody=5&part.no=1",
            "ignored",
            json!({ "name": "tea", "count": 3, "gift": true, "part": { "name": "cup", "count": 2 } }),
        ),
        ("GET", "/v1/orders/tea?gift=false", "", json!({ "name": "tea" })),
        ("GET", "/v1/orders/tea?gift=0", "", json!({ "name": "tea" })),
        ("GET", "/v1/orders/tea?tags=a", "", json!({ "name": "tea", "tags": ["a"] })),
        (
            "GET",
            "/v1/orders/tea?tags=a&tags=b&size=LARGE",
            "",
            json!({ "name": "tea", "tags": ["a", "b"], "size": "LARGE" }),
        ),
        (
            "GET",
            "/v1/orders/tea?at=2030-01-31T12:00:00%2B02:00",
            "",
            json!({ "name": "tea", "at": "2030-01-31T10:00:00" }),
        ),
        (
            "POST",
            "/v1/orders?count=9",
            r#"{"name": "tea", "big": 9007199254740993, "weight": 1.5, "unknown": {}}"#,
            json!({ "name": "tea", "big": 9_007_199_254_740_993_i64, "weight": 1.5 }),
        ),
        (
            "POST",
            "/v1/orders",
            r#"{"count": "7", "size": 1, "stock": {"a": 1}, "parts": [{"name": "x"}, {}], "cash": "yes", "raw": "bytes"}"#,
            json!({ "count": 7, "size": "LARGE", "stock": { "a": 1 }, "parts": [{ "name": "x", "count": 0 }, { "name": "", "count": 0 }],
                "cash": "yes", "raw": "bytes" }),
        ),
        ("POST", "/v1/orders", "", json!({})),
        ("POST", "/v1/orders", "[]", json!({})),
        ("POST", "/v1/orders", r#"{"at": "1970-01-02"}"#, json!({ "at": "1970-01-02T00:00:00" })),
        ("PUT", "/v1/orders/tea/part", r#"{"name": "lid"}"#, json!({ "name": "tea", "part": { "name": "lid" } })),
        ("PATCH", "/v1/parts/racks/7?part.count=2", "", json!({ "part": { "name": "racks/7", "count": 2 } })),
    ] {
        let (path, shown) =
            called(method, target, body).unwrap_or_else(|refused| panic!("{method} {target}: {refused:?}"));
        assert_eq!((path.as_str(), set(&shown)), ("/shop.Orders/Place", message), "{method} {target} {body}");
    }
    assert_eq!(called("DELETE", "/v1/health", ""), Ok(("/extra.Health/Check".to_owned(), json!({}))));
}

#[test]
fn what_fits_nothing_is_refused() {
    let unknown = "failed to transcode .proto file Unknown";
    for (method, target, body, text) in [
        ("GET", "/v1/orders/tea/x", "", format!("{unknown} path \"/v1/orders/tea/x\"")),
        ("HEAD", "/v1/orders/tea", "", format!("{unknown} method \"head\"")),
        ("POST", "/v1/orders", r#"{"name": 1}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"name": null}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"count": -1}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"count": 1.5}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"tags": "a"}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"size": "HUGE"}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"at": 5}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", r#"{"part": []}"#, "failed to encode payload".into()),
        ("POST", "/v1/orders", "5", "body must be a table".into()),
        ("GET", "/v1/orders/tea?count=many", "", "failed to encode payload".into()),
    ] {
        assert_eq!(called(method, target, body), Err((400, text)), "{method} {target} {body}");
    }
    let (status, text) = called("POST", "/v1/orders", r#"{"name":"#).unwrap_err();
    assert!(status == 400 && text.starts_with("decode json err: "), "{text}");
}

#[test]
fn files_that_are_not_there_are_no_ones_request() {
    for (config, status) in [
        (json!({}), 400),
        (json!({ "proto": "/nowhere/x.proto" }), 500),
        (json!({ "proto": file("broken.proto") }), 500),
    ] {
        let gateway: GrpcGateway = plugin(config.clone());
        let mut exchange = request("GET", "/v1/orders/tea", &[], People::new(Manner::Knows));
        assert_eq!(access(&gateway, &mut exchange), Some(status), "{config}");
    }
}

#[test]
fn preflights_are_answered() {
    let mut exchange = request("OPTIONS", "/v1/orders/tea", &[], People::new(Manner::Knows));
    assert_eq!(access(&gateway(), &mut exchange), Some(200));
    assert_eq!(exchange.response.body, "OK");
    assert_eq!(exchange.response.headers.get_str("access-control-allow-methods"), Some("GET,POST,PATCH,DELETE"));
}

/// Status and body of an answer in pieces.
fn answered(lines: &[(&str, &str)], pieces: &[&[u8]]) -> (u16, String) {
    let gateway = gateway();
    let mut exchange = request("GET", "/v1/orders/tea", &[], People::new(Manner::Knows));
    assert_eq!(access(&gateway, &mut exchange), None);
    exchange.response.status = 200;
    exchange.response.headers = lines.iter().copied().collect();
    assert!(matches!(Plugin::header_filter(&gateway, &mut exchange), Flow::Next));
    assert_eq!(exchange.response.headers.get_str("content-type"), Some("application/json"));
    assert_eq!(exchange.response.headers.get_str("access-control-allow-origin"), Some("*"));
    assert!(!exchange.response.headers.contains("content-length"));
    let mut out = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut chunk = Chunk { data: piece.to_vec().into(), last: index + 1 == pieces.len() };
        Plugin::body_filter(&gateway, &mut exchange, &mut chunk);
        out.extend_from_slice(&chunk.data);
    }
    (exchange.response.status, String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn answers_become_json() {
    let definitions = Definitions::load(&file("shop.proto")).unwrap();
    let output = definitions.methods().iter().find(|method| method.name() == "Place").unwrap().output();
    let Value::Object(members) = json!({ "name": "tea", "tags": ["a"], "weight": 0.1 }) else { return };
    let message = frame(0, &protobuf::message(&output, &members).unwrap().encode_to_vec());
    let empty = frame(0, &DynamicMessage::new(output).encode_to_vec());
    let shown = |name: &str, tags: &str, weight: &str| {
        format!(
            r#"{{"name":"{name}","count":0,"gift":false,"tags":{tags},"size":"SMALL","big":0,"weight":{weight},"stock":{{}},"raw":"","parts":[]}}"#
        )
    };
    let lines = [("Content-Type", "application/grpc"), ("Content-Length", "5")];
    let tea = shown("tea", r#"["a"]"#, "0.1");
    assert_eq!(answered(&lines, &[&message, b""]), (200, tea.clone()));
    assert_eq!(answered(&lines, &[&message[..3], &message[3..], b""]), (200, tea.clone()));
    assert_eq!(answered(&lines, &[&empty, &message, b""]), (200, shown("", "[]", "0") + &tea));
    // What is no gRPC goes on as it is.
    assert_eq!(answered(&lines, &[b"<html>", b"page", b""]), (200, "<html>page".to_owned()));
    assert_eq!(answered(&lines, &[b"no", b""]), (200, "no".to_owned()));
    // So does what follows a message that could be read, without being kept.
    assert_eq!(answered(&lines, &[&message, b"<html>", b"page", b""]), (200, tea + "<html>page"));
}

#[test]
fn statuses_of_calls_become_statuses_of_http() {
    for (grpc, http) in [
        ("0", 200),
        ("1", 499),
        ("2", 500),
        ("3", 400),
        ("4", 504),
        ("5", 404),
        ("6", 409),
        ("7", 403),
        ("8", 429),
        ("9", 400),
        ("10", 409),
        ("11", 400),
        ("12", 500),
        ("13", 500),
        ("14", 503),
        ("15", 500),
        ("16", 401),
        ("17", 500),
        ("x", 200),
    ] {
        assert_eq!(answered(&[("grpc-status", grpc)], &[b""]).0, http, "{grpc}");
    }
}
