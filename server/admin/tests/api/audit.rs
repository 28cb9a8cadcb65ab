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
