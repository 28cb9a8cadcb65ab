//! Plugins in folders: loaded, configured, run; and refused with a sentence.

use e2e::{Backend, Gateway, eventually, get};
use serde_json::json;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/lua/tests/plugins/?.lua;;");

#[test]
fn plugins_in_folders_run() {
    let backend = Backend::start();
    let other = Backend::start();
    let gateway = Gateway::start(&[
        ("KONG_LUA_PACKAGE_PATH", PATH),
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
fn a_broken_plugin_keeps_the_node_from_starting() {
    for (plugin, sentence) in [
        ("missing", "missing plugin is enabled but not installed"),
        ("broken-schema", "plugin 'broken-schema': schema.lua: config: field 'a': there is no type 'strin'"),
        ("with-daos", "plugin 'with-daos' has daos.lua"),
    ] {
        let prefix = tempfile::tempdir().expect("a folder");
        let names = format!("bundled,{plugin}");
        let mut command = Gateway::command(prefix.path(), &[("KONG_LUA_PACKAGE_PATH", PATH), ("KONG_PLUGINS", &names)]);
        let output = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).output();
        let output = output.expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(sentence), "{plugin}: {said}");
    }
}
