//! Event hooks hear what they asked for.

use crate::access::{SUPER, ask, node_of_gate};
use actix_web::http::Method;
use admin::{GateSettings, HealthEvent};
use exchange::HttpClient;
use exchange::http_client::{Asking, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Keeps what is sent.
struct Heard(mpsc::UnboundedSender<(String, Value)>);

impl HttpClient for Heard {
    fn send(&self, request: HttpRequest) -> Asking {
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let _ = self.0.send((request.url, body));
        Box::pin(std::future::ready(Ok(HttpResponse { status: 200, ..HttpResponse::default() })))
    }
}

#[actix_web::test]
async fn hooks_hear_of_the_health_of_targets() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let settings = GateSettings { endpoints: true, http: Arc::new(Heard(sender)), ..GateSettings::default() };
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
