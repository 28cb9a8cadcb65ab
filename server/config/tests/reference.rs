//! The table against the reference, and `GET /` against a recording of Kong 3.9.1.

mod common;

use std::collections::BTreeSet;

use common::{data, env};
use config::table;
use serde_json::Value;

#[test]
fn every_property_of_the_reference_with_type_and_default() {
    let reference = data("kong-conf.json");
    for expected in reference["properties"].as_array().unwrap() {
        let name = expected["name"].as_str().unwrap();
        let property = table::find(name).unwrap_or_else(|| panic!("{name} is missing"));
        let kind = match expected["type"].as_str().unwrap() {
            "enum" => config::Kind::Choice,
            "string" => config::Kind::Text,
            "number" => config::Kind::Number,
            "boolean" => config::Kind::Boolean,
            "ngx_boolean" => config::Kind::OnOff,
            "array" => config::Kind::List,
            other => panic!("{other}"),
        };
        assert_eq!(property.kind, kind, "{name}");
        assert_eq!(property.sensitive, expected["sensitive"].as_bool().unwrap_or(false), "{name}");
        assert_eq!(property.alias_of, expected["alias_of"].as_str(), "{name}");
        // An unset database is sqlite or postgres here, and sqlite is ours.
        if name != "database" {
            assert_eq!(property.default, expected["default"].as_str(), "{name}");
            let values: Vec<&str> =
                expected["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(property.values, values, "{name}");
        }
    }
}

#[test]
fn names_are_unique_and_defaults_can_be_read() {
    let mut names = BTreeSet::new();
    for (property, _) in table::all() {
        assert!(names.insert(property.name), "{} twice", property.name);
        if let Some(default) = property.default {
            assert!(config::Value::parse(property, default).is_ok(), "{}", property.name);
        }
        if let Some(target) = property.alias_of {
            assert!(table::find(target).is_some(), "{target}");
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn same(path: &str, ours: &Value, theirs: &Value) {
    if theirs == "<path>" {
        assert!(ours.is_string(), "{path}: {ours}");
        return;
    }
    assert_eq!(kind(ours), kind(theirs), "{path}: {ours} / {theirs}");
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = |o: &serde_json::Map<String, Value>| o.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(a), keys(b), "{path}");
            for (key, value) in a {
                same(&format!("{path}.{key}"), value, &b[key]);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{path}: {ours} / {theirs}");
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                same(&format!("{path}.{i}"), a, b);
            }
        }
        _ => assert_eq!(ours, theirs, "{path}"),
    }
}

/// The settings the recorded nodes were started with.
fn recorded(database: &str, ports: [&str; 3]) -> Vec<(&'static str, String)> {
    let [proxy, admin, status] = ports;
    let mut variables = vec![
        ("KONG_DATABASE", database.to_owned()),
        ("KONG_PROXY_LISTEN", format!("127.0.0.1:{proxy}")),
        ("KONG_ADMIN_LISTEN", format!("127.0.0.1:{admin}")),
        ("KONG_STATUS_LISTEN", format!("127.0.0.1:{status}")),
        ("KONG_ADMIN_GUI_LISTEN", "off".into()),
        ("KONG_ANONYMOUS_REPORTS", "off".into()),
        ("KONG_LOG_LEVEL", "warn".into()),
        ("KONG_NGINX_USER", "root root".into()),
        ("KONG_NGINX_WORKER_PROCESSES", "1".into()),
        ("KONG_LUA_PACKAGE_CPATH", "/usr/local/lib/?.so".into()),
        ("KONG_OPENRESTY_PATH", "/usr/local/openresty".into()),
    ];
    if database == "postgres" {
        variables.push(("KONG_PG_PORT", "55432".into()));
        variables.push(("KONG_PG_DATABASE", "kong_26001".into()));
    }
    variables
}

#[test]
fn the_configuration_is_shown_as_kong_shows_it() {
    let cases = [
        ("root-3.9.1.json", recorded("postgres", ["26000", "26001", "26100"])),
        ("root-dbless-3.9.1.json", recorded("off", ["26010", "26011", "26110"])),
    ];
    for (file, variables) in cases {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let bundle = common::Memory([("/etc/ssl/certs/ca-certificates.crt".into(), String::new())].into());
        let loaded = config::load(&config::Sources {
            file: None,
            environment: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            overrides: Vec::new(),
            files: &bundle,
        })
        .unwrap();
        let theirs = &data(file)["configuration"];
        let plugins = theirs["loaded_plugins"].as_object().unwrap();
        let ours = Value::Object(loaded.configuration(plugins.keys().map(String::as_str)));
        same("configuration", &ours, theirs);
    }
}

#[test]
fn plugin_servers_are_shown_without_their_commands() {
    let shown = env(&[
        ("KONG_PLUGINSERVER_NAMES", "py,js"),
        ("KONG_PLUGINSERVER_PY_SOCKET", "/run/py.socket"),
        ("KONG_PLUGINSERVER_PY_START_CMD", "/opt/py --token s3cret"),
        ("KONG_PLUGINSERVER_PY_QUERY_CMD", "/opt/py --dump"),
        ("KONG_PLUGINSERVER_JS_SOCKET", "/run/js.socket"),
        ("KONG_PLUGINSERVER_JS_QUERY_CMD", "/opt/js --dump"),
    ]);
    let shown = shown.unwrap().configuration([]);
    let expected = serde_json::json!([
        {"name": "py", "socket": "/run/py.socket", "start_command": "******", "query_command": "******"},
        {"name": "js", "socket": "/run/js.socket", "query_command": "******"},
    ]);
    assert_eq!(shown["pluginservers"], expected);
    assert!(!Value::Object(shown).to_string().contains("s3cret"));
}

#[test]
fn flags_of_default_listeners() {
    let shown = env(&[]).unwrap().configuration([]);
    let listener = &shown["proxy_listeners"][1];
    assert_eq!(listener["listener"], "0.0.0.0:8443 ssl http2 reuseport backlog=16384");
    assert_eq!(listener["backlog=16384"], true);
    assert_eq!(shown["status_listeners"][0]["port"], 8007);
}

#[test]
fn the_reference_page_names_every_property() {
    let page = config::reference_markdown();
    for (property, edition) in table::all() {
        let name = match edition {
            config::Edition::Variable => property.variable(),
            _ => property.name.to_owned(),
        };
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
