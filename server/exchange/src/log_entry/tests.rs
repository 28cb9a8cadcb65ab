use super::*;
use crate::directory::Nobody;
use crate::{Consumer, Credential, Request, Stamp, Timeline, Try, TryError};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use uuid::Uuid;

fn entity<T: schema::Schema + serde::de::DeserializeOwned>(fields: Value) -> Arc<T> {
    let context = schema::Context {
        now: 1_700_000_000.0,
        uuid: || Uuid::from_u128(7).to_string(),
        token: String::new,
        regex: |_| Ok(()),
        updating: false,
    };
    let Value::Object(fields) = fields else { panic!("an object") };
    let complete = T::record().insert(fields, &context).expect("valid");
    Arc::new(serde_json::from_value(complete.into()).expect("complete"))
}

/// A request over at second 1,700,000,000, proxied where `routed`.
fn exchange(target: &str, headers: &[(&str, &str)], routed: bool) -> Exchange {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let request = Request {
        method: b"GET".as_slice().into(),
        target: target.as_bytes().into(),
        path: path.as_bytes().into(),
        query: query.map(|query| query.as_bytes().into()),
        headers: headers.iter().copied().collect(),
        host: b"API.test".as_slice().into(),
        port: 8000,
        client_ip: Some([10, 0, 0, 1].into()),
        head_bytes: 120,
        body_bytes: 5,
        ..Request::default()
    };
    let timeline = Timeline::starting(Instant::now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let mut exchange = Exchange::new(request, timeline, Arc::new(Nobody));
    exchange.response.status = 200;
    exchange.response.headers.append("X-Colour", "teal");
    exchange.response.head_sent = 100;
    exchange.response.body_sent = 20;
    if routed {
        let route: Arc<entities::Route> =
            entity(json!({ "name": "r", "paths": ["/get"], "service": { "id": Uuid::from_u128(3) } }));
        exchange.route = Some(route.into());
        exchange.service = Some(entity(json!({ "name": "s", "host": "up.test" })));
        exchange.forward.path = path.as_bytes().into();
        exchange.forward.query = exchange.request.query.clone();
        exchange.response.upstream_status = 200;
        let stamps = [(Stamp::Accessed, 2000), (Stamp::Balanced, 2100), (Stamp::Answered, 9100), (Stamp::Headed, 9200)];
        for (stamp, at) in stamps {
            exchange.timeline.mark_at(stamp, at);
        }
        exchange.timeline.mark_at(Stamp::Received, 12_300);
        exchange.timeline.tries.push(attempt(2500, None));
    }
    exchange.timeline.mark_at(Stamp::Finished, 13_000);
    exchange
}

fn attempt(start: u32, error: Option<TryError>) -> Try {
    Try { address: ([10, 0, 0, 9], 80).into(), start, connect: 0, tls: 0, pooled: false, error }
}

fn shown(exchange: &Exchange) -> Value {
    let text: Value = serde_json::from_slice(&text(exchange)).expect("JSON");
    assert_eq!(text, Value::Object(value(exchange)), "both ways are one");
    text
}

#[test]
fn a_proxied_request_is_written_whole() {
    let headers = [("Accept", "*/*"), ("X-A", "1"), ("Authorization", "secret"), ("x-a", "2")];
    let exchange = exchange("/get?a=1&a=2&b&c=%20x", &headers, true);
    let entry = shown(&exchange);
    assert_eq!(
        entry["request"],
        json!({
            "id": exchange.id.as_str(), "uri": "/get?a=1&a=2&b&c=%20x", "method": "GET", "size": 125,
            "url": "http://api.test:8000/get?a=1&a=2&b&c=%20x",
            "querystring": { "a": ["1", "2"], "b": true, "c": " x" },
            "headers": { "accept": "*/*", "x-a": ["1", "2"], "authorization": "REDACTED" },
        })
    );
    assert_eq!(entry["upstream_uri"], "/get?a=1&a=2&b&c=%20x");
    assert_eq!(entry["upstream_status"], "200");
    assert_eq!(entry["response"], json!({ "status": 200, "headers": { "x-colour": "teal" }, "size": 120 }));
    assert_eq!(entry["latencies"], json!({ "kong": 2, "proxy": 7, "request": 13, "receive": 3 }));
    assert_eq!(
        entry["tries"],
        json!([{
            "balancer_start": 1_700_000_000_002_u64, "balancer_start_ns": 1_700_000_000_002_500_000_u64,
            "balancer_latency": 0, "balancer_latency_ns": 0, "ip": "10.0.0.9", "port": 80,
        }])
    );
    let route = &entry["route"];
    assert_eq!((&route["name"], &route["service"]["id"]), (&json!("r"), &json!(Uuid::from_u128(3))));
    assert_eq!(route["ws_id"], json!(entities::DEFAULT_WORKSPACE));
    for absent in ["methods", "tags", "expression", "priority"] {
        assert!(route.get(absent).is_none(), "{absent}");
    }
    assert_eq!((&entry["service"]["host"], &entry["service"]["retries"]), (&json!("up.test"), &json!(5)));
    assert_eq!((&entry["client_ip"], &entry["source"]), (&json!("10.0.0.1"), &json!("upstream")));
    assert_eq!((&entry["started_at"], &entry["workspace_name"]), (&json!(1_700_000_000_000_u64), &json!("default")));
    assert!(entry.get("consumer").is_none() && entry.get("authenticated_entity").is_none());
}

#[test]
fn an_answer_made_here_names_no_upstream() {
    let entry = shown(&exchange("/nowhere", &[], false));
    assert_eq!(
        (&entry["source"], &entry["upstream_status"], &entry["upstream_uri"]),
        (&json!("kong"), &json!(""), &json!(""))
    );
    assert_eq!(entry["latencies"]["proxy"], -1);
    assert_eq!(entry["request"]["querystring"], json!({}));
    for absent in ["route", "service", "tries"] {
        assert!(entry.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn failed_tries_say_how() {
    let mut exchange = exchange("/", &[], true);
    exchange.timeline.tries.clear();
    exchange.timeline.tries.extend([attempt(1, Some(TryError::Connect)), attempt(2, Some(TryError::ReadTimeout))]);
    exchange.response.source = crate::Source::Error;
    exchange.response.upstream_status = 0;
    let entry = shown(&exchange);
    assert_eq!((&entry["upstream_status"], &entry["source"]), (&json!("502, 504"), &json!("kong")));
    assert_eq!((&entry["tries"][0]["state"], &entry["tries"][0]["code"]), (&json!("failed"), &json!(502)));
    assert_eq!(entry["tries"][1]["code"], 504);
}

#[test]
fn whoever_asked_is_named() {
    let mut exchange = exchange("/", &[], true);
    exchange.identity.consumer = Some(Arc::new(Consumer {
        id: Uuid::from_u128(5),
        username: Some("amy".into()),
        tags: vec!["vip".into()],
        created_at: 9,
        ..Consumer::default()
    }));
    let credential = Credential { id: Uuid::from_u128(6), consumer: Some(Uuid::from_u128(5)), ..Credential::default() };
    exchange.identity.credential = Some(Arc::new(credential));
    let entry = shown(&exchange);
    assert_eq!(entry["authenticated_entity"], json!({ "id": Uuid::from_u128(6) }));
    assert_eq!(
        entry["consumer"],
        json!({ "id": Uuid::from_u128(5), "username": "amy", "tags": ["vip"], "created_at": 9 })
    );
}

#[test]
fn plugins_add_change_and_take_away() {
    let exchange = exchange("/", &[], true);
    let values = &exchange.log_values;
    values.set("correlation_id", Mode::Set, json!("c"));
    assert_eq!(shown(&exchange)["correlation_id"], "c");
    values.set("service", Mode::Set, Value::Null);
    values.set("request.headers.host", Mode::Add, json!("masked"));
    values.set("client_ip.deep", Mode::Set, json!(1));
    let entry = shown(&exchange);
    assert!(entry.get("service").is_none());
    assert_eq!((&entry["request"]["headers"]["host"], &entry["client_ip"]), (&json!("masked"), &json!("10.0.0.1")));
}

#[test]
fn values_are_set_as_their_mode_says() {
    for (key, mode, value, expected) in [
        ("a", Mode::Set, json!(2), json!({ "a": 2, "b": { "c": 1 } })),
        ("a", Mode::Add, json!(2), json!({ "a": 1, "b": { "c": 1 } })),
        ("x", Mode::Replace, json!(2), json!({ "a": 1, "b": { "c": 1 } })),
        ("x.y.z", Mode::Add, json!(2), json!({ "a": 1, "b": { "c": 1 }, "x": { "y": { "z": 2 } } })),
        ("b.c", Mode::Replace, json!(2), json!({ "a": 1, "b": { "c": 2 } })),
        ("b.c", Mode::Set, Value::Null, json!({ "a": 1, "b": {} })),
        ("x.y", Mode::Set, Value::Null, json!({ "a": 1, "b": { "c": 1 } })),
    ] {
        let Value::Object(mut map) = json!({ "a": 1, "b": { "c": 1 } }) else { unreachable!() };
        set(&mut map, key, mode, value).expect("possible");
        assert_eq!(Value::Object(map), expected, "{key} {mode:?}");
    }
    let Value::Object(mut map) = json!({ "a": "text" }) else { unreachable!() };
    assert_eq!(
        set(&mut map, "a.b.c", Mode::Set, json!(1)),
        Err("The key 'a.b.c' could not be used as a serialize value. Subkey 'a' is not a table. It's text".to_owned())
    );
}

#[test]
fn sessions_have_an_entry_of_their_own() {
    let mut exchange = exchange("/", &[], true);
    let session =
        crate::Session { received: 5, sent: 20, upstream_received: 21, upstream_sent: 6, ..Default::default() };
    exchange.session = Some(Box::new(session));
    let entry = value(&exchange);
    assert_eq!(entry["session"], json!({ "received": 5, "sent": 20, "status": 200, "server_port": 8000 }));
    assert_eq!(entry["upstream"], json!({ "received": 21, "sent": 6 }));
    assert_eq!((&entry["latencies"]["kong"], entry["latencies"]["session"].is_u64()), (&json!(2), true));
    assert_eq!((&entry["client_ip"], &entry["route"]["name"]), (&json!("10.0.0.1"), &json!("r")));
    for absent in ["request", "response", "upstream_uri", "upstream_status", "source"] {
        assert!(!entry.contains_key(absent), "{absent}");
    }
}
