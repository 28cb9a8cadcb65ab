//! `/config`.

use crate::app;
use crate::support::{FORM, Health, JSON, YAML, call, node, plugin_schemas};
use admin::{AdminState, Eventually, Limits, LoadError, NodeFacts, NodeView, Parts, Publisher};
use declarative::{EMPTY_HASH, Kinds};
use entities::{Definitions, Flavor, VaultSchemas};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Batch;

#[actix_web::test]
async fn configurations_come_in_every_form() {
    let (state, node) = node();
    let app = app!(state);
    let expected = json!({"message": "expected a declarative configuration"});
    let text = "_format_version: \"3.0\"\nconsumers:\n- username: c\n";
    let quoted = json!({"config": text}).to_string();
    let form = "config=_format_version%3A+%223.0%22%0Aconsumers%3A%0A-+username%3A+c%0A";
    for (path, kind, body, status, answer) in [
        ("/config", None, "", 400, Some(&expected)),
        ("/config", YAML, "", 400, Some(&expected)),
        ("/config", FORM, "a=b", 400, Some(&expected)),
        ("/config", YAML, text, 201, None),
        ("/config?check_hash=1", YAML, text, 304, None),
        ("/config?check_hash=1", JSON, quoted.as_str(), 304, None),
        ("/config", JSON, quoted.as_str(), 201, None),
        ("/config", FORM, form, 201, None),
        ("/config", JSON, "{\"_format_version\":\"3.0\",\"check_hash\":1}", 201, Some(&json!({}))),
        ("/config?check_hash=1", JSON, "{\"_format_version\":\"3.0\"}", 201, Some(&json!({}))),
    ] {
        let (found, bytes, _) = call(&app, "POST", path, kind, body.as_bytes()).await;
        assert_eq!(found, status, "{path} {body}: {}", String::from_utf8_lossy(&bytes));
        if let Some(answer) = answer {
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), *answer, "{path} {body}");
        }
    }
    assert_eq!(node.configuration_hash(), EMPTY_HASH);
    let good = json!({"_format_version": "3.0", "consumers": [{"username": "stays"}]}).to_string();
    call(&app, "POST", "/config", JSON, good.as_bytes()).await;
    for (error, status, message) in [
        (LoadError::TimedOut, 504, "Timed out while loading configuration"),
        (LoadError::Exiting, 503, "Kong currently exiting"),
        (LoadError::Refused("no".into()), 400, "declarative config is invalid: {error=\"no\"}"),
    ] {
        *node.refuse.lock().unwrap() = Some(error);
        let (found, body, _) = call(&app, "POST", "/config", YAML, text.as_bytes()).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, &body["message"]), (status, &json!(message)));
    }
    assert_eq!(call(&app, "GET", "/consumers/stays", None, b"").await.0, 200);
}

#[actix_web::test]
async fn a_second_configuration_waits_for_the_first() {
    /// Loads only when it is let.
    struct Slow(tokio::sync::Semaphore, tokio::sync::Notify);
    impl Publisher for Slow {
        fn load(&self, _: Batch, _: String) -> Eventually<'_, Result<(), LoadError>> {
            Box::pin(async move {
                self.1.notify_one();
                self.0.acquire().await.unwrap().forget();
                Ok(())
            })
        }
    }
    let (_, node) = node();
    let definitions = Definitions::new(plugin_schemas(), VaultSchemas::default(), Flavor::TraditionalCompatible, false);
    let slow = Arc::new(Slow(tokio::sync::Semaphore::new(0), tokio::sync::Notify::new()));
    let state = AdminState::new(Parts {
        kinds: Arc::new(Kinds::new(Arc::new(definitions))),
        store: node.store.clone(),
        publish: slow.clone(),
        health: Arc::new(Health),
        node: node.clone(),
        facts: NodeFacts::default(),
        headers: Default::default(),
        limits: Limits::default(),
        gate: None,
    });
    let app = app!(state);
    let text = b"{\"_format_version\":\"3.0\"}";
    let first = call(&app, "POST", "/config", JSON, text);
    let second = async {
        slow.1.notified().await;
        let busy = call(&app, "POST", "/config", JSON, text).await;
        slow.0.add_permits(1);
        busy
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, second.0), (201, 429));
    assert!(second.2.contains_key("retry-after"));
}
