//! Plugins in folders, loaded and run as Kong's interface says.

use bytes::Bytes;
use entities::{Definitions, Flavor, VaultSchemas};
use exchange::directory::Nobody;
use exchange::{
    About, Body, Chunk, ErrorTemplates, Exchange, Flow, Instance, Registry, Request, Services, Step, Timeline,
    log_entry,
};
use lua::{Network, Resolving, Settings, Yaml, register};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::ClientConfig;
use uuid::Uuid;

const GOOD: [&str; 7] = ["security-headers", "full", "ticker", "caller", "kit", "libraries", "patient"];

fn settings(folders: &[&str]) -> Settings {
    Settings {
        package_path: format!("{}/tests/plugins/?.lua;;", env!("CARGO_MANIFEST_DIR")),
        // Every JSON is YAML.
        yaml: Some(Yaml {
            read: |text| serde_json::from_str(text).map_err(|error| error.to_string()),
            write: |document| Value::Object(document.clone()).to_string(),
        }),
        folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        ..Settings::default()
    }
}

fn loaded() -> Registry {
    let mut registry = Registry::default();
    register(&mut registry, settings(&GOOD)).expect("plugins that are whole");
    registry
}

fn definitions(registry: &Registry) -> Definitions {
    let schemas = registry.iter().map(|plugin| plugin.schema.clone()).collect();
    Definitions::new(schemas, VaultSchemas::default(), Flavor::TraditionalCompatible, true)
}

/// The stored form of a configuration, or why it is refused.
fn stored(name: &str, config: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(plugin) = json!({ "name": name, "config": config }) else { unreachable!() };
    let definitions = definitions(&loaded());
    definitions.process_insert("plugins", plugin, 1.0).map_err(|fault| fault.to_string())
}

fn plugin(name: &str, config: Value) -> Arc<dyn Instance> {
    let stored = stored(name, config).expect("a valid configuration");
    let about = About { id: Uuid::from_u128(7), ..About::default() };
    let services = Services::alone(Uuid::from_u128(9));
    loaded().get(name).expect("loaded").build(&stored["config"], &about, &services).expect("configured")
}

fn request(target: &str) -> Exchange {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let request = Request {
        method: b"GET".as_slice().into(),
        target: target.as_bytes().into(),
        path: path.as_bytes().into(),
        query: query.map(|query| query.as_bytes().into()),
        host: b"api.test".as_slice().into(),
        body: Body::Empty,
        client_ip: Some([10, 0, 0, 1].into()),
        ..Request::default()
    };
    Exchange::new(request, Timeline::default(), Arc::new(Nobody))
}

fn within<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Status and body of the answer of access.
async fn answered(plugin: &dyn Instance, exchange: &mut Exchange) -> Option<(u16, Value)> {
    let flow = match plugin.access(exchange) {
        Step::Ready(flow) => flow,
        Step::Wait(future) => future.await,
    };
    let Flow::Answer(answer) = flow else { return None };
    exchange.answer(*answer, &ErrorTemplates::default());
    Some((exchange.response.status, serde_json::from_slice(&exchange.response.body).unwrap_or_default()))
}

#[test]
fn a_handler_alone_is_a_plugin() {
    let plugin = plugin("security-headers", json!({}));
    let mut exchange = request("/");
    exchange.response.status = 200;
    assert!(matches!(plugin.header_filter(&mut exchange), Flow::Next));
    assert_eq!(exchange.response.headers.get("x-frame-options"), Some(b"DENY".as_slice()));
    assert_eq!(
        exchange.response.headers.get("strict-transport-security"),
        Some(b"max-age=31536000; includeSubDomains; preload".as_slice())
    );
    assert_eq!((plugin.name(), plugin.priority()), ("security-headers", 0));
}

#[test]
fn what_sees_the_whole_answer_may_wait() {
    let plugin = plugin("patient", json!({}));
    within(async {
        let mut exchange = request("/");
        assert!(answered(&*plugin, &mut exchange).await.is_none() && exchange.buffer_response);
        exchange.response.status = 200;
        let Step::Wait(waits) = plugin.response(&mut exchange) else { panic!("it does not wait") };
        assert!(matches!(waits.await, Flow::Next));
        assert!(matches!(plugin.header_filter(&mut exchange), Flow::Next));
        assert_eq!(exchange.response.headers.get("x-patient"), Some(b"200".as_slice()));
    });
}

