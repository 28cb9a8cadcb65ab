//! Plugins in folders: loaded, configured, run; and refused with a sentence.

use e2e::{Backend, Gateway, LUA_PLUGINS, Postgres, binary, create, eventually, get, request, send, serve};
use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/lua/tests/plugins");

#[test]
fn plugins_in_folders_run() {
    let backend = Backend::start();
    let other = Backend::start();
    let gateway = Gateway::start(&[
        ("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS),
        ("KONG_PLUGINS", "bundled,security-headers,full,ticker,caller"),
        ("KONG_NGINX_WORKER_PROCESSES", "1"),
    ]);
    let route = |name: &str, plugin: &str, config: serde_json::Value| json!({ "name": name, "paths": [format!("/{name}")], "plugins": [{ "name": plugin, "config": config }] });
    let asked = format!("http://{}/asked", other.address);
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{
            "name": "hello", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [
                route("safe", "security-headers", json!({})),
                route("full", "full", json!({ "word": "long" })),
                route("ticks", "ticker", json!({})),
                route("asks", "caller", json!({ "url": asked })),
            ],
        }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("the routes are there", || get(gateway.proxy, "/safe", &[]).status == 200);
    assert_eq!(get(gateway.proxy, "/safe", &[]).header("x-frame-options"), Some("DENY"));
    let full = get(gateway.proxy, "/full", &[]);
    assert_eq!((full.status, full.header("x-full")), (200, Some("1")));
    assert_eq!(full.text(), full.text().to_uppercase());
    assert_eq!(get(gateway.proxy, "/full?fail=1", &[]).status, 500);
    // Timers run without a request.
    eventually("the timers have run", || get(gateway.proxy, "/ticks", &[]).json()["once"] == "once");
    let before = other.requests();
    assert_eq!(get(gateway.proxy, "/asks", &[]).status, 200);
    assert_eq!(other.requests(), before + 1);

    let schema = get(gateway.admin, "/schemas/plugins/full", &[]).json();
    assert!(schema["fields"].to_string().contains("Kept to itself."), "{schema}");
    let root = get(gateway.admin, "/", &[]).json();
    let shown = &root["plugins"]["available_on_server"]["full"];
    assert_eq!((&shown["priority"], &shown["version"]), (&json!(1234), &json!("1.2.3")));
    let refused = gateway.configure(&json!({
        "_format_version": "3.0", "plugins": [{ "name": "full", "config": { "status": 418 } }],
    }));
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("no teapots"), "{}", refused.text());
}

#[test]
fn tables_show_as_much_as_configured() {
    let gateway = Gateway::start(&[
        ("KONG_LUA_MAX_REQ_HEADERS", "3"),
        ("KONG_LUA_MAX_RESP_HEADERS", "2"),
        ("KONG_LUA_MAX_URI_ARGS", "4"),
        ("KONG_LUA_MAX_POST_ARGS", "5"),
        ("KONG_UNTRUSTED_LUA", "on"),
    ]);
    const COUNT: &str = "local function count(all) local number = 0; for _ in pairs(all) do number = number + 1 end; return number end\n";
    let code = "ngx.req.read_body()
        for number = 1, 6 do kong.response.set_header('x-' .. number, 'x') end
        return kong.response.exit(200, {
            headers = { count(kong.request.get_headers()), count(ngx.req.get_headers()), count(kong.request.get_headers(2)) },
            query = { count(kong.request.get_query()), count(ngx.req.get_uri_args()), count(ngx.decode_args('a&b&c&d&e')) },
            form = { count(kong.request.get_body()), count(ngx.req.get_post_args()) },
        })";
    let last =
        "kong.response.set_header('answer', count(kong.response.get_headers()) .. count(ngx.resp.get_headers()))";
    let config = json!({ "access": [format!("{COUNT}{code}")], "header_filter": [format!("{COUNT}{last}")] });
    let configuration = json!({ "_format_version": "3.0", "services": [{ "name": "s", "host": "a.test", "routes": [{
        "name": "r", "paths": ["/"], "plugins": [{ "name": "pre-function", "config": config }],
    }] }] });
    assert_eq!(gateway.configure(&configuration).status, 201);
    let lines = [("Content-Type", "application/x-www-form-urlencoded"), ("A", "1"), ("B", "2"), ("C", "3")];
    let ask =
        || request(gateway.proxy, "POST", "/?a=1&b=2&c=3&d=4&e=5", &lines, b"a=1&b=2&c=3&d=4&e=5&f=6").expect("one");
    eventually("the Route is there", || ask().status != 404);
    let said = ask();
    let expected = json!({ "headers": [3, 3, 2], "query": [4, 4, 4], "form": [5, 5] });
    assert_eq!((said.json(), said.header("answer")), (expected, Some("22")), "{}", said.text());
}

