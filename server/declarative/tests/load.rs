//! What configurations stand for, and what is wrong with them.

use declarative::{Invalid, Kinds, Loaded, load, load_together, parse};
use entities::{Definitions, Flavor, PluginSchema, PluginSchemas, VaultSchemas};
use schema::{Check, Field, Record};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Memory, Record as Stored};

fn plugin_schemas() -> PluginSchemas {
    let config = |record: Record| record.sealed();
    let names = Field::array("key_names", Field::string("").required(true)).required(true).default(json!(["apikey"]));
    [
        PluginSchema::with_config("key-auth", config(Record::new().field(names))),
        PluginSchema::with_config("cors", config(Record::new())),
        PluginSchema::with_config(
            "rate-limiting",
            config(
                Record::new()
                    .field(Field::number("second"))
                    .field(Field::number("minute"))
                    .field(Field::string("policy").required(true).default("local").one_of(["local", "redis"]))
                    .check(Check::at_least_one_of(["second", "minute"])),
            ),
        )
        .with_consumer_groups(),
    ]
    .into_iter()
    .collect()
}

fn kinds() -> Kinds {
    Kinds::new(Arc::new(Definitions::new(
        plugin_schemas(),
        VaultSchemas::default(),
        Flavor::TraditionalCompatible,
        false,
    )))
}

fn read(text: &str) -> Result<Loaded, Invalid> {
    load(&parse(text)?, &kinds(), 1_700_000_000.5)
}

fn loaded(document: Value) -> Vec<Stored> {
    let records = read(&document.to_string()).unwrap_or_else(|invalid| panic!("{document}: {invalid}")).records;
    // What is loaded is what a store takes.
    Memory::new(kinds().catalog().clone()).commit(store::Batch::replace_all(records.clone())).unwrap();
    records
}

fn only<'r>(records: &'r [Stored], entity: &str) -> &'r Stored {
    let mut found = records.iter().filter(|record| record.entity == entity);
    let first = found.next().unwrap_or_else(|| panic!("no {entity}"));
    assert!(found.next().is_none(), "more than one of {entity}");
    first
}

