//! Requests in, status, headers and bodies out; without a database.

use crate::app;
use crate::support::{FORM, JSON, YAML, agrees, call, example, node};
use proptest::prelude::*;
use serde_json::{Value, json};

#[actix_web::test]
async fn requests_get_their_answers() {
    let (state, _) = node();
    let app = app!(state);
    let (status, ..) = call(&app, "POST", "/config", JSON, example().to_string().as_bytes()).await;
    assert_eq!(status, 201);
    let not_found = json!({"message": "Not found"});
    let not_allowed = json!({"message": "Method not allowed"});
    let cannot = |verb: &str, entity: &str, by: &str| json!({"code": 12, "name": "operation unsupported", "message": format!("cannot {verb} '{entity}' entities{by} when not using a database")});
    let many: String = "a=1&".repeat(1001);
    for (method, path, kind, body, status, expected) in [
        (
            "GET",
            "/",
            None,
            "",
            200,
            json!({"version": "3.9.1", "tagline": "Welcome to kong", "configuration": {"database": "off"},
            "plugins": {"enabled_in_cluster": ["key-auth"], "available_on_server": {"key-auth": {"priority": 1250}}}}),
        ),
        ("POST", "/", JSON, "{}", 405, not_allowed.clone()),
        ("FROB", "/services", None, "", 405, not_allowed.clone()),
        ("GET", "/no/such", None, "", 404, not_found.clone()),
        ("OPTIONS", "/no-such", None, "", 404, not_found.clone()),
        ("GET", "/targets", None, "", 404, not_found.clone()),
        ("GET", "/consumer_groups", None, "", 404, not_found.clone()),
        (
            "GET",
            "/filter-chains",
            None,
            "",
            400,
            json!({"message": "this endpoint is only available when wasm is enabled"}),
        ),
        ("GET", "/status", None, "", 200, json!({"server": {"total_requests": 7}})),
        (
            "GET",
            "/status?unit=V",
            None,
            "",
            400,
            json!({"message": "invalid unit 'V' (expected 'k/K', 'm/M', or 'g/G')"}),
        ),
        ("GET", "/services/s", None, "", 200, json!({"name": "s", "port": 80, "path": null})),
        ("GET", "/services/s/", None, "", 200, json!({"name": "s"})),
        ("GET", "/services/5C0F0A8E-0B1E-4C1E-9B39-3F1F2D1D0001", None, "", 200, json!({"name": "s"})),
        ("GET", "/services/none", None, "", 404, not_found.clone()),
        ("GET", "/services?tags=x,one&size=1", None, "", 200, json!({"next": null})),
        (
            "GET",
            "/services?tags=a,b/c",
            None,
            "",
            400,
            json!({"code": 11, "options": {"tags": "invalid filter syntax"}}),
        ),
        ("GET", "/services?offset=x", None, "", 400, json!({"code": 7})),
        ("GET", "/consumers/two+words", None, "", 200, json!({"custom_id": "c1"})),
        ("GET", "/consumers?custom_id=none", None, "", 200, json!({"data": [], "next": null})),
        ("GET", "/consumers/two%20words/acls/staff", None, "", 200, json!({"group": "staff"})),
        ("GET", "/consumers/two%20words/key-auth/k", None, "", 200, json!({"key": "k"})),
        ("GET", "/key-auths/k/consumer", None, "", 200, json!({"username": "two words"})),
        (
            "GET",
            "/acls/staff",
            None,
            "",
            400,
            json!({"code": 1, "message": "invalid primary key: '{id=\"expected a valid UUID\"}'"}),
        ),
        ("GET", "/routes/r/service", None, "", 200, json!({"name": "s"})),
        ("GET", "/services/t/routes/r", None, "", 404, not_found.clone()),
        ("GET", "/plugins/i", None, "", 200, json!({"config": {"key_names": ["apikey"]}})),
        ("GET", "/certificates/a.example", None, "", 404, json!({"message": "SNI not found"})),
        ("GET", "/upstreams/checked/targets/a:1", None, "", 200, json!({"weight": 100})),
        ("GET", "/upstreams/checked/targets/a", None, "", 404, not_found.clone()),
        ("GET", "/upstreams/checked/health?balancer_health=1", None, "", 200, json!({"data": {"health": "HEALTHY"}})),
        (
            "PUT",
            "/upstreams/free/targets/a:1/healthy",
            None,
            "",
            400,
            json!({"message": "no healthchecker found for free"}),
        ),
        ("PUT", "/upstreams/checked/targets/a:1/none:1/healthy", None, "", 404, not_found.clone()),
        ("GET", "/schemas/unicorns?beyond_kong=1", None, "", 404, json!({"message": "No entity named 'unicorns'"})),
        ("GET", "/schemas/unicorns", None, "", 404, json!({"message": "No entity named 'unicorns'"})),
        ("GET", "/schemas/plugins/unicorn", None, "", 404, json!({"message": "No plugin named 'unicorn'"})),
        ("GET", "/schemas/services/validate", None, "", 405, not_allowed.clone()),
        (
            "POST",
            "/schemas/services/validate",
            FORM,
            "host=h&port=80",
            200,
            json!({"message": "schema validation successful"}),
        ),
        ("POST", "/schemas/services/validate", FORM, "host=h&port=x", 400, json!({"code": 2})),
        ("GET", "/tags/a%2Cb", None, "", 400, json!({"code": 10, "name": "invalid unique tag"})),
        (
            "GET",
            "/tags/%FF",
            None,
            "",
            400,
            json!({"message": "invalid utf-8 character sequence detected at position 1"}),
        ),
        ("POST", "/tags", JSON, "{}", 400, json!({"code": 2})),
        (
            "POST",
            "/services",
            JSON,
            "{\"port\":\"x\"}",
            400,
            json!({"message": "2 schema violations (host: required field missing; port: expected an integer)"}),
        ),
        ("POST", "/services", JSON, "{\"host\": \"h\"", 400, json!({"message": "Cannot parse JSON body"})),
        ("POST", "/services", JSON, "[]", 400, json!({"message": "schema violation (host: required field missing)"})),
        ("POST", "/services", FORM, many.as_str(), 400, json!({"message": "Too many arguments"})),
        ("POST", "/services", JSON, "{\"host\":\"h\"}", 405, cannot("create", "services", "")),
        ("POST", "/consumers/nobody/key-auth", JSON, "{\"key\":\"x\"}", 404, not_found.clone()),
        (
            "POST",
            "/plugins",
            FORM,
            "name=key-auth&config.key_names=k&config.hide=true",
            405,
            cannot("create", "plugins", ""),
        ),
        ("POST", "/routes", JSON, "{\"paths\":[\"/x\"],\"service\":{\"name\":\"none\"}}", 400, json!({"code": 13})),
        ("PUT", "/services/s", JSON, "{\"host\":\"h\"}", 405, cannot("create or update", "services", " by 'name'")),
        (
            "PUT",
            "/services/5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0002",
            JSON,
            "{\"host\":\"h\"}",
            405,
            cannot("create or update", "services", ""),
        ),
        (
            "PATCH",
            "/services/none",
            JSON,
            "{}",
            404,
            json!({"code": 6, "message": "could not find the entity with '{name=\"none\"}'"}),
        ),
        ("PATCH", "/services/s", JSON, "{\"port\":-1}", 400, json!({"code": 2})),
        ("PATCH", "/services/s", JSON, "{\"port\":1}", 405, cannot("update", "services", " by 'name'")),
        ("PATCH", "/upstreams/free/targets/a:1", JSON, "{\"weight\":1}", 405, cannot("update", "targets", "")),
        ("DELETE", "/services/s", None, "", 405, cannot("remove", "services", " by 'name'")),
        ("DELETE", "/routes/r/service", None, "", 405, not_allowed.clone()),
        ("DELETE", "/upstreams/free/targets/b:1", None, "", 404, not_found.clone()),
        ("GET", "/cache/x", None, "", 404, not_found.clone()),
        (
            "PUT",
            "/debug/node/log-level/debug",
            JSON,
            "{}",
            405,
            json!({"message": "cannot change log level when not using a database"}),
        ),
    ] {
        let (found, bytes, headers) = call(&app, method, path, kind, body.as_bytes()).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(found, status, "{method} {path}: {text}");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8", "{method} {path}");
        assert_eq!((&headers["server"], &headers["access-control-allow-origin"]), (&json!("kong/3.9.1"), &json!("*")));
        let body: Value = serde_json::from_str(&text).unwrap();
        assert!(agrees(&body, &expected), "{method} {path}: {text}");
    }
    for (method, path) in
        [("DELETE", "/services/none"), ("DELETE", "/cache"), ("PUT", "/upstreams/checked/targets/a:1/unhealthy")]
    {
        assert_eq!(call(&app, method, path, None, b"").await.0, 204, "{method} {path}");
    }
}

