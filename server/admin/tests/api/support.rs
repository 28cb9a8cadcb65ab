//! A node for the tests to speak to.

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::test as served;
use admin::{
    AdminState, Area, Counters, Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath, HealthFault,
    HealthView, Limits, LoadError, NodeFacts, NodeMemory, NodeView, Parts, Publisher, Readiness, RouteQuestion, Seen,
};
use declarative::{EMPTY_HASH, Kinds};
use entities::{Definitions, Flavor, PluginSchema, PluginSchemas, VaultSchema, VaultSchemas};
use schema::{Field, Record};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Batch, Memory};

/// A node that takes what it is given, unless it is told not to.
pub struct Node {
    pub store: Arc<Memory>,
    pub hash: Mutex<String>,
    pub refuse: Mutex<Option<LoadError>>,
}

impl Publisher for Node {
    fn load(&self, batch: Batch, hash: String) -> Eventually<'_, Result<(), LoadError>> {
        Box::pin(async move {
            if let Some(error) = self.refuse.lock().unwrap().take() {
                return Err(error);
            }
            self.store.commit(batch)?;
            *self.hash.lock().unwrap() = hash;
            Ok(())
        })
    }
}

impl NodeView for Node {
    fn counters(&self) -> Counters {
        Counters { requests: 7, ..Counters::default() }
    }
    fn memory(&self) -> NodeMemory {
        let area = Area { used: 40 << 10, capacity: 5 << 20 };
        NodeMemory { process: 30 << 20, areas: [("kong".to_owned(), area)].into() }
    }
    fn configuration_hash(&self) -> String {
        self.hash.lock().unwrap().clone()
    }
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
    fn log_level(&self) -> String {
        "notice".into()
    }
    fn set_log_level(&self, _: &str, _: Duration) {}
    fn route_match(&self, question: &RouteQuestion, seen: &Seen) -> Result<Value, String> {
        let id = |text: &String| text.strip_prefix('/').and_then(|id| id.parse().ok());
        Ok(json!({
            "workspace": question.workspace,
            "consumer": question.consumer.as_ref().map(|consumer| consumer.username.clone()),
            "sees": id(&question.target).map(|id| seen.sees("routes", id)),
            "all": [seen.sees_all("routes"), seen.sees_all("services")],
        }))
    }
    fn extensions(&self) -> Vec<Arc<dyn Extension>> {
        vec![Arc::new(Echo)]
    }
}

/// Says what it was asked.
struct Echo;

impl Extension for Echo {
    fn paths(&self) -> Vec<ExtensionPath> {
        vec![
            ExtensionPath { path: "/echo/{text}", methods: &["GET", "POST"], on_status: false },
            ExtensionPath { path: "/figures", methods: &["GET"], on_status: true },
        ]
    }
    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        Box::pin(async move {
            if call.path == "/figures" {
                return ExtensionAnswer { status: 204, ..ExtensionAnswer::default() };
            }
            let query: Vec<String> = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let (method, body) = (call.method, Value::Object(call.body));
            let body = format!("{method} {} {} {body}", call.parameters.join(" "), query.join("&")).into();
            ExtensionAnswer {
                status: 200,
                content_type: Some("text/plain; charset=UTF-8"),
                body,
                ..ExtensionAnswer::default()
            }
        })
    }
}

/// Health that is known of Upstreams whose name starts with `checked`.
pub struct Health;

impl HealthView for Health {
    fn targets(&self, _: &store::Record, targets: &[Arc<store::Record>]) -> Vec<Map<String, Value>> {
        targets.iter().map(|_| Map::from_iter([("health".to_owned(), json!("HEALTHY"))])).collect()
    }
    fn upstream(&self, upstream: &store::Record) -> Value {
        json!({"id": upstream.id.to_string(), "health": "HEALTHY"})
    }
    fn set(
        &self,
        upstream: &store::Record,
        _: &store::Record,
        address: Option<&str>,
        _: bool,
    ) -> Result<(), HealthFault> {
        match (upstream.text("name").is_some_and(|name| name.starts_with("checked")), address) {
            (false, _) => Err(HealthFault::NoChecker),
            (true, Some("none:1")) => Err(HealthFault::NoTarget),
            (true, _) => Ok(()),
        }
    }
}

