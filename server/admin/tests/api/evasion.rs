//! What one may not do in one way, one may not do in another.

use crate::access::{SUPER, ask, node, node_with, user};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::TestRequest;
use admin::{Attempts, GateSettings};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::time::Duration;

/// Does something as the super admin; the id of what it made.
async fn made<S>(app: &S, method: &str, path: &str, body: Value) -> String
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let (status, answer) = ask(app, method, path, Some(SUPER), Some(body)).await;
    assert!(matches!(status, 200 | 201), "{method} {path}: {status} {answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let id = answer.get("id").or(answer.pointer("/admin/id")).and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn a_path_is_denied_under_every_name_of_what_is_in_it() {
    let state = node().await;
    let app = crate::app!(state);
    let service = made(&app, "POST", "/services", json!({"name": "vault-door", "host": "secret.test"})).await;
    let route = made(&app, "POST", "/services/vault-door/routes", json!({"name": "hall", "paths": ["/x"]})).await;
    let upstream = made(&app, "POST", "/upstreams", json!({"name": "up.test"})).await;
    let group = made(&app, "POST", "/consumer_groups", json!({"name": "gold"})).await;
    let consumer = made(&app, "POST", "/consumers", json!({"username": "cleo"})).await;
    made(&app, "POST", "/consumer_groups/gold/consumers", json!({"consumer": "cleo"})).await;
    let boss = made(&app, "POST", "/rbac/users", json!({"name": "boss", "user_token": "boss-token"})).await;
    let role = made(&app, "POST", "/rbac/roles", json!({"name": "chief"})).await;
    let admins = made(&app, "POST", "/admins", json!({"username": "amy", "email": "amy@conf.example"})).await;
    let crew = made(&app, "POST", "/groups", json!({"name": "crew"})).await;
    let cases = [
        ("/services/vault-door/plugins", "GET", format!("/services/{service}/plugins")),
        ("/services/vault-door/plugins", "POST", format!("/services/{service}/plugins")),
        ("/services/vault-door/routes/hall", "GET", format!("/services/{service}/routes/{route}")),
        ("/services/vault-door/routes/hall", "PATCH", format!("/services/vault-door/routes/{route}")),
        ("/services/vault-door/routes/hall", "DELETE", format!("/services/{service}/routes/hall")),
        ("/services/vault-door/routes/hall", "PUT", format!("/services/{service}/routes/{route}")),
        ("/routes/hall/service", "GET", format!("/routes/{route}/service")),
        ("/upstreams/up.test/targets", "GET", format!("/upstreams/{upstream}/targets")),
        ("/upstreams/up.test/targets/all", "GET", format!("/upstreams/{upstream}/targets/all")),
        ("/upstreams/up.test/health", "GET", format!("/upstreams/{upstream}/health")),
        ("/consumer_groups/gold", "GET", format!("/consumer_groups/{group}")),
        ("/consumer_groups/gold", "DELETE", format!("/consumer_groups/{group}")),
        ("/consumer_groups/gold/consumers", "GET", format!("/consumer_groups/{group}/consumers")),
        ("/consumer_groups/gold/consumers/cleo", "DELETE", format!("/consumer_groups/{group}/consumers/{consumer}")),
        ("/consumers/cleo/consumer_groups", "GET", format!("/consumers/{consumer}/consumer_groups")),
        ("/rbac/users/boss", "GET", format!("/rbac/users/{boss}")),
        ("/rbac/users/boss", "DELETE", format!("/rbac/users/{boss}")),
        ("/rbac/users/boss/roles", "POST", format!("/rbac/users/{boss}/roles")),
        ("/rbac/roles/chief/endpoints", "GET", format!("/rbac/roles/{role}/endpoints")),
        ("/admins/amy", "GET", format!("/admins/{admins}")),
        ("/groups/crew", "DELETE", format!("/groups/{crew}")),
    ];
    for (number, (denied, method, path)) in cases.iter().enumerate() {
        let name = format!("ann-{number}");
        user(&app, &name, &[("*", "*", false), (denied, "*", true)]).await;
        // Written with the name it is denied by the permission itself, with the id by what is behind it.
        let body = || match *method {
            "POST" | "PATCH" | "PUT" => Some(json!({"name": "key-auth", "paths": ["/y"], "roles": "chief"})),
            _ => None,
        };
        for written in [*denied, path] {
            let (status, answer) = ask(&app, method, written, Some(&name), body()).await;
            assert_eq!(status, 403, "{method} {written} where {denied} is denied: {answer}");
        }
        assert_eq!(ask(&app, method, &format!("/default/{path}"), Some(&name), body()).await.0, 403, "{path}");
    }
    for (method, path) in [("GET", format!("/services/{service}/plugins")), ("GET", "/rbac/users/boss".to_owned())] {
        assert_eq!(ask(&app, method, &path, Some(SUPER), None).await.0, 200, "{path}");
    }
}