#[test]
fn plugins_use_what_is_beside_requests() {
    let backend = Backend::start();
    let gateway = Gateway::start(&[
        ("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS),
        ("KONG_PLUGINS", "bundled,kit"),
        ("KONG_NGINX_WORKER_PROCESSES", "2"),
        ("APP_WORD", "a word"),
    ]);
    let configuration = json!({
        "_format_version": "3.0",
        "vaults": [{ "name": "env", "prefix": "mine", "config": { "prefix": "APP_" } }],
        "services": [{
            "name": "hello", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [{
                "name": "kit", "paths": ["/kit"],
                "plugins": [{ "name": "kit", "config": { "secret": "{vault://mine/word}" } }],
            }],
        }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("workers have told each other, and know their configuration", || {
        let answer = get(gateway.proxy, "/kit", &[]);
        let said = answer.json();
        answer.status == 200 && said["told"][0] == "kit:asked:0" && said["configured"] == json!(["a word"])
    });
    let said = get(gateway.proxy, "/kit", &[]).json();
    for (name, expected) in [
        ("secret", json!("a word")),
        ("conf", json!("a word")),
        ("none", json!("could not find vault (other)")),
        ("ip", json!("127.0.0.1:80")),
        ("database", json!("off")),
        (
            "reference",
            json!({ "name": "mine", "resource": "kit-word", "key": "key", "version": 2, "config": { "prefix": "A_" } }),
        ),
    ] {
        assert_eq!(said[name], expected, "{name}: {said}");
    }
    assert!(said["requests"].as_u64() > Some(0) && said["memory"].as_str().is_some_and(|text| text.ends_with(" KiB")));
    eventually("the timer has run three times, and no more", || get(gateway.proxy, "/kit", &[]).json()["later"] == 3);
    // Where the response is on its way, an error is a line of the log.
    for phase in ["header_filter", "log"] {
        assert_eq!(get(gateway.proxy, &format!("/kit?fail={phase}"), &[]).status, 200, "{phase}");
    }
}

fn with_ledger(more: &[(&str, &str)]) -> Gateway {
    let own =
        [("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS), ("KONG_PLUGINS", "bundled,ledger"), ("KONG_DB_UPDATE_FREQUENCY", "1")];
    Gateway::start(&[&own, more].concat())
}

/// Entities of a plugin's own: at the Admin API, in its functions, and at paths of its own.
fn keeps_entries(gateway: &Gateway) {
    let (admin, proxy) = (gateway.admin, gateway.proxy);
    let backend = Backend::start();
    serve(admin, &backend);
    create(admin, "/routes/r/plugins", &json!({ "name": "ledger" }));
    let asked = |label: &str, what: &str| get(proxy, &format!("/s/x?do={what}"), &[("X-Label", label)]);
    eventually("the plugin is at work", || asked("none", "select").text() == "{}");

    // Made at the Admin API, seen by the plugin.
    create(admin, "/consumers", &json!({ "username": "ann" }));
    let made = create(admin, "/consumers/ann/ledger", &json!({ "label": "one", "amount": 3 }));
    assert_eq!(get(admin, "/ledger-entries/one", &[]).json(), made);
    assert_eq!(get(admin, "/consumers/ann/ledger", &[]).json()["data"][0]["id"], made["id"]);
    assert_eq!(asked("one", "select").json()["row"]["id"], made["id"]);
    assert_eq!(send(admin, "POST", "/ledger-entries", &json!({ "label": "a\tb" })).status, 400);
    assert!(get(admin, "/schemas/ledger_entries", &[]).text().contains("\"amount\""));

    // Made by the plugin, seen at the Admin API.
    let row = asked("two", "insert&amount=4").json()["row"].clone();
    assert_eq!((&row["label"], &row["amount"]), (&json!("two"), &json!(4)));
    assert_eq!(get(admin, "/ledger-entries/two", &[]).json()["id"], row["id"]);
    let again = asked("two", "insert").json();
    assert_eq!(again["err"], "[postgres] UNIQUE violation detected on '{label=\"two\"}'");
    let told = &again["err_t"];
    assert_eq!((&told["code"], &told["name"]), (&json!(5), &json!("unique constraint violation")));
    let refused = asked("three", "insert&amount=2000").json();
    assert_eq!(refused["err"], "[postgres] schema violation (amount: value should be between 0 and 1000)");
    assert_eq!(refused["err_t"]["fields"]["amount"], "value should be between 0 and 1000");
    assert_eq!(asked("two", "update").json()["row"]["amount"], 8);
    assert_eq!(asked("none", "update").json()["err_t"]["name"], "not found");
    assert_eq!(asked("three", "upsert").json()["row"]["notes"], json!(["b", "a"]));
    assert_eq!(asked("three", "delete").json()["row"], json!({ "deleted": true }));
    assert_eq!(get(admin, "/ledger-entries/three", &[]).status, 404);

    // Paths of the plugin's own.
    assert_eq!(get(admin, "/ledger/total", &[]).json(), json!({ "total": 11, "count": 2 }));
    let times = |label: &str, body: Value| send(admin, "POST", &format!("/ledger/entries/{label}/times"), &body);
    assert_eq!(times("one", json!({ "factor": 5 })).json()["amount"], 15);
    assert_eq!(times("none", json!({})).status, 404);
    let refused = times("one", json!({ "factor": 100 }));
    assert_eq!((refused.status, &refused.json()["name"]), (400, &json!("schema violation")));
    assert_eq!(send(admin, "DELETE", "/ledger/entries/one/times", &json!({})).status, 500);
    assert_eq!(send(admin, "PATCH", "/ledger/total", &json!({})).status, 405);
    let plain = get(admin, "/ledger/plain?q=a%20b", &[]);
    assert_eq!((plain.status, plain.header("x-ledger")), (202, Some("kept")));
    assert_eq!(plain.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-plain")).count(), 2);
    assert_eq!(plain.json(), json!({ "method": "GET", "q": "a b", "path": "/ledger/plain" }));

    // What a Consumer has goes with it.
    assert_eq!(send(admin, "DELETE", "/consumers/ann", &json!({})).status, 204);
    assert_eq!(get(admin, "/ledger-entries/one", &[]).status, 404);
}

#[test]
fn plugins_keep_entities_in_sqlite() {
    keeps_entries(&with_ledger(&[("KONG_DATABASE", "sqlite")]));
}

#[test]
fn plugins_keep_entities_in_postgres() {
    let postgres = Postgres::start();
    let settings = postgres.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    keeps_entries(&with_ledger(&settings));
}

#[test]
fn paths_of_plugins_are_behind_the_gate() {
    let own = [("KONG_DATABASE", "sqlite"), ("KONG_ENFORCE_RBAC", "on"), ("KONG_PASSWORD", "a-secret")];
    let gateway = with_ledger(&own);
    for path in ["/ledger/total", "/ledger-entries"] {
        assert_eq!(get(gateway.admin, path, &[]).status, 401, "{path}");
        let token = [("Kong-Admin-Token", "a-secret")];
        assert_eq!(request(gateway.admin, "GET", path, &token, b"").expect("an answer").status, 200, "{path}");
    }
}

#[test]
fn declarative_files_have_entities_of_plugins() {
    let backend = Backend::start();
    let gateway = with_ledger(&[("KONG_DATABASE", "off")]);
    let configuration = json!({
        "_format_version": "3.0",
        "ledger_entries": [{ "label": "one", "amount": 5 }],
        "services": [{
            "name": "s", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [{ "name": "r", "paths": ["/s"], "plugins": [{ "name": "ledger" }] }],
        }],
    });
    let loaded = gateway.configure(&configuration);
    assert_eq!(loaded.status, 201, "{}", loaded.text());
    let asked = |what: &str| get(gateway.proxy, &format!("/s?do={what}"), &[("X-Label", "one")]).json();
    eventually("the plugin is at work", || asked("select")["row"]["amount"] == 5);
    let refused = asked("update");
    assert_eq!(refused["err"], "[off] cannot update 'ledger_entries' entities when not using a database");
    assert_eq!(get(gateway.admin, "/ledger/total", &[]).json(), json!({ "total": 5, "count": 1 }));
}

#[test]
fn a_broken_plugin_keeps_the_node_from_starting() {
    for (plugin, sentence) in [
        ("missing", "missing plugin is enabled but not installed"),
        ("broken-schema", "plugin 'broken-schema': schema.lua: config: field 'a': there is no type 'strin'"),
        ("broken-daos", "plugin 'broken-daos': daos.lua: 'broken_entries' must have a 'primary_key'"),
    ] {
        let prefix = tempfile::tempdir().expect("a folder");
        let names = format!("bundled,{plugin}");
        let mut command =
            Gateway::command(prefix.path(), &[("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS), ("KONG_PLUGINS", &names)]);
        let output = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).output();
        let output = output.expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(sentence), "{plugin}: {said}");
    }
}

#[test]
fn cases_of_a_plugin_are_run() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(binary()).args(arguments).output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let greeter = format!("{FOLDER}/kong/plugins/greeter");
    let (passed, text) = run(&["plugin", "test", &greeter]);
    assert!(passed && text.contains("2 passed, 0 failed"), "{text}");
    let (passed, text) = run(&["plugin", "test", &greeter, &format!("{FOLDER}/wrong-cases.yaml")]);
    assert!(!passed, "{text}");
    for sentence in [
        "case 1: the response's status is 200, not 404",
        "case 1: the response's header X-Greeting is 'hello', not 'bye'",
        "case 1: the upstream was asked",
        "0 passed, 1 failed",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
    for (folder, sentence) in [
        (format!("{FOLDER}/kong/plugins/full"), "there is no cases.yaml"),
        (FOLDER.to_owned(), "expected a plugin's folder"),
        (format!("{FOLDER}/kong/plugins/none"), "No such file"),
    ] {
        let (passed, text) = run(&["plugin", "test", &folder]);
        assert!(!passed && text.contains(sentence), "{folder}: {text}");
    }
    let (passed, text) =
        run(&["plugin", "test", &format!("{FOLDER}/kong/plugins/broken-schema"), &format!("{greeter}/cases.yaml")]);
    assert!(!passed && text.contains("there is no type 'strin'"), "{text}");
}
