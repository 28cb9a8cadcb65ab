//! Circuit breakers of Upstreams, with real upstreams.

use e2e::{Backend, Gateway, eventually, get, request};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

const ID: &str = "0a0a0a0a-0000-4000-8000-00000000000a";

/// An Upstream `u` with these Targets, by weight, behind a Service.
fn configure(gateway: &Gateway, breaker: &Value, targets: &[(SocketAddr, u32)], service: Value) {
    let targets: Vec<Value> =
        targets.iter().map(|(address, weight)| json!({"target": address.to_string(), "weight": weight})).collect();
    let mut entity = json!({"name": "s", "host": "u", "routes": [{"name": "r", "paths": ["/"]}]});
    entity.as_object_mut().expect("an object").extend(service.as_object().expect("an object").clone());
    let given = gateway.configure(&json!({
        "_format_version": "3.0",
        "services": [entity],
        "upstreams": [{"id": ID, "name": "u", "circuit_breaker": breaker, "targets": targets}],
    }));
    assert_eq!(given.status, 201, "{}", given.text());
    let shown = get(gateway.admin, "/upstreams/u", &[]).json();
    assert_eq!(shown["circuit_breaker"]["window"], 10, "{shown}");
}

/// What health output says of the breaker of a Target.
fn status(gateway: &Gateway, target: SocketAddr) -> Value {
    let health = get(gateway.admin, "/upstreams/u/health", &[]).json();
    let one = health["data"].as_array().into_iter().flatten().find(|one| one["target"] == target.to_string());
    one.map(|one| one["data"]["addresses"][0]["circuit_breaker"].clone()).unwrap_or_default()
}

fn state(gateway: &Gateway, target: SocketAddr) -> String {
    status(gateway, target)["state"].as_str().unwrap_or_default().to_owned()
}

/// The value of a metric with these labels after `upstream`.
fn metric(gateway: &Gateway, name: &str, labels: &str) -> f64 {
    let text = get(gateway.status, "/metrics", &[]).text();
    let line = format!("silverback_circuit_{name}{{upstream=\"u\"{labels}}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(-1.0)
}

/// Requests at the same time; each is the status it ended with.
fn at_once(gateway: &Gateway, count: usize) -> Vec<JoinHandle<u16>> {
    let proxy = gateway.proxy;
    (0..count).map(|_| std::thread::spawn(move || get(proxy, "/", &[]).status)).collect()
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], e2e::free_port()))
}

#[test]
fn a_target_has_no_more_requests_than_it_may() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    configure(&gateway, &json!({"max_requests": 2}), &[(backend.address, 100)], json!({}));
    backend.hold(true);
    let inside = at_once(&gateway, 2);
    eventually("both are there", || backend.requests() == 2);
    assert_eq!(status(&gateway, backend.address), json!({"state": "closed", "requests": 2, "pending": 0}));
    let refused = get(gateway.proxy, "/", &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, None));
    assert_eq!(refused.json()["message"], "failure to get a peer from the ring-balancer");
    assert_eq!(metric(&gateway, "refused_total", ",reason=\"nobody\""), 1.0);
    assert_eq!(metric(&gateway, "requests", ""), 2.0);
    backend.hold(false);
    assert!(inside.into_iter().all(|request| request.join().is_ok_and(|status| status == 200)));
    eventually("they are over", || status(&gateway, backend.address)["requests"] == 0);
    assert_eq!((get(gateway.proxy, "/", &[]).status, backend.requests()), (200, 3));
}