#[test]
fn phases_run_with_the_configuration() {
    let plugin = plugin("full", json!({ "word": "long", "secret": "s" }));
    assert_eq!(plugin.priority(), 1234);
    within(async {
        for round in 1..=3 {
            let mut exchange = request("/");
            assert!(matches!(plugin.rewrite(&mut exchange), Step::Ready(Flow::Next)));
            assert_eq!(answered(&*plugin, &mut exchange).await, None);
            assert_eq!(exchange.request.headers.get("x-full"), Some(b"200:1:s".as_slice()));
            assert_eq!(exchange.identity.authenticated_groups, ["made", "up"]);
            exchange.response.status = 200;
            assert!(matches!(plugin.header_filter(&mut exchange), Flow::Next));
            // The configuration is one table from request to request.
            assert_eq!(exchange.response.headers.get("x-full"), Some(round.to_string().as_bytes()));
            let mut chunk = Chunk { data: Bytes::from_static(b"text"), last: true };
            plugin.body_filter(&mut exchange, &mut chunk);
            assert_eq!(&chunk.data[..], b"TEXT");
            plugin.log(&exchange);
            assert_eq!(log_entry::value(&exchange)["full"], json!({ "seen": format!("GET{round}") }));
        }
        let stopped = answered(&*plugin, &mut request("/?stop=1")).await;
        assert_eq!(stopped, Some((200, json!({ "message": format!("stopped by {}", Uuid::from_u128(7)) }))));
        let failed = answered(&*plugin, &mut request("/?fail=1")).await;
        assert_eq!(failed, Some((500, json!({ "message": "An unexpected error occurred" }))));
    });
}

