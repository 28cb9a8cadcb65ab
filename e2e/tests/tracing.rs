//! Traces, from a client's request to the collector: one tree per request, W3C Trace Context in and out.

use e2e::{
    Backend, Collector, Gateway, LUA_PLUGINS, Reply, attributes, create, eventually, free_port, get, hex, request, tree,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00";

fn traced(endpoint: &str, rate: &str, further: &[(&str, &str)]) -> Gateway {
    let mut settings = vec![
        ("KONG_TRACING_INSTRUMENTATIONS", "all"),
        ("KONG_TRACING_SAMPLING_RATE", rate),
        ("KONG_TRACING_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    settings.extend_from_slice(further);
    Gateway::start(&settings)
}

fn error_log(gateway: &Gateway) -> String {
    std::fs::read_to_string(gateway.prefix.join("errors.log")).unwrap_or_default()
}

/// `/orders` asks for a key and goes to the backend, `/gone` goes where nobody listens.
fn configure(gateway: &Gateway, backend: SocketAddr) {
    let configuration = json!({
        "_format_version": "3.0",
        "services": [
            { "name": "orders", "host": "127.0.0.1", "port": backend.port(),
              "routes": [{ "name": "orders", "paths": ["/orders"], "plugins": [
                  { "name": "correlation-id", "config": { "header_name": "X-Correlation" } },
                  { "name": "key-auth" },
                  { "name": "response-transformer", "config": { "add": { "headers": ["X-Shop:1"] } } },
              ] }] },
            { "name": "gone", "host": "127.0.0.1", "port": free_port(), "retries": 1,
              "routes": [{ "name": "gone", "paths": ["/gone"] }] },
        ],
        "consumers": [{ "username": "ann", "keyauth_credentials": [{ "key": "ann-secret" }] }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/orders", &[]).status == 401);
}

#[test]
fn a_request_is_one_tree() {
    let (backend, collector) = (Backend::start(), Collector::start());
    let gateway = traced(&collector.endpoint(), "0", &[("OTEL_RESOURCE_ATTRIBUTES", "team=shop")]);
    configure(&gateway, backend.address);
    let lines = [("traceparent", SAMPLED), ("tracestate", "a=1"), ("apikey", "ann-secret"), ("User-Agent", "curl/8")];
    let reply = get(gateway.proxy, "/orders/1?full=1", &lines);
    assert_eq!(reply.status, 200);

    let spans = collector.trace(TRACE);
    assert_eq!(
        tree(&spans),
        [
            "kong",
            "  kong.router",
            "  kong.access.plugin.correlation-id",
            "  kong.access.plugin.key-auth",
            "  kong.balancer",
            "    silverback.connect",
            "    silverback.send",
            "    silverback.wait",
            "    silverback.receive",
            "  kong.header_filter.plugin.correlation-id",
            "  kong.header_filter.plugin.response-transformer",
        ]
    );
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect("a span");
    let root = named("kong");
    assert_eq!((root.kind, hex(&root.parent_span_id).as_str()), (2, "b7ad6b7169203331"));
    assert!(spans.iter().all(|span| span.start_time_unix_nano >= root.start_time_unix_nano));
    assert!(spans.iter().all(|span| span.end_time_unix_nano <= root.end_time_unix_nano));
    let found = attributes(&root.attributes);
    for (name, expected) in [
        ("http.method", "GET"),
        ("http.url", "http://localhost/orders/1?full=1"),
        ("http.host", "localhost"),
        ("http.scheme", "http"),
        ("http.flavor", "1.1"),
        ("http.client_ip", "127.0.0.1"),
        ("net.peer.ip", "127.0.0.1"),
        ("http.status_code", "200"),
        ("http.route", "/orders"),
        ("kong.request.id", reply.header("x-kong-request-id").expect("an id")),
        ("kong.consumer_name", "ann"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(expected), "{name}: {found:?}");
    }
    let balancer = named("kong.balancer");
    let found = attributes(&balancer.attributes);
    assert_eq!((balancer.kind, found["try_count"].as_str()), (3, "1"), "{found:?}");
    assert_eq!(found["net.peer.ip"], "127.0.0.1");
    assert_eq!(found["net.peer.port"], backend.address.port().to_string());
    assert_eq!(collector.resource()["service.name"], "silverback");
    assert_eq!(collector.resource()["team"], "shop");
    // The upstream's parent is the try that reached it.
    assert_eq!(backend.seen("traceparent"), [format!("00-{TRACE}-{}-01", hex(&balancer.span_id))]);
    assert_eq!(backend.seen("tracestate"), ["a=1"]);
}

#[test]
fn the_callers_decision_holds_and_otherwise_the_rate_decides() {
    let (backend, collector) = (Backend::start(), Collector::start());
    let gateway = traced(&collector.endpoint(), "1", &[]);
    configure(&gateway, backend.address);
    let key = ("apikey", "ann-secret");
    assert_eq!(get(gateway.proxy, "/orders", &[key, ("traceparent", UNSAMPLED)]).status, 200);
    assert_eq!(backend.seen("traceparent"), [UNSAMPLED]);
    // A parent that cannot be read counts as none: the trace is new.
    for parent in ["00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
        assert_eq!(get(gateway.proxy, "/orders", &[key, ("traceparent", parent)]).status, 200);
        let sent = backend.seen("traceparent").join(",");
        let parts: Vec<_> = sent.split('-').collect();
        assert_eq!((parts.len(), parts[0], parts[3]), (4, "00", "01"), "{sent}");
        let spans = collector.trace(parts[1]);
        let root = spans.iter().find(|span| span.name == "kong").expect("a root");
        assert!(root.parent_span_id.is_empty());
        assert!(spans.iter().any(|span| span.name == "kong.balancer" && hex(&span.span_id) == parts[2]));
    }
    // What came after it is there: what was not sampled was not sent.
    assert!(collector.spans(|span| UNSAMPLED.contains(&hex(&span.trace_id))).is_empty());
}

#[test]
fn failures_are_marked_where_they_happened() {
    let (backend, collector) = (Backend::start(), Collector::start());
    let gateway = traced(&collector.endpoint(), "0", &[]);
    configure(&gateway, backend.address);
    let failed = get(gateway.proxy, "/gone", &[("traceparent", SAMPLED)]);
    assert_eq!((failed.status, failed.header("x-trace-id")), (502, Some(TRACE)));
    let spans = collector.trace(TRACE);
    let expected = ["  kong.balancer error", "    silverback.connect error"];
    let lines = tree(&spans);
    assert_eq!(lines[..2], ["kong error", "  kong.router"], "{lines:?}");
    assert_eq!(lines[2..], [expected, expected].concat(), "both tries");

    let other = SAMPLED.replace("319c", "319e");
    assert_eq!(get(gateway.proxy, "/nowhere", &[("traceparent", &other)]).status, 404);
    assert_eq!(tree(&collector.trace(&TRACE.replace("319c", "319e"))), ["kong", "  kong.router error"]);

    let other = SAMPLED.replace("319c", "319f");
    assert_eq!(get(gateway.proxy, "/orders", &[("traceparent", &other)]).status, 401);
    let lines = tree(&collector.trace(&TRACE.replace("319c", "319f")));
    assert!(lines.contains(&"  kong.access.plugin.key-auth".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("balancer")), "{lines:?}");
}

#[test]
fn requests_to_the_admin_api_are_traced() {
    let collector = Collector::start();
    let gateway = traced(&collector.endpoint(), "0", &[]);
    let reply = get(gateway.admin, "/services?size=1", &[("traceparent", SAMPLED)]);
    assert_eq!(reply.status, 200);
    let spans = collector.trace(TRACE);
    let root = spans.iter().find(|span| span.name == "silverback.admin").expect("a root");
    assert_eq!((root.kind, hex(&root.parent_span_id).as_str()), (2, "b7ad6b7169203331"));
    let found = attributes(&root.attributes);
    for (name, expected) in
        [("http.request.method", "GET"), ("url.path", "/services"), ("http.response.status_code", "200")]
    {
        assert_eq!(found.get(name).map(String::as_str), Some(expected), "{name}: {found:?}");
    }
}

#[test]
fn what_plugins_ask_others_is_in_the_trace() {
    let (backend, collector) = (Backend::start(), Collector::start());
    let gateway = traced(
        &collector.endpoint(),
        "0",
        &[
            ("KONG_TRACING_INSTRUMENTATIONS", "http_client"),
            ("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS),
            ("KONG_PLUGINS", "bundled,caller"),
        ],
    );
    let port = backend.address.port();
    let route = |name: &str, config: Value| json!({ "name": name, "paths": [format!("/{name}")], "plugins": [{ "name": name, "config": config }] });
    let own = |rest: &str| format!("http://ann:secret@{}/own{rest}", backend.address);
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{
            "name": "orders", "host": "127.0.0.1", "port": port,
            "routes": [
                route("opa", json!({ "opa_host": "127.0.0.1", "opa_port": port, "opa_path": "/own" })),
                route("caller", json!({ "url": own("?word=secret") })),
            ],
        }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/caller", &[]).status == 200);
    // The backend's answer is no decision; a plugin in Lua passes it on.
    for (path, digit, status, root) in [("/opa", "1", 500, "kong error"), ("/caller", "2", 200, "kong")] {
        let trace = digit.repeat(32);
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        assert_eq!(get(gateway.proxy, path, &[("traceparent", parent.as_str())]).status, status);
        let spans = collector.trace(&trace);
        assert_eq!(tree(&spans), [root, "  kong.internal.request"]);
        let asked = spans.iter().find(|span| span.name == "kong.internal.request").expect("a question");
        let found = attributes(&asked.attributes);
        let url = format!("http://{}/own", backend.address);
        assert_eq!((asked.kind, &found["http.url"], found["http.method"].as_str()), (3, &url, "POST"));
        assert_eq!(found["http.status_code"], "200");
    }
}

/// What a debugged request was told.
fn timings(reply: &Reply) -> Option<Value> {
    reply.header("x-kong-request-debug-output").map(|told| serde_json::from_str(told).expect("JSON"))
}

#[test]
fn who_may_ask_is_told_what_takes_how_long() {
    let backend = Backend::start();
    let (logged, trusted) = (("KONG_PROXY_ERROR_LOG", "errors.log"), ("KONG_TRUSTED_IPS", "0.0.0.0/0"));
    let gateway = Gateway::start(&[logged, trusted, ("KONG_LOG_LEVEL", "notice")]);
    configure(&gateway, backend.address);
    let ask = ("X-Kong-Request-Debug", "*");
    let reply = get(gateway.proxy, "/orders", &[ask, ("apikey", "ann-secret")]);
    let told = timings(&reply).expect("this machine needs no token");
    assert_eq!(told["request_id"].as_str(), reply.header("x-kong-request-id"));
    assert!(told["workspace_id"].is_string() && told["total_time_without_upstream"].is_number(), "{told}");
    let phases = &told["child"];
    for path in [
        "/rewrite/total_time",
        "/access/child/router/total_time",
        "/access/child/plugins/child/key-auth/total_time",
        "/access/child/plugins/total_time",
        "/balancer/total_time",
        "/upstream/child/time_to_first_byte/total_time",
        "/header_filter/child/plugins/child/response-transformer/child",
    ] {
        assert!(phases.pointer(path).is_some(), "{path} in {told}");
    }
    assert!(phases.get("log").is_none(), "{told}");
    // Answers of the gateway are told of as well; the upstream is told of nothing.
    assert!(timings(&get(gateway.proxy, "/nowhere", &[ask])).is_some_and(|told| told["child"]["upstream"].is_null()));
    for name in ["x-kong-request-debug", "x-kong-request-debug-token", "x-kong-request-debug-log"] {
        assert_eq!(backend.seen(name), [""; 0]);
    }
    assert_eq!(timings(&get(gateway.proxy, "/orders", &[("X-Kong-Request-Debug", "access")])), None);

    let file = gateway.prefix.join(".request_debug_token");
    let token = std::fs::read_to_string(&file).expect("a token");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let told = format!("[request-debug] token for request debugging: {token}");
    eventually("the error log has the token", || error_log(&gateway).contains(&told));
    let elsewhere = |token: &str| {
        let lines =
            [ask, ("X-Real-IP", "203.0.113.9"), ("X-Kong-Request-Debug-Token", token), ("apikey", "ann-secret")];
        get(gateway.proxy, "/orders", &[lines.as_slice(), &[("X-Kong-Request-Debug-Log", "true")]].concat())
    };
    assert_eq!(timings(&elsewhere("a guess")), None);
    assert!(!error_log(&gateway).contains("[request-debug] output"));
    let id = timings(&elsewhere(&token)).expect("who has the token")["request_id"].to_string();
    eventually("the error log has all of it", || {
        let log = error_log(&gateway);
        let line = log.lines().find(|line| line.contains("[request-debug] output: ") && line.contains(&id));
        line.is_some_and(|line| ["\"body_filter\"", "\"log\"", "\"streaming\""].iter().all(|part| line.contains(part)))
    });
}

#[test]
fn timings_are_told_with_a_token_that_is_set_and_not_where_that_is_off() {
    let backend = Backend::start();
    let mut gateway = Gateway::start(&[("KONG_REQUEST_DEBUG_TOKEN", "of-the-operators")]);
    let prefix = gateway.prefix.clone();
    let file = prefix.join(".request_debug_token");
    assert_eq!(std::fs::read_to_string(&file).expect("a token"), "of-the-operators");
    gateway.signal("TERM");
    gateway.wait();
    let gateway = Gateway::start_in(&prefix, &[("KONG_REQUEST_DEBUG", "off")]);
    assert!(!file.exists());
    configure(&gateway, backend.address);
    let reply = get(gateway.proxy, "/orders", &[("X-Kong-Request-Debug", "*"), ("apikey", "ann-secret")]);
    assert_eq!((reply.status, timings(&reply)), (200, None));
    assert_eq!(backend.seen("x-kong-request-debug"), ["*"]);
}

#[test]
fn statements_are_spans_of_the_request_that_needs_them() {
    let collector = Collector::start();
    let only = [("KONG_DATABASE", "sqlite"), ("KONG_TRACING_INSTRUMENTATIONS", "db_query")];
    let gateway = traced(&collector.endpoint(), "0", &only);
    create(gateway.admin, "/services", &json!({ "name": "orders", "host": "orders.internal" }));
    let lines = [("traceparent", SAMPLED), ("Content-Type", "application/json")];
    let body = json!({ "name": "orders", "paths": ["/orders"] }).to_string();
    let reply = request(gateway.admin, "POST", "/services/orders/routes", &lines, body.as_bytes()).expect("an answer");
    assert_eq!(reply.status, 201);
    let spans = collector.trace(TRACE);
    let root = spans.iter().find(|span| span.name == "silverback.admin").expect("a root");
    let statements: Vec<_> = spans.iter().filter(|span| span.name == "kong.database.query").collect();
    let texts: Vec<_> = statements.iter().map(|span| attributes(&span.attributes)["db.statement"].clone()).collect();
    assert!(texts.iter().any(|text| text.starts_with("SELECT") && text.contains(r#""services""#)), "{texts:#?}");
    let place = |begin: &str| texts.iter().position(|text| text.starts_with(begin));
    let (begun, inserted) = (place("BEGIN IMMEDIATE"), place(r#"INSERT INTO "routes""#));
    assert!(begun.is_some() && begun < inserted && inserted < place("COMMIT"), "{texts:#?}");
    assert!(texts.iter().all(|text| !text.contains("/orders")), "values are none of the text: {texts:#?}");
    for span in statements {
        assert_eq!((span.kind, &span.parent_span_id), (3, &root.span_id));
        let found = attributes(&span.attributes);
        assert_eq!((found["db.system"].as_str(), found["db.system.name"].as_str()), ("sqlite", "sqlite"));
    }
    // What the node does by itself is in no trace.
    assert!(collector.spans(|span| hex(&span.trace_id) != TRACE).is_empty());
}

#[test]
fn a_collector_that_is_gone_costs_spans_and_is_found_again() {
    let backend = Backend::start();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let endpoint = format!("http://{address}/v1/traces");
    let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "40"), ("KONG_LOG_LEVEL", "info"), ("KONG_PROXY_ERROR_LOG", "errors.log")];
    let gateway = traced(&endpoint, "1", &small);
    configure(&gateway, backend.address);
    for _ in 0..200 {
        assert_eq!(get(gateway.proxy, "/orders", &[("apikey", "ann-secret")]).status, 200);
    }
    eventually("the error log tells", || error_log(&gateway).contains("spans cannot be exported"));
    let collector = Collector::start_on(address);
    eventually("the error log tells, with a count", || {
        get(gateway.proxy, "/orders", &[("apikey", "ann-secret")]);
        let text = error_log(&gateway);
        let told = text.lines().find(|line| line.contains("spans are exported again"));
        told.is_some_and(|line| line.contains("dropped=") && !line.contains("dropped=0"))
    });
    // What came through are whole traces: all of a request, or nothing.
    for root in collector.spans(|span| span.name == "kong") {
        let trace = collector.trace(&hex(&root.trace_id));
        assert!(trace.iter().any(|span| span.name == "kong.router"), "{:?}", tree(&trace));
    }
}

#[test]
fn what_was_lost_is_told_at_the_end() {
    let backend = Backend::start();
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", free_port());
    let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "20"), ("KONG_PROXY_ERROR_LOG", "errors.log")];
    let mut gateway = traced(&endpoint, "1", &small);
    configure(&gateway, backend.address);
    for _ in 0..20 {
        assert_eq!(request(gateway.proxy, "GET", "/orders", &[], b"").expect("an answer").status, 401);
    }
    gateway.signal("QUIT");
    assert!(gateway.wait().success());
    let text = error_log(&gateway);
    let told = text.lines().find(|line| line.contains("spans were lost")).unwrap_or_else(|| panic!("{text}"));
    assert!(told.contains("dropped=") && told.contains("failed="), "{told}");
}
