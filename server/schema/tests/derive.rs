//! The derive as plugin authors use it.

use schema::{Check, Context, FieldType, Record, Schema, Set, Shorthand, Value, json, typedefs};
use serde::Deserialize;

#[derive(Debug, Deserialize, Schema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum LimitBy {
    Consumer,
    IpAddress,
}

/// Limits requests.
#[derive(Debug, Deserialize, Schema)]
#[schema(
    check = Check::at_least_one_of(["second", "minute"]),
    check = Check::conditional("policy", |f| f.eq("redis"), "redis.host", |f| f.required(true)),
    shorthand = Shorthand::renamed(String::field().named("redis_host"), "redis.host", "use redis.host"),
    validate = ordered,
)]
struct Config {
    /// Requests per second.
    #[field(gt = 0)]
    second: Option<f64>,
    #[field(gt = 0)]
    minute: Option<f64>,
    #[field(default = "ip-address")]
    limit_by: LimitBy,
    #[field(default = "local", one_of("local", "redis"))]
    policy: Option<String>,
    #[field(default = ["GET"], elements(match = "^%u+$"))]
    methods: Set<String>,
    redis: Redis,
    #[field(rename = "type", default = "x")]
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize, Schema)]
struct Redis {
    #[field(is = host, referenceable)]
    host: Option<String>,
    #[field(is = typedefs::port, default = 6379)]
    port: Option<u16>,
}

fn ordered(config: &schema::Map<String, Value>) -> Result<(), String> {
    let limit = |name: &str| config.get(name).and_then(Value::as_f64);
    match (limit("second"), limit("minute")) {
        (Some(second), Some(minute)) if minute < second => Err("minute is below second".to_owned()),
        _ => Ok(()),
    }
}

fn context() -> Context {
    Context {
        now: 1_700_000_000.123_4,
        uuid: || "00000000-0000-4000-8000-000000000001".to_owned(),
        token: || "t".repeat(32),
        regex: |_| Ok(()),
        updating: false,
    }
}

fn insert(record: &Record, value: Value) -> Result<Value, Value> {
    let Value::Object(map) = value else { return Err(Value::Null) };
    record.insert(map, &context()).map(Value::Object).map_err(|e| Value::Object(e.into_fields()))
}

#[test]
fn values_are_completed_and_read_into_the_struct() {
    let record = Config::record();
    let stored =
        insert(&record, json!({"minute": 5.0, "redis_host": "r.example", "methods": ["A", "A", "B"]})).unwrap();
    assert_eq!(
        stored,
        json!({"second": null, "minute": 5, "limit_by": "ip-address", "policy": "local", "methods": ["A", "B"],
               "redis": {"host": "r.example", "port": 6379}, "type": "x"})
    );
    let config: Config = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!((config.minute, config.limit_by, config.redis.port), (Some(5.0), LimitBy::IpAddress, Some(6379)));
    assert_eq!((config.second, config.policy.as_deref()), (None, Some("local")));
    assert_eq!(
        (config.methods.len(), config.redis.host.as_deref(), config.kind.as_deref()),
        (2, Some("r.example"), Some("x"))
    );
    let Value::Object(stored) = stored else { panic!("a record") };
    assert_eq!(record.present(stored)["redis_host"], "r.example");
}

#[test]
fn errors_stand_where_they_belong() {
    let record = Config::record();
    let wrapped = Record::new().field(schema::Field::record("config", record.clone()).required(true)).sealed();
    for (input, fields) in [
        (json!({}), json!({"@entity": ["at least one of these fields must be non-empty: 'second', 'minute'"]})),
        (json!({"second": 0, "x": 1}), json!({"second": "value must be greater than 0", "x": "unknown field"})),
        (json!({"second": 1, "methods": ["GET", "get"]}), json!({"methods": [null, "invalid value: get"]})),
        (
            json!({"second": 1, "policy": "redis"}),
            json!({"@entity": ["failed conditional validation given value of field 'policy'"],
                   "redis": {"host": "required field missing"}}),
        ),
        (
            json!({"second": 1, "redis_host": "a", "redis": {"host": "b"}}),
            json!({"redis_host": "both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b"}),
        ),
        (json!({"second": 1, "redis": {"host": "{vault://env/h o s t}"}}), Value::Null),
        (json!({"second": 1, "redis": {"host": "a:1"}}), json!({"redis": {"host": "must not have a port"}})),
    ] {
        match insert(&record, input.clone()) {
            Ok(_) => assert_eq!(fields, Value::Null, "{input}"),
            Err(got) => assert_eq!(got, fields, "{input}"),
        }
    }
    assert_eq!(
        insert(&wrapped, json!({"config": {"second": 5, "minute": 1}})),
        Err(json!({"config": "minute is below second"}))
    );
}

#[test]
fn patches_merge_records_and_replace_lists() {
    let record = Config::record();
    let Value::Object(stored) = insert(&record, json!({"second": 5, "redis": {"host": "a"}})).unwrap() else {
        panic!()
    };
    let Value::Object(patch) = json!({"redis": {"port": 1}, "methods": ["PUT"]}) else { panic!() };
    let updated = record.update(&stored, patch, &context()).unwrap();
    assert_eq!(updated["redis"], json!({"host": "a", "port": 1}));
    assert_eq!(updated["methods"], json!(["PUT"]));
    let Value::Object(patch) = json!({"second": null}) else { panic!() };
    let errors = record.update(&stored, patch, &context()).unwrap_err();
    assert_eq!(
        errors.message(),
        "schema violation (when updating, at least one of these fields must be non-empty: 'second', 'minute')"
    );
}

#[test]
fn descriptions_have_every_attribute() {
    let described = Config::record().describe();
    assert_eq!(
        described["fields"][0],
        json!({"second": {"type": "number", "gt": 0, "description": "Requests per second."}})
    );
    assert_eq!(
        described["fields"][2],
        json!({"limit_by": {"type": "string", "required": true, "default": "ip-address", "one_of": ["consumer", "ip-address"]}})
    );
    assert_eq!(described["entity_checks"][1]["conditional"]["then_match"], json!({"required": true}));
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z/:.*%{}~ ]{0,12}".prop_map(Value::from),
        Just(json!("second")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop_oneof![
            Just("second".to_owned()),
            Just("redis".to_owned()),
            Just("host".to_owned()),
            Just("methods".to_owned()),
            Just("redis_host".to_owned()),
            "[a-z]{1,3}".prop_map(|s| s)
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys, inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn any_json_is_taken_or_refused(value in any_json(), patch in any_json()) {
        let record = Config::record();
        if let Value::Object(map) = value
            && let Ok(stored) = record.insert(map, &context())
            && let Value::Object(patch) = patch
            && let Err(errors) = record.update(&stored, patch, &context())
        {
            let _ = errors.message();
        }
    }
}
