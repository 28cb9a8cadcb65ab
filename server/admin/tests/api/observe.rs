//! What tells of many entities tells of those that the one who asks may know.

use crate::access::{SUPER, ask, node};
use serde_json::{Value, json};

fn parsed((status, body): (u16, String)) -> Value {
    assert!(status < 300, "{status} {body}");
    serde_json::from_str(&body).unwrap_or_default()
}

#[actix_web::test]
async fn the_route_tester_tells_of_what_one_may_read() {
    let state = node().await;
    let app = crate::app!(state);
    let root = Some(SUPER);
    for (path, body) in [
        ("/workspaces", json!({"name": "team"})),
        ("/team/services", json!({"name": "s", "host": "h"})),
        ("/team/rbac/roles", json!({"name": "reader"})),
        ("/team/rbac/users", json!({"name": "ann", "user_token": "ann"})),
        ("/team/rbac/users/ann/roles", json!({"roles": "reader"})),
        ("/team/consumers", json!({"username": "carl"})),
    ] {
        let (status, text) = ask(&app, "POST", path, root, Some(body)).await;
        assert_eq!(status, 201, "{path}: {text}");
    }
    let seen = parsed(ask(&app, "POST", "/team/routes", root, Some(json!({"name": "seen", "paths": ["/"]}))).await);
    let hidden = parsed(ask(&app, "POST", "/team/routes", root, Some(json!({"name": "hidden", "paths": ["/"]}))).await);
    let workspace = parsed(ask(&app, "GET", "/workspaces/team", root, None).await)["id"].clone();

    let told = parsed(ask(&app, "GET", "/team/debug/route-match?consumer=carl", root, None).await);
    assert_eq!(
        (&told["workspace"], &told["all"], &told["consumer"]),
        (&workspace, &json!([true, true]), &json!("carl"))
    );

    assert_eq!(ask(&app, "GET", "/team/debug/route-match", Some("ann"), None).await.0, 403);
    let allow = |endpoint: &str| json!({"endpoint": endpoint, "actions": "read"});
    for endpoint in ["/debug/route-match", "/routes"] {
        let made = ask(&app, "POST", "/team/rbac/roles/reader/endpoints", root, Some(allow(endpoint))).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }
    let entity = json!({"entity_id": seen["id"], "entity_type": "routes", "actions": "read"});
    let made = ask(&app, "POST", "/team/rbac/roles/reader/entities", root, Some(entity)).await;
    assert_eq!(made.0, 201, "{}", made.1);
    for (route, expected) in [(&seen, true), (&hidden, false)] {
        let path = format!("/team/debug/route-match?path={}", route["id"].as_str().unwrap_or_default());
        let told = parsed(ask(&app, "GET", &path, Some("ann"), None).await);
        // Services are another path, which no permission opens.
        assert_eq!((&told["sees"], &told["all"]), (&json!(expected), &json!([false, false])), "{told}");
    }
    // One workspace's permissions open no other, and reading is not asking by a body.
    assert_eq!(ask(&app, "GET", "/debug/route-match", Some("ann"), None).await.0, 403);
    assert_eq!(ask(&app, "POST", "/team/debug/route-match", Some("ann"), Some(json!({}))).await.0, 403);
    // A Consumer that may not be read is none.
    let path = "/team/debug/route-match?consumer=carl";
    assert_eq!(ask(&app, "GET", path, Some("ann"), None).await.0, 400);
}

#[actix_web::test]
async fn what_others_do_not_have_is_described_and_not_listed() {
    let state = node().await;
    let app = crate::app!(state);
    let document = parsed(ask(&app, "GET", "/openapi.json", Some(SUPER), None).await);
    let listed = parsed(ask(&app, "GET", "/endpoints", Some(SUPER), None).await).to_string();
    for (path, method) in [("/debug/route-match", "get"), ("/debug/route-match", "post")] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
        assert!(!listed.contains(path), "{path}");
    }
}
