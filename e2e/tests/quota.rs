//! Quotas of a node with a database: what was used outlives the process.

use e2e::{Backend, Gateway, create, eventually, get, send, serve};
use serde_json::json;

const SQLITE: &[(&str, &str)] = &[("KONG_DATABASE", "sqlite"), ("KONG_DB_UPDATE_FREQUENCY", "1")];

#[test]
fn what_was_used_outlives_the_process() {
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut gateway = Gateway::start_in(folder.path(), SQLITE);
    serve(gateway.admin, &backend);
    let quota = json!({ "name": "quota", "config": { "year": 3, "identifier": "service", "fault_tolerant": false } });
    let plugin = create(gateway.admin, "/routes/r/plugins", &quota);
    let path = format!("/quota/{}/s", plugin["id"].as_str().expect("an id"));
    let used = |gateway: &Gateway| send(gateway.admin, "GET", &path, &json!({})).json()["windows"][0]["used"].clone();
    eventually("a request is counted", || get(gateway.proxy, "/s/x", &[]).status == 200 && used(&gateway) != 0);
    gateway.signal("KILL");
    gateway.wait();
    let again = Gateway::start_in(folder.path(), SQLITE);
    assert!(used(&again) != 0);
    assert_eq!(send(again.admin, "PUT", &path, &json!({ "used": 2 })).status, 200);
    assert_eq!(get(again.proxy, "/s/x", &[]).status, 200);
    assert_eq!(get(again.proxy, "/s/x", &[]).status, 429);
    assert_eq!(used(&again), 3);
}
