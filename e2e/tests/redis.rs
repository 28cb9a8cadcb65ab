//! What nodes share on a Redis server: kept responses, and what was used of quotas.

use e2e::{Backend, Gateway, Redis, eventually, get, send};
use serde_json::{Value, json};

fn nodes(backend: &Backend, plugin: &Value) -> [Gateway; 2] {
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{
            "name": "s", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [{ "name": "r", "paths": ["/s"], "plugins": [plugin] }],
        }],
    });
    [(); 2].map(|()| {
        let node = Gateway::start(&[]);
        assert_eq!(node.configure(&configuration).status, 201);
        node
    })
}

fn status(node: &Gateway) -> (u16, Option<String>) {
    let reply = get(node.proxy, "/s/x", &[]);
    (reply.status, reply.header("x-cache-status").map(str::to_owned))
}

#[test]
fn nodes_share_kept_responses() {
    let (backend, mut redis) = (Backend::start(), Redis::start());
    let server = json!({ "host": "127.0.0.1", "port": redis.port, "timeout": 2000 });
    let plugin = json!({ "name": "proxy-cache-advanced", "config": { "strategy": "redis", "redis": server } });
    let [one, two] = nodes(&backend, &plugin);
    eventually("the first node keeps it", || status(&one) == (200, Some("Hit".into())));
    let asked = backend.requests();
    eventually("the other node has it", || status(&two).1.is_some());
    assert_eq!(status(&two), (200, Some("Hit".into())));
    assert_eq!(backend.requests(), asked, "nobody asked the upstream again");
    let key = get(two.proxy, "/s/x", &[]).header("x-cache-key").expect("a key").to_owned();
    let path = format!("/proxy-cache-advanced/{key}");
    assert_eq!(send(two.admin, "GET", &path, &json!({})).json()["body"], "ok");
    assert_eq!(send(two.admin, "DELETE", "/proxy-cache-advanced", &json!({})).status, 204);
    assert_eq!(send(one.admin, "GET", &path, &json!({})).status, 404);
    redis.stop();
    eventually("without its server the cache answers nothing", || status(&one).0 == 500);
    assert_eq!(send(one.admin, "GET", &path, &json!({})).status, 503);
}

#[test]
fn nodes_share_quotas() {
    let (backend, redis) = (Backend::start(), Redis::start());
    let server = json!({ "host": "127.0.0.1", "port": redis.port });
    let plugin = json!({ "name": "quota", "config": {
        "year": 6, "identifier": "service", "strategy": "redis", "redis": server, "fault_tolerant": false,
    } });
    let [one, two] = nodes(&backend, &plugin);
    let left = |node: &Gateway| get(node.proxy, "/s/x", &[]).header("x-quota-remaining").map(str::to_owned);
    for node in [&one, &two] {
        eventually("it is counted", || left(node).is_some());
    }
    for (node, expected) in [(&one, "3"), (&two, "2"), (&one, "1"), (&two, "0")] {
        assert_eq!(left(node).as_deref(), Some(expected));
    }
    for node in [&one, &two] {
        assert_eq!(status(node).0, 429);
    }
}