#[actix_web::test]
async fn nothing_is_taken_from_where_one_may_not_go() {
    let state = node().await;
    let app = crate::app!(state);
    made(&app, "POST", "/services", json!({"name": "mine", "host": "mine.test"})).await;
    let theirs = made(&app, "POST", "/services", json!({"name": "theirs", "host": "theirs.test"})).await;
    let route = made(&app, "POST", "/services/theirs/routes", json!({"name": "r", "paths": ["/x"]})).await;
    let plugin = made(&app, "POST", "/plugins", json!({"name": "key-auth"})).await;
    let own = [("/services/mine", "*", false), ("/services/mine/routes", "*", false)];
    let below = [("/services/mine/routes/*", "*", false), ("/services/mine/plugins/*", "*", false)];
    let permissions: Vec<_> = own.into_iter().chain(below).collect();
    user(&app, "ann", &permissions).await;
    let body = json!({"paths": ["/y"]});
    for path in [format!("/services/mine/routes/{route}"), "/services/mine/routes/r".to_owned()] {
        let (status, answer) = ask(&app, "PUT", &path, Some("ann"), Some(body.clone())).await;
        assert_eq!(status, 403, "{path}: {answer}");
        assert_eq!(ask(&app, "PATCH", &path, Some("ann"), Some(body.clone())).await.0, 404, "{path}");
    }
    let path = format!("/services/mine/plugins/{plugin}");
    assert_eq!(ask(&app, "PUT", &path, Some("ann"), Some(json!({"name": "key-auth"}))).await.0, 403);
    let new = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0099";
    let (status, answer) =
        ask(&app, "PUT", &format!("/services/mine/routes/{new}"), Some("ann"), Some(body.clone())).await;
    assert_eq!(status, 200, "{answer}");
    let (_, left) = ask(&app, "GET", &format!("/routes/{route}"), Some(SUPER), None).await;
    assert!(left.contains(&theirs), "{left}");
    // What may not be read cannot be pointed to: neither made, nor moved there.
    user(&app, "bob", &[("*", "*", false), ("/services/theirs", "read", true)]).await;
    user(&app, "cat", &[("*", "*", false), ("/services/*", "read", true)]).await;
    for token in ["bob", "cat"] {
        for (method, path, body) in [
            ("POST", "/routes", json!({"name": "t", "paths": ["/t"], "service": {"id": theirs}})),
            ("POST", "/routes", json!({"name": "t", "paths": ["/t"], "service": {"name": "theirs"}})),
            ("PATCH", &*format!("/routes/{new}"), json!({"service": {"id": theirs}})),
            ("PUT", &*format!("/routes/{new}"), json!({"paths": ["/y"], "service": {"id": theirs}})),
            ("POST", "/plugins", json!({"name": "key-auth", "service": {"id": theirs}})),
        ] {
            let (status, answer) = ask(&app, method, path, Some(token), Some(body)).await;
            assert!(matches!(status, 400 | 403 | 404), "{token} {method} {path}: {status} {answer}");
        }
    }
}

