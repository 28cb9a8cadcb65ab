//! Writes, where there is a database.

use crate::app;
use crate::support::{FORM, JSON, agrees, call, node_of};
use serde_json::{Value, json};

const A: &str = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d000a";
const B: &str = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d000b";
const NONE: &str = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d00ff";

#[actix_web::test]
async fn entities_are_made_changed_and_removed() {
    let (state, _) = node_of(true);
    let app = app!(state);
    let not_found = json!({"message": "Not found"});
    for (method, path, kind, body, status, expected) in [
        // by id, by name, under others
        (
            "POST",
            "/services".to_owned(),
            JSON,
            json!({"id": A, "name": "s", "host": "h", "tags": ["x"]}).to_string(),
            201,
            json!({"id": A, "port": 80, "tags": ["x"]}),
        ),
        (
            "POST",
            "/services".into(),
            JSON,
            json!({"id": A, "host": "h"}).to_string(),
            400,
            json!({"code": 3, "message": format!("primary key violation on key '{{id=\"{A}\"}}'")}),
        ),
        (
            "POST",
            "/services".into(),
            FORM,
            "name=s&host=h".into(),
            409,
            json!({"code": 5, "fields": {"name": "s"}, "message": "UNIQUE violation detected on '{name=\"s\"}'"}),
        ),
        (
            "PATCH",
            "/services/s".into(),
            FORM,
            "port=81&tags=".into(),
            200,
            json!({"id": A, "port": 81, "tags": null, "host": "h"}),
        ),
        (
            "PATCH",
            format!("/services/{A}"),
            JSON,
            json!({"id": B, "retries": 1}).to_string(),
            200,
            json!({"id": A, "retries": 1, "port": 81}),
        ),
        ("PATCH", "/services/none".into(), JSON, "{}".into(), 404, json!({"code": 6, "fields": {"name": "none"}})),
        (
            "PUT",
            "/services/s".into(),
            JSON,
            json!({"host": "other", "name": "x"}).to_string(),
            200,
            json!({"id": A, "name": "s", "port": 80, "host": "other"}),
        ),
        ("PUT", "/services/t".into(), JSON, json!({"host": "h"}).to_string(), 200, json!({"name": "t"})),
        ("PUT", format!("/services/{B}"), JSON, json!({"host": "h", "name": "t"}).to_string(), 409, json!({"code": 5})),
        (
            "PUT",
            "/services/bad%20name".into(),
            JSON,
            json!({"host": "h"}).to_string(),
            400,
            json!({"code": 10, "name": "invalid unique name"}),
        ),
        ("GET", "/services/bad%20name".into(), None, String::new(), 400, json!({"code": 10})),
        (
            "POST",
            "/services/s/routes".into(),
            JSON,
            json!({"name": "r", "paths": ["/r"], "service": {"id": NONE}}).to_string(),
            201,
            json!({"service": {"id": A}}),
        ),
        (
            "POST",
            "/routes".into(),
            JSON,
            json!({"name": "free", "paths": ["/f"]}).to_string(),
            201,
            json!({"service": null}),
        ),
        (
            "POST",
            "/routes".into(),
            JSON,
            json!({"paths": ["/f"], "service": {"id": NONE}}).to_string(),
            400,
            json!({"code": 4, "fields": {"service": {"id": NONE}}}),
        ),
        (
            "POST",
            "/routes".into(),
            FORM,
            "paths=/f&service.name=none".into(),
            400,
            json!({"code": 13, "fields": {"service": {"name": "the foreign key cannot be resolved with '{name=\"none\"}' for an existing 'services' entity"}}}),
        ),
        ("PATCH", "/services/t/routes/r".into(), JSON, "{}".into(), 404, not_found.clone()),
        (
            "PATCH",
            "/services/s/routes/r".into(),
            JSON,
            json!({"paths": ["/q"]}).to_string(),
            200,
            json!({"paths": ["/q"]}),
        ),
        (
            "DELETE",
            "/services/s".into(),
            None,
            String::new(),
            400,
            json!({"code": 4, "fields": {"@referenced_by": "routes"}}),
        ),
        // what a field points to
        ("PATCH", "/routes/r/service".into(), JSON, json!({"port": 9}).to_string(), 200, json!({"id": A, "port": 9})),
        (
            "PUT",
            "/routes/r/service".into(),
            JSON,
            json!({"host": "put"}).to_string(),
            200,
            json!({"id": A, "port": 80, "name": null}),
        ),
        ("PATCH", "/routes/free/service".into(), JSON, "{}".into(), 404, not_found.clone()),
        ("DELETE", "/routes/free/service".into(), None, String::new(), 404, not_found.clone()),
        (
            "PUT",
            "/routes/free/service".into(),
            JSON,
            json!({"name": "made", "host": "h"}).to_string(),
            200,
            json!({"name": "made"}),
        ),
        ("GET", "/routes/free/service".into(), None, String::new(), 200, json!({"name": "made"})),
        ("DELETE", "/routes/free/service".into(), None, String::new(), 405, json!({"message": "Method not allowed"})),
        // credentials
        (
            "POST",
            "/consumers".into(),
            JSON,
            json!({"username": "c", "custom_id": "7"}).to_string(),
            201,
            json!({"tags": null}),
        ),
        ("POST", "/consumers".into(), JSON, json!({"username": "d"}).to_string(), 201, json!({})),
        ("POST", "/consumers/c/key-auth".into(), None, String::new(), 201, json!({"ttl": null})),
        ("PUT", "/consumers/c/key-auth/k".into(), JSON, json!({"ttl": 600}).to_string(), 200, json!({"key": "k"})),
        ("PUT", "/consumers/d/key-auth/k".into(), JSON, "{}".into(), 200, json!({"key": "k", "ttl": null})),
        ("GET", "/consumers/c/key-auth/k".into(), None, String::new(), 404, not_found.clone()),
        ("PUT", "/consumers/c/acls/g".into(), JSON, "{}".into(), 200, json!({"group": "g"})),
        (
            "PUT",
            "/consumers/c/acls/g".into(),
            JSON,
            json!({"tags": ["x"]}).to_string(),
            200,
            json!({"group": "g", "tags": ["x"]}),
        ),
        (
            "POST",
            "/consumers/c/acls".into(),
            JSON,
            json!({"group": "g"}).to_string(),
            409,
            json!({"code": 5, "fields": {"group": "g"}}),
        ),
        ("GET", "/consumers/c/acls/none".into(), None, String::new(), 404, not_found.clone()),
        ("GET", "/consumers?custom_id=7".into(), None, String::new(), 200, json!({"next": null})),
        // Targets
        ("POST", "/upstreams".into(), JSON, json!({"name": "u"}).to_string(), 201, json!({"slots": 10000})),
        (
            "POST",
            "/upstreams/u/targets".into(),
            JSON,
            json!({"target": "a", "weight": 9}).to_string(),
            201,
            json!({"target": "a:8000"}),
        ),
        (
            "PUT",
            "/upstreams/u/targets/a:8000".into(),
            JSON,
            json!({"tags": ["t"]}).to_string(),
            200,
            json!({"weight": 9, "tags": ["t"]}),
        ),
        ("PUT", "/upstreams/u/targets/b:1".into(), JSON, "{}".into(), 404, not_found.clone()),
        ("POST", "/upstreams/u/targets".into(), JSON, json!({"target": "a:8000"}).to_string(), 409, json!({"code": 5})),
        // Plugins
        (
            "POST",
            "/plugins".into(),
            FORM,
            "name=key-auth&config.key_names=k&config.hide=true".into(),
            201,
            json!({"config": {"key_names": ["k"], "hide": true}}),
        ),
        (
            "POST",
            "/plugins".into(),
            JSON,
            json!({"name": "key-auth"}).to_string(),
            409,
            json!({"fields": {"consumer": null, "name": "key-auth", "route": null, "service": null}, "message": "UNIQUE violation detected on '{consumer=null,name=\"key-auth\",route=null,service=null}'"}),
        ),
        (
            "POST",
            "/routes/r/plugins".into(),
            JSON,
            json!({"name": "key-auth", "protocols": ["grpc"]}).to_string(),
            400,
            json!({"message": "schema violation (protocols: must match the associated route's protocols)"}),
        ),
        (
            "POST",
            "/services/made/plugins".into(),
            JSON,
            json!({"name": "key-auth", "protocols": ["grpc"]}).to_string(),
            400,
            json!({"code": 2}),
        ),
        (
            "POST",
            "/services/t/plugins".into(),
            JSON,
            json!({"name": "key-auth", "protocols": ["grpc"], "instance_name": "i"}).to_string(),
            201,
            json!({"protocols": ["grpc"]}),
        ),
        (
            "PATCH",
            "/plugins/i".into(),
            FORM,
            "config.hide=true".into(),
            200,
            json!({"config": {"hide": true, "key_names": ["apikey"]}}),
        ),
        ("PATCH", format!("/plugins/{NONE}"), JSON, "{}".into(), 404, not_found.clone()),
        (
            "POST",
            "/config".into(),
            JSON,
            json!({"_format_version": "3.0"}).to_string(),
            400,
            json!({"message": "this endpoint is only available when Kong is configured to not use a database"}),
        ),
    ] {
        let (found, bytes, _) = call(&app, method, &path, kind, body.as_bytes()).await;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        assert!(agrees(&answer, &expected), "{method} {path} {body}: {answer}");
    }
    for (method, path, status) in [
        ("DELETE", "/consumers/c/acls/g", 204),
        ("DELETE", "/consumers/c/acls/g", 404),
        ("DELETE", "/consumers/d", 204),
        ("DELETE", "/consumers/d", 204),
        ("GET", "/key-auths/k", 404),
        ("DELETE", "/upstreams/u/targets/a:8000", 204),
        ("DELETE", "/upstreams/u/targets/a:8000", 404),
        ("DELETE", "/services/t", 204),
        ("GET", "/plugins/i", 404),
        ("DELETE", "/acls/x", 400),
    ] {
        assert_eq!(call(&app, method, path, None, b"").await.0, status, "{method} {path}");
    }
}

