//! Attempts to get around permissions, at the real binary: `data/evasion.json` lists them. Another one is another line there.

use e2e::{Gateway, Reply, free_port, request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const SUPER: &str = "the-super-token";
/// What nobody of team `red` may see.
const SECRETS: [&str; 6] = ["blue.test", "blue-key", "blue-tag", "blue-custom", "theirs", "/blue-path"];

/// A gateway of two teams: `rita` may do everything in `red`, `reader` may look there, and `blue` is none of their business.
struct Teams {
    gateway: Gateway,
    manager: SocketAddr,
    names: BTreeMap<&'static str, String>,
}

fn said(address: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &Value) -> Reply {
    let mut lines: Vec<(&str, &str)> = token.map(|token| ("Kong-Admin-Token", token)).into_iter().collect();
    let text = if body.is_null() { String::new() } else { body.to_string() };
    if !text.is_empty() {
        lines.push(("Content-Type", "application/json"));
    }
    request(address, method, path, &lines, text.as_bytes()).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

impl Teams {
    fn start() -> Teams {
        let manager = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let gateway = Gateway::start(&[
            ("KONG_DATABASE", "sqlite"),
            ("KONG_ENFORCE_RBAC", "both"),
            ("KONG_PASSWORD", SUPER),
            ("KONG_AUDIT_LOG", "on"),
            ("KONG_ADMIN_GUI_LISTEN", &manager.to_string()),
            ("KONG_ADMIN_GUI_ACCESS_LOG", "off"),
            ("KONG_ADMIN_GUI_AUTH", "basic-auth"),
            ("KONG_ADMIN_GUI_SESSION_CONF", r#"{"secret":"any"}"#),
        ]);
        let mut teams = Teams { gateway, manager, names: BTreeMap::new() };
        for name in ["red", "blue"] {
            let id = teams.made("/workspaces", json!({"name": name}));
            teams.names.insert("workspace", id);
        }
        let upper = teams.names["workspace"].to_uppercase();
        teams.names.insert("WORKSPACE", upper);
        for (known, path, body) in [
            ("service", "/blue/services", json!({"name": "theirs", "host": "blue.test", "tags": ["blue-tag"]})),
            ("route", "/blue/services/theirs/routes", json!({"name": "r", "paths": ["/blue-path"]})),
            ("consumer", "/blue/consumers", json!({"username": "c", "custom_id": "blue-custom"})),
            ("key", "/blue/consumers/c/key-auth", json!({"key": "blue-key"})),
            ("plugin", "/blue/plugins", json!({"name": "key-auth"})),
            ("upstream", "/blue/upstreams", json!({"name": "up.blue.test"})),
            ("target", "/blue/upstreams/up.blue.test/targets", json!({"target": "up.blue.test:80"})),
            ("mine", "/red/services", json!({"name": "mine", "host": "red.test"})),
            ("own", "/red/services/mine/routes", json!({"name": "own", "paths": ["/red-path"]})),
            ("user", "/red/consumers", json!({"username": "mine"})),
            ("amy", "/red/admins", json!({"username": "amy", "email": "amy@conf.example"})),
        ] {
            let id = teams.made(path, body);
            teams.names.insert(known, id);
        }
        for (role, user, actions) in [("lead", "rita", "*"), ("looks", "reader", "read")] {
            teams.made("/red/rbac/roles", json!({"name": role}));
            let endpoints = json!({"endpoint": "*", "actions": actions, "workspace": "red"});
            teams.made(&format!("/red/rbac/roles/{role}/endpoints"), endpoints);
            let entities = json!({"entity_id": "*", "entity_type": "wildcard", "actions": actions});
            teams.made(&format!("/red/rbac/roles/{role}/entities"), entities);
            teams.made("/red/rbac/users", json!({"name": user, "user_token": user}));
            teams.made(&format!("/red/rbac/users/{user}/roles"), json!({"roles": role}));
        }
        teams
    }

    fn made(&self, path: &str, body: Value) -> String {
        let reply = said(self.gateway.admin, "POST", path, Some(SUPER), &body);
        assert!(matches!(reply.status, 200 | 201), "{path}: {}", reply.text());
        reply.json()["id"].as_str().unwrap_or_default().to_owned()
    }

    fn filled(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
    }

    /// Makes an attempt at a listener.
    fn attempt(&self, address: SocketAddr, prefix: &str, attempt: &Value) -> Reply {
        let text = |name: &str| attempt[name].as_str();
        let path = format!("{prefix}{}", self.filled(text("path").expect("a path")));
        let mut lines: Vec<(&str, &str)> = text("as").map(|token| ("Kong-Admin-Token", token)).into_iter().collect();
        for (name, value) in attempt["headers"].as_object().into_iter().flatten() {
            lines.push((name, value.as_str().expect("a text")));
        }
        let body = attempt.get("body").map(|body| self.filled(&body.to_string())).unwrap_or_default();
        if !body.is_empty() {
            lines.push(("Content-Type", "application/json"));
        }
        let method = text("method").expect("a method");
        let reply = request(address, method, &path, &lines, body.as_bytes());
        reply.unwrap_or_else(|error| panic!("{attempt}: {error}"))
    }

    /// Everything of both teams and of the gateway that attempts could have changed.
    fn state(&self) -> Vec<(String, Value)> {
        let mut paths: Vec<String> =
            ["/workspaces", "/groups", "/rbac/users", "/rbac/roles", "/event-hooks"].map(str::to_owned).to_vec();
        for list in
            ["services", "routes", "consumers", "key-auths", "plugins", "upstreams", "upstreams/up.blue.test/targets"]
        {
            paths.push(format!("/blue/{list}?size=1000"));
        }
        for list in
            ["services", "routes", "plugins", "rbac/users", "rbac/roles/lead/endpoints", "rbac/roles/lead/entities"]
        {
            paths.push(format!("/red/{list}?size=1000"));
        }
        paths.push("/admins?all_workspaces=true".to_owned());
        let shown = |path: String| {
            let reply = said(self.gateway.admin, "GET", &path, Some(SUPER), &Value::Null);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            (path, reply.json()["data"].clone())
        };
        paths.into_iter().map(shown).collect()
    }
}

fn attempts(list: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/evasion.json")).expect("the attempts");
    all[list].as_array().expect("a list").clone()
}

#[test]
fn no_attempt_gets_around_permissions() {
    let teams = Teams::start();
    let before = teams.state();
    let doors = [(teams.gateway.admin, ""), (teams.manager, "/api")];
    let mut got_through = Vec::new();
    for attempt in attempts("refused") {
        for (address, prefix) in doors {
            let reply = teams.attempt(address, prefix, &attempt);
            let text = reply.text();
            let refused = matches!(reply.status, 400 | 401 | 403 | 404 | 405 | 409 | 410 | 501);
            if !refused
                || SECRETS
                    .iter()
                    .any(|secret| text.contains(secret) && !teams.filled(&attempt.to_string()).contains(secret))
            {
                got_through.push(format!("{prefix} {attempt}: {} {text}", reply.status));
            }
        }
    }
    for attempt in attempts("silent") {
        let asked = teams.filled(&attempt.to_string());
        for (address, prefix) in doors {
            let reply = teams.attempt(address, prefix, &attempt);
            let text = reply.text();
            // What was asked for is said again in the address of a next page, or in the log of one's own requests.
            let told = SECRETS.iter().any(|secret| text.contains(secret) && !asked.contains(secret));
            let told = told && !text.contains("request_timestamp");
            if reply.status >= 500 || told || text.contains("up.blue") || text.contains("blue.test") {
                got_through.push(format!("{prefix} {attempt}: {} {text}", reply.status));
            }
        }
    }
    assert!(got_through.is_empty(), "{} got through:\n{}", got_through.len(), got_through.join("\n"));
    for ((path, before), (_, after)) in before.into_iter().zip(teams.state()) {
        assert_eq!(before, after, "{path}");
    }
    // The doors are open to whom they are for.
    for (method, path, token) in [
        ("GET", "/red/services/mine", "rita"),
        ("GET", "/red/services/mine/routes", "reader"),
        ("GET", "/red/userinfo", "rita"),
        ("GET", "/blue/services/theirs", SUPER),
    ] {
        let reply = said(teams.gateway.admin, method, path, Some(token), &Value::Null);
        // A user without an admin has no page of its own.
        assert!(reply.status == 200 || path.ends_with("userinfo"), "{path}: {}", reply.text());
    }
}

#[test]
fn a_session_ends_with_the_rights_of_its_admin() {
    let teams = Teams::start();
    let admin = teams.gateway.admin;
    let invited = said(admin, "GET", "/red/admins/amy?generate_register_url=true", Some(SUPER), &Value::Null).json();
    let registered = json!({
        "username": "amy", "email": "amy@conf.example", "token": invited["token"], "password": "a-good-one",
    });
    assert_eq!(said(admin, "POST", "/admins/register", None, &registered).status, 201);
    assert_eq!(said(admin, "POST", "/admins/register", None, &registered).status, 401, "an invitation is used once");
    teams.made("/red/admins/amy/roles", json!({"roles": "lead"}));
    let name = ("Kong-Admin-User", "amy");
    let signed_in = e2e::get(admin, "/auth", &[name, ("Authorization", "Basic YW15OmEtZ29vZC1vbmU=")]);
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    let cookie = signed_in.header("set-cookie").expect("a cookie").to_owned();
    for flag in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    let session = ("Cookie", cookie.split(';').next().expect("a pair"));
    let ask = |path: &str| e2e::get(admin, path, &[name, session]).status;
    assert_eq!((ask("/red/services"), ask("/blue/services"), ask("/userinfo")), (200, 403, 200));
    let taken = json!({"roles": "lead"});
    assert_eq!(said(admin, "DELETE", "/red/admins/amy/roles", Some(SUPER), &taken).status, 204);
    assert_eq!((ask("/red/services"), ask("/userinfo")), (403, 200), "roles count for the next request");
    assert_eq!(said(admin, "DELETE", "/red/admins/amy", Some(SUPER), &Value::Null).status, 204);
    assert_eq!((ask("/red/services"), ask("/userinfo")), (401, 401), "who is gone is signed out");
}
