//! The audit log leaves as lines.

use crate::access::{SUPER, ask, node_of_gate};
use actix_web::dev::Service;
use actix_web::test::{TestRequest, read_body};
use admin::{AuditSettings, GateSettings};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[actix_web::test]
async fn the_log_is_exported_as_lines_with_its_filters() {
    let audit = AuditSettings { ttl: Duration::from_secs(3600), ..AuditSettings::default() };
    let settings = GateSettings { endpoints: true, audit: Some(audit), ..GateSettings::default() };
    let (state, _gate) = node_of_gate(settings).await;
    let app = crate::app!(state);
    for name in ["one", "two", "three"] {
        let service = json!({"name": name, "host": "h.test"});
        assert_eq!(ask(&app, "POST", "/services", Some(SUPER), Some(service)).await.0, 201);
    }
    assert_eq!(ask(&app, "POST", "/consumers", Some(SUPER), Some(json!({"username": "c"}))).await.0, 201);
    // Entries are written beside requests.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, body) = ask(&app, "GET", "/audit/objects", Some(SUPER), None).await;
        if serde_json::from_str::<Value>(&body).unwrap()["total"] == 4 {
            break;
        }
        assert!(Instant::now() < deadline, "{body}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut path = "/audit/objects?format=jsonl&dao_name=services&rbac_user_name=kong_admin&size=2".to_owned();
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        let request = TestRequest::get().uri(&path).insert_header(("Kong-Admin-Token", SUPER)).to_request();
        let response = app.call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/x-ndjson"));
        let link = header("link");
        let text = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&entry["dao_name"], &entry["operation"]), (&json!("services"), &json!("create")));
            names.push(serde_json::from_str::<Value>(entry["entity"].as_str().unwrap()).unwrap()["name"].clone());
        }
        pages += 1;
        let Some(link) = link else { break };
        path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
    }
    // Within a millisecond entries have no order.
    names.sort_by_key(Value::to_string);
    assert_eq!((pages, names), (2, vec![json!("one"), json!("three"), json!("two")]));
    let (_, body) = ask(&app, "GET", "/audit/objects?dao_name=services&size=1", Some(SUPER), None).await;
    let next = serde_json::from_str::<Value>(&body).unwrap()["next"].as_str().unwrap().to_owned();
    assert!(next.contains("dao_name=services") && next.contains("size=1"), "{next}");
    assert_eq!(ask(&app, "GET", "/audit/objects?format=xml", Some(SUPER), None).await.0, 400);
    assert_eq!(ask(&app, "GET", "/audit/objects?format=jsonl", None, None).await.0, 401);
}

/// The newest entry of a request to a path that begins so.
async fn entry<S>(app: &S, list: &str, wanted: impl Fn(&Value) -> bool) -> Value
where
    S: Service<actix_http::Request, Response = actix_web::dev::ServiceResponse, Error = actix_web::Error>,
{
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, body) = ask(app, "GET", list, Some(SUPER), None).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let found = body["data"].as_array().unwrap().iter().find(|entry| wanted(entry)).cloned();
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < deadline, "{body}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn bodies_and_paths_leave_their_secrets_out() {
    let audit = AuditSettings { ttl: Duration::from_secs(3600), ..AuditSettings::default() };
    let settings = GateSettings { endpoints: true, audit: Some(audit), ..GateSettings::default() };
    let (state, _gate) = node_of_gate(settings).await;
    let app = crate::app!(state);
    assert_eq!(ask(&app, "POST", "/consumers", Some(SUPER), Some(json!({"username": "c"}))).await.0, 201);
    let file =
        json!({"_format_version": "3.0", "consumers": [{"username": "d", "keyauth_credentials": [{"key": "hush"}]}]});
    for (method, path, body, shown) in [
        ("POST", "/consumers/c/key-auth", Some(json!({"key": "hush"})), "/consumers/c/key-auth"),
        ("PUT", "/consumers/c/key-auth/hush", Some(json!({"ttl": 60})), "/consumers/c/key-auth/***"),
        ("GET", "/key-auths/hush", None, "/key-auths/***"),
        ("GET", "/key-auths/hush/consumer", None, "/key-auths/***/consumer"),
        ("POST", "/config/plan", Some(file), "/config/plan"),
        ("GET", "/services?token=hush&size=3", None, "/services?size=3"),
        ("POST", "/rbac/users", Some(json!({"name": "u", "user_token": "hush"})), "/rbac/users"),
    ] {
        for token in [Some(SUPER), Some("wrong")] {
            let (status, _) = ask(&app, method, path, token, body.clone()).await;
            let seen = |entry: &Value| entry["path"] == shown && entry["method"] == method && entry["status"] == status;
            let found = entry(&app, "/audit/requests?size=1000", seen).await;
            assert!(!found.to_string().contains("hush"), "{method} {path}: {found}");
        }
    }
    let made = |entry: &Value| entry["dao_name"] == "keyauth_credentials";
    let found = entry(&app, "/audit/objects?size=1000", made).await;
    assert!(!found.to_string().contains("hush"), "{found}");
}

#[actix_web::test]
async fn who_reads_the_log_of_one_workspace_reads_no_other() {
    let audit = AuditSettings { ttl: Duration::from_secs(3600), ..AuditSettings::default() };
    let settings = GateSettings { endpoints: true, entities: true, audit: Some(audit), ..GateSettings::default() };
    let (state, _gate) = node_of_gate(settings).await;
    let app = crate::app!(state);
    assert_eq!(ask(&app, "POST", "/workspaces", Some(SUPER), Some(json!({"name": "team"}))).await.0, 201);
    for (path, name) in [("/services", "here"), ("/services", "unseen"), ("/team/services", "there")] {
        let service = json!({"name": name, "host": "h.test"});
        assert_eq!(ask(&app, "POST", path, Some(SUPER), Some(service)).await.0, 201);
    }
    let (_, unseen) = ask(&app, "GET", "/services/unseen", Some(SUPER), None).await;
    crate::access::user(&app, "ann", &[("/audit/requests", "read", false), ("/audit/objects", "read", false)]).await;
    let hidden = json!({"entity_id": crate::access::id_in(&unseen), "entity_type": "services", "actions": "*", "negative": true});
    assert_eq!(ask(&app, "POST", "/rbac/roles/ann-role/entities", Some(SUPER), Some(hidden)).await.0, 201);
    let named =
        |name: &'static str| move |entry: &Value| entry["entity"].as_str().is_some_and(|text| text.contains(name));
    entry(&app, "/audit/objects?size=1000", named("there")).await;
    for (list, known, unknown) in [
        ("/audit/objects?size=1000", "here", vec!["\\\"there", "unseen"]),
        ("/audit/requests?size=1000", "/services", vec!["/team"]),
    ] {
        let (status, body) = ask(&app, "GET", list, Some("ann"), None).await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(known), "{list}: {body}");
        assert!(unknown.iter().all(|unknown| !body.contains(unknown)), "{list}: {body}");
    }
    assert_eq!(ask(&app, "GET", "/team/audit/objects", Some("ann"), None).await.0, 403);
}