#[actix_web::test]
async fn changes_that_meet_are_both_there() {
    let (state, _) = node_of(true);
    let app = app!(state);
    call(&app, "POST", "/services", JSON, json!({"name": "s", "host": "h"}).to_string().as_bytes()).await;
    let fields = ["connect_timeout", "read_timeout", "write_timeout", "port", "retries", "path", "enabled", "tags"];
    let values = [json!(1), json!(2), json!(3), json!(4), json!(5), json!("/p"), json!(false), json!(["t"])];
    let bodies: Vec<String> =
        fields.iter().zip(&values).map(|(field, value)| json!({*field: value}).to_string()).collect();
    let changes = bodies.iter().map(|body| call(&app, "PATCH", "/services/s", JSON, body.as_bytes()));
    for (status, ..) in futures_util::future::join_all(changes).await {
        assert_eq!(status, 200);
    }
    let puts = (0..20).map(|_| call(&app, "PUT", "/consumers/same", JSON, b"{}"));
    for (status, ..) in futures_util::future::join_all(puts).await {
        assert_eq!(status, 200);
    }
    let (_, body, _) = call(&app, "GET", "/services/s", None, b"").await;
    let service: Value = serde_json::from_slice(&body).unwrap();
    for (field, value) in fields.iter().zip(&values) {
        assert_eq!(&service[*field], value, "{field}");
    }
}

