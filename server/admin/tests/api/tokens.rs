//! Tokens with an end and a scope: never more than their user may do, and never more than they say.

use crate::access::{SUPER, ask, node, node_with, user};
use actix_web::dev::{Service, ServiceResponse};
use admin::GateSettings;
use serde_json::{Value, json};

/// Makes a token; what it is.
async fn token<S>(app: &S, path: &str, by: &str, body: Value) -> String
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let (status, answer) = ask(app, "POST", path, Some(by), Some(body)).await;
    assert_eq!(status, 201, "{path}: {answer}");
    let made: Value = serde_json::from_str(&answer).expect("JSON");
    made["token"].as_str().expect("a token").to_owned()
}

fn read_services() -> Value {
    json!([
        {"endpoint": "/services", "actions": "read"},
        {"endpoint": "/services/*", "actions": ["read", "update"]},
    ])
}

#[actix_web::test]
async fn a_token_is_shown_once_and_counts_until_it_is_revoked() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "ann", &[("*", "*", false)]).await;
    let path = "/rbac/users/ann/tokens";
    let secret = token(&app, path, SUPER, json!({"name": "ci", "ttl": 3600, "comment": "builds"})).await;
    assert!(secret.starts_with("sbt_") && secret.len() > 40, "{secret}");
    assert_eq!(ask(&app, "GET", "/services", Some(&secret), None).await.0, 200);
    let (_, list) = ask(&app, "GET", path, Some(SUPER), None).await;
    assert!(list.contains("\"ci\"") && !list.contains(&secret) && !list.contains("argon2"), "{list}");
    let (_, mine) = ask(&app, "GET", "/admins/self/tokens/ci", Some("ann"), None).await;
    assert!(mine.contains("\"expires_at\"") && !mine.contains("argon2"), "{mine}");
    let (_, past) = ask(&app, "GET", "/revisions/current?workspaces=all", Some(SUPER), None).await;
    assert!(past.contains("rbac_user_tokens") && !past.contains("argon2") && !past.contains("token_ident"), "{past}");
    assert_eq!(ask(&app, "POST", path, Some(SUPER), Some(json!({"name": "ci"}))).await.0, 409);
    assert_eq!(ask(&app, "DELETE", &format!("{path}/ci"), Some(SUPER), None).await.0, 204);
    assert_eq!(ask(&app, "GET", "/services", Some(&secret), None).await.0, 401);
    // Its user's end is its own.
    let secret = token(&app, "/admins/self/tokens", "ann", json!({"name": "own"})).await;
    assert_eq!(ask(&app, "GET", "/services", Some(&secret), None).await.0, 200);
    let disabled = json!({"enabled": false});
    assert_eq!(ask(&app, "PATCH", "/rbac/users/ann", Some(SUPER), Some(disabled)).await.0, 200);
    assert_eq!(ask(&app, "GET", "/services", Some(&secret), None).await.0, 401);
    assert_eq!(ask(&app, "DELETE", "/rbac/users/ann", Some(SUPER), None).await.0, 204);
    assert_eq!(ask(&app, "GET", "/services", Some(&secret), None).await.0, 401);
}

#[actix_web::test]
async fn what_is_no_token_is_refused_with_a_sentence() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "ann", &[("/services", "*", false)]).await;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x", "ttl": 0}),
        json!({"name": "x", "ttl": -5}),
        json!({"name": "x", "ttl": 9_000_000_000_000_000_000_i64}),
        json!({"name": "x", "ttl": "soon"}),
        json!({"name": "x", "expires_at": 1}),
        json!({"name": "x", "ttl": 5, "expires_at": 9_999_999_999_i64}),
        json!({"name": "x", "endpoints": []}),
        json!({"name": "x", "endpoints": "all"}),
        json!({"name": "x", "endpoints": [{"endpoint": "/services"}]}),
        json!({"name": "x", "endpoints": [{"actions": "read"}]}),
        json!({"name": "x", "endpoints": [{"endpoint": "/services", "actions": "fly"}]}),
        json!({"name": "x", "endpoints": vec![json!({"endpoint": "/services", "actions": "read"}); 101]}),
        json!({"name": "x", "entities": [{"actions": "read"}]}),
        json!({"name": "x", "token": "mine"}),
        json!({"name": "x", "user": {"id": "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0001"}}),
        json!({"name": "x", "scope": {}}),
    ] {
        let (status, answer) = ask(&app, "POST", "/rbac/users/ann/tokens", Some(SUPER), Some(body.clone())).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    assert_eq!(ask(&app, "GET", "/rbac/users/ann/tokens/x", Some(SUPER), None).await.0, 404);
    assert_eq!(ask(&app, "GET", "/rbac/users/nobody/tokens", Some(SUPER), None).await.0, 404);
    // Of others one makes none unless what they may do is within reach.
    let path = "/admins/kong_admin/tokens";
    user(&app, "eve", &[("*", "*", false), ("/services", "*", true)]).await;
    for path in [path, "/rbac/users/ann/tokens"] {
        assert_eq!(ask(&app, "POST", path, Some("eve"), Some(json!({"name": "x"}))).await.0, 403, "{path}");
    }
}

