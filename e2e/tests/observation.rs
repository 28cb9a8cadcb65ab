//! What a node tells of requests: which Route they match and why, what became of them.

use e2e::{Backend, Gateway, eventually, get, request};
use serde_json::{Value, json};

fn configuration(port: u16) -> Value {
    json!({
        "_format_version": "3.0",
        "services": [{
            "name": "orders", "host": "orders-upstream", "path": "/base", "retries": 2,
            "plugins": [{"name": "request-transformer", "config": {"add": {"headers": ["x-a:1"]}}}],
            "routes": [
                {"name": "read", "hosts": ["*.example.com"], "paths": ["/orders"], "methods": ["GET"],
                 "plugins": [{"name": "correlation-id"}]},
                {"name": "write", "hosts": ["*.example.com"], "paths": ["/orders"], "methods": ["POST"]},
                {"name": "secure", "paths": ["/secure"], "protocols": ["https"], "https_redirect_status_code": 301},
                {"name": "number", "paths": ["~/number/(?<n>\\d+)$"], "strip_path": false},
            ],
        }],
        "routes": [{"name": "alone", "paths": ["/alone"]}],
        "upstreams": [{"name": "orders-upstream", "targets": [{"target": format!("127.0.0.1:{port}")}]}],
        "consumers": [{"username": "ann", "plugins": [{"name": "correlation-id", "config": {"header_name": "x-c"}}]}],
        "plugins": [{"name": "prometheus"}],
    })
}

fn ask(gateway: &Gateway, question: &Value) -> Value {
    let lines = [("Content-Type", "application/json")];
    let body = question.to_string();
    let reply = request(gateway.admin, "POST", "/debug/route-match", &lines, body.as_bytes()).expect("an answer");
    assert_eq!(reply.status, 200, "{question}: {}", reply.text());
    reply.json()
}

#[test]
fn the_router_says_what_becomes_of_a_request() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    let port = backend.address.port();
    assert_eq!(gateway.configure(&configuration(port)).status, 201);

    let told = ask(&gateway, &json!({"method": "GET", "url": "http://shop.example.com/orders/7?a=b%20c"}));
    assert_eq!(told["matched"]["route"]["name"], "read", "{told}");
    assert_eq!(told["matched"]["stripped"], "/orders");
    assert_eq!(told["upstream"]["url"], "http://orders-upstream:80/base/7?a=b%20c");
    assert_eq!(told["upstream"]["upstream"]["name"], "orders-upstream");
    eventually("the Target's address is known", || {
        let told = ask(&gateway, &json!({"url": "http://shop.example.com/orders/7"}));
        told["upstream"]["targets"] == json!([format!("127.0.0.1:{port}")])
    });
    let plugins: Vec<_> = told["plugins"].as_array().expect("a list").iter().collect();
    let rows: Vec<_> = plugins.iter().map(|plugin| (plugin["name"].clone(), plugin["scope"].clone())).collect();
    let expected = [("prometheus", "global"), ("request-transformer", "service"), ("correlation-id", "route")];
    for (name, scope) in expected {
        assert!(rows.contains(&(name.into(), scope.into())), "{name} of {scope}: {rows:?}");
    }
    let near = &told["near_misses"][0];
    assert_eq!((&near["route"]["name"], &near["failed"]["criterion"]), (&json!("write"), &json!("methods")));
    assert_eq!((&near["failed"]["wanted"], &near["failed"]["given"]), (&json!(["POST"]), &json!("GET")));

    // For a Consumer, the configuration of its own.
    let told = ask(&gateway, &json!({"url": "http://shop.example.com/orders", "consumer": "ann"}));
    let own = told["plugins"].as_array().expect("a list").iter().find(|plugin| plugin["name"] == "correlation-id");
    assert_eq!(own.map(|plugin| &plugin["scope"]), Some(&json!("consumer")), "{told}");

    let told = ask(&gateway, &json!({"path": "/number/42"}));
    assert_eq!(told["matched"]["captures"], json!({"0": "/number/42", "1": "42", "n": "42"}), "{told}");
    assert_eq!(told["upstream"]["url"], "http://orders-upstream:80/base/number/42");

    for (question, status, location) in [
        (json!({"path": "/nowhere"}), 404, Value::Null),
        (json!({"path": "/alone"}), 503, Value::Null),
        (json!({"path": "/secure/x", "host": "a.test"}), 301, json!("https://a.test/secure/x")),
    ] {
        let told = ask(&gateway, &question);
        assert_eq!((&told["answer"]["status"], &told["answer"]["location"]), (&json!(status), &location), "{told}");
        // The real one says the same.
        let host = question["host"].as_str().unwrap_or("localhost");
        let real = get(gateway.proxy, question["path"].as_str().unwrap_or("/"), &[("Host", host)]);
        assert_eq!(real.status, status, "{question}");
    }

    for bad in [
        json!({"protocol": "tcp"}),
        json!({"headers": {"a\r\nb": "1"}}),
        json!({"headers": {"a": "1\r\nHost: x"}}),
        json!({"path": "/a b"}),
        json!({"consumer": "nobody"}),
        json!({"source_ip": "300.1.1.1"}),
    ] {
        let lines = [("Content-Type", "application/json")];
        let body = bad.to_string();
        let reply = request(gateway.admin, "POST", "/debug/route-match", &lines, body.as_bytes()).expect("an answer");
        assert_eq!(reply.status, 400, "{bad}: {}", reply.text());
    }
    // The same by a query.
    let told = get(gateway.admin, "/debug/route-match?path=/orders&host=x.example.com&header=x-a:1", &[]).json();
    assert_eq!(told["matched"]["route"]["name"], "read", "{told}");
    assert_eq!(told["request"]["headers"], json!([["x-a", "1"]]));
}

