//! Nothing of the Admin API is reached without a decision.

use crate::support::parts_of;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::test::{TestRequest, read_body};
use admin::{AdminState, Gate, GateSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Batch;

pub const SUPER: &str = "the-super-token";

/// A node with RBAC on, a super admin, and a user without roles whose token is `nobody`.
pub async fn node() -> AdminState {
    node_with(GateSettings { endpoints: true, entities: true, passwords: true, ..GateSettings::default() }).await
}

/// The same with other settings.
pub async fn node_with(settings: GateSettings) -> AdminState {
    node_of_gate(settings).await.0
}

/// The same with its gate.
pub async fn node_of_gate(settings: GateSettings) -> (AdminState, Arc<Gate>) {
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
    let gate = Arc::new(Gate::open(settings, parts.kinds.clone(), node.store.clone()).await.unwrap());
    parts.gate = Some(gate.clone());
    (AdminState::new(parts), gate)
}

pub async fn ask<S>(app: &S, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, String)
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
    matches!(
        (method, path),
        ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE", "/admins/self/totp")
            | ("GET" | "HEAD", "/userinfo" | "/admins/self/tokens" | "/admins/self/tokens/{}")
            | ("PATCH", "/admins/self/password" | "/admins/self/token")
            | ("POST", "/admins/self/tokens")
            | ("DELETE", "/admins/self/tokens/{}")
    )
}