#[actix_web::test]
async fn media_types_lengths_and_methods_are_checked() {
    let (state, _) = node();
    let app = app!(state);
    for (kind, path, status) in [
        (Some("text/plain"), "/services", 415),
        (Some("text/plain"), "/config", 415),
        (YAML, "/services", 415),
        (None, "/services", 415),
    ] {
        let (found, body, headers) = call(&app, "POST", path, kind, b"a").await;
        assert_eq!((found, body.len()), (status, 144), "{kind:?} {path}");
        assert_eq!(headers["content-type"], "text/html; charset=UTF-8");
    }
    let long = vec![b' '; (64 << 10) + 1];
    assert_eq!(call(&app, "POST", "/services", JSON, &long).await.0, 413);
    let (status, body, headers) = call(&app, "OPTIONS", "/services/x", None, b"").await;
    assert_eq!((status, body.len(), &headers["allow"]), (204, 0, &json!("DELETE, GET, HEAD, OPTIONS, PATCH, PUT")));
    assert_eq!(headers["access-control-allow-headers"], "Content-Type");
    let (status, body, _) = call(&app, "GET", "/endpoints", None, b"").await;
    let list: Value = serde_json::from_slice(&body).unwrap();
    let list = list["data"].as_array().unwrap();
    assert_eq!((status, &list[0]), (200, &json!("/")));
    for path in [
        "/consumers/{consumers}/key-auth/{keyauth_credentials}",
        "/upstreams/{upstreams}/targets/all",
        "/schemas/{db_entity_name}/validate",
    ] {
        assert!(list.contains(&json!(path)), "{path}");
    }
}

