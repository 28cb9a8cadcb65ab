//! Certificates from a real ACME server: ordered by a handshake and by the Admin API, shown, renewed.

use e2e::{Gateway, Pebble, Redis, Reply, eventually, free_port, get, request, shown, vouched};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tempfile::TempDir;

struct House {
    gateway: Gateway,
    pebble: Pebble,
    tls: SocketAddr,
}

/// A gateway with a TLS listener, and an authority that it believes; `None` where there is no pebble.
fn house(settings: &[(&str, &str)]) -> Option<House> {
    let folder = TempDir::new().expect("a folder");
    vouched(folder.path());
    let authority = folder.path().join("ca.pem").display().to_string();
    let tls = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = format!("{tls} ssl");
    let mut all = vec![("KONG_PROXY_LISTEN", listen.as_str()), ("KONG_LUA_SSL_TRUSTED_CERTIFICATE", &authority)];
    all.extend_from_slice(settings);
    let gateway = Gateway::start(&all);
    let Some(pebble) = Pebble::start(folder, gateway.proxy.port(), None) else {
        eprintln!("there is no pebble: install it by `deploy/setup test`");
        return None;
    };
    Some(House { gateway, pebble, tls })
}

fn tell(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Reply {
    let lines = [("Content-Type", "application/json")];
    request(gateway.admin, method, path, &lines, body.to_string().as_bytes()).expect("the Admin API answers")
}

fn acme(pebble: &Pebble, more: &Value) -> Value {
    let mut config = json!({
        "account_email": "ops@grove.test", "api_uri": pebble.directory, "tos_accepted": true,
        "domains": ["localhost", "127.0.0.1"],
    });
    let members = config.as_object_mut().expect("an object");
    members.extend(more.as_object().cloned().unwrap_or_default());
    json!({ "name": "acme", "config": config })
}

#[test]
fn a_handshake_orders_a_certificate() {
    let Some(House { gateway, pebble, tls }) = house(&[]) else { return };
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "url": "http://127.0.0.1:9", "routes": [{ "name": "r", "paths": ["/"] }] }],
        "plugins": [acme(&pebble, &json!({ "cert_type": "ecc" }))],
    });
    let reply = gateway.configure(&configuration);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let lines = [("Host", "localhost")];
    eventually("challenges come to the plugin", || {
        get(gateway.proxy, "/.well-known/acme-challenge/x", &lines).text() == "Not found\n"
    });
    assert_eq!(get(gateway.proxy, "/.well-known/acme-challenge/unknown", &lines).status, 404);
    assert!(!shown(tls, "elsewhere.test").contains("Pebble"), "{}", pebble.log());

    eventually("the certificate of the authority is shown", || shown(tls, "localhost").contains("Pebble"));
    assert!(shown(tls, "localhost").contains("DNS:localhost"), "{}", shown(tls, "localhost"));
    assert!(!shown(tls, "elsewhere.test").contains("Pebble"));
    let all = get(gateway.admin, "/acme/certificates", &[]).json();
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all["data"][0]["host"], "localhost", "{all}");
    assert_eq!(all["data"][0]["pubkey_type"], "id-ecPublicKey", "{all}");
    assert_eq!(all["data"][0]["valid"], true, "{all}");
    assert_eq!(get(gateway.admin, "/acme/certificates?invalid_only=true", &[]).json()["data"], json!([]));

    // Not a name of the configuration: the authority comes, and nobody answers it.
    let refused = tell(&gateway, "POST", "/acme", &json!({ "host": "nowhere.test" }));
    assert_eq!(refused.status, 500, "{}", refused.text());
    let again = tell(&gateway, "POST", "/acme", &json!({ "host": "nowhere.test" })).text();
    assert!(again.contains("not tried again yet"), "{again}");
}

