//! Creation, replacement and partial update beyond what the recorded calls show.

use entities::{
    DEFAULT_WORKSPACE, Definitions, Fault, Flavor, PluginSchema, PluginSchemas, Scopes, VaultSchemas, deterministic_id,
};
use proptest::prelude::*;
use schema::{Map, Record, Value, json};
use std::sync::LazyLock;

const NOW: f64 = 1_700_000_000.123_456;
const ID: &str = "0a0a0a0a-0000-4000-8000-000000000001";

static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    let plugins: PluginSchemas = [
        PluginSchema::with_config("guard", Record::new()).scopes(Scopes::NO_CONSUMER),
        PluginSchema::with_config("grouped", Record::new()).with_consumer_groups(),
    ]
    .into_iter()
    .collect();
    Definitions::new(plugins, VaultSchemas::default(), Flavor::Expressions, true)
});

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

fn insert(entity: &str, value: Value) -> Map<String, Value> {
    DEFINITIONS.process_insert(entity, map(value), NOW).unwrap()
}

fn refusal(outcome: Result<Map<String, Value>, Fault>) -> String {
    match outcome {
        Ok(value) => panic!("accepted as {value:?}"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn values_are_transformed_on_their_way_to_the_store() {
    let credential = json!({"username": "u", "password": "p", "consumer": {"id": ID}});
    let stored = insert("basicauth_credentials", credential.clone());
    assert_eq!(stored["password"], entities::crypto::sha1_hex(format!("p{ID}").as_bytes()));
    let tagged =
        DEFINITIONS.process_update("basicauth_credentials", &stored, map(json!({"tags": ["a"]})), NOW).unwrap();
    assert_eq!(tagged["password"], stored["password"]);
    let plain = DEFINITIONS.process_insert_untransformed("basicauth_credentials", map(credential), NOW).unwrap();
    assert_eq!(plain["password"], "p");
    let target = insert("targets", json!({"target": "::1", "upstream": {"id": ID.to_uppercase()}}));
    assert_eq!(target["target"], "[0000:0000:0000:0000:0000:0000:0000:0001]:8000");
    assert_eq!(target["upstream"]["id"], ID);
    assert_eq!(target["created_at"], 1_700_000_000.123);
    let hashed = insert(
        "oauth2_credentials",
        json!({"name": "a", "client_secret": "s", "hash_secret": true, "consumer": {"id": ID}}),
    );
    assert!(hashed["client_secret"].as_str().unwrap().starts_with("$pbkdf2-sha512$i=10000,l=32$"));
}

#[test]
fn times_are_set_as_the_kind_of_write_wants() {
    let given = insert("services", json!({"host": "h", "created_at": 1_600_000_000, "updated_at": 1_600_000_000}));
    assert_eq!((&given["created_at"], &given["updated_at"]), (&json!(1_600_000_000), &json!(1_700_000_000)));
    let replaced = DEFINITIONS.process_upsert("services", map(json!({"host": "i"})), Some(&given), NOW + 9.0).unwrap();
    assert_eq!((&replaced["created_at"], &replaced["updated_at"]), (&json!(1_600_000_000), &json!(1_700_000_009)));
    let patched = DEFINITIONS.process_update("services", &given, map(json!({"port": 81})), NOW + 5.0).unwrap();
    assert_eq!(
        (&patched["port"], &patched["updated_at"], &patched["host"]),
        (&json!(81), &json!(1_700_000_005), &json!("h"))
    );
}

#[test]
fn fields_that_kong_does_not_have_are_there_where_they_have_a_value() {
    let change = |stored: &Map<String, Value>, patch| DEFINITIONS.process_update("upstreams", stored, map(patch), NOW);
    let plain = insert("upstreams", json!({"name": "u"}));
    assert!(!plain.contains_key("circuit_breaker"));
    // As a row of a table gives it.
    let mut row = plain.clone();
    row.insert("circuit_breaker".to_owned(), Value::Null);
    assert_eq!(DEFINITIONS.present("upstreams", &row), DEFINITIONS.present("upstreams", &plain));
    let broken = change(&row, json!({"circuit_breaker": {"max_requests": 5}})).unwrap();
    let expected = json!({
        "max_requests": 5, "max_pending": 0, "max_retries_percent": 0, "failure_percent": 0, "slow_after": 0, "window": 10,
        "min_requests": 20, "open_for": 30, "trials": 3,
    });
    assert_eq!(DEFINITIONS.present("upstreams", &broken)["circuit_breaker"], expected);
    let more = change(&broken, json!({"circuit_breaker": {"trials": 1}})).unwrap();
    assert_eq!((&more["circuit_breaker"]["max_requests"], &more["circuit_breaker"]["trials"]), (&json!(5), &json!(1)));
    let none = change(&more, json!({"circuit_breaker": null})).unwrap();
    assert!(!none.contains_key("circuit_breaker"));
    for (given, expected) in [
        (json!({"failure_percent": 101}), "circuit_breaker.failure_percent: value should be between 0 and 100"),
        (json!({"trials": 0}), "circuit_breaker.trials: value should be between 1 and 1000"),
        (json!({"max_requests": null}), "circuit_breaker.max_requests: required field missing"),
        (json!({"no": 1}), "circuit_breaker.no: unknown field"),
        (json!(true), "circuit_breaker: expected a record"),
    ] {
        let outcome = change(&plain, json!({"circuit_breaker": given}));
        assert_eq!(refusal(outcome), format!("schema violation ({expected})"));
    }
}

#[test]
fn life_times_pass_through_and_workspaces_do_not() {
    let key = insert("keyauth_credentials", json!({"consumer": {"id": ID}, "ttl": 60}));
    assert_eq!(key["ttl"], 60);
    assert_eq!(key["key"].as_str().map(str::len), Some(32));
    assert_eq!(DEFINITIONS.present("keyauth_credentials", &key)["ttl"], 60);
    assert_eq!(
        refusal(DEFINITIONS.process_insert("services", map(json!({"host": "h", "ws_id": ID})), NOW)),
        "schema violation (ws_id: unknown field)"
    );
    assert_eq!(
        refusal(DEFINITIONS.process_insert("services", map(json!({"host": "h", "ttl": 60})), NOW)),
        "schema violation (ttl: unknown field)"
    );
}

#[test]
fn plugins_are_checked_against_their_scopes() {
    let group = json!({"id": ID});
    assert_eq!(
        refusal(DEFINITIONS.process_insert("plugins", map(json!({"name": "guard", "consumer_group": group})), NOW)),
        "schema violation (consumer_group: value must be null)"
    );
    assert_eq!(
        refusal(DEFINITIONS.process_insert("plugins", map(json!({"name": "guard", "consumer": group})), NOW)),
        "schema violation (consumer: value must be null)"
    );
    let grouped = insert("plugins", json!({"name": "grouped", "consumer_group": group}));
    assert_eq!(DEFINITIONS.present("plugins", &grouped)["consumer_group"], group);
    let plain = insert("plugins", json!({"name": "grouped"}));
    assert!(!DEFINITIONS.present("plugins", &plain).contains_key("consumer_group"));
    let typed: entities::Plugin = serde_json::from_value(Value::Object(grouped)).unwrap();
    assert!(typed.consumer_group.is_some());
}

#[test]
fn expressions_exclude_the_classic_fields() {
    for (route, message) in [
        (json!({"expression": "http.path == 5"}), "Type mismatch between the LHS and RHS values of predicate"),
        (
            json!({"expression": "http.path ^= \"/\"", "paths": ["/"]}),
            "cannot set 'expression' with 'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations' simultaneously",
        ),
        (
            json!({"expression": "http.path ^= \"/\"", "regex_priority": 1}),
            "cannot set 'regex_priority' with 'expression' simultaneously",
        ),
    ] {
        assert_eq!(
            refusal(DEFINITIONS.process_insert("routes", map(route), NOW)),
            format!("schema violation (Router Expression failed validation: {message})")
        );
    }
    let route = insert("routes", json!({"expression": "http.path ^= \"/\"", "priority": 7}));
    let typed: entities::Route = serde_json::from_value(Value::Object(route)).unwrap();
    assert_eq!(typed.definition().priority, 7);
}

#[test]
fn ids_depend_on_what_identifies_an_entity() {
    let id = |entity: &str, value: Value| {
        deterministic_id(DEFINITIONS.entity(entity).unwrap(), &map(value), None).map(|id| id.to_string())
    };
    let namespace = uuid::Uuid::new_v5(&uuid::uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5"), b"plugins");
    let expected = uuid::Uuid::new_v5(&namespace, format!("plugins:*:key-auth::{ID}:").as_bytes());
    assert_eq!(id("plugins", json!({"name": "key-auth", "service": {"id": ID}})), Some(expected.to_string()));
    assert_eq!(id("routes", json!({"paths": ["/"]})), None);
    assert_eq!(id("keyauth_credentials", json!({"consumer": {"id": ID}})), None);
    assert_eq!(id("services", json!({"name": "a"})), id("services", json!({"name": "a", "host": "b"})));
    assert_ne!(id("services", json!({"name": "a"})), id("consumers", json!({"username": "a"})));
    assert_eq!(DEFAULT_WORKSPACE.to_string(), "0dc6f45b-8f8d-40d2-a504-473544ee190b");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z/:.*%{}~\\[\\](é ]{0,12}".prop_map(Value::from),
        Just(json!(ID)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,4}|id", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Any JSON in the known fields of any entity.
fn any_call() -> impl Strategy<Value = (String, Map<String, Value>, Map<String, Value>)> {
    let names: Vec<String> = DEFINITIONS.entities().map(|entity| entity.name.to_owned()).collect();
    proptest::sample::select(names).prop_flat_map(|name| {
        let record = &DEFINITIONS.entity(&name).unwrap().record;
        let mut fields: Vec<String> = record.fields().iter().map(|field| field.name().to_owned()).collect();
        fields.extend(record.shorthands().iter().map(|alias| alias.name().to_owned()));
        let values = || {
            proptest::collection::vec((proptest::sample::select(fields.clone()), any_json()), 0..8)
                .prop_map(|pairs| pairs.into_iter().collect::<Map<String, Value>>())
        };
        (Just(name.clone()), values(), values())
    })
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused((name, value, patch) in any_call()) {
        match DEFINITIONS.process_insert(&name, value, NOW) {
            Ok(stored) => {
                DEFINITIONS.present(&name, &stored);
                let _ = DEFINITIONS.process_update(&name, &stored, patch, NOW).map_err(|fault| fault.to_string());
            }
            Err(fault) => prop_assert!(!fault.to_string().is_empty()),
        }
    }
}