#[actix_web::test]
async fn ids_of_other_workspaces_lead_nowhere() {
    let state = node().await;
    let app = crate::app!(state);
    for name in ["red", "blue"] {
        made(&app, "POST", "/workspaces", json!({"name": name})).await;
    }
    let service = made(&app, "POST", "/blue/services", json!({"name": "s", "host": "blue.test"})).await;
    let route = made(&app, "POST", "/blue/services/s/routes", json!({"name": "r", "paths": ["/b"]})).await;
    let consumer = made(&app, "POST", "/blue/consumers", json!({"username": "c"})).await;
    let key = made(&app, "POST", "/blue/consumers/c/key-auth", json!({"key": "blue-key"})).await;
    let plugin = made(&app, "POST", "/blue/plugins", json!({"name": "key-auth"})).await;
    let mine = made(&app, "POST", "/red/services", json!({"name": "mine", "host": "red.test"})).await;
    made(&app, "POST", "/red/rbac/roles", json!({"name": "lead"})).await;
    let all = json!({"endpoint": "*", "actions": "*", "workspace": "red"});
    made(&app, "POST", "/red/rbac/roles/lead/endpoints", all).await;
    let all = json!({"entity_id": "*", "entity_type": "wildcard", "actions": "*"});
    made(&app, "POST", "/red/rbac/roles/lead/entities", all).await;
    made(&app, "POST", "/red/rbac/users", json!({"name": "rita", "user_token": "rita"})).await;
    made(&app, "POST", "/red/rbac/users/rita/roles", json!({"roles": "lead"})).await;
    for (method, path, body) in [
        ("GET", format!("/red/services/{service}"), None),
        ("GET", format!("/red/services/{service}/routes"), None),
        ("GET", format!("/red/routes/{route}/service"), None),
        ("GET", format!("/red/key-auths/{key}"), None),
        ("GET", "/red/key-auths/blue-key/consumer".to_owned(), None),
        ("GET", format!("/red/consumers/{consumer}/key-auth"), None),
        ("GET", format!("/red/consumers/{consumer}/consumer_groups"), None),
        ("PATCH", format!("/red/services/{service}"), Some(json!({"host": "evil.test"}))),
        ("PATCH", format!("/red/services/mine/routes/{route}"), Some(json!({"paths": ["/evil"]}))),
        ("PUT", format!("/red/services/{service}"), Some(json!({"host": "evil.test"}))),
        ("PUT", format!("/red/services/mine/routes/{route}"), Some(json!({"paths": ["/evil"]}))),
        ("PUT", format!("/red/plugins/{plugin}"), Some(json!({"name": "key-auth", "enabled": false}))),
        ("POST", "/red/services".to_owned(), Some(json!({"id": service, "host": "evil.test"}))),
        ("POST", "/red/routes".to_owned(), Some(json!({"paths": ["/e"], "service": {"id": service}}))),
        ("POST", format!("/red/services/{service}/plugins"), Some(json!({"name": "key-auth"}))),
        ("POST", "/red/plugins".to_owned(), Some(json!({"name": "key-auth", "route": {"id": route}}))),
        ("PATCH", format!("/red/services/{mine}"), Some(json!({"client_certificate": {"id": service}}))),
        ("POST", "/red/services/mine/routes".to_owned(), Some(json!({"paths": ["/m"], "ws_id": "x"}))),
        ("DELETE", format!("/red/services/mine/routes/{route}"), None),
        ("GET", "/red/blue/services".to_owned(), None),
        ("GET", "/red/red/services".to_owned(), None),
        ("GET", "/red/default/services".to_owned(), None),
        ("GET", "/red/../blue/services".to_owned(), None),
        ("GET", "/red/%2e%2e/blue/services".to_owned(), None),
        ("GET", "/red%2F..%2Fblue/services".to_owned(), None),
        ("GET", "/blue/../blue/services".to_owned(), None),
        ("GET", "/BLUE/services".to_owned(), None),
        ("GET", "/blue/tags".to_owned(), None),
        ("GET", "/blue/revisions".to_owned(), None),
        ("GET", "/red/revisions?workspaces=all".to_owned(), None),
        ("GET", "/red/workspaces/blue".to_owned(), None),
        ("GET", "/red/workspaces/blue/meta".to_owned(), None),
        ("POST", "/blue/config/plan".to_owned(), Some(json!({"_format_version": "3.0"}))),
        ("POST", "/red/config/plan".to_owned(), Some(json!({"_format_version": "3.0", "_workspace": "blue"}))),
        ("POST", "/red/config/apply".to_owned(), Some(json!({"_format_version": "3.0", "_workspace": "blue"}))),
        ("GET", "/red/nodes".to_owned(), None),
        ("GET", "/red/event-hooks".to_owned(), None),
        ("DELETE", "/red/cache".to_owned(), None),
        ("PUT", "/red/debug/node/log-level/debug".to_owned(), None),
        ("GET", "/red/groups".to_owned(), None),
        ("POST", "/red/ca_certificates".to_owned(), Some(json!({"cert": "x"}))),
        ("DELETE", "/red/workspaces/red?cascade=true".to_owned(), None),
        ("PATCH", "/red/workspaces/red".to_owned(), Some(json!({"comment": "mine"}))),
        (
            "POST",
            "/red/rbac/roles/lead/endpoints".to_owned(),
            Some(json!({"endpoint": "*", "actions": "*", "workspace": "blue"})),
        ),
        (
            "POST",
            "/red/rbac/roles/lead/endpoints".to_owned(),
            Some(json!({"endpoint": "*", "actions": "*", "workspace": "*"})),
        ),
        ("POST", "/red/rbac/users/rita/roles".to_owned(), Some(json!({"roles": "super-admin"}))),
    ] {
        let (status, answer) = ask(&app, method, &path, Some("rita"), body).await;
        assert!(matches!(status, 400 | 401 | 403 | 404 | 405 | 409), "{method} {path}: {status} {answer}");
        assert!(!answer.contains("blue.test") && !answer.contains("blue-key"), "{method} {path}: {answer}");
    }
    assert_eq!(ask(&app, "DELETE", &format!("/red/services/{service}"), Some("rita"), None).await.0, 204);
    let (_, left) = ask(&app, "GET", &format!("/blue/services/{service}"), Some(SUPER), None).await;
    assert!(left.contains("blue.test"), "{left}");
    let (_, left) = ask(&app, "GET", &format!("/blue/routes/{route}"), Some(SUPER), None).await;
    assert!(left.contains("/b\"") && left.contains(&service), "{left}");
}