#[actix_web::test]
async fn no_path_is_reached_without_a_decision() {
    let state = node().await;
    let app = crate::app!(state);
    let made = json!({"name": "nobody", "user_token": "nobody"});
    assert_eq!(ask(&app, "POST", "/rbac/users", Some(SUPER), Some(made)).await.0, 201);
    let paths = state.every_path();
    assert!(paths.len() > 150, "{}", paths.len());
    for (path, methods) in paths {
        let concrete = path.replace("{}", "x");
        for method in methods.iter().copied().chain(["HEAD", "OPTIONS"]) {
            let free = is_free(method, &path) || (method == "HEAD" && path == "/status");
            let own = is_own(method, &path);
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

/// Makes a role with endpoint permissions in `default` and everything on entities, and a user of it with its name as token.
pub async fn user<S>(app: &S, name: &str, permissions: &[(&str, &str, bool)])
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let role = format!("{name}-role");
    assert_eq!(ask(app, "POST", "/rbac/roles", Some(SUPER), Some(json!({"name": role}))).await.0, 201);
    for (endpoint, actions, negative) in permissions {
        let rule = json!({"endpoint": endpoint, "actions": actions, "negative": negative});
        let (status, body) = ask(app, "POST", &format!("/rbac/roles/{role}/endpoints"), Some(SUPER), Some(rule)).await;
        assert_eq!(status, 201, "{endpoint}: {body}");
    }
    let all = json!({"entity_id": "*", "entity_type": "wildcard", "actions": "*"});
    assert_eq!(ask(app, "POST", &format!("/rbac/roles/{role}/entities"), Some(SUPER), Some(all)).await.0, 201);
    let user = json!({"name": name, "user_token": name});
    assert_eq!(ask(app, "POST", "/rbac/users", Some(SUPER), Some(user)).await.0, 201);
    let path = format!("/rbac/users/{name}/roles");
    assert_eq!(ask(app, "POST", &path, Some(SUPER), Some(json!({"roles": role}))).await.0, 201);
}

pub fn id_in(body: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_entity_is_denied_under_each_of_its_names_and_paths() {
    let state = node().await;
    let app = crate::app!(state);
    let secret = json!({"name": "secret", "host": "secret.test"});
    let (_, made) = ask(&app, "POST", "/services", Some(SUPER), Some(secret)).await;
    let service = id_in(&made);
    let route = json!({"name": "r", "paths": ["/x"]});
    assert_eq!(ask(&app, "POST", "/services/secret/routes", Some(SUPER), Some(route)).await.0, 201);
    user(&app, "by-name", &[("*", "*", false), ("/services/secret", "*", true)]).await;
    user(&app, "by-id", &[("*", "*", false), (&format!("/services/{service}"), "*", true)]).await;
    user(&app, "by-kind", &[("*", "*", false), ("/services", "*", true), ("/services/*", "*", true)]).await;
    for token in ["by-name", "by-id", "by-kind"] {
        for (method, path) in [
            ("GET", "/services/secret".to_owned()),
            ("GET", format!("/services/{service}")),
            ("GET", format!("/services/{}", service.to_uppercase())),
            ("GET", "/routes/r/service".to_owned()),
            ("PATCH", format!("/services/{service}")),
            ("PATCH", "/routes/r/service".to_owned()),
            ("PUT", format!("/services/{service}")),
            ("PUT", "/routes/r/service".to_owned()),
            ("DELETE", format!("/services/{service}")),
        ] {
            let body = (method != "GET" && method != "DELETE").then(|| json!({"name": "secret", "host": "evil.test"}));
            let (status, answer) = ask(&app, method, &path, Some(token), body).await;
            assert_eq!(status, 403, "{token} {method} {path}: {answer}");
        }
        assert_eq!(ask(&app, "GET", "/routes/r", Some(token), None).await.0, 200);
    }
    // Who may not have a collection does not have it below its parents either, unless a permission says so.
    user(&app, "no-routes", &[("*", "*", false), ("/routes", "*", true)]).await;
    assert_eq!(ask(&app, "GET", "/services/secret/routes", Some("no-routes"), None).await.0, 403);
    let nested = [("*", "*", false), ("/routes", "*", true), ("/services/*/routes", "read", false)];
    user(&app, "nested", &nested).await;
    assert_eq!(ask(&app, "GET", "/services/secret/routes", Some("nested"), None).await.0, 200);
    let (_, tags) = ask(&app, "GET", "/services/secret", Some(SUPER), None).await;
    assert!(tags.contains("secret.test"));
}

#[actix_web::test]
async fn nobody_takes_its_own_way_back_away() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "kim", &[("*", "*", false)]).await;
    let own = "/rbac/roles/kim-role/endpoints";
    let denied = |endpoint: &str| Some(json!({"endpoint": endpoint, "actions": "*", "negative": true}));
    for (method, path, body) in [
        ("DELETE", format!("{own}/default/*"), None),
        ("PATCH", format!("{own}/default/*"), Some(json!({"actions": "read"}))),
        ("PATCH", format!("{own}/default/*"), Some(json!({"negative": true}))),
        ("POST", own.to_owned(), denied("*")),
        ("POST", own.to_owned(), denied("/rbac/roles/*/endpoints")),
    ] {
        let (status, answer) = ask(&app, method, &path, Some("kim"), body).await;
        assert_eq!(status, 400, "{method} {path}: {answer}");
        assert!(answer.contains("one's own access cannot be taken away"), "{answer}");
    }
    assert_eq!(ask(&app, "POST", own, Some("kim"), denied("/services")).await.0, 201);
    assert_eq!(ask(&app, "GET", "/services", Some("kim"), None).await.0, 403);
    assert_eq!(ask(&app, "GET", "/routes", Some("kim"), None).await.0, 200);
    // Somebody else may take it.
    assert_eq!(ask(&app, "DELETE", &format!("{own}/default/*"), Some(SUPER), None).await.0, 204);
    assert_eq!(ask(&app, "GET", "/routes", Some("kim"), None).await.0, 403);
}

#[actix_web::test]
async fn nobody_widens_what_it_may_do() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "ann", &[("*", "*", false), ("/services", "*", true), ("/services/*", "delete", true)]).await;
    let whole = json!({"name": "whole"});
    assert_eq!(ask(&app, "POST", "/rbac/roles", Some(SUPER), Some(whole)).await.0, 201);
    let rule = json!({"endpoint": "*", "actions": "*"});
    assert_eq!(ask(&app, "POST", "/rbac/roles/whole/endpoints", Some(SUPER), Some(rule)).await.0, 201);
    let eve = json!({"name": "eve", "user_token": "eve"});
    assert_eq!(ask(&app, "POST", "/rbac/users", Some("ann"), Some(eve)).await.0, 201);
    assert_eq!(ask(&app, "POST", "/rbac/roles", Some("ann"), Some(json!({"name": "new"}))).await.0, 201);
    for (method, path, body) in [
        ("DELETE", "/rbac/roles/ann-role/endpoints/default/services", None),
        ("PATCH", "/rbac/roles/ann-role/endpoints/default/services", Some(json!({"negative": false}))),
        ("PATCH", "/rbac/roles/ann-role/endpoints/default/services", Some(json!({"actions": "read"}))),
        ("POST", "/rbac/roles/new/endpoints", Some(json!({"endpoint": "*", "actions": "*"}))),
        ("POST", "/rbac/roles/new/endpoints", Some(json!({"endpoint": "/services", "actions": "read"}))),
        ("POST", "/rbac/roles/new/endpoints", Some(json!({"endpoint": "/*", "actions": "read"}))),
        (
            "POST",
            "/rbac/roles/new/endpoints",
            Some(json!({"endpoint": "/routes", "actions": "read", "workspace": "*"})),
        ),
        ("POST", "/rbac/users/eve/roles", Some(json!({"roles": "whole"}))),
        ("POST", "/rbac/users/eve/roles", Some(json!({"roles": "super-admin"}))),
        ("POST", "/rbac/users/ann/roles", Some(json!({"roles": "whole"}))),
        ("DELETE", "/rbac/users/ann/roles", Some(json!({"roles": "ann-role"}))),
        ("PATCH", "/admins/kong_admin", Some(json!({"email": "ann@conf.example"}))),
        ("GET", "/admins/kong_admin?generate_register_url=true", None),
    ] {
        let (status, answer) = ask(&app, method, path, Some("ann"), body).await;
        let harmless = method == "GET" && status == 200 && !answer.contains("register_url");
        assert!(status == 403 || harmless, "{method} {path}: {status} {answer}");
    }
    for (path, body) in [
        ("/rbac/roles/new/endpoints", json!({"endpoint": "/services/*", "actions": "read"})),
        ("/rbac/users/eve/roles", json!({"roles": "ann-role,new"})),
    ] {
        let (status, answer) = ask(&app, "POST", path, Some("ann"), Some(body)).await;
        assert_eq!(status, 201, "{path}: {answer}");
    }
    assert_eq!(ask(&app, "GET", "/services", Some("eve"), None).await.0, 403);
}

