use super::*;
use crate::testing::{Manner, People, Shelf as Servers, access, at, plugin_with, request, services};
use exchange::Consumer;
use exchange::response::Source;
use serde_json::{Value, json};
use uuid::Uuid;

/// A plugin that keeps JSON, over a cache of its own.
fn cache(more: Value) -> ProxyCache {
    let mut config = json!({ "strategy": "memory" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plugin_with(config, &About::default(), &services())
}

/// A request of the given second; the upstream answers with these headers and a body of its own.
fn run<P: Plugin>(plugin: &P, mut exchange: Exchange, second: u64, headers: &[(&str, &str)], body: &str) -> String {
    exchange.timeline = at(1_700_000_000 + second);
    if access(plugin, &mut exchange).is_none() {
        exchange.response.status = 200;
        exchange.response.headers = headers.iter().copied().collect();
    }
    assert!(matches!(Plugin::header_filter(plugin, &mut exchange), Flow::Next));
    let mut text = String::from_utf8_lossy(&exchange.response.body).into_owned();
    if exchange.response.body.is_empty() {
        for (piece, last) in [(body, false), ("", true)] {
            let mut chunk = Chunk { data: bytes::Bytes::copy_from_slice(piece.as_bytes()), last };
            Plugin::body_filter(plugin, &mut exchange, &mut chunk);
            text.push_str(piece);
        }
    }
    let header = |name| exchange.response.headers.get_str(name).unwrap_or("none").to_owned();
    format!("{} {} {text}", exchange.response.status, header("x-cache-status"))
}

fn get(target: &str, headers: &[(&str, &str)]) -> Exchange {
    request("GET", target, headers, People::new(Manner::Knows))
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json"), ("X-Upstream", "one")];

#[test]
fn responses_are_kept_until_they_are_stale() {
    let plugin = cache(json!({ "cache_ttl": 10 }));
    for (second, body, seen) in [(0, "a", "200 Miss a"), (0, "b", "200 Hit a"), (9, "c", "200 Hit a")] {
        assert_eq!(run(&plugin, get("/", &[]), second, JSON, body), seen);
    }
    let plugin = cache(json!({ "cache_ttl": 10, "storage_ttl": 60 }));
    for (second, body, seen) in
        [(0, "a", "200 Miss a"), (10, "b", "200 Hit a"), (11, "c", "200 Refresh c"), (12, "d", "200 Hit c")]
    {
        assert_eq!(run(&plugin, get("/", &[]), second, JSON, body), seen);
    }
}

#[test]
fn keys_tell_responses_apart() {
    let consumer = |id: u128| {
        let mut exchange = get("/", &[]);
        exchange.identity.consumer = Some(Arc::new(Consumer { id: Uuid::from_u128(id), ..Consumer::default() }));
        exchange
    };
    let post = || request("POST", "/", &[], People::new(Manner::Knows));
    for (config, first, second, same) in [
        (json!({}), get("/?a=1&b=2", &[]), get("/?b=2&a=1", &[]), true),
        (json!({}), get("/?a=2&a=1", &[]), get("/?a=1&a=2", &[]), true),
        (json!({}), get("/?a=1", &[]), get("/?a=2", &[]), false),
        (json!({}), get("/?a", &[]), get("/?a=", &[]), false),
        (json!({}), get("/a", &[]), get("/A", &[]), false),
        (json!({ "ignore_uri_case": true }), get("/a", &[]), get("/A", &[]), true),
        (json!({}), get("/", &[("X-Lang", "en")]), get("/", &[]), true),
        (json!({ "vary_headers": ["X-Lang"] }), get("/", &[("x-lang", "en")]), get("/", &[("X-LANG", "en")]), true),
        (json!({ "vary_headers": ["X-Lang"] }), get("/", &[("X-Lang", "en")]), get("/", &[]), false),
        (json!({ "vary_query_params": ["l"] }), get("/?l=en&x=1", &[]), get("/?l=en&x=2", &[]), true),
        (json!({ "vary_query_params": ["l"] }), get("/?l=en", &[]), get("/?l=fr", &[]), false),
        (json!({}), consumer(1), consumer(1), true),
        (json!({}), consumer(1), consumer(2), false),
        (json!({ "request_method": ["GET", "POST"] }), get("/", &[]), post(), false),
    ] {
        let plugin = cache(config.clone());
        assert_eq!(run(&plugin, first, 0, JSON, "a"), "200 Miss a", "{config}");
        let expected = if same { "200 Hit a" } else { "200 Miss b" };
        assert_eq!(run(&plugin, second, 0, JSON, "b"), expected, "{config}");
    }
}

#[test]
fn what_is_not_kept_goes_by() {
    for (config, exchange, headers) in [
        (json!({}), request("POST", "/", &[], People::new(Manner::Knows)), JSON),
        (json!({}), get("/", &[]), &[("Content-Type", "application/json; charset=utf-8")][..]),
        (json!({}), get("/", &[]), &[("Content-Type", "text/html")]),
        (json!({}), get("/", &[]), &[]),
        (json!({ "response_code": [404] }), get("/", &[]), JSON),
        (json!({ "cache_control": true }), get("/", &[]), JSON),
        (json!({ "cache_control": true }), get("/", &[("Cache-Control", "no-store")]), JSON),
        (json!({ "cache_control": true }), get("/", &[("Authorization", "x")]), JSON),
        (
            json!({ "cache_control": true }),
            get("/", &[]),
            &[("Content-Type", "text/plain"), ("Cache-Control", "private, max-age=60")],
        ),
    ] {
        assert_eq!(run(&cache(config.clone()), exchange, 0, headers, "a"), "200 Bypass a", "{config} {headers:?}");
    }
}

#[test]
fn cache_control_counts_where_it_should() {
    let plugin = cache(json!({ "cache_control": true, "storage_ttl": 100 }));
    let fresh = &[("Content-Type", "text/plain"), ("Cache-Control", "public, max-age=10")];
    for (second, asked, body, seen) in [
        (0, "", "a", "200 Miss a"),
        (1, "", "b", "200 Hit a"),
        (1, "no-cache", "c", "200 Bypass c"),
        (2, "min-fresh=9", "d", "200 Refresh d"),
        (3, "max-age=0", "e", "200 Refresh e"),
        (14, "max-stale=0", "f", "200 Refresh f"),
        (15, "only-if-cached", "g", "200 Hit f"),
    ] {
        let headers: Vec<_> = if asked.is_empty() { Vec::new() } else { vec![("Cache-Control", asked)] };
        assert_eq!(run(&plugin, get("/", &headers), second, fresh, body), seen, "{asked}");
    }
    let nothing = get("/other", &[("Cache-Control", "only-if-cached")]);
    assert!(run(&plugin, nothing, 0, fresh, "").starts_with("504"));
    // Hits, misses, refreshes, bypasses.
    assert_eq!(plugin.0.all().noted().map(|(_, count)| count).collect::<Vec<_>>(), [2, 2, 3, 1]);
}

#[test]
fn hits_carry_what_was_kept() {
    let plugin = cache(json!({}));
    let upstream = &[
        ("Content-Type", "application/json"),
        ("X-Upstream", "one"),
        ("Age", "7"),
        ("Content-Length", "1"),
        ("X-RateLimit-Remaining-Hour", "3"),
        ("X-Cache-Status", "other"),
    ];
    run(&plugin, get("/", &[]), 0, upstream, "a");
    let mut hit = get("/", &[]);
    hit.timeline = at(1_700_000_005);
    assert_eq!(access(&plugin, &mut hit), Some(200));
    assert_eq!(hit.response.source, Source::Service);
    let line =
        |(name, value): (&[u8], &[u8])| format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    let mut lines: Vec<_> = hit.response.headers.iter().map(line).collect();
    let key = lines.pop().unwrap().replace("X-Cache-Key=", "");
    assert_eq!(lines, ["Content-Type=application/json", "X-Upstream=one", "Age=5", "X-Cache-Status=Hit"]);
    let digest = key_of_text(&key).expect("a key");
    assert_eq!(key_text(&digest), key);
    assert!(plugin.0.all().memory().find(&digest).is_some());
    assert!(key_of_text("abc").is_none() && key_of_text(&"é".repeat(32)).is_none());
}

#[test]
fn headers_are_told_as_configured() {
    let hidden = json!({ "response_headers": { "age": false, "X-Cache-Status": false, "X-Cache-Key": false } });
    let plugin = cache(hidden);
    assert_eq!(run(&plugin, get("/", &[]), 0, JSON, "a"), "200 none a");
    assert_eq!(run(&plugin, get("/", &[]), 0, JSON, "b"), "200 none a");
    assert_eq!(run(&plugin, get("/", &[("Kong-Debug", "1")]), 0, JSON, "b"), "200 Hit a");
}

#[test]
fn large_bodies_are_not_kept() {
    let plugin = cache(json!({}));
    let large = "x".repeat(plugin.0.all().largest_body() + 1);
    for _ in 0..2 {
        assert!(run(&plugin, get("/", &[]), 0, JSON, &large).starts_with("200 Miss"));
    }
}

fn on_redis(more: Value, services: &Services) -> ProxyCacheAdvanced {
    let mut config = json!({ "strategy": "redis", "redis": { "host": "r" } });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plugin_with(config, &About { id: Uuid::from_u128(8), ..About::default() }, services)
}

#[test]
fn nodes_share_what_is_on_a_server() {
    let servers = Servers::default();
    let node = || Services { redis: Arc::new(servers.clone()), ..services() };
    let (one, two) = (node(), node());
    let (here, there) = (on_redis(json!({}), &one), on_redis(json!({}), &two));
    assert_eq!(run(&here, get("/", &[]), 0, JSON, "a"), "200 Miss a");
    assert_eq!(run(&there, get("/", &[]), 1, JSON, "b"), "200 Hit a");
    assert_eq!(run(&here, get("/", &[]), 1, JSON, "b"), "200 Hit a");
    let consumer = |id: u128| {
        let mut exchange = get("/", &[]);
        exchange.identity.consumer = Some(Arc::new(Consumer { id: Uuid::from_u128(id), ..Consumer::default() }));
        exchange
    };
    assert_eq!(run(&here, consumer(1), 1, JSON, "one's"), "200 Miss one's");
    assert_eq!(run(&there, consumer(2), 1, JSON, "two's"), "200 Miss two's");
    assert_eq!(run(&there, consumer(1), 1, JSON, "c"), "200 Hit one's");
    // Kept for as long as it is fresh, under a name of its own; what is not a record is not there.
    let mut keys = servers.keys();
    keys.retain(|(key, seconds)| {
        key.starts_with("r/proxy-cache-advanced:00000000-0000-0000-0000-000000000008:") && *seconds == 300
    });
    assert_eq!(keys.len(), 3);
    servers.overwrite("something else");
    assert_eq!(run(&here, get("/", &[]), 2, JSON, "d"), "200 Miss d");
}

#[test]
fn what_is_kept_on_a_server_is_removed_there() {
    let services = Services { redis: Arc::new(Servers::default()), ..services() };
    let plugin = on_redis(json!({}), &services);
    let shelves = services.desks.all::<exchange::Shelf>();
    let [shelf] = shelves.as_slice() else { panic!("one place") };
    for path in ["/a", "/b"] {
        assert_eq!(run(&plugin, get(path, &[]), 0, JSON, "a"), "200 Miss a");
    }
    crate::testing::settle_now(shelf.store.clear(Uuid::from_u128(9))).expect("an answer");
    assert_eq!(run(&plugin, get("/a", &[]), 0, JSON, "b"), "200 Hit a");
    crate::testing::settle_now(shelf.store.clear(shelf.plugin)).expect("an answer");
    for path in ["/a", "/b"] {
        assert_eq!(run(&plugin, get(path, &[]), 0, JSON, "c"), "200 Miss c");
    }
}

#[test]
fn without_its_server_requests_pass_or_fail_as_configured() {
    let gone = json!({ "redis": { "host": "gone" }, "bypass_on_err": true });
    let services = Services { redis: Arc::new(Servers::default()), ..services() };
    assert_eq!(run(&on_redis(gone, &services), get("/", &[]), 0, JSON, "a"), "200 Bypass a");
    let strict = on_redis(json!({ "redis": { "host": "gone" } }), &services);
    assert!(run(&strict, get("/", &[]), 0, JSON, "a").starts_with("500 none"));
    // The cache has no business with these.
    let post = request("POST", "/", &[], People::new(Manner::Knows));
    assert_eq!(run(&strict, post, 0, JSON, "a"), "200 Bypass a");
    assert_eq!(services.responses.failures(), 2);
}

#[test]
fn both_plugins_may_see_one_request() {
    let services = services();
    let about = |id| About { id: Uuid::from_u128(id), ..About::default() };
    let plain: ProxyCache = plugin_with(json!({ "strategy": "memory" }), &about(1), &services);
    let advanced: ProxyCacheAdvanced = plugin_with(json!({ "strategy": "memory" }), &about(2), &services);
    let mut exchange = get("/", &[]);
    assert!(access(&plain, &mut exchange).is_none() && access(&advanced, &mut exchange).is_none());
    exchange.response.status = 200;
    exchange.response.headers = JSON.iter().copied().collect();
    let mut chunk = Chunk { data: "a".into(), last: true };
    let _ = (Plugin::header_filter(&plain, &mut exchange), Plugin::header_filter(&advanced, &mut exchange));
    Plugin::body_filter(&plain, &mut exchange, &mut chunk);
    Plugin::body_filter(&advanced, &mut exchange, &mut chunk);
    assert_eq!(run(&plain, get("/", &[]), 0, JSON, "b"), "200 Hit a");
    assert_eq!(run(&advanced, get("/", &[]), 0, JSON, "b"), "200 Hit a");
}