#[actix_web::test]
async fn whether_a_workspace_is_there_is_not_told() {
    let state = node().await;
    let app = crate::app!(state);
    made(&app, "POST", "/workspaces", json!({"name": "hidden"})).await;
    user(&app, "ann", &[("/services", "*", false), ("/rbac/roles/*/endpoints", "*", false)]).await;
    made(&app, "POST", "/rbac/roles", json!({"name": "other"})).await;
    let permission = |workspace: &str| Some(json!({"endpoint": "/x", "actions": "read", "workspace": workspace}));
    for (method, path) in [
        ("GET", "/W/services"),
        ("GET", "/W/userinfo"),
        ("GET", "/W/admins/self/tokens"),
        ("PATCH", "/W/admins/self/password"),
        ("GET", "/W/auth"),
        ("DELETE", "/W/auth"),
        ("GET", "/W/status"),
        ("POST", "/W/admins/password_resets"),
        ("GET", "/workspaces/W"),
        ("GET", "/W/workspaces/W"),
        ("GET", "/W"),
        ("GET", "/W/kong"),
        ("GET", "/W/nothing"),
        ("OPTIONS", "/W/services"),
    ] {
        for token in [None, Some("ann"), Some("wrong")] {
            let mut answers = Vec::new();
            for name in ["hidden", "nowhere"] {
                let body = matches!(method, "POST" | "PATCH").then(|| json!({"email": "a@conf.example"}));
                answers.push(ask(&app, method, &path.replace('W', name), token, body).await);
            }
            assert_eq!(answers[0], answers[1], "{method} {path} {token:?}");
        }
    }
    let roles = "/rbac/roles/other/endpoints";
    let refused = |(status, text): (u16, String)| (status, text.contains("hidden"));
    assert_eq!(
        refused(ask(&app, "POST", roles, Some("ann"), permission("hidden")).await),
        refused(ask(&app, "POST", roles, Some("ann"), permission("nowhere")).await)
    );
}