#[actix_web::test]
async fn a_scope_narrows_and_never_widens() {
    let state = node().await;
    let app = crate::app!(state);
    let service = json!({"name": "s", "host": "s.test"});
    assert_eq!(ask(&app, "POST", "/services", Some(SUPER), Some(service)).await.0, 201);
    user(&app, "wide", &[("*", "*", false), ("/plugins", "*", true)]).await;
    user(&app, "narrow", &[("/services", "read", false)]).await;
    let own = "/admins/self/tokens";
    let wide = token(&app, own, "wide", json!({"name": "t", "endpoints": read_services()})).await;
    let narrow =
        token(&app, own, "narrow", json!({"name": "t", "endpoints": [{"endpoint": "*", "actions": "*"}]})).await;
    let change = || Some(json!({"retries": 3}));
    for (token, method, path, body, status) in [
        (&wide, "GET", "/services", None, 200),
        (&wide, "GET", "/services/s", None, 200),
        (&wide, "PATCH", "/services/s", change(), 200),
        (&wide, "DELETE", "/services/s", None, 403),
        (&wide, "POST", "/services", Some(json!({"host": "x.test"})), 403),
        (&wide, "PUT", "/services/new", Some(json!({"host": "x.test"})), 404),
        (&wide, "GET", "/services/s/routes", None, 403),
        (&wide, "GET", "/routes", None, 403),
        (&wide, "GET", "/", None, 403),
        (&wide, "GET", "/config", None, 403),
        (&wide, "GET", "/rbac/users", None, 403),
        (&wide, "GET", "/revisions", None, 403),
        (&wide, "POST", "/config/plan", Some(json!({"_format_version": "3.0"})), 403),
        (&wide, "GET", "/services/../routes", None, 403),
        (&wide, "GET", "/services/%2e%2e/%72outes", None, 403),
        (&wide, "GET", "/default//services", None, 200),
        (&narrow, "GET", "/services", None, 200),
        (&narrow, "GET", "/services/s", None, 403),
        (&narrow, "POST", "/services", Some(json!({"host": "x.test"})), 403),
        (&narrow, "GET", "/rbac/users", None, 403),
    ] {
        let (found, answer) = ask(&app, method, path, Some(token), body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
    }
    let all = json!([{"endpoint": "*", "actions": "*", "workspace": "*"}]);
    let all = token(&app, own, "wide", json!({"name": "all", "endpoints": all})).await;
    assert_eq!(ask(&app, "GET", "/plugins", Some(&all), None).await.0, 403);
    assert_eq!(ask(&app, "GET", "/routes", Some(&all), None).await.0, 200);
}

#[actix_web::test]
async fn a_scope_of_entities_holds_in_lists_and_references_too() {
    let state = node().await;
    let app = crate::app!(state);
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let service = json!({"name": name, "host": format!("{name}.test")});
        let (_, made) = ask(&app, "POST", "/services", Some(SUPER), Some(service)).await;
        ids.push(crate::access::id_in(&made));
    }
    user(&app, "ann", &[("*", "*", false)]).await;
    let only = json!([{"entity_id": ids[0], "actions": "*"}]);
    let secret = token(&app, "/admins/self/tokens", "ann", json!({"name": "one", "entities": only})).await;
    let (_, list) = ask(&app, "GET", "/services", Some(&secret), None).await;
    assert!(list.contains("one.test") && !list.contains("two.test"), "{list}");
    assert_eq!(ask(&app, "GET", "/services/two", Some(&secret), None).await.0, 404);
    let route = json!({"paths": ["/x"], "service": {"id": ids[1]}});
    assert_eq!(ask(&app, "POST", "/routes", Some(&secret), Some(route)).await.0, 400);
    let (_, past) = ask(&app, "GET", "/revisions/0/diff/current?size=1000", Some(&secret), None).await;
    assert!(past.contains("one.test") && !past.contains("two.test"), "{past}");
    let (_, plan) = ask(&app, "POST", "/config/plan", Some(&secret), Some(json!({"_format_version": "3.0"}))).await;
    assert!(plan.contains("one.test") && !plan.contains("two.test"), "{plan}");
}

