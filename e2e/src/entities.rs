//! Entities, made through the Admin API.

use crate::Backend;
use crate::http::{Reply, request};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Sends JSON to the Admin API.
pub fn send(admin: SocketAddr, method: &str, path: &str, body: &Value) -> Reply {
    let lines = [("Content-Type", "application/json")];
    request(admin, method, path, &lines, body.to_string().as_bytes()).expect("the Admin API answers")
}

/// Creates an entity, and returns it.
pub fn create(admin: SocketAddr, path: &str, body: &Value) -> Value {
    let reply = send(admin, "POST", path, body);
    assert_eq!(reply.status, 201, "{path}: {}", reply.text());
    reply.json()
}

/// Creates a Service `s` on the backend with a Route `r` at `/s`.
pub fn serve(admin: SocketAddr, backend: &Backend) {
    create(admin, "/services", &json!({ "name": "s", "host": "127.0.0.1", "port": backend.address.port() }));
    create(admin, "/services/s/routes", &json!({ "name": "r", "paths": ["/s"] }));
}