#[actix_web::test]
async fn pages_lead_through_a_list() {
    let (state, _) = node();
    let app = app!(state);
    let consumers: Vec<Value> = (0..7).map(|index| json!({"username": format!("c{index}"), "tags": ["t"]})).collect();
    let document = json!({"_format_version": "3.0", "consumers": consumers});
    call(&app, "POST", "/config", JSON, document.to_string().as_bytes()).await;
    let (mut path, mut seen) = ("/consumers?size=3&tags=t".to_owned(), Vec::new());
    loop {
        let (_, body, _) = call(&app, "GET", &path, None, b"").await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        seen.extend(
            body["data"].as_array().unwrap().iter().map(|consumer| consumer["id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(body["next"].is_null(), body.get("offset").is_none());
        match body["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
        assert!(path.starts_with("/consumers?offset=") && path.ends_with("&tags=t&size=3"), "{path}");
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted());
}

#[actix_web::test]
async fn the_status_listener_knows_when_to_send_traffic() {
    let (state, node) = node();
    let app = app!(state, admin::configure_status);
    let ready = |status: u16, text: &'static str| (status, json!({"message": text}));
    let now = async || {
        let (status, body, _) = call(&app, "GET", "/status/ready", None, b"").await;
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    assert_eq!(now().await, ready(503, "no configuration available (empty configuration present)"));
    *node.hash.lock().unwrap() = "00000000000000000000000000000001".into();
    assert_eq!(now().await, ready(200, "ready"));
    assert_eq!(call(&app, "POST", "/status/ready", JSON, b"{\"status\":\"x\"}").await.0, 400);
    assert_eq!(call(&app, "POST", "/status/ready", JSON, b"{\"status\":\"draining\"}").await.0, 204);
    assert_eq!(now().await, ready(503, "draining"));
    assert_eq!(call(&app, "GET", "/services", None, b"").await.0, 404);
    assert_eq!(call(&app, "POST", "/status", JSON, b"{}").await.0, 405);
}

fn bodies() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let json = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "\\{(\"(_format_version|services|routes|name|id|config|tags|ttl|service|ws_id)\":(\"3.0\"|\"x\"|1|-1.5|null|true|\\[\\]|\\{\\}|\\[\\[1\\]\\]|\\{\"id\":1\\}|\\[\\{\"name\":\"s\",\"id\":null\\}\\])(,|)){0,5}\\}"
            .prop_map(String::into_bytes),
        "(_format_version: '3.0'\n)?([a-z_]{1,8}: ?(\\[|\\{|x|- y|&a|\\*a|~|\n){0,3}\n){0,5}".prop_map(String::into_bytes),
        "((name|config|tags|id|service)(\\.|\\[|\\]|[a-z]){0,6}=[a-z0-9%+]{0,6}&){0,8}".prop_map(String::into_bytes),
    ];
    (0usize..5, json)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_request_is_answered_with_a_failure_of_ours(
        (kind, body) in bodies(),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]),
        path in "(/(config|services|routes|plugins|s|r|tags|upstreams|free|targets|a:1|schemas|validate|consumers|acls|%FF|%2F|certificates|snis|[a-z%+]{0,4})){0,4}(\\?(size|offset|tags|flatten_errors|custom_id)=[a-z0-9,/%=]{0,8})?",
    ) {
        let kinds = [JSON, FORM, YAML, Some("multipart/form-data; boundary=b"), None];
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let Ok(uri) = path.parse::<actix_web::http::Uri>() else { return Ok(()) };
        let status = actix_web::rt::System::new().block_on(async {
            let (state, _) = node();
            let app = app!(state);
            call(&app, "POST", "/config", JSON, example().to_string().as_bytes()).await;
            call(&app, method, &uri.to_string(), kinds[kind], &body).await.0
        });
        prop_assert!(status < 500, "{method} {path}: {status}");
    }
}

#[actix_web::test]
async fn others_answer_paths_of_their_own() {
    let (state, _) = node();
    let (admin, status) = (app!(state), app!(state, admin::configure_status));
    let (code, body, headers) = call(&admin, "GET", "/echo/a%2Fb?x=1", None, b"").await;
    assert_eq!((code, &*body), (200, "GET a/b x=\"1\" {}".as_bytes()));
    assert_eq!(headers["content-type"], "text/plain; charset=UTF-8");
    let (code, body, _) = call(&admin, "POST", "/echo/a", FORM, b"b=2").await;
    assert_eq!((code, &*body), (200, "POST a  {\"b\":\"2\"}".as_bytes()));
    assert_eq!(call(&admin, "DELETE", "/echo/a", None, b"").await.0, 405);
    assert_eq!(call(&status, "GET", "/echo/a", None, b"").await.0, 404);
    assert_eq!(call(&status, "GET", "/figures", None, b"").await.0, 204);
}

#[actix_web::test]
async fn schemas_are_kongs_unless_more_is_asked_for() {
    let (state, _) = node();
    let app = app!(state);
    for (query, expected) in
        [("", false), ("?beyond_kong=0", false), ("?beyond_kong=1", true), ("?beyond_kong=true", true)]
    {
        let (status, body, _) = call(&app, "GET", &format!("/schemas/upstreams{query}"), None, b"").await;
        let described: Value = serde_json::from_slice(&body).unwrap();
        let has = |name: &str| described["fields"].as_array().unwrap().iter().any(|field| field.get(name).is_some());
        assert_eq!((status, has("hash_on"), has("circuit_breaker")), (200, true, expected), "{query}");
    }
}

#[actix_web::test]
async fn certificates_are_kongs_unless_more_is_asked_for() {
    let pem = include_str!("../../../../e2e/beyond/mtls-auth/client.pem");
    let key = include_str!("../../../../e2e/beyond/mtls-auth/client.key");
    let authority = include_str!("../../../../e2e/beyond/mtls-auth/ca.pem");
    let (state, _) = node();
    let app = app!(state);
    let of = |number: u8| format!("5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d00c{number}");
    let file = json!({"_format_version": "3.0",
        "certificates": [
            {"id": of(1), "cert": pem, "key": key, "snis": [{"name": "a.example"}]},
            {"id": of(2), "cert": "{vault://env/cert}", "key": "{vault://env/key}"},
        ],
        "ca_certificates": [{"id": of(3), "cert": authority}]});
    assert_eq!(call(&app, "POST", "/config", JSON, file.to_string().as_bytes()).await.0, 201);
    let get = async |path: &str| -> Value {
        let (status, body, _) = call(&app, "GET", path, None, b"").await;
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    };
    let paths = |number| [format!("/certificates/{}", of(number)), format!("/ca_certificates/{}", of(number))];
    for path in ["/certificates/a.example", &paths(1)[0], &paths(2)[0], &paths(3)[1]] {
        let (plain, mut asked) = (get(path).await, get(&format!("{path}?beyond_kong=1")).await);
        assert_eq!(get(&format!("{path}?beyond_kong=0")).await, plain, "{path}");
        let metadata = asked.as_object_mut().unwrap().shift_remove("metadata").expect("metadata");
        assert_eq!(asked, plain, "{path}");
        let readable = plain["cert"].as_str().is_some_and(|cert| cert.starts_with("--"));
        assert_eq!(metadata["subject"].is_string(), readable, "{path}");
        if let Some(digest) = plain["cert_digest"].as_str() {
            assert_eq!((&metadata["sha256_fingerprint"], &metadata["ca"]), (&json!(digest), &json!(true)));
        }
    }
    assert!(get("/certificates").await["data"].as_array().unwrap().iter().all(|one| one.get("metadata").is_none()));
    let page = get("/certificates?size=1&beyond_kong=1").await;
    let next = get(page["next"].as_str().expect("a second page")).await;
    for page in [page, next] {
        assert!(page["data"][0].get("metadata").is_some(), "{page}");
    }
    // Only told: nobody sets it.
    let (status, body, _) = call(
        &app,
        "POST",
        "/schemas/ca_certificates/validate?beyond_kong=1",
        JSON,
        json!({"cert": authority, "metadata": {}}).to_string().as_bytes(),
    )
    .await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["fields"]), (400, &json!({"metadata": "unknown field"})));
}
