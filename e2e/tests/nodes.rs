//! Several gateways on one database: what the network loses, what two write at once, nodes that only serve.

use e2e::{Backend, Gateway, LUA_PLUGINS, Postgres, Relay, create, eventually, get, send, serve};
use serde_json::{Value, json};

/// A gateway on this database; `more` settings count.
fn on(postgres: &Postgres, more: &[(&str, &str)]) -> Gateway {
    let settings = postgres.settings();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.extend(more);
    Gateway::start(&settings)
}

/// A gateway that reaches this database through a relay.
fn through(relay: &Relay, postgres: &Postgres, more: &[(&str, &str)]) -> Gateway {
    let port = relay.port.to_string();
    let mut settings = vec![("KONG_PG_PORT", port.as_str())];
    settings.extend(more);
    on(postgres, &settings)
}

fn status(node: &Gateway, path: &str) -> u16 {
    get(node.proxy, path, &[]).status
}

#[test]
fn notifications_alone_tell() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let seldom = [("KONG_DB_UPDATE_FREQUENCY", "3600")];
    let (one, two) = (on(&postgres, &seldom), on(&postgres, &seldom));
    serve(one.admin, &backend);
    eventually("the other is told", || status(&two, "/s/x") == 200);
}

#[test]
fn what_no_notification_told_is_found() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let relay = Relay::to(postgres.port);
    relay.deafen();
    let (one, two) = (on(&postgres, &[]), through(&relay, &postgres, &[("KONG_DB_UPDATE_FREQUENCY", "1")]));
    serve(one.admin, &backend);
    eventually("the other looks by itself", || status(&two, "/s/x") == 200);
}

#[test]
fn a_network_that_goes_silent() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let (first, second) = (Relay::to(postgres.port), Relay::to(postgres.port));
    let often = [("KONG_DB_UPDATE_FREQUENCY", "1")];
    let near = on(&postgres, &[]);
    serve(near.admin, &backend);
    create(near.admin, "/routes/r/plugins", &json!({ "name": "key-auth" }));
    create(near.admin, "/consumers", &json!({ "username": "ann" }));
    create(near.admin, "/consumers/ann/key-auth", &json!({ "key": "k" }));
    // Started when all is written: nothing that they come to know is forgotten because of a change from before.
    let nodes = [through(&first, &postgres, &often), through(&second, &postgres, &often)];
    let known = |node: &Gateway| get(node.proxy, "/s/x", &[("apikey", "k")]).status;
    for node in &nodes {
        eventually("it is served", || known(node) == 200 && status(node, "/s/x") == 401);
    }
    first.hold();
    second.hold();
    create(near.admin, "/services/s/routes", &json!({ "paths": ["/new"] }));
    for node in &nodes {
        assert_eq!(known(node), 200, "proxying goes on");
        let refused = send(node.admin, "PATCH", "/services/s", &json!({ "retries": 1 }));
        assert_eq!(refused.status, 503, "{}", refused.text());
        eventually("the loss is known", || get(node.status, "/status", &[]).json()["database"]["reachable"] == false);
        assert_eq!(known(node), 200, "proxying goes on");
        assert_eq!(status(node, "/new/x"), 404);
    }
    // What was under way is lost: connections from before stay silent for ever.
    first.release();
    second.release();
    for (node, retries) in nodes.iter().zip([2, 3]) {
        eventually("it catches up", || status(node, "/new/x") == 200);
        eventually("writes are taken again", || {
            send(node.admin, "PATCH", "/services/s", &json!({ "retries": retries })).status == 200
        });
        assert_eq!(send(near.admin, "GET", "/services/s", &Value::Null).json()["retries"], retries);
    }
}

#[test]
fn no_write_is_lost_where_several_change_one_entity() {
    let postgres = Postgres::start();
    let (one, two) = (on(&postgres, &[]), on(&postgres, &[]));
    create(one.admin, "/services", &json!({ "name": "s", "host": "a.test", "protocol": "https" }));
    const LAST: u32 = 20;
    let fields = ["connect_timeout", "read_timeout", "write_timeout", "port", "retries", "tls_verify_depth"];
    std::thread::scope(|scope| {
        for (index, field) in fields.into_iter().enumerate() {
            let admin = if index % 2 == 0 { one.admin } else { two.admin };
            scope.spawn(move || {
                for value in 1..=LAST {
                    let reply = send(admin, "PATCH", "/services/s", &json!({ field: value }));
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    assert_eq!(reply.json()[field], value);
                }
            });
        }
    });
    for node in [&one, &two] {
        let found = send(node.admin, "GET", "/services/s", &Value::Null).json();
        for field in fields {
            assert_eq!(found[field], LAST, "{field}: {found}");
        }
    }
}