pub fn plugin_schemas() -> PluginSchemas {
    let names = Field::array("key_names", Field::string("").required(true)).required(true).default(json!(["apikey"]));
    let config = Record::new().field(names).field(Field::boolean("hide").default(false)).sealed();
    [PluginSchema::with_config("key-auth", config).priority(1250)].into_iter().collect()
}

/// Without a database.
pub fn node() -> (AdminState, Arc<Node>) {
    node_of(false)
}

/// A node whose records are in memory, with the manners of one with or without a database.
pub fn node_of(database: bool) -> (AdminState, Arc<Node>) {
    let (parts, node) = parts_of(database);
    (AdminState::new(parts), node)
}

/// What such a node is made of.
pub fn parts_of(database: bool) -> (Parts, Arc<Node>) {
    let vaults: VaultSchemas = [VaultSchema::env()].into_iter().collect();
    let definitions = Definitions::new(plugin_schemas(), vaults, Flavor::TraditionalCompatible, database);
    let kinds = Arc::new(Kinds::new(Arc::new(definitions)));
    let store = Arc::new(Memory::new(kinds.catalog().clone()));
    let node = Arc::new(Node { store: store.clone(), hash: Mutex::new(EMPTY_HASH.into()), refuse: Mutex::default() });
    let parts = Parts {
        kinds,
        store,
        publish: node.clone(),
        health: Arc::new(Health),
        node: node.clone(),
        facts: NodeFacts {
            node_id: "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004".into(),
            hostname: "here".into(),
            configuration: Map::from_iter([("database".to_owned(), json!("off"))]),
            workers: 1,
        },
        headers: Default::default(),
        limits: Limits { body: 64 << 10, configuration: 1 << 20, ..Limits::default() },
        gate: None,
    };
    (parts, node)
}

/// An Admin API over a state, to be called.
#[macro_export]
macro_rules! app {
    ($state:expr, $configure:path) => {{
        let state = $state.clone();
        actix_web::test::init_service(actix_web::App::new().configure(move |cfg| $configure(cfg, state))).await
    }};
    ($state:expr) => {
        $crate::app!($state, admin::configure)
    };
}

pub async fn call<S>(
    app: &S,
    method: &str,
    path: &str,
    kind: Option<&str>,
    body: &[u8],
) -> (u16, Vec<u8>, Map<String, Value>)
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let mut request = served::TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
    if let Some(kind) = kind {
        request = request.insert_header(("Content-Type", kind));
    }
    let response = app.call(request.set_payload(body.to_vec()).to_request()).await.unwrap();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), json!(value.to_str().unwrap())))
        .collect();
    (response.status().as_u16(), served::read_body(response).await.to_vec(), headers)
}

pub const JSON: Option<&str> = Some("application/json");
pub const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
pub const YAML: Option<&str> = Some("application/yaml");

pub fn example() -> Value {
    json!({"_format_version": "3.0",
        "services": [{"id": "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0001", "name": "s", "host": "h", "tags": ["x", "one"],
            "routes": [{"name": "r", "paths": ["/a"]}, {"name": "q", "paths": ["/b"]}]}, {"name": "t", "host": "h", "tags": ["x"]}],
        "consumers": [{"username": "two words", "custom_id": "c1", "acls": [{"group": "staff"}], "keyauth_credentials": [{"key": "k", "ttl": 600}]}],
        "plugins": [{"name": "key-auth", "instance_name": "i"}],
        "upstreams": [{"name": "checked", "targets": [{"target": "a:1"}]}, {"name": "free", "targets": [{"target": "a:1"}]}]})
}

/// Members of `expected` must be in `found` with the same value; other members are free.
pub fn agrees(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| agrees(found, value)))
        }
        (found, expected) => found == expected,
    }
}