#[test]
fn what_became_of_requests_is_remembered() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[]);
    let mut document = configuration(backend.address.port());
    document["services"][0]["routes"][0]["plugins"] =
        json!([{"name": "key-auth", "config": {"key_names": ["my-own-key"]}}]);
    document["consumers"][0]["keyauth_credentials"] = json!([{"key": "the-planted-secret"}]);
    assert_eq!(gateway.configure(&document).status, 201);
    let host = ("Host", "shop.example.com");
    let key = ("my-own-key", "the-planted-secret");
    for number in 0..20 {
        let path = format!("/orders/{number}?token=the-planted-secret&page=2");
        let secret = ("Authorization", "Bearer the-planted-secret");
        assert_eq!(get(gateway.proxy, &path, &[host, key, secret, ("Cookie", "s=the-planted-secret")]).status, 200);
    }
    assert_eq!(get(gateway.proxy, "/orders/1", &[host]).status, 401);
    for _ in 0..3 {
        assert_eq!(get(gateway.proxy, "/alone", &[]).status, 503);
    }
    let series = |query: &str| get(gateway.admin, &format!("/telemetry/series?{query}"), &[]).json();
    let by = "by=service,route,consumer,target&range=5m";
    eventually("the requests are counted", || {
        let told = series(by);
        let row = |kind: &str| {
            let rows = told["series"].as_array().cloned().unwrap_or_default();
            rows.into_iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>()
        };
        let is = |rows: &[Value], name: &str, requests: u64| {
            rows.iter().any(|row| row["name"] == name && row["requests"] == requests)
        };
        told["total"]["errors"] == 3
            && is(&row("route"), "read", 21)
            && is(&row("route"), "alone", 3)
            && is(&row("service"), "orders", 21)
            && is(&row("consumer"), "ann", 20)
            && is(&row("target"), &backend.address.to_string(), 20)
    });
    let told = series(by);
    let target = told["series"].as_array().expect("rows").iter().find(|row| row["kind"] == "target").cloned();
    let target = target.unwrap_or_default();
    assert_eq!(target["upstream"]["name"], "orders-upstream", "{target}");
    assert_eq!(target["id"], format!("orders-upstream/{}", backend.address));
    let route = told["series"].as_array().expect("rows").iter().find(|row| row["name"] == "read").cloned();
    let id = route.expect("a row")["id"].as_str().expect("an id").to_owned();
    let only = series(&format!("by=route&id={id}&range=5m&points=false"));
    assert_eq!(only["series"].as_array().map(Vec::len), Some(1), "{only}");
    for bad in ["by=planet", "range=8d", "range=x", "step=0", "top=0", "points=maybe", "until=soon"] {
        assert_eq!(get(gateway.admin, &format!("/telemetry/series?{bad}"), &[]).status, 400, "{bad}");
    }

    let traces = |query: &str| get(gateway.admin, &format!("/telemetry/traces?{query}"), &[]).json();
    let failed = traces("kept=failed&route=alone");
    assert_eq!(failed["data"].as_array().map(Vec::len), Some(3), "{failed}");
    assert_eq!((&failed["data"][0]["status"], &failed["data"][0]["path"]), (&json!(503), &json!("/alone")));
    let first = traces("kept=failed&size=2");
    let rest = get(gateway.admin, first["next"].as_str().expect("a next page"), &[]).json();
    assert_eq!((first["data"].as_array().map(Vec::len), rest["data"].as_array().map(Vec::len)), (Some(2), Some(1)));
    for bad in ["status=six", "kept=all", "size=0", "offset=x", "min_duration=-1"] {
        assert_eq!(get(gateway.admin, &format!("/telemetry/traces?{bad}"), &[]).status, 400, "{bad}");
    }
    let mut sampled = Value::Null;
    eventually("a request is sampled", || {
        let path = "/orders/x?token=the-planted-secret&page=2";
        let lines = [host, key, ("Authorization", "Bearer the-planted-secret"), ("Cookie", "s=the-planted-secret")];
        assert_eq!(get(gateway.proxy, path, &lines).status, 200);
        sampled = traces("kept=sampled&route=read&consumer=ann")["data"][0].clone();
        sampled.is_object()
    });
    let id = sampled["id"].as_str().expect("an id");
    let whole = get(gateway.admin, &format!("/telemetry/traces/{id}"), &[]).json();
    let kinds: Vec<_> = whole["spans"].as_array().expect("spans").iter().map(|span| span["kind"].clone()).collect();
    for kind in ["request", "read", "route", "plugin", "try", "wait"] {
        assert!(kinds.contains(&json!(kind)), "{kind}: {whole}");
    }
    assert_eq!(
        (&whole["why"]["matched"]["route"]["name"], &whole["why"]["same_route"]),
        (&json!("read"), &json!(true))
    );
    assert!(!whole.to_string().contains("the-planted-secret"), "{whole}");
    assert!(whole["request"]["query"].as_str().is_some_and(|query| query.contains("page=2")), "{whole}");
    assert_eq!(get(gateway.admin, "/telemetry/traces/none", &[]).status, 404);

    // The stream goes on for as long as someone listens.
    let mut stream = std::net::TcpStream::connect(gateway.admin).expect("a connection");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a limit");
    let ask = b"GET /telemetry/stream?by=route&history=60 HTTP/1.1\r\nHost: x\r\n\r\n";
    std::io::Write::write_all(&mut stream, ask).expect("it is asked");
    let mut seen = String::new();
    let mut buffer = [0; 65_536];
    eventually("two seconds are told", || {
        let read = std::io::Read::read(&mut stream, &mut buffer).expect("events");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        seen.matches("event: tick").count() > 61
    });
    assert!(seen.contains("text/event-stream") && seen.contains("retry: 3000"), "{seen}");
    assert!(seen.contains(r#""name":"read""#), "{seen}");
}

#[test]
fn a_node_may_remember_nothing() {
    let gateway = Gateway::start(&[("KONG_TELEMETRY_HISTORY", "off")]);
    assert_eq!(get(gateway.admin, "/telemetry/series", &[]).status, 503);
    assert_eq!(get(gateway.admin, "/", &[]).json()["configuration"]["telemetry_history"], "off");
}

#[test]
fn a_node_tells_of_itself_in_metrics() {
    let gateway = Gateway::start(&[]);
    let text = get(gateway.status, "/metrics", &[]).text();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    for name in [
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_start_time_seconds",
        "silverback_actor_restarts_total{actor=\"RouteTable\"}",
        "silverback_history_bytes",
        "silverback_rate_limit_counters_max",
        "silverback_response_cache_bytes_max",
        "silverback_response_cache_failures_total",
        "silverback_response_cache_requests_total{status=\"Hit\"}",
        "silverback_routes",
        "silverback_snapshot_generation",
    ] {
        assert!(value(name).is_some(), "{name}: {text}");
    }
    assert!(value("silverback_history_bytes").is_some_and(|bytes| bytes < 256.0 * 1024.0), "{text}");
}

#[test]
fn plugins_count_what_a_business_counts() {
    let backend = Backend::start();
    let required = "kong.plugins.prometheus.exporter";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let errors = folder.path().join("error.log");
    let gateway = Gateway::start(&[
        ("KONG_UNTRUSTED_LUA_SANDBOX_REQUIRES", required),
        ("KONG_PROXY_ERROR_LOG", &errors.display().to_string()),
    ]);
    let mut document = configuration(backend.address.port());
    let declare = format!("local prometheus = require('{required}').get_prometheus()\n");
    let access = "return function() kong.ctx.plugin.items = kong.request.get_body().items end";
    let log = r#"
        local orders = prometheus:counter("orders_total", "Orders by plan", { "plan" })
        local items = prometheus:histogram("order_items", "Things per order", {}, { 1, 10 })
        return function()
            orders:inc(1, { kong.request.get_header("x-plan") or "none" })
            items:observe(kong.ctx.plugin.items)
            orders:inc(1)
            orders:inc(-1, { "gold" })
        end
    "#;
    let config = json!({ "access": [access], "log": [declare + log] });
    document["services"][0]["plugins"] = json!([{ "name": "post-function", "config": config }]);
    assert_eq!(gateway.configure(&document).status, 201);
    for (plan, items) in [("gold", 1), ("gold", 3), ("sil\"ver", 70)] {
        let lines = [("Host", "shop.example.com"), ("Content-Type", "application/json"), ("X-Plan", plan)];
        let body = json!({ "items": items }).to_string();
        let reply = request(gateway.proxy, "POST", "/orders/new", &lines, body.as_bytes()).expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let wanted = [
        "# TYPE kong_orders_total counter",
        r#"kong_orders_total{plan="gold"} 2"#,
        r#"kong_orders_total{plan="sil\"ver"} 1"#,
        r#"kong_order_items_bucket{le="1"} 1"#,
        r#"kong_order_items_bucket{le="10"} 2"#,
        r#"kong_order_items_bucket{le="+Inf"} 3"#,
        "kong_order_items_sum 74",
    ];
    eventually("all is counted", || {
        let text = get(gateway.status, "/metrics", &[]).text();
        wanted.iter().all(|line| text.lines().any(|known| known == *line))
    });
    let wrong = ["inconsistent labels count, expected 1, got 0", "value should not be negative"];
    eventually("what is wrong is said", || {
        let told = std::fs::read_to_string(&errors).unwrap_or_default();
        wrong.iter().all(|sentence| told.contains(sentence))
    });
}

#[test]
fn no_output_shows_a_planted_secret() {
    const SECRET: &str = "planted-secret-0815";
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = |name: &str| folder.path().join(name).display().to_string();
    let files = ["access.log", "json.log", "admin.log", "error.log"].map(log);
    for (access, format) in [(&files[0], ""), (&files[1], " json")] {
        let access = format!("{access}{format}");
        let gateway = Gateway::start(&[
            ("KONG_PROXY_ACCESS_LOG", access.as_str()),
            ("KONG_ADMIN_ACCESS_LOG", files[2].as_str()),
            ("KONG_PROXY_ERROR_LOG", files[3].as_str()),
            ("KONG_LOG_LEVEL", "debug"),
            ("KONG_LOG_MASKED_NAMES", "x-own"),
        ]);
        let mut document = configuration(backend.address.port());
        let key_auth = json!({"name": "key-auth", "config": {"key_names": ["my-own-key"]}});
        document["services"][0]["routes"][0]["plugins"] = json!([key_auth]);
        document["consumers"][0]["keyauth_credentials"] = json!([{"key": SECRET}]);
        assert_eq!(gateway.configure(&document).status, 201);
        let path = format!("/orders/seen?my-own-key={SECRET}&token={SECRET}&x-own={SECRET}&page=2");
        let bearer = format!("Bearer {SECRET}");
        let cookie = format!("session={SECRET}");
        let referer = format!("https://u:{SECRET}@a.test/x?access_token={SECRET}");
        let lines = [
            ("Host", "shop.example.com"),
            ("Authorization", &bearer),
            ("Cookie", &cookie),
            ("Referer", &referer),
            ("X-Own", SECRET),
        ];
        assert_eq!(get(gateway.proxy, &path, &lines).status, 200);
        let path = format!("/alone?apikey={SECRET}");
        assert_eq!(get(gateway.proxy, &path, &lines).status, 503);
        assert_eq!(get(gateway.admin, &format!("/status?token={SECRET}"), &lines).status, 200);
        eventually("the lines are there", || {
            let text = std::fs::read_to_string(access.trim_end_matches(" json")).unwrap_or_default();
            text.contains("/orders/seen") && text.contains("page=2") && text.contains("/alone")
        });
        let kept = get(gateway.admin, "/telemetry/traces", &[]).text();
        assert!(!kept.contains(SECRET), "{kept}");
    }
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.contains(SECRET));
        assert_eq!(line, None, "{file}");
    }
}