#[actix_web::test]
async fn tags_are_listed_page_by_page() {
    let (state, _) = node_of(true);
    let app = app!(state);
    for index in 0..5 {
        let body = json!({"username": format!("c{index}"), "tags": ["one", "two", "three"]}).to_string();
        assert_eq!(call(&app, "POST", "/consumers", JSON, body.as_bytes()).await.0, 201);
        let body = json!({"host": "h", "tags": ["one"]}).to_string();
        assert_eq!(call(&app, "POST", "/services", JSON, body.as_bytes()).await.0, 201);
    }
    for (first, size, expected) in [("/tags", 1, 20), ("/tags", 4, 20), ("/tags", 20, 20), ("/tags/one", 3, 10)] {
        let (mut path, mut seen) = (format!("{first}?size={size}"), std::collections::BTreeSet::new());
        let mut count = 0;
        loop {
            let (_, body, _) = call(&app, "GET", &path, None, b"").await;
            let page: Value = serde_json::from_slice(&body).unwrap();
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= size);
            count += data.len();
            seen.extend(data.iter().map(Value::to_string));
            match page["next"].as_str() {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        assert_eq!((count, seen.len()), (expected, expected), "{first} {size}");
    }
}

#[actix_web::test]
async fn bodies_that_cost_more_than_they_say_are_refused() {
    let (state, _) = node_of(true);
    let app = app!(state);
    let nested = |open: &str, close: &str| format!("{{\"host\":{}1{}}}", open.repeat(5_000), close.repeat(5_000));
    let names = "[a]".repeat(1000);
    for (kind, body, status) in [
        (JSON, nested("[", "]"), 400),
        (JSON, nested("{\"a\":", "}"), 400),
        (JSON, format!("{{\"host\":\"{}\"}}", "h".repeat(64 << 10)), 413),
        (FORM, "a=1&".repeat(1001), 400),
        (FORM, format!("config{names}=1"), 400),
        (FORM, "tags[1000]=a&host=h".into(), 201),
        (FORM, "tags[999999999]=a&host=h".into(), 400),
    ] {
        let (found, bytes, _) = call(&app, "POST", "/services", kind, body.as_bytes()).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!(found, status, "{start}: {}", String::from_utf8_lossy(&bytes));
    }
}