#[actix_web::test]
async fn permissions_for_entities_hold_for_users_roles_and_workspaces_too() {
    let state = node().await;
    let app = crate::app!(state);
    let workspace = made(&app, "POST", "/workspaces", json!({"name": "team"})).await;
    let service = made(&app, "POST", "/team/services", json!({"name": "s", "host": "h.test"})).await;
    let role = made(&app, "POST", "/rbac/roles", json!({"name": "kept"})).await;
    let bob = made(&app, "POST", "/rbac/users", json!({"name": "bob", "user_token": "bob-token"})).await;
    let group = made(&app, "POST", "/groups", json!({"name": "crew"})).await;
    user(&app, "ann", &[]).await;
    let all = json!({"endpoint": "*", "actions": "*", "workspace": "*"});
    made(&app, "POST", "/rbac/roles/ann-role/endpoints", all).await;
    for (id, kind) in [(&service, "services"), (&role, "rbac_roles"), (&bob, "rbac_users"), (&group, "groups")] {
        let kept = json!({"entity_id": id, "entity_type": kind, "actions": "update,delete", "negative": true});
        made(&app, "POST", "/rbac/roles/ann-role/entities", kept).await;
    }
    for (method, path, body) in [
        ("DELETE", "/rbac/roles/kept", None),
        ("PATCH", "/rbac/roles/kept", Some(json!({"comment": "x"}))),
        ("PUT", "/rbac/roles/kept", Some(json!({"comment": "x"}))),
        ("DELETE", "/rbac/users/bob", None),
        ("PATCH", "/rbac/users/bob", Some(json!({"enabled": false}))),
        ("PATCH", "/rbac/users/bob", Some(json!({"user_token": "mine"}))),
        ("DELETE", "/groups/crew", None),
        ("PATCH", "/groups/crew", Some(json!({"comment": "x"}))),
        // With all that is in it goes what may not go.
        ("DELETE", "/workspaces/team?cascade=true", None),
    ] {
        let (status, answer) = ask(&app, method, path, Some("ann"), body).await;
        assert!(matches!(status, 403 | 404), "{method} {path}: {status} {answer}");
    }
    assert_eq!(ask(&app, "DELETE", &format!("/team/services/{service}"), Some(SUPER), None).await.0, 204);
    let kept = json!({"entity_id": workspace, "entity_type": "workspaces", "actions": "delete", "negative": true});
    made(&app, "POST", "/rbac/roles/ann-role/entities", kept).await;
    assert_eq!(ask(&app, "DELETE", "/workspaces/team", Some("ann"), None).await.0, 403);
    assert_eq!(ask(&app, "DELETE", "/workspaces/team", Some(SUPER), None).await.0, 204);
    // One's own account is one's own.
    assert_eq!(ask(&app, "GET", "/rbac/users/bob", Some("ann"), None).await.0, 200);
}

#[actix_web::test]
async fn reading_does_not_hand_out_invitations() {
    let state = node().await;
    let app = crate::app!(state);
    made(&app, "POST", "/admins", json!({"username": "amy", "email": "amy@conf.example"})).await;
    user(&app, "reader", &[("*", "read", false)]).await;
    user(&app, "editor", &[("*", "*", false)]).await;
    let path = "/admins/amy?generate_register_url=true";
    assert_eq!(ask(&app, "GET", "/admins/amy", Some("reader"), None).await.0, 200);
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(&app, method, path, Some("reader"), None).await.0, 403);
    }
    let (status, answer) = ask(&app, "GET", path, Some("editor"), None).await;
    assert!(status == 200 && answer.contains("register_url"), "{answer}");
}

#[actix_web::test]
async fn who_never_came_is_no_super_admin() {
    let state = node().await;
    let app = crate::app!(state);
    made(&app, "POST", "/rbac/users", json!({"name": "root", "user_token": "root"})).await;
    made(&app, "POST", "/rbac/users/root/roles", json!({"roles": "super-admin"})).await;
    made(&app, "POST", "/admins", json!({"username": "amy", "email": "amy@conf.example"})).await;
    made(&app, "POST", "/admins/amy/roles", json!({"roles": "super-admin"})).await;
    assert_eq!(ask(&app, "DELETE", "/rbac/users/root", Some(SUPER), None).await.0, 204);
    // Amy has neither a token nor a password: kong_admin is the last.
    user(&app, "ann", &[]).await;
    let all = json!({"endpoint": "*", "actions": "*", "workspace": "*"});
    made(&app, "POST", "/rbac/roles/ann-role/endpoints", all).await;
    for (method, path, body) in [
        ("DELETE", "/admins/kong_admin", None),
        ("DELETE", "/admins/kong_admin/roles", Some(json!({"roles": "super-admin"}))),
    ] {
        let (status, answer) = ask(&app, method, path, Some("ann"), body).await;
        assert!(status == 400 && answer.contains("the last super admin"), "{path}: {status} {answer}");
    }
}

/// A sign-in, or what else `lines` make of a request to a path.
async fn sent<S>(app: &S, method: &str, path: &str, lines: &[(&str, &str)]) -> (u16, Option<String>)
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    let mut request = TestRequest::with_uri(path).method(method.parse().unwrap());
    for line in lines {
        request = request.append_header(*line);
    }
    let response = app.call(request.to_request()).await.unwrap();
    let cookie = response.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    (response.status().as_u16(), cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned))
}

