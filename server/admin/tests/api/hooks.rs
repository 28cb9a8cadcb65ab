//! Event hooks hear what they asked for.

use crate::access::{SUPER, ask, node_of_gate};
use actix_web::http::Method;
use admin::{GateSettings, HealthEvent};
use bytes::Bytes;
use exchange::http_client::{Asking, HttpRequest, HttpResponse};
use exchange::{
    Consumer, Destination, HttpClient, LimitExceeded, LogScripts, Outbox, Receiver, Recipient, Returning, Scripts,
    Shipment, Shipping,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Brings what is left at once, and tells what was brought.
struct Heard;

struct Told(mpsc::UnboundedSender<(String, Value)>);

impl HttpClient for Told {
    fn send(&self, request: HttpRequest) -> Asking {
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let _ = self.0.send((request.url, body));
        Box::pin(std::future::ready(Ok(HttpResponse { status: 200, ..HttpResponse::default() })))
    }
}

struct Left(Arc<dyn Receiver>);

impl Outbox for Left {
    fn push(&self, entry: Bytes) {
        tokio::spawn(self.0.receive(entry));
    }
}

impl Shipping for Heard {
    fn open(&self, shipment: Shipment) -> Arc<dyn Outbox> {
        assert!(shipment.limits.max_entries > 0 && !shipment.limits.max_retry_time.is_zero());
        let Destination::Receiver(Recipient { receiver, .. }) = shipment.destination else {
            panic!("another destination")
        };
        Arc::new(Left(receiver))
    }
}

/// Runs `true`, tells the arguments of everything else, and fails at `error`.
struct Run(mpsc::UnboundedSender<(String, Value)>);

impl Scripts for Run {
    fn check(&self, chunk: &str) -> Result<(), String> {
        if chunk == "(" { Err("unexpected symbol".to_owned()) } else { Ok(()) }
    }

    fn log_values(&self, _: &'static str, _: Uuid, _: Vec<(String, String)>) -> Result<Arc<dyn LogScripts>, String> {
        Err("not here".to_owned())
    }

    fn run(&self, chunk: &str, arguments: Vec<Value>) -> Returning {
        let _ = self.0.send((chunk.to_owned(), arguments[..3].into()));
        let returned = if chunk == "error" { Err("no good".to_owned()) } else { Ok((chunk == "true").into()) };
        Box::pin(std::future::ready(returned))
    }
}

fn settings() -> (GateSettings, mpsc::UnboundedReceiver<(String, Value)>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let told = Arc::new(Told(sender.clone()));
    let (shipping, scripts) = (Arc::new(Heard), Arc::new(Run(sender)));
    (GateSettings { endpoints: true, http: told, shipping, scripts, ..GateSettings::default() }, heard)
}

#[actix_web::test]
async fn hooks_hear_of_the_health_of_targets() {
    let (settings, mut heard) = settings();
    let (state, gate) = node_of_gate(settings).await;
    let app = crate::app!(state);
    for (source, event, path) in
        [("balancer", Some("health"), "one"), ("balancer", None, "two"), ("crud", Some("consumers"), "three")]
    {
        let url = format!("http://hooks.test/{path}");
        let hook = json!({"source": source, "event": event, "handler": "webhook", "config": {"url": url}});
        let (status, answer) = ask(&app, Method::POST.as_str(), "/event-hooks", Some(SUPER), Some(hook)).await;
        assert_eq!(status, 201, "{answer}");
    }
    gate.health_changed(HealthEvent {
        upstream: Uuid::from_u128(5),
        hostname: "a.test".to_owned(),
        address: "10.0.0.1:80".parse().unwrap(),
        healthy: false,
    });
    let mut paths = Vec::new();
    for _ in 0..2 {
        let (url, body) = heard.recv().await.unwrap();
        paths.push(url);
        assert_eq!(
            body,
            json!({
                "source": "balancer", "event": "health", "upstream_id": Uuid::from_u128(5).to_string(),
                "ip": "10.0.0.1", "port": 80, "hostname": "a.test", "health": "unhealthy",
            })
        );
    }
    paths.sort();
    assert_eq!(paths, ["http://hooks.test/one", "http://hooks.test/two"]);
    assert!(heard.try_recv().is_err());
}

#[actix_web::test]
async fn hooks_hear_of_limits_as_often_as_they_want() {
    let (settings, mut heard) = settings();
    let (state, gate) = node_of_gate(settings).await;
    let app = crate::app!(state);
    let exceeded = |ip: [u8; 4], rate: u64, at: u64| {
        let username = Some("ann".into());
        let consumer = Some(Arc::new(Consumer { id: Uuid::from_u128(7), username, ..Consumer::default() }));
        let (service, limit, window) = (None, 5.0, "minute");
        gate.limit_exceeded(LimitExceeded { at, consumer, ip: ip.into(), service, rate, limit, window });
    };
    for (source, changes, path) in [("rate-limiting", true, "one"), ("rate-limiting-advanced", false, "two")] {
        let config = json!({"url": format!("http://hooks.test/{path}")});
        let hook = json!({"source": source, "on_change": changes, "handler": "webhook", "config": config});
        let (status, answer) = ask(&app, "POST", "/event-hooks", Some(SUPER), Some(hook)).await;
        assert_eq!(status, 201, "{answer}");
    }
    for (ip, rate) in [([10, 0, 0, 1], 5), ([10, 0, 0, 1], 6), ([10, 0, 0, 2], 5)] {
        exceeded(ip, rate, 100);
    }
    let mut told = Vec::new();
    for _ in 0..5 {
        let (url, body) = heard.recv().await.unwrap();
        assert_eq!(
            (&body["event"], &body["window"], &body["limit"], &body["consumer"]["username"]),
            (&json!("rate-limit-exceeded"), &json!("minute"), &json!(5.0), &json!("ann"))
        );
        told.push(format!("{} {} {} {}", url, body["source"], body["ip"], body["rate"]));
    }
    told.sort();
    let one = |ip| format!("http://hooks.test/one \"rate-limiting\" \"{ip}\" 5");
    let two = |ip, rate| format!("http://hooks.test/two \"rate-limiting-advanced\" \"{ip}\" {rate}");
    let expected = [one("10.0.0.1"), one("10.0.0.2"), two("10.0.0.1", 5), two("10.0.0.1", 6), two("10.0.0.2", 5)];
    assert_eq!(told, expected);
    assert!(heard.try_recv().is_err());
    assert_eq!(gate.untold(), 0);
}

#[actix_web::test]
async fn functions_are_run_and_their_failures_told() {
    let (settings, mut heard) = settings();
    let (state, _) = node_of_gate(settings).await;
    let app = crate::app!(state);
    let hook = |functions: Value| json!({"source": "crud", "event": "consumers", "handler": "lambda", "config": {"functions": functions}});
    for (functions, expected) in [
        (json!(["("]), "unexpected symbol"),
        (json!([]), "expected an array of functions"),
        (json!([5]), "expected a string"),
        (json!(null), "required field missing"),
    ] {
        let (status, answer) = ask(&app, "POST", "/event-hooks", Some(SUPER), Some(hook(functions))).await;
        assert!(status == 400 && answer.contains(expected), "{status} {answer}");
    }
    for (functions, status, expected) in [
        (json!(["true", "true"]), 200, "\"result\":true"),
        (json!(["false"]), 500, "did not return true"),
        (json!(["error"]), 500, "no good"),
    ] {
        let (made, answer) = ask(&app, "POST", "/event-hooks", Some(SUPER), Some(hook(functions))).await;
        assert_eq!(made, 201, "{answer}");
        let hook: Value = serde_json::from_str(&answer).unwrap();
        let path = format!("/event-hooks/{}/test", hook["id"].as_str().unwrap());
        let body = json!({"entity": {"username": "ann"}});
        let answer = ask(&app, "POST", &path, Some(SUPER), Some(body)).await;
        assert!(answer.0 == status && answer.1.contains(expected), "{answer:?}");
        let (_, arguments) = heard.recv().await.unwrap();
        assert_eq!(arguments[0]["entity"]["username"], "ann");
        assert_eq!((&arguments[1], &arguments[2]), (&json!("consumers"), &json!("crud")));
        while heard.try_recv().is_ok() {}
        let path = format!("/event-hooks/{}", hook["id"].as_str().unwrap());
        assert_eq!(ask(&app, "DELETE", &path, Some(SUPER), None).await.0, 204);
    }
    for (path, status, expected) in [
        ("/event-hooks/sources/rate-limiting/rate-limit-exceeded", 200, "unique"),
        ("/event-hooks/sources/crud/consumers", 200, "old_entity"),
        ("/event-hooks/sources/crud/pigeons", 404, "Not found"),
        ("/event-hooks/sources/pigeons", 404, "Not found"),
    ] {
        let answer = ask(&app, "GET", path, Some(SUPER), None).await;
        assert!(answer.0 == status && answer.1.contains(expected), "{path}: {answer:?}");
    }
}