#[test]
fn a_log_level_is_told_to_all_for_a_while() {
    let postgres = Postgres::start();
    let (one, two) = (on(&postgres, &[]), on(&postgres, &[]));
    let level = |node: &Gateway| get(node.admin, "/debug/node/log-level", &[]).json()["message"].clone();
    let told = send(one.admin, "PUT", "/debug/cluster/log-level/error?timeout=2", &Value::Null);
    assert_eq!((told.status, &told.json()["message"]), (200, &json!("log level changed")));
    for node in [&one, &two] {
        eventually("it is heard", || level(node) == "log level: error");
    }
    for node in [&one, &two] {
        eventually("it is over", || level(node) == "log level: warn");
    }
}

#[test]
fn plugins_tell_their_like_on_other_nodes() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let settings =
        [("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS), ("KONG_PLUGINS", "herald"), ("KONG_NGINX_WORKER_PROCESSES", "2")];
    let nodes = [on(&postgres, &settings), on(&postgres, &settings)];
    let [one, two] = &nodes;
    serve(one.admin, &backend);
    create(one.admin, "/plugins", &json!({ "name": "herald" }));
    let asked = |node: &Gateway, query: &str| get(node.proxy, &format!("/s/x?{query}"), &[]);
    let heard = |node: &Gateway, what: &str| asked(node, &format!("heard={what}")).json()["heard"].clone();
    for node in &nodes {
        eventually("the plugin is in use", || asked(node, "heard=a").text().contains("heard"));
    }
    // What fails, and what is heard later, does not keep what comes after from being heard.
    for query in ["tell=fail", "tell=never&delay=1.8e19", "tell=later&delay=1.5", "tell=a", "tell=b"] {
        assert_eq!(asked(one, query).json(), json!({ "ok": true }), "{query}");
    }
    eventually("the other hears", || heard(two, "b") == 1);
    assert_eq!((heard(two, "a"), heard(two, "later")), (json!(1), json!(0)), "each once, and each in its time");
    eventually("the other hears later", || heard(two, "later") == 1);
    asked(two, "tell=back");
    eventually("the first hears, too", || heard(one, "back") == 1);
    assert_eq!((heard(one, "a"), heard(two, "back")), (json!(0), json!(0)), "nobody hears what it tells itself");
    // Values of kong.cache go everywhere.
    let word = |node: &Gateway, made: &str| asked(node, &format!("word={made}")).json()["word"].clone();
    for (node, made) in nodes.iter().zip(["first", "second"]) {
        eventually("a word is kept", || asked(node, "forget=word").status == 204 && word(node, made) == made);
    }
    asked(one, "forget=word");
    assert_eq!(word(one, "new"), "new");
    eventually("the other has forgotten", || word(two, "new") == "new");
    // Telling is no change of the configuration.
    let revisions = get(one.admin, "/revisions", &[]).json();
    let told = revisions["data"].as_array().is_some_and(|all| all.iter().any(|one| one["author"] == "node"));
    assert!(!told, "{revisions}");
    assert_eq!(
        asked(one, "misuse=1").json(),
        json!([
            "channel must be a string",
            "data must be a string",
            "delay must be a number",
            "delay must be a number of seconds, 0 or more",
            "data must be UTF-8",
            "channel must be a string",
            "callback must be a function",
        ])
    );
}

#[test]
fn what_is_done_by_hand_is_done_on_every_node() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let nodes = [on(&postgres, &[]), on(&postgres, &[])];
    let one = &nodes[0];
    let checked = json!({ "passive": { "unhealthy": { "http_failures": 3 } } });
    create(one.admin, "/upstreams", &json!({ "name": "pool", "healthchecks": checked }));
    create(one.admin, "/upstreams/pool/targets", &json!({ "target": backend.address.to_string() }));
    serve(one.admin, &backend);
    let cache = json!({ "strategy": "memory", "content_type": ["text/plain", "application/json"], "cache_ttl": 300 });
    create(one.admin, "/routes/r/plugins", &json!({ "name": "proxy-cache", "config": cache }));
    // The state of a Target.
    let state = |node: &Gateway| get(node.admin, "/upstreams/pool/health", &[]).json()["data"][0]["health"].clone();
    for node in &nodes {
        eventually("the Target is in use", || state(node) == "HEALTHY");
    }
    for (word, expected) in [("unhealthy", "UNHEALTHY"), ("healthy", "HEALTHY")] {
        let path = format!("/upstreams/pool/targets/{}/{word}", backend.address);
        assert_eq!(send(one.admin, "PUT", &path, &Value::Null).status, 204);
        for node in &nodes {
            eventually("it is so on every node", || state(node) == expected);
        }
    }
    // Responses that are kept.
    let kept = |node: &Gateway, path: &str| {
        let answer = get(node.proxy, path, &[]);
        let value = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        (value("x-cache-status"), value("x-cache-key"))
    };
    let [first, second] = ["/s/one", "/s/two"].map(|path| {
        for node in &nodes {
            eventually("it is kept", || kept(node, path).0 == "Hit");
        }
        format!("/proxy-cache/{}", kept(one, path).1)
    });
    let status = |node: &Gateway, method: &str, path: &str| send(node.admin, method, path, &Value::Null).status;
    // What is no key is not told.
    for (path, expected) in [("/proxy-cache/nil", 404), (first.as_str(), 204)] {
        assert_eq!(status(one, "DELETE", path), expected, "{path}");
    }
    for node in &nodes {
        eventually("no node keeps it", || status(node, "GET", &first) == 404);
        assert_eq!(status(node, "GET", &second), 200, "the other stays");
    }
    assert_eq!(status(one, "DELETE", "/proxy-cache"), 204);
    for node in &nodes {
        eventually("no node keeps anything", || status(node, "GET", &second) == 404);
    }
}