#[test]
fn with_a_database_certificates_are_entities_and_renewed() {
    let Some(House { gateway, pebble, tls }) = house(&[("KONG_DATABASE", "sqlite")]) else { return };
    for (path, body) in [
        ("/services", json!({ "name": "s", "url": "http://127.0.0.1:9" })),
        ("/services/s/routes", json!({ "name": "r", "paths": ["/"] })),
        ("/plugins", acme(&pebble, &json!({ "storage": "kong", "rsa_key_size": 2048, "renew_threshold_days": 5000 }))),
    ] {
        let reply = tell(&gateway, "POST", path, &body);
        assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    }
    eventually("challenges come to the plugin", || {
        get(gateway.proxy, "/.well-known/acme-challenge/x", &[("Host", "localhost")]).text() == "Not found\n"
    });
    let ordered = tell(&gateway, "POST", "/acme", &json!({ "host": "localhost" }));
    assert_eq!(ordered.status, 201, "{} {}", ordered.text(), pebble.log());
    assert_eq!(ordered.json()["message"], "certificate for host localhost is created");
    assert_eq!(get(gateway.admin, "/snis/localhost", &[]).json()["tags"], json!(["managed-by-acme"]));
    eventually("the certificate of the authority is shown", || shown(tls, "localhost").contains("Pebble"));

    let digest = || get(gateway.admin, "/acme/certificates/localhost", &[]).json()["data"]["digest"].clone();
    let first = digest();
    assert!(first.is_string(), "{first}");
    assert_eq!(tell(&gateway, "PATCH", "/acme", &json!({})).status, 202);
    eventually("the certificate is renewed", || digest().is_string() && digest() != first);
    eventually("the one before is gone", || {
        get(gateway.admin, "/certificates", &[]).json()["data"].as_array().map(Vec::len) == Some(1)
    });
}

/// The authority asks one node what the other one ordered.
#[test]
fn nodes_share_challenges_and_certificates_on_redis() {
    let (kid, key) = ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");
    let folder = TempDir::new().expect("a folder");
    vouched(folder.path());
    let authority = folder.path().join("ca.pem").display().to_string();
    let nodes = [(); 2].map(|()| {
        let tls = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = format!("{tls} ssl");
        (Gateway::start(&[("KONG_PROXY_LISTEN", &listen), ("KONG_LUA_SSL_TRUSTED_CERTIFICATE", &authority)]), tls)
    });
    let [(asked, asked_tls), (ordering, ordering_tls)] = &nodes;
    let Some(pebble) = Pebble::start(folder, asked.proxy.port(), Some((kid, key))) else {
        eprintln!("there is no pebble: install it by `deploy/setup test`");
        return;
    };
    let redis = Redis::start();
    let more = json!({
        "cert_type": "ecc", "eab_kid": kid, "eab_hmac_key": key, "storage": "redis",
        "storage_config": {
            "redis": { "host": "127.0.0.1", "port": redis.port, "extra_options": { "namespace": "grove:" } },
        },
    });
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "url": "http://127.0.0.1:9", "routes": [{ "name": "r", "paths": ["/"] }] }],
        "plugins": [acme(&pebble, &more)],
    });
    for (node, _) in &nodes {
        let reply = node.configure(&configuration);
        assert_eq!(reply.status, 201, "{}", reply.text());
        eventually("challenges come to the plugin", || {
            get(node.proxy, "/.well-known/acme-challenge/x", &[("Host", "localhost")]).text() == "Not found\n"
        });
    }
    let ordered = tell(ordering, "POST", "/acme", &json!({ "host": "localhost" }));
    assert_eq!(ordered.status, 201, "{} {}", ordered.text(), pebble.log());
    for tls in [ordering_tls, asked_tls] {
        eventually("both show it", || shown(*tls, "localhost").contains("Pebble"));
    }
    let digest = |node: &Gateway| get(node.admin, "/acme/certificates", &[]).json()["data"][0]["digest"].clone();
    assert!(digest(asked).is_string());
    assert_eq!(digest(asked), digest(ordering));
}