fn message(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn wrong_configurations_are_told_as_kong_tells_them() {
    for (text, expected) in [
        ("just words", r#"{error="failed parsing declarative configuration: expected an object"}"#),
        ("{}", r#"{_format_version="required field missing"}"#),
        (r#"{"_format_version":"4.0"}"#, r#"{_format_version="expected one of: 1.1, 2.1, 3.0"}"#),
        (r#"{"_format_version":3.0}"#, r#"{_format_version="expected a string"}"#),
        (r#"{"_format_version":"3.0","_comment":5}"#, r#"{_comment="expected a string"}"#),
        (r#"{"_format_version":"3.0","_transform":"no"}"#, r#"{_transform="expected a boolean"}"#),
        (r#"{"_format_version":"3.0","services":"text"}"#, r#"{services="expected an array"}"#),
        (r#"{"_format_version":"3.0","services":["x"]}"#, r#"{services={"expected a record"}}"#),
        (r#"{"_format_version":"3.0","unicorns":[]}"#, r#"{unicorns="unknown field"}"#),
        (r#"{"_format_version":"3.0","_info":{}}"#, r#"{_info="unknown field"}"#),
        (
            r#"{"_format_version":"3.0","services":[{"port":-12}]}"#,
            r#"{services={{host="required field missing",port="value should be between 0 and 65535"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"name":"s","host":null}]}"#,
            r#"{services={{host="required field missing"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"id":"nope","host":"h.x"}]}"#,
            r#"{services={{id="expected a valid UUID"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"name":"s","host":"h.x","protocol":"http","tls_verify":true}]}"#,
            r#"{services={{["@entity"]={"failed conditional validation given value of field 'protocol'"},tls_verify="value must be null"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","plugins":[{"name":"unicorn"}]}"#,
            r#"{plugins={{name="plugin 'unicorn' not enabled; add it to the 'plugins' configuration property"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","vaults":[{"name":"safe","prefix":"my-safe"}]}"#,
            r#"{vaults={{name="vault 'safe' is not installed"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","upstreams":[{"name":"u","targets":[{"target":"bad host"}]}]}"#,
            r#"{upstreams={{targets={{target="Invalid target ('bad host'); not a valid hostname or ip address"}}}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","consumers":[{"username":"a"},{"username":"a"}]}"#,
            r#"{consumers={[2]="uniqueness violation: 'consumers' entity with username set to 'a' already declared"}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"name":"a","host":"h","routes":[{"name":"r","paths":["/a"]}]},{"name":"b","host":"h","routes":[{"name":"r","paths":["/b"]}]}]}"#,
            r#"{routes={"uniqueness violation: 'routes' entity with name set to 'r' already declared"}}"#,
        ),
        (
            r#"{"_format_version":"3.0","plugins":[{"name":"key-auth","instance_name":"i"},{"name":"cors","instance_name":"i"}]}"#,
            r#"{plugins={[2]="uniqueness violation: 'plugins' entity with instance_name set to 'i' already declared"}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"id":"5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004","name":"a","host":"h"},{"id":"5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004","name":"b","host":"h"}]}"#,
            r#"{services={[2]="uniqueness violation: 'services' entity with primary key set to '5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004' already declared"}}"#,
        ),
        (
            r#"{"_format_version":"3.0","routes":[{"name":"r","paths":["/"],"service":"nope"}]}"#,
            r#"{routes={r={"invalid reference 'service: nope' (no such entry in 'services')"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","routes":[{"paths":["/a"]},{"paths":["/"],"service":{"id":"5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004"}}]}"#,
            r#"{routes={[2]={"invalid reference 'service: 5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0004' (no such entry in 'services')"}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"name":"s","host":"h","routes":[{"name":"r","paths":["/"],"service":"s"}]}]}"#,
            r#"{services={{routes={{service="value must be null"}}}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","services":[{"name":"s","host":"h","_comment":5,"routes":"x","zip":1}]}"#,
            r#"{services={{_comment="expected a string",routes="expected an array",zip="unknown field"}}}"#,
        ),
        (
            "_format_version: \"3.0\"\nservices:\n- name: scalars\n  host: h.conf.example\n  tags: [12]\n",
            r#"{services={{tags={"expected a string"}}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","consumers":[{"username":"c","keyauth_credentials":[{"key":"k","ttl":-1}]}]}"#,
            r#"{consumers={{keyauth_credentials={{ttl="must be an integer between 0 and 100000000"}}}}}"#,
        ),
        (
            r#"{"_format_version":"3.0","consumers":[{"username":"c","groups":["nobody"]}],"consumer_groups":[{"name":"gold"}]}"#,
            "no such entry in 'consumer_groups'",
        ),
    ] {
        let said = message(text);
        if expected.starts_with('{') {
            assert_eq!(said, format!("declarative config is invalid: {expected}"), "{text}");
        } else {
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[test]
fn nested_and_flat_forms_mean_the_same() {
    let nested = json!({"_format_version": "3.0",
        "services": [{"name": "s", "host": "h", "routes": [{"name": "r", "paths": ["/a"], "plugins": [{"name": "cors"}]}]}],
        "consumers": [{"username": "c", "keyauth_credentials": [{"key": "k"}], "groups": [{"name": "gold"}]}],
        "consumer_groups": [{"name": "gold", "plugins": [{"name": "rate-limiting", "config": {"minute": 1}}]}],
        "upstreams": [{"name": "u", "targets": [{"target": "10.0.0.1"}]}]});
    let flat = json!({"_format_version": "3.0",
        "plugins": [{"name": "cors", "route": "r"}, {"name": "rate-limiting", "config": {"minute": 1}, "consumer_group": {"name": "gold"}}],
        "routes": [{"name": "r", "paths": ["/a"], "service": {"name": "s"}}],
        "services": [{"name": "s", "host": "h"}],
        "keyauth_credentials": [{"key": "k", "consumer": "c"}],
        "consumer_group_consumers": [{"consumer": "c", "consumer_group": "gold"}],
        "consumer_groups": [{"name": "gold"}],
        "consumers": [{"username": "c"}],
        "targets": [{"target": "10.0.0.1", "upstream": "u"}],
        "upstreams": [{"name": "u"}]});
    let sorted = |document| {
        let mut records = loaded(document);
        records.sort_by_key(|record| (record.entity, record.id.clone()));
        records
    };
    let (nested, flat) = (sorted(nested), sorted(flat));
    assert_eq!(nested, flat);
    let target = only(&nested, "targets");
    assert_eq!(target.value["target"], "10.0.0.1:8000");
    assert_eq!(target.value["weight"], 100);
}

#[test]
fn ids_follow_from_keys() {
    let records = loaded(json!({"_format_version": "3.0", "consumers": [{"username": "a"}]}));
    assert_eq!(only(&records, "consumers").id.to_string(), "0b2e2520-8980-505a-b7a2-769e8dde10c3");
    let unnamed = json!({"_format_version": "3.0", "routes": [{"paths": ["/a"]}]});
    assert_ne!(only(&loaded(unnamed.clone()), "routes").id, only(&loaded(unnamed), "routes").id);
}

#[test]
fn older_formats_mark_their_regular_expressions() {
    for (version, expected) in [("1.1", "~/items/\\d+"), ("2.1", "~/items/\\d+"), ("3.0", "/items/\\d+")] {
        let records = loaded(json!({"_format_version": version,
            "services": [{"name": "s", "host": "h", "routes": [{"name": "r", "paths": ["/items/\\d+", "/plain"]}]}]}));
        assert_eq!(only(&records, "routes").value["paths"], json!([expected, "/plain"]), "{version}");
    }
}

#[test]
fn values_are_transformed_unless_told_otherwise() {
    for (transform, hashed) in [(true, true), (false, false)] {
        let records = loaded(
            json!({"_format_version": "3.0", "_transform": transform, "_comment": "x", "_ignore": [1],
            "consumers": [{"username": "c", "_comment": "y", "basicauth_credentials": [{"username": "u", "password": "as-is"}]}]}),
        );
        let password = only(&records, "basicauth_credentials").value["password"].as_str().unwrap();
        assert_eq!(password.len() == 40, hashed, "{password}");
    }
}

#[test]
fn workspaces_and_lives_are_kept_beside_the_fields() {
    let ws = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0009";
    let records = loaded(json!({"_format_version": "3.0", "workspaces": [{"id": ws, "name": "team"}],
        "consumers": [{"username": "c", "ws_id": ws, "keyauth_credentials": [{"key": "k", "ttl": 60}]}, {"username": "d"}]}));
    let key = only(&records, "keyauth_credentials");
    assert_eq!((key.ws.unwrap().to_string().as_str(), key.expires), (ws, Some(1_700_000_060)));
    assert!(!key.value.contains_key("ttl") && !key.value.contains_key("ws_id"));
    assert_eq!(records.iter().filter(|record| record.entity == "workspaces").count(), 2);
    let elsewhere =
        r#"{"_format_version":"3.0","consumers":[{"username":"c","ws_id":"5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0009"}]}"#;
    assert!(message(elsewhere).contains("no such entry in 'workspaces'"));
    // The same name in two workspaces is no clash.
    loaded(json!({"_format_version": "3.0", "workspaces": [{"id": ws, "name": "team"}],
        "consumers": [{"username": "c", "ws_id": ws}, {"username": "c"}]}));
}

#[test]
fn a_file_may_be_of_one_workspace() {
    let of = |workspace: Value, listed: Value| {
        loaded(json!({
            "_format_version": "3.0",
            "_workspace": workspace,
            "workspaces": listed,
            "services": [{"name": "s", "host": "h.test", "routes": [{"name": "r", "paths": ["/x"]}]}],
        }))
    };
    let id = "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0009";
    let default = of(json!("default"), json!([]));
    let team = of(json!("team"), json!([]));
    let listed = of(json!("team"), json!([{"name": "team", "id": id, "comment": "blue"}]));
    for (records, name) in [(&default, "default"), (&team, "team"), (&listed, "team")] {
        let is_it = |record: &&Stored| record.entity == "workspaces" && record.text("name") == Some(name);
        let workspace = records.iter().find(is_it).unwrap().id.uuid();
        assert!(records.iter().filter(|record| record.entity != "workspaces").all(|record| record.ws == workspace));
        assert!(records.iter().any(|record| record.text("name") == Some("default")));
    }
    assert_eq!(only(&listed, "services").ws.unwrap().to_string(), id);
    assert_ne!(only(&default, "services").id, only(&team, "services").id);
    assert!(message("{_format_version: '3.0', _workspace: 7}").contains("_workspace"));
}

#[test]
fn flattened_errors_are_attributed_to_entities() {
    let cases = [
        (
            json!({"services": [{"id": "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0006", "name": "fine", "host": "h",
                "routes": [{"name": "r-ok", "paths": ["/ok"]}, {"name": "r-bad", "paths": ["/ok", "bad"], "tags": ["rt"]}]}]}),
            json!({}),
            json!([{"entity_type": "route", "entity_name": "r-bad", "entity_tags": ["rt"],
                "entity": {"name": "r-bad", "paths": ["/ok", "bad"], "tags": ["rt"], "service": {"id": "5c0f0a8e-0b1e-4c1e-9b39-3f1f2d1d0006"}},
                "errors": [{"type": "field", "field": "paths.2", "message": "should start with: / (fixed path) or ~/ (regex path)"}]}]),
        ),
        (
            json!({"plugins": [{"name": "rate-limiting", "config": {"minut": 1}}]}),
            json!({}),
            json!([{"entity_type": "plugin", "entity_name": "rate-limiting", "entity": {"name": "rate-limiting", "config": {"minut": 1}},
                "errors": [{"type": "field", "field": "config.minut", "message": "unknown field"},
                           {"type": "entity", "message": "at least one of these fields must be non-empty: 'second', 'minute'"}]}]),
        ),
        (
            json!({"consumers": [{"username": "a", "tags": ["t1"]}, {"username": "a", "tags": ["t2"]}]}),
            json!({}),
            json!([{"entity_type": "consumer", "entity_id": "0b2e2520-8980-505a-b7a2-769e8dde10c3", "entity_tags": ["t2"],
                "entity": {"username": "a", "tags": ["t2"], "id": "0b2e2520-8980-505a-b7a2-769e8dde10c3"},
                "errors": [{"type": "entity", "message": "uniqueness violation: 'consumers' entity with username set to 'a' already declared"}]}]),
        ),
        (
            json!({"consumers": [{"username": "a", "keyauth_credentials": [{"key": "k"}]}, {"username": "b", "keyauth_credentials": [{"key": "k"}]}]}),
            json!({"keyauth_credentials": ["uniqueness violation: 'keyauth_credentials' entity with key set to 'k' already declared"]}),
            json!([]),
        ),
        (json!({"bogus": [{"x": 1}]}), json!({"bogus": "unknown field"}), json!([])),
        (
            json!({"services": [{"name": "s", "url": "ftp://f.conf.example/"}]}),
            json!({}),
            json!([{"entity_type": "service", "entity_name": "s", "entity": {"name": "s", "url": "ftp://f.conf.example/"},
                "errors": [{"type": "field", "field": "protocol",
                    "message": "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"}]}]),
        ),
    ];
    for (mut document, fields, flattened) in cases {
        document["_format_version"] = "3.0".into();
        let body = read(&document.to_string()).unwrap_err().body(true);
        assert_eq!(body["fields"], fields, "{document}");
        assert_eq!(body["flattened_errors"], flattened, "{document}");
    }
}

#[test]
fn a_large_configuration_is_read_as_a_small_one_is() {
    let services = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|number| json!({"name": format!("s{number}"), "host": "h", "routes": [{"paths": ["/"]}]}))
            .collect()
    };
    let read = |services: Vec<Value>| {
        let helpers = AtomicUsize::new(0);
        let document = json!({"_format_version": "3.0", "services": services});
        let read = load_together(&document, &kinds(), 1_700_000_000.5, &|| {
            helpers.fetch_add(1, Ordering::Relaxed);
        });
        (read, helpers.into_inner())
    };
    let names = |records: &[Stored]| -> Vec<String> {
        let services = records.iter().filter(|record| record.entity == "services");
        services.map(|record| record.value["name"].as_str().unwrap().to_owned()).collect()
    };
    for (count, helpers) in [(10, 0), (501, 1), (1500, 1)] {
        let (loaded, helped) = read(services(count));
        let records = loaded.unwrap().records;
        assert_eq!(names(&records), (0..count).map(|number| format!("s{number}")).collect::<Vec<_>>());
        // And the Routes and the workspace.
        assert_eq!((records.len(), helped), (2 * count + 1, helpers));

        let mut wrong = services(count);
        let places = [0, count / 2, count - 1];
        for place in places {
            wrong[place]["port"] = json!("x");
        }
        wrong[1]["routes"][0] = json!("no entity");
        let invalid = read(wrong).0.unwrap_err();
        assert_eq!(invalid.to_string().matches("expected a record").count(), 1);
        let body = invalid.body(true);
        let told: Vec<&str> = body["flattened_errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["entity_name"].as_str().unwrap())
            .collect();
        assert_eq!(told, places.map(|place| format!("s{place}")));
    }
}

#[test]
fn an_export_loads_to_the_same_records() {
    let records = loaded(json!({"_format_version": "3.0",
        "services": [{"name": "trip", "host": "h", "tags": ["a"], "routes": [{"name": "r", "paths": ["/t", "~/re/\\d+$"],
            "plugins": [{"name": "key-auth", "config": {"key_names": ["k"]}}]}]}],
        "consumers": [{"username": "yes", "custom_id": "3.0", "keyauth_credentials": [{"key": "~", "ttl": 60}], "groups": ["gold"],
            "basicauth_credentials": [{"username": "b", "password": "p"}]}],
        "consumer_groups": [{"name": "gold"}],
        "upstreams": [{"name": "u", "targets": [{"target": "a:1", "weight": 7}]},
            {"name": "v", "circuit_breaker": {"max_requests": 7}}]}));
    let store = Memory::new(kinds().catalog().clone());
    store.commit(store::Batch::replace_all(records)).unwrap();
    let now = 1_700_000_000;
    let text = declarative::export::text(&store.current(), &kinds(), now);
    assert!(
        text.contains("_format_version: '3.0'\n")
            && text.contains("_transform: false\n")
            && text.contains("name: trip\n"),
        "{text}"
    );
    let again = read(&text).unwrap_or_else(|invalid| panic!("{invalid}\n{text}")).records;
    let view = store.current();
    assert_eq!(again.len(), view.len());
    for mut record in again {
        let before = view.get(record.entity, &record.id).unwrap();
        // The time of loading is the time of the last change.
        if let (Some(updated), Some(old)) = (record.value.get_mut("updated_at"), before.value.get("updated_at")) {
            *updated = old.clone();
        }
        assert_eq!(record, **before);
    }
}

#[test]
fn an_export_names_what_kong_does_not_have_only_where_it_has_a_value() {
    let mut records = loaded(json!({"_format_version": "3.0", "upstreams": [{"name": "u"}]}));
    for record in &mut records {
        // As a row of a table gives it.
        record.value.insert("circuit_breaker".to_owned(), Value::Null);
    }
    let store = Memory::new(kinds().catalog().clone());
    store.commit(store::Batch::replace_all(records)).unwrap();
    let text = declarative::export::text(&store.current(), &kinds(), 0);
    assert!(text.contains("name: u\n") && !text.contains("circuit_breaker"), "{text}");
}