#[test]
fn a_node_that_only_serves() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    let writer = on(&postgres, &[]);
    let server = on(&postgres, &[("KONG_ADMIN_LISTEN", "off")]);
    serve(writer.admin, &backend);
    eventually("it serves what another wrote", || status(&server, "/s/x") == 200);
    assert!(e2e::request(server.admin, "GET", "/", &[], b"").is_err(), "nothing listens there");
    assert_eq!(get(server.status, "/status/ready", &[]).status, 200);
}

#[test]
fn a_replica_serves_what_requests_need() {
    let (backend, postgres) = (Backend::start(), Postgres::start());
    // All is written before it is copied: nothing that the node comes to know is forgotten because of a change from before.
    let writer = on(&postgres, &[]);
    serve(writer.admin, &backend);
    create(writer.admin, "/routes/r/plugins", &json!({ "name": "key-auth" }));
    create(writer.admin, "/consumers", &json!({ "username": "ann" }));
    create(writer.admin, "/consumers/ann/key-auth", &json!({ "key": "k" }));
    drop(writer);
    let mut replica = postgres.replica();
    let port = replica.port.to_string();
    let seldom = [("KONG_PG_RO_HOST", "127.0.0.1"), ("KONG_PG_RO_PORT", &port), ("KONG_DB_UPDATE_FREQUENCY", "3600")];
    let node = on(&postgres, &seldom);
    let with = |key: &str| get(node.proxy, "/s/x", &[("apikey", key)]).status;
    assert_eq!(status(&node, "/s/x"), 401, "the plugin is at work");
    assert_eq!(with("k"), 200, "the key is known");
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'silverback'";
    assert_ne!(replica.ask(asked), "0", "the replica is asked");
    replica.stop();
    assert_eq!(with("k"), 200, "what is known goes on");
    assert_eq!(with("never seen"), 500, "nobody else is asked in its place");
    create(node.admin, "/services/s/routes", &json!({ "paths": ["/more"] }));
    replica.run();
    eventually("the replica is used again", || with("never seen") == 401);
    eventually("what was written meanwhile is served", || status(&node, "/more/x") == 200);
}

#[test]
fn a_burst_of_writes_leads_to_few_rebuilds() {
    const WRITES: usize = 1_000;
    const WRITERS: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("KONG_DATABASE", "sqlite"), ("KONG_LOG_LEVEL", "debug"), ("KONG_PROXY_ERROR_LOG", "errors.log")];
    let gateway = Gateway::start_in(folder.path(), &settings);
    let backend = Backend::start();
    serve(gateway.admin, &backend);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let admin = gateway.admin;
            scope.spawn(move || {
                for number in (writer..WRITES).step_by(WRITERS) {
                    create(admin, "/services/s/routes", &json!({ "paths": [format!("/b{number}")] }));
                }
            });
        }
    });
    for number in [0, 1, WRITES - 1] {
        eventually("all are served", || status(&gateway, &format!("/b{number}/x")) == 200);
    }
    let log = std::fs::read_to_string(folder.path().join("errors.log")).expect("a log");
    let rebuilds = log.lines().filter(|line| line.contains("a configuration is in use")).count();
    assert!(rebuilds > 0 && rebuilds < WRITES / 4, "{rebuilds} rebuilds");
}

#[test]
fn each_node_knows_of_the_others() {
    let postgres = Postgres::start();
    let (one, mut two) = (on(&postgres, &[]), on(&postgres, &[]));
    let told = |node: &Gateway| send(node.admin, "GET", "/nodes", &Value::Null).json();
    let own = send(two.admin, "GET", "/", &Value::Null).json();
    eventually("both are known", || told(&one)["data"].as_array().is_some_and(|nodes| nodes.len() == 2));
    let nodes = told(&one);
    let found = nodes["data"].as_array().and_then(|nodes| nodes.iter().find(|node| node["id"] == own["node_id"]));
    let found = found.unwrap_or_else(|| panic!("it is among them: {nodes}"));
    assert_eq!((&found["hostname"], &found["version"]), (&own["hostname"], &own["version"]));
    assert_eq!((&found["status"], &found["ip"], &found["behind"]), (&json!("up"), &json!("127.0.0.1"), &json!(0)));
    // Telling is no change of the configuration.
    let newest = || send(one.admin, "GET", "/revisions", &Value::Null).json()["data"][0]["id"].clone();
    let before = newest();
    two.signal("TERM");
    assert!(two.wait().success());
    eventually("one has left", || told(&one)["data"].as_array().is_some_and(|nodes| nodes.len() == 1));
    assert_eq!(newest(), before);
}