#[test]
fn libraries_are_there() {
    let plugin = plugin("libraries", json!({}));
    let certified = rcgen::KeyPair::generate().and_then(|key| {
        let mut params = rcgen::CertificateParams::new(["library.test".to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "library.test");
        Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
    });
    let pem = certified.expect("a certificate");
    within(async {
        let mut exchange = request("/");
        exchange.request.body = Body::Buffered(Bytes::from(pem));
        let (status, said) = answered(&*plugin, &mut exchange).await.expect("an answer");
        assert_eq!((status, said["wrong"].as_str()), (200, Some("")), "{said}");
        assert!(said["checked"].as_u64() > Some(30), "{said}");
        let wanted = exchange.forward.instead.take().expect("TLS of its own");
        assert_eq!(wanted.authorities.map(|all| all.len()), Some(1));
        let (certificate, key) = wanted.client.expect("a client certificate");
        assert!(certificate.contains("BEGIN CERTIFICATE") && key.contains("PRIVATE KEY"));
        let retarget = exchange.state.get::<exchange::Retarget>().cloned().expect("a callback");
        assert_eq!((retarget.0)(&mut exchange), Ok((b"other.test".to_vec(), 81)));
    });
}

#[test]
fn schemas_complete_and_refuse() {
    let full = stored("full", json!({})).expect("defaults are enough");
    assert_eq!(
        full["config"],
        json!({
            "header": "X-Full", "status": 200, "words": [], "limits": { "low": 1, "high": 9 }, "tags_by_name": null,
            "secret": null, "port": null,
        })
    );
    for (config, expected) in [
        (json!({ "header": "a b" }), "bad header name 'a b'"),
        (json!({ "status": 99 }), "value should be between 100 and 599"),
        (json!({ "status": 418 }), "no teapots"),
        (json!({ "words": ["x"] }), "length must be at least 2"),
        (json!({ "tags_by_name": { "n": "c" } }), "expected one of: a, b"),
        (json!({ "limits": { "low": 5, "high": 4 } }), "low must not be above high"),
        (json!({ "secret": "s", "port": 1 }), "only one or none of these fields must be set"),
        (json!({ "unknown": 1 }), "unknown field"),
    ] {
        let refused = stored("full", config.clone()).expect_err("refused");
        assert!(refused.contains(expected), "{config}: {refused}");
    }
    assert_eq!(stored("full", json!({ "word": "long" })).expect("valid")["config"]["words"], json!(["long"]));
    let described = definitions(&loaded()).describe_plugin("full").expect("there");
    let text = described.to_string();
    for part in ["\"header\"", "\"between\":[100,599]", "Kept to itself.", "mutually_exclusive"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // A Service may have it, a Consumer may not.
    let definitions = definitions(&loaded());
    let Value::Object(plugin) = json!({ "name": "security-headers", "consumer": { "id": Uuid::from_u128(1) } }) else {
        unreachable!()
    };
    assert!(definitions.process_insert("plugins", plugin, 1.0).is_err());
}

#[test]
fn what_is_broken_is_named() {
    loaded();
    for (name, expected) in [
        ("missing", "missing plugin is enabled but not installed"),
        ("broken-schema", "plugin 'broken-schema': schema.lua: config: field 'a': there is no type 'strin'"),
        ("broken-handler", "its PRIORITY field is not a valid integer number, got: \"high\""),
        ("broken-daos", "plugin 'broken-daos': daos.lua: 'broken_entries' must have a 'primary_key'"),
    ] {
        let error = register(&mut Registry::default(), settings(&[name])).expect_err("refused").to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn plugins_bring_entities_along() {
    loaded();
    let mut registry = Registry::default();
    let entities = register(&mut registry, settings(&["ledger"])).expect("a plugin that is whole");
    let [entity] = entities.as_slice() else { panic!("one entity") };
    assert_eq!((entity.name, entity.path(), entity.nested_path()), ("ledger_entries", "ledger-entries", "ledger"));
    assert_eq!((entity.endpoint_key, entity.workspaceable, entity.plugin), (Some("label"), true, Some("ledger")));
    let definitions = definitions(&registry).with_entities(entities.clone()).expect("a name that is free");
    let insert = |value: Value| {
        let Value::Object(value) = value else { unreachable!() };
        definitions.process_insert("ledger_entries", value, 7.0)
    };
    let made = insert(json!({ "label": "a" })).expect("defaults are enough");
    assert_eq!((&made["amount"], &made["created_at"], &made["consumer"]), (&json!(1), &json!(7), &Value::Null));
    for (value, expected) in [
        (json!({ "label": "a\tb" }), "no tabs"),
        (json!({}), "required field missing"),
        (json!({ "label": "a", "amount": 1001 }), "value should be between 0 and 1000"),
        (json!({ "label": "a", "more": 1 }), "unknown field"),
    ] {
        let refused = insert(value.clone()).expect_err("refused").to_string();
        assert!(refused.contains(expected), "{value}: {refused}");
    }
    let taken = definitions.with_entities(entities).expect_err("the name is taken");
    assert_eq!(taken, "plugin 'ledger': there is an entity 'ledger_entries' already");
}

#[test]
fn timers_start_with_the_worker() {
    let plugin = plugin("ticker", json!({}));
    within(async {
        lua::begin(Uuid::from_u128(9));
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let (_, body) = answered(&*plugin, &mut request("/")).await.expect("an answer");
            if body["once"] == "once" && body["ticks"].as_f64().is_some_and(|ticks| ticks >= 3.0) {
                break;
            }
            assert!(Instant::now() < until, "{body}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

/// Names are addresses here, and nobody speaks TLS.
struct Plain;

impl Network for Plain {
    fn resolve(&self, name: &str, port: u16) -> Resolving {
        let address = name.parse().map(|ip| std::net::SocketAddr::new(ip, port)).map_err(|_| "no such name".to_owned());
        Box::pin(std::future::ready(address))
    }

    fn tls(&self, _: bool) -> Result<Arc<ClientConfig>, String> {
        Err("no TLS".to_owned())
    }
}

/// A server that tells what it was asked, chunk by chunk, for as many requests as come on a connection.
async fn upstream() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::task::spawn_local(async move {
        let mut connections = 0;
        while let Ok((mut io, _)) = listener.accept().await {
            connections += 1;
            tokio::task::spawn_local(async move {
                let mut read = Vec::new();
                loop {
                    let mut piece = [0; 1024];
                    let Ok(count @ 1..) = io.read(&mut piece).await else { return };
                    read.extend_from_slice(&piece[..count]);
                    let text = String::from_utf8_lossy(&read).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if !body.ends_with('}') {
                        continue;
                    }
                    let line = head.lines().next().unwrap_or_default();
                    let told = json!({ "line": line, "body": body, "connections": connections }).to_string();
                    let (first, rest) = told.split_at(5);
                    let answer = format!(
                        "HTTP/1.1 207 Fine\r\nX-Name: u\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};x=y\r\n{rest}\r\n0\r\n\r\n",
                        first.len(),
                        rest.len()
                    );
                    if io.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    read.clear();
                }
            });
        }
    });
    port
}

#[test]
fn other_servers_are_asked_over_sockets() {
    lua::set_network(Arc::new(Plain));
    within(async {
        let port = upstream().await;
        let caller = plugin("caller", json!({ "url": format!("http://127.0.0.1:{port}/in?a=b") }));
        for round in 0..2 {
            let mut exchange = request("/here");
            let Step::Wait(_) = caller.access(&mut exchange) else { panic!("nobody waits for a server") };
            let (status, body) = answered(&*caller, &mut request("/here")).await.expect("an answer");
            assert_eq!(status, 207, "{round}: {body}");
            assert_eq!(body["body"], "{\"path\":\"\\/here\"}");
            assert_eq!(body["line"], "POST /in?asked=yes HTTP/1.1");
        }
        for (url, expected) in [
            ("http://127.0.0.1:1/".to_owned(), "connection refused"),
            ("http://nowhere.test/".to_owned(), "nowhere.test could not be resolved (no such name)"),
            (format!("https://127.0.0.1:{port}/"), "no TLS"),
        ] {
            let caller = plugin("caller", json!({ "url": url }));
            let answer = answered(&*caller, &mut request("/")).await;
            assert_eq!(answer, Some((502, json!({ "error": expected }))), "{url}");
        }
    });
}