#[test]
fn a_circuit_opens_outlives_changes_and_is_closed_by_hand_or_by_trials() {
    let (good, bad) = (Backend::start(), Backend::start());
    bad.answer_with(500);
    let gateway = Gateway::start(&[]);
    let targets = [(good.address, 100), (bad.address, 100)];
    let breaker = |open_for: u32| json!({"failure_percent": 50, "min_requests": 2, "trials": 2, "open_for": open_for});
    configure(&gateway, &breaker(3600), &targets, json!({}));
    let ask = |times: usize| (0..times).filter(|_| get(gateway.proxy, "/", &[]).status == 500).count();
    assert_eq!((ask(20), bad.requests()), (2, 2), "two failures are enough");
    assert_eq!((state(&gateway, bad.address), state(&gateway, good.address)), ("open".into(), "closed".into()));
    assert!(status(&gateway, bad.address)["retry_after"].as_u64().is_some_and(|left| (1..=3600).contains(&left)));
    // Another configuration of the same Target.
    configure(&gateway, &breaker(3600), &[(good.address, 10), (bad.address, 90)], json!({"retries": 1}));
    assert_eq!((state(&gateway, bad.address).as_str(), ask(10), bad.requests()), ("open", 0, 2));
    assert_eq!(metric(&gateway, "opened_total", ""), 1.0);
    assert_eq!(metric(&gateway, "addresses", ",state=\"open\""), 1.0);
    good.answer_with(503);
    eventually("nobody is left", || get(gateway.proxy, "/", &[]).header("retry-after").is_some());
    good.answer_with(200);
    // By hand, then by trials: those that fail open it again.
    configure(&gateway, &breaker(1), &targets, json!({}));
    for backend in [&good, &bad] {
        let path = format!("/upstreams/u/targets/{}/healthy", backend.address);
        assert_eq!(request(gateway.admin, "PUT", &path, &[], b"").expect("an answer").status, 204);
        assert_eq!(state(&gateway, backend.address), "closed");
    }
    eventually("trials fail", || {
        ask(4);
        metric(&gateway, "opened_total", "") >= 4.0
    });
    bad.answer_with(200);
    eventually("trials go well", || ask(4) == 0 && state(&gateway, bad.address) == "closed");
    let before = bad.requests();
    assert_eq!((ask(4), bad.requests()), (0, before + 2), "it has its share again");
}

#[test]
fn slow_answers_open_a_circuit_too() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    let breaker = json!({"failure_percent": 100, "min_requests": 2, "slow_after": 30, "open_for": 3600});
    configure(&gateway, &breaker, &[(backend.address, 100)], json!({}));
    for _ in 0..2 {
        assert_eq!(get(gateway.proxy, "/slow/60", &[]).status, 200);
    }
    assert_eq!((get(gateway.proxy, "/", &[]).status, backend.requests()), (503, 2));
}

#[test]
fn retries_end_with_their_budget() {
    let good = Backend::start();
    let gateway = Gateway::start(&[]);
    let targets = [(good.address, 10), (nowhere(), 90)];
    configure(&gateway, &json!({"max_retries_percent": 1}), &targets, json!({}));
    good.hold(true);
    let (count, before) = (16, good.requests());
    let requests = at_once(&gateway, count);
    let given_up = || requests.iter().filter(|request| request.is_finished()).count() as u64;
    eventually("each is answered or held", || given_up() + (good.requests() - before) == count as u64);
    let failed = given_up();
    assert!(failed > 0);
    assert_eq!(metric(&gateway, "retries", ""), 3.0);
    assert_eq!(metric(&gateway, "refused_total", ",reason=\"retries\""), failed as f64);
    good.hold(false);
    let mut ends: Vec<u16> = requests.into_iter().map(|request| request.join().expect("an end")).collect();
    ends.sort_unstable();
    assert_eq!(ends.iter().filter(|status| **status == 502).count() as u64, failed, "{ends:?}");
    assert_eq!(ends.first(), Some(&200));
    eventually("they are over", || metric(&gateway, "retries", "") == 0.0);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 200);
}

#[test]
fn few_wait_for_a_connection() {
    // Whoever connects is accepted by the system, and gets no answer to its handshake.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = silent.local_addr().expect("an address");
    let gateway = Gateway::start(&[]);
    let service = json!({"protocol": "https", "retries": 0});
    configure(&gateway, &json!({"max_pending": 1}), &[(address, 100)], service);
    let waiting = at_once(&gateway, 1);
    eventually("it waits", || status(&gateway, address)["pending"] == 1);
    assert_eq!(metric(&gateway, "pending", ""), 1.0);
    assert_eq!(get(gateway.proxy, "/", &[]).status, 503);
    assert_eq!(metric(&gateway, "refused_total", ",reason=\"pending\""), 1.0);
    drop(silent);
    assert!(waiting.into_iter().all(|request| request.join().is_ok_and(|status| status == 502)));
    eventually("nobody waits", || status(&gateway, address)["pending"] == 0);
}
