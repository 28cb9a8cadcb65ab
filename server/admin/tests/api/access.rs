//! Nothing of the Admin API is reached without a decision.

use crate::support::parts_of;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body};
use admin::{AdminState, Gate, GateSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Batch;

const SUPER: &str = "the-super-token";

/// A node with RBAC on, a super admin, and a user without roles whose token is `nobody`.
async fn node() -> AdminState {
    let (mut parts, node) = parts_of(true);
    let definitions = parts.kinds.definitions().clone();
    let default = json!({"id": entities::DEFAULT_WORKSPACE, "name": "default"});
    let value = definitions.process_insert("workspaces", default.as_object().unwrap().clone(), 1.0).unwrap();
    let id = store::Id::Uuid(entities::DEFAULT_WORKSPACE);
    let workspace = store::Record { entity: "workspaces", id, ws: None, value, expires: None };
    let mut operations = vec![store::Operation::Insert(workspace)];
    let view = store::View::empty(parts.kinds.catalog().clone());
    operations.extend(access::seeds(&definitions, &view, Some(SUPER), 1.0).unwrap().operations);
    node.store.commit(Batch { operations, ..Batch::default() }).unwrap();
    let settings = GateSettings { endpoints: true, entities: true, passwords: true, ..GateSettings::default() };
    let gate = Gate::open(settings, parts.kinds.clone(), node.store.clone()).await.unwrap();
    parts.gate = Some(Arc::new(gate));
    AdminState::new(parts)
}

async fn ask<S>(app: &S, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, String)
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let mut request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
    if let Some(token) = token {
        request = request.insert_header(("Kong-Admin-Token", token));
    }
    if let Some(body) = body {
        request = request.set_json(body);
    }
    let response = app.call(request.to_request()).await.unwrap();
    (response.status().as_u16(), String::from_utf8_lossy(&read_body(response).await).into_owned())
}

/// What proves who asks, or is asked by probes.
fn is_free(method: &str, path: &str) -> bool {
    matches!(
        (method, path),
        ("GET", "/status")
            | ("GET" | "DELETE", "/auth")
            | ("POST", "/admins/register")
            | ("POST" | "PATCH", "/admins/password_resets")
    )
}

/// What only wants to know who asks.
fn is_own(method: &str, path: &str) -> bool {
    matches!((method, path), ("GET", "/userinfo") | ("PATCH", "/admins/self/password" | "/admins/self/token"))
}

#[actix_web::test]
async fn no_path_is_reached_without_a_decision() {
    let state = node().await;
    let app = crate::app!(state);
    let made = json!({"name": "nobody", "user_token": "nobody"});
    assert_eq!(ask(&app, "POST", "/rbac/users", Some(SUPER), Some(made)).await.0, 201);
    let paths = state.every_path();
    assert!(paths.len() > 200, "{}", paths.len());
    for (path, methods) in paths {
        let concrete = path.replace("{}", "x");
        for method in methods.iter().copied().chain(["HEAD", "OPTIONS"]) {
            let free = is_free(method, &path) || (method == "HEAD" && path == "/status");
            let own = is_own(method, &path) || (method == "HEAD" && path == "/userinfo");
            for written in [concrete.clone(), format!("/default{concrete}"), format!("/{concrete}/")] {
                if free && (!written.starts_with("/default") || path != "/status") {
                    continue;
                }
                let (status, body) = ask(&app, method, &written, None, None).await;
                assert_eq!(status, 401, "{method} {written}: {body}");
                let (status, body) = ask(&app, method, &written, Some("wrong"), None).await;
                assert_eq!(status, 401, "{method} {written}: {body}");
                if !own {
                    let (status, body) = ask(&app, method, &written, Some("nobody"), None).await;
                    assert_eq!(status, 403, "{method} {written}: {body}");
                }
            }
        }
    }
}

#[actix_web::test]
async fn other_spellings_of_a_path_are_the_same_path() {
    let state = node().await;
    let app = crate::app!(state);
    let role = json!({"name": "r"});
    assert_eq!(ask(&app, "POST", "/rbac/roles", Some(SUPER), Some(role)).await.0, 201);
    for (endpoint, actions, negative) in [("*", "read", false), ("/services", "*", true), ("/services/*", "*", true)] {
        let rule = json!({"endpoint": endpoint, "actions": actions, "negative": negative});
        assert_eq!(ask(&app, "POST", "/rbac/roles/r/endpoints", Some(SUPER), Some(rule)).await.0, 201, "{endpoint}");
    }
    let user = json!({"name": "ann", "user_token": "ann"});
    assert_eq!(ask(&app, "POST", "/rbac/users", Some(SUPER), Some(user)).await.0, 201);
    assert_eq!(ask(&app, "POST", "/rbac/users/ann/roles", Some(SUPER), Some(json!({"roles": "r"}))).await.0, 201);
    let secret = json!({"name": "secret", "host": "secret.test"});
    assert_eq!(ask(&app, "POST", "/services", Some(SUPER), Some(secret)).await.0, 201);
    assert_eq!(ask(&app, "GET", "/routes", Some("ann"), None).await.0, 200);
    for path in [
        "/services",
        "//services",
        "/services/",
        "/services//",
        "/./services",
        "/routes/../services",
        "/routes/%2e%2e/services",
        "/%73ervices",
        "/default/services",
        "//default//services",
        "/default/../services",
        "/0dc6f45b-8f8d-40d2-a504-473544ee190b/services",
        "/services/secret",
        "/services/%73ecret",
        "/services//secret",
        "/routes/x/../../services/secret",
        "/Services",
        "/services%2Fsecret",
        "/services;a=b",
        "/services/secret?_method=GET",
        "/../services",
    ] {
        let (status, body) = ask(&app, "GET", path, Some("ann"), None).await;
        assert!(matches!(status, 400 | 401 | 403 | 404 | 405), "{path}: {status} {body}");
        assert!(!body.contains("secret.test"), "{path}: {body}");
    }
}