fn basic(password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("kong_admin:{password}")))
}

#[actix_web::test]
async fn a_session_is_of_its_own_pages_and_its_own_admin() {
    let state = node().await;
    let app = crate::app!(state);
    let name = ("Kong-Admin-User", "kong_admin");
    let right = basic(SUPER);
    let planted = ("Cookie", "session=planted-by-somebody");
    let (status, cookie) = sent(&app, "GET", "/auth", &[name, planted, ("Authorization", &right)]).await;
    let cookie = cookie.unwrap();
    assert_eq!(status, 200);
    assert!(!cookie.contains("planted"), "{cookie}");
    let session = ("Cookie", &*cookie);
    let foreign = ("Origin", "https://evil.test");
    let other_site = ("Sec-Fetch-Site", "cross-site");
    for (method, path, lines, status) in [
        ("GET", "/services", vec![session, name], 200),
        ("GET", "/services", vec![session], 401),
        ("GET", "/services", vec![name, planted], 401),
        ("GET", "/services", vec![session, name, foreign], 403),
        ("GET", "/services", vec![session, name, ("Origin", "null")], 403),
        ("DELETE", "/services/x", vec![session, name, foreign], 403),
        ("DELETE", "/services/x", vec![session, name, other_site], 403),
        ("GET", "/auth", vec![session, name, foreign], 403),
        ("DELETE", "/auth", vec![session, foreign], 403),
        ("DELETE", "/auth?all=true", vec![session, other_site], 403),
        // It is still there, and ends as its own page says.
        ("GET", "/services", vec![session, name], 200),
        ("DELETE", "/auth", vec![session], 200),
        ("GET", "/services", vec![session, name], 401),
    ] {
        assert_eq!(sent(&app, method, path, &lines).await.0, status, "{method} {path} {lines:?}");
    }
    // Tokens are taken from their header alone.
    for lines in [
        vec![("Authorization", "Bearer the-super-token")],
        vec![("Authorization", "the-super-token")],
        vec![("Cookie", "Kong-Admin-Token=the-super-token")],
        vec![("X-Kong-Admin-Token", SUPER)],
        vec![("Kong-Admin-Token", "the-super-token,x")],
        vec![("Kong-Admin-Token", SUPER), ("Kong-Admin-Token", "x")],
        vec![("Kong-Admin-Token", "")],
        vec![name],
    ] {
        for path in ["/services", "/services?Kong-Admin-Token=the-super-token", "/services?token=the-super-token"] {
            assert_eq!(sent(&app, "GET", path, &lines).await.0, 401, "{path} {lines:?}");
        }
    }
    // A method is what the request line says.
    user(&app, "reader", &[("*", "read", false)]).await;
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let lines = [("Kong-Admin-Token", "reader"), (header, "GET")];
        assert_eq!(sent(&app, "DELETE", "/services/x?_method=GET", &lines).await.0, 403, "{header}");
    }
    for header in ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix"] {
        let lines = [(header, "/status")];
        assert_eq!(sent(&app, "GET", "/services", &lines).await.0, 401, "{header}");
    }
}

#[actix_web::test]
async fn many_attempts_at_once_are_not_more_than_one_after_the_other() {
    let login_attempts = Attempts { limit: Some(3), ttl: Duration::from_secs(3600) };
    let settings = GateSettings { endpoints: true, passwords: true, login_attempts, ..GateSettings::default() };
    let state = node_with(settings).await;
    let app = crate::app!(state);
    let name = ("Kong-Admin-User", "kong_admin");
    let wrong: Vec<String> = (0..8).map(|number| basic(&format!("guess {number}"))).collect();
    let tries = wrong.iter().map(|wrong| async {
        let lines = [name, ("Authorization", &**wrong)];
        sent(&app, "GET", "/auth", &lines).await.0
    });
    let found = futures_util::future::join_all(tries).await;
    assert!(found.iter().all(|status| *status == 401), "{found:?}");
    let right = basic(SUPER);
    assert_eq!(sent(&app, "GET", "/auth", &[name, ("Authorization", &right)]).await.0, 401, "the admin is locked");
    // The token is no password.
    assert_eq!(ask(&app, "GET", "/services", Some(SUPER), None).await.0, 200);
}