#[actix_web::test]
async fn a_token_makes_no_other_ways_in() {
    let state = node().await;
    let app = crate::app!(state);
    user(&app, "root", &[]).await;
    let rule = json!({"endpoint": "*", "actions": "*", "workspace": "*"});
    assert_eq!(ask(&app, "POST", "/rbac/roles/root-role/endpoints", Some(SUPER), Some(rule)).await.0, 201);
    let own = "/admins/self/tokens";
    let ending = token(&app, own, "root", json!({"name": "ending", "ttl": 60})).await;
    let managing = json!([{"endpoint": "/rbac/*", "actions": "*"}, {"endpoint": "/rbac/*/*", "actions": "*"},
        {"endpoint": "/rbac/*/*/*", "actions": "*"}, {"endpoint": "/rbac/*/*/*/*", "actions": "*"}]);
    let scoped = token(&app, own, "root", json!({"name": "scoped", "endpoints": managing})).await;
    for secret in [&ending, &scoped] {
        for (method, path, body) in [
            ("POST", "/admins/self/tokens", Some(json!({"name": "more"}))),
            ("POST", "/rbac/users/root/tokens", Some(json!({"name": "more"}))),
            ("POST", "/admins/kong_admin/tokens", Some(json!({"name": "more"}))),
            ("DELETE", "/admins/self/tokens/ending", None),
            ("POST", "/rbac/%75sers/root/%74okens", Some(json!({"name": "more"}))),
            ("PATCH", "/admins/self/token", Some(json!({"token": "mine"}))),
            ("PATCH", "/admins/self/password", Some(json!({"old_password": "x", "password": "y"}))),
            ("PATCH", "/rbac/users/root", Some(json!({"user_token": "mine"}))),
            ("PUT", "/rbac/users/root", Some(json!({"user_token": "mine"}))),
        ] {
            let (status, answer) = ask(&app, method, path, Some(secret), body).await;
            assert_eq!(status, 403, "{method} {path}: {answer}");
        }
    }
    for (method, path, body) in [
        ("POST", "/rbac/users", json!({"name": "new", "user_token": "new"})),
        ("POST", "/rbac/roles", json!({"name": "new"})),
        ("POST", "/rbac/roles/root-role/endpoints", json!({"endpoint": "*", "actions": "*"})),
        ("POST", "/rbac/users/ann/roles", json!({"roles": "root-role"})),
    ] {
        let (status, answer) = ask(&app, method, path, Some(&scoped), Some(body)).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    assert_eq!(ask(&app, "GET", "/rbac/users", Some(&scoped), None).await.0, 200);
    assert_eq!(ask(&app, "GET", "/services", Some("mine"), None).await.0, 401);
}

#[actix_web::test]
async fn a_scope_of_endpoints_counts_where_roles_have_none() {
    let settings = GateSettings { entities: true, ..GateSettings::default() };
    let state = node_with(settings).await;
    let app = crate::app!(state);
    let service = json!({"name": "s", "host": "s.test"});
    assert_eq!(ask(&app, "POST", "/services", Some(SUPER), Some(service)).await.0, 201);
    user(&app, "ann", &[]).await;
    let secret = token(&app, "/admins/self/tokens", "ann", json!({"name": "t", "endpoints": read_services()})).await;
    assert_eq!(ask(&app, "DELETE", "/services/x", Some("ann"), None).await.0, 204);
    for (method, path, status) in [
        ("GET", "/services", 200),
        ("GET", "/services/s", 200),
        ("DELETE", "/services/s", 403),
        ("GET", "/routes", 403),
        ("GET", "/rbac/users", 403),
        ("GET", "/revisions", 403),
    ] {
        let (found, answer) = ask(&app, method, path, Some(&secret), None).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
    }
}

#[actix_web::test]
async fn a_scope_of_entities_counts_where_roles_have_none() {
    let settings = GateSettings { endpoints: true, ..GateSettings::default() };
    let state = node_with(settings).await;
    let app = crate::app!(state);
    for name in ["one", "two"] {
        let service = json!({"name": name, "host": format!("{name}.test")});
        assert_eq!(ask(&app, "POST", "/services", Some(SUPER), Some(service)).await.0, 201);
    }
    let (_, one) = ask(&app, "GET", "/services/one", Some(SUPER), None).await;
    let only = json!([{"entity_id": crate::access::id_in(&one), "actions": "read"}]);
    let secret = token(&app, "/admins/self/tokens", SUPER, json!({"name": "t", "entities": only})).await;
    for (method, path, status) in [
        ("GET", "/services/one", 200),
        ("DELETE", "/services/one", 403),
        ("GET", "/services/two", 404),
        ("DELETE", "/services/two", 404),
    ] {
        let (found, answer) = ask(&app, method, path, Some(&secret), None).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
    }
    let (_, list) = ask(&app, "GET", "/services", Some(&secret), None).await;
    assert!(list.contains("one.test") && !list.contains("two.test"), "{list}");
    assert_eq!(ask(&app, "DELETE", "/services/two", Some(SUPER), None).await.0, 204);
}