#[actix_web::test]
async fn there_is_always_a_super_admin() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "root", &[]).await;
    let rule = json!({"endpoint": "*", "actions": "*", "workspace": "*"});
    assert_eq!(ask(&app, "POST", "/rbac/roles/root-role/endpoints", Some(SUPER), Some(rule)).await.0, 201);
    for (method, path, body) in [
        ("DELETE", "/admins/kong_admin", None),
        ("DELETE", "/admins/kong_admin/roles", Some(json!({"roles": "super-admin"}))),
        ("DELETE", "/rbac/roles/super-admin", None),
        ("PATCH", "/rbac/roles/super-admin", Some(json!({"name": "other"}))),
        ("PUT", "/rbac/roles/super-admin", Some(json!({"name": "other"}))),
        ("DELETE", "/rbac/roles/super-admin/endpoints/*/*", None),
        ("PATCH", "/rbac/roles/super-admin/endpoints/*/*", Some(json!({"actions": "read"}))),
        (
            "POST",
            "/rbac/roles/super-admin/endpoints",
            Some(json!({"endpoint": "/rbac/*", "actions": "*", "negative": true})),
        ),
    ] {
        for token in ["root", SUPER] {
            let (status, answer) = ask(&app, method, path, Some(token), body.clone()).await;
            assert!(matches!(status, 400 | 403), "{token} {method} {path}: {status} {answer}");
        }
    }
    let second = json!({"roles": "super-admin"});
    assert_eq!(ask(&app, "POST", "/rbac/users/root/roles", Some(SUPER), Some(second)).await.0, 201);
    assert_eq!(ask(&app, "DELETE", "/admins/kong_admin", Some("root"), None).await.0, 204);
    assert_eq!(ask(&app, "GET", "/services", Some(SUPER), None).await.0, 401);
    assert_eq!(ask(&app, "DELETE", "/rbac/users/root", Some("root"), None).await.0, 400);
}

#[actix_web::test]
async fn put_makes_nothing_for_who_may_not_create() {
    let state = node().await;
    let app = crate::app!(state);
    let paths = ["/services", "/rbac/users", "/rbac/roles", "/groups", "/workspaces", "/consumer_groups"];
    let mut permissions = Vec::new();
    let stars: Vec<String> = paths.iter().map(|path| format!("{path}/*")).collect();
    for (path, star) in paths.iter().zip(&stars) {
        permissions.extend([(*path, "read,update", false), (star.as_str(), "read,update", false)]);
    }
    user(&app, "ann", &permissions).await;
    let rule = |endpoint: &str| json!({"endpoint": endpoint, "actions": "read,update", "workspace": "*"});
    for endpoint in ["/workspaces", "/workspaces/*"] {
        assert_eq!(ask(&app, "POST", "/rbac/roles/ann-role/endpoints", Some(SUPER), Some(rule(endpoint))).await.0, 201);
    }
    for path in paths {
        for key in ["new", "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0077"] {
            let body = json!({"name": "new", "host": "h.test", "user_token": "t"});
            let body = match path {
                "/services" => json!({"name": "new", "host": "h.test"}),
                "/rbac/users" => json!({"name": "new", "user_token": "t"}),
                _ => json!({"name": body["name"]}),
            };
            let (status, answer) = ask(&app, "PUT", &format!("{path}/{key}"), Some("ann"), Some(body)).await;
            assert!(matches!(status, 403 | 404), "{path}/{key}: {status} {answer}");
        }
        let (_, list) = ask(&app, "GET", path, Some(SUPER), None).await;
        assert!(!list.contains("\"new\""), "{path}: {list}");
    }
}

#[actix_web::test]
async fn a_node_with_rbac_and_nobody_does_not_start() {
    let (parts, node) = parts_of(true);
    let settings = GateSettings { endpoints: true, ..GateSettings::default() };
    let refused = Gate::open(settings, parts.kinds.clone(), node.store.clone()).await.err();
    assert!(refused.is_some_and(|error| error.to_string().contains("KONG_PASSWORD")));
    assert!(Gate::open(GateSettings::default(), parts.kinds.clone(), node.store.clone()).await.is_ok());
}
