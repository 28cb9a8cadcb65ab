//! The bundled plugins' schemas: described as the reference does, and recorded create calls come out as recorded.

use entities::{Definitions, Flavor, Scopes, VaultSchemas};
use schema::{Map, Value, json};
use std::{collections::BTreeMap, fs, path::Path};

fn definitions(database: bool) -> Definitions {
    let schemas = plugins::registry().iter().map(|plugin| plugin.schema.clone()).collect();
    Definitions::new(schemas, VaultSchemas::default(), Flavor::TraditionalCompatible, database)
}

/// Without what only one side has: descriptions here, notes on functions there.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let one_sided =
                |name: &str, value: &Value| name.starts_with("x-") || (name == "description" && value.is_string());
            members
                .iter()
                .filter(|(name, value)| !one_sided(name, value))
                .map(|(name, value)| (name.clone(), bare(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

#[test]
fn plugins_describe_themselves_as_the_reference_does() {
    let definitions = definitions(true);
    let mut seen = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas")).unwrap() {
        let reference: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let name = reference["name"].as_str().unwrap();
        let mut described = bare(&definitions.describe_plugin(name).unwrap_or_else(|| panic!("no plugin {name}")));
        let mut expected = bare(&reference["schema"]);
        if name == "session" {
            // Each node makes a secret of its own.
            let secret = described.pointer_mut("/fields/2/config/fields/0/secret/default").unwrap().take();
            assert_eq!(secret.as_str().map(str::len), Some(44));
            expected.pointer_mut("/fields/2/config/fields/0/secret/default").unwrap().take();
        }
        for (own, expected) in
            described["fields"].as_array().unwrap().iter().zip(expected["fields"].as_array().unwrap())
        {
            assert_eq!(own, expected, "{name}");
        }
        assert_eq!(described, expected, "{name}");
        let registry = plugins::registry();
        let plugin = registry.get(name).unwrap();
        assert_eq!(plugin.priority, reference["priority"], "{name}");
        assert_eq!(plugin.schema.priority, plugin.priority, "{name}");
        seen += 1;
    }
    assert_eq!(seen + documented().len() + OWN.len(), plugins::registry().iter().count());
}

/// Plugins that Kong has not.
const OWN: [&str; 3] = ["datamask", "quota", "xml-json"];

/// Plugins that Kong's free edition has not: their options as they are documented (JSON Schema).
fn documented() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/beyond");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[test]
fn options_beyond_the_free_edition_are_those_of_the_documentation() {
    let definitions = definitions(true);
    for documented in documented() {
        let name = documented["name"].as_str().unwrap();
        let described = definitions.describe_plugin(name).unwrap_or_else(|| panic!("no plugin {name}"));
        let fields = described["fields"].as_array().unwrap();
        let config = fields.iter().find_map(|field| field.get("config")).unwrap();
        compare(name, config, &documented["config"]);
    }
}

/// Whether a record has the options that are documented, no others, and the same defaults; records inside it, too.
fn compare(place: &str, record: &Value, documented: &Value) {
    let own: BTreeMap<_, _> =
        record["fields"].as_array().unwrap().iter().flat_map(|it| it.as_object().unwrap()).collect();
    let properties = documented["properties"].as_object().unwrap();
    let mut names: Vec<_> = properties.keys().collect();
    names.sort();
    assert_eq!(own.keys().copied().collect::<Vec<_>>(), names, "{place}");
    for (option, property) in properties {
        let (field, place) = (own[option], format!("{place} {option}"));
        assert_eq!(
            field.get("default").unwrap_or(&Value::Null),
            property.get("default").unwrap_or(&Value::Null),
            "{place}"
        );
        let kind = match property["type"].as_str().unwrap() {
            "array" => "array set",
            "object" => "record map",
            kind => kind,
        };
        let own_kind = field["type"].as_str().unwrap();
        assert!(kind.contains(own_kind), "{place}");
        if own_kind == "record" {
            compare(&place, field, property);
        }
    }
}

#[test]
fn recorded_calls_for_plugins_come_out_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../entities/tests/data/examples.json");
    let examples: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let registry = plugins::registry();
    let failures = entities::examples::failures(&definitions(true), &examples, |entity, input| {
        entity == "plugins"
            && input.get("name").and_then(Value::as_str).is_some_and(|name| registry.get(name).is_some())
    });
    assert!(failures.is_empty(), "{} of them differ:\n{}", failures.len(), failures.join("\n"));
}

fn created(definitions: &Definitions, plugin: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(plugin) = plugin else { return Err("an object".into()) };
    definitions.process_insert("plugins", plugin, 1_700_000_000.0).map_err(|fault| fault.to_string())
}

#[test]
fn invalid_options_are_refused_with_kongs_words() {
    let definitions = definitions(true);
    for (plugin, text) in [
        (json!({ "name": "key-auth", "config": { "key_names": [""] } }), "length must be at least 1"),
        (
            json!({ "name": "response-transformer", "config": { "rename": { "headers": ["X-A:B,C"] } } }),
            "'B,C' is not a valid header",
        ),
        (
            json!({ "name": "response-transformer", "config": { "rename": { "headers": ["A B:C"] } } }),
            "'A B' is not a valid header",
        ),
        (
            json!({ "name": "response-transformer", "config": { "rename": { "headers": ["A:"] } } }),
            "'' is not a valid header",
        ),
        (
            json!({ "name": "rate-limiting", "config": { "minute": 20, "hour": 10 } }),
            "The limit for hour(10.0) cannot be lower than the limit for minute(20.0)",
        ),
        (
            json!({ "name": "rate-limiting", "config": { "second": 20, "year": 10.5 } }),
            "The limit for year(10.5) cannot be lower than the limit for second(20.0)",
        ),
        (
            json!({ "name": "rate-limiting", "config": { "hour": 1, "limit_by": "path", "path": "/a//b" } }),
            "must not have empty segments",
        ),
        (
            json!({ "name": "rate-limiting", "config": { "hour": 1, "policy": "memcached" } }),
            "expected one of: local, cluster, redis",
        ),
        (json!({ "name": "request-termination", "config": { "trigger": "a b" } }), "bad header name 'a b'"),
        (json!({ "name": "correlation-id", "config": { "echo_downstream": "perhaps" } }), "expected a boolean"),
    ] {
        let refused = created(&definitions, plugin.clone()).expect_err("refused");
        assert!(refused.contains(text), "{plugin}: {refused}");
    }
}

#[test]
fn without_a_database_nothing_counts_in_it() {
    let plugin = json!({ "name": "rate-limiting", "config": { "hour": 1, "policy": "cluster" } });
    assert!(created(&definitions(true), plugin.clone()).is_ok());
    let refused = created(&definitions(false), plugin).expect_err("refused");
    assert!(refused.contains("expected one of: local, redis"), "{refused}");
}

#[test]
fn scopes_are_those_of_the_documentation() {
    for (name, scopes) in [
        ("acl", Scopes::NO_CONSUMER),
        ("acme", Scopes::GLOBAL),
        ("basic-auth", Scopes::NO_CONSUMER),
        ("hmac-auth", Scopes::NO_CONSUMER),
        ("jwt", Scopes::NO_CONSUMER),
        ("key-auth", Scopes::NO_CONSUMER),
        ("ldap-auth", Scopes::NO_CONSUMER),
        ("oauth2", Scopes::NO_CONSUMER),
        ("session", Scopes::NO_CONSUMER),
        ("ai-prompt-decorator", Scopes::ALL),
        ("ai-prompt-guard", Scopes::ALL),
        ("ai-prompt-template", Scopes::ALL),
        ("ai-proxy", Scopes::ALL),
        ("ai-request-transformer", Scopes::NO_CONSUMER),
        ("ai-response-transformer", Scopes::ALL),
        ("aws-lambda", Scopes::ALL),
        ("azure-functions", Scopes::ALL),
        ("bot-detection", Scopes::NO_CONSUMER),
        ("canary", Scopes::NO_CONSUMER),
        ("correlation-id", Scopes::ALL),
        ("cors", Scopes::NO_CONSUMER),
        ("datamask", Scopes::ALL),
        ("grpc-gateway", Scopes::ALL),
        ("grpc-web", Scopes::ALL),
        ("injection-protection", Scopes::NO_CONSUMER),
        ("ip-restriction", Scopes::GROUPS),
        ("jq", Scopes::ALL),
        ("json-threat-protection", Scopes::NO_CONSUMER),
        ("mtls-auth", Scopes::NO_CONSUMER),
        ("opa", Scopes::NO_CONSUMER),
        ("rate-limiting", Scopes::GROUPS),
        ("proxy-cache", Scopes::GROUPS),
        ("proxy-cache-advanced", Scopes::GROUPS),
        ("quota", Scopes::GROUPS),
        ("redirect", Scopes::GROUPS),
        ("request-size-limiting", Scopes::ALL),
        ("request-termination", Scopes::GROUPS),
        ("request-transformer", Scopes::GROUPS),
        ("request-validator", Scopes::ALL),
        ("response-ratelimiting", Scopes::ALL),
        ("response-transformer", Scopes::GROUPS),
        ("standard-webhooks", Scopes::NO_CONSUMER),
        ("upstream-timeout", Scopes::ALL),
        ("xml-json", Scopes::ALL),
    ] {
        assert_eq!(plugins::registry().get(name).map(|plugin| plugin.schema.scopes), Some(scopes), "{name}");
    }
}

#[test]
fn every_complete_configuration_can_be_built() {
    let services = exchange::Services::alone(uuid::Uuid::nil());
    let definitions = definitions(true);
    for plugin in plugins::registry().iter() {
        let config = match plugin.name {
            "acl" => json!({ "allow": ["a"] }),
            "acme" => json!({ "account_email": "a@b.test" }),
            "ai-prompt-decorator" => json!({ "prompts": { "append": [{ "content": "a" }] } }),
            "ai-prompt-guard" => json!({ "deny_patterns": ["a"] }),
            "ai-prompt-template" => json!({ "templates": [] }),
            "ai-proxy" => json!({ "route_type": "llm/v1/chat", "model": { "provider": "openai" } }),
            "ai-request-transformer" | "ai-response-transformer" => {
                json!({ "prompt": "a", "llm": { "route_type": "llm/v1/chat", "model": { "provider": "openai" } } })
            }
            "canary" => json!({ "upstream_host": "a.test" }),
            "jq" => json!({ "request_jq_program": "." }),
            "xml-json" => json!({ "request_to": "json" }),
            "datamask" => json!({ "log_fields": ["request.uri"] }),
            "mtls-auth" => json!({ "ca_certificates": ["00000000-0000-0000-0000-000000000001"] }),
            "opa" => json!({ "opa_path": "/v1/data/a" }),
            "request-validator" => json!({ "body_schema": "[]" }),
            "ip-restriction" => json!({ "deny": ["10.0.0.0/8"] }),
            "ldap-auth" => json!({ "ldap_host": "d.test", "base_dn": "dc=x", "attribute": "cn" }),
            "oauth2" => json!({ "enable_client_credentials": true }),
            "quota" => json!({ "month": 1 }),
            "rate-limiting" => json!({ "hour": 1 }),
            "azure-functions" => json!({ "appname": "a", "functionname": "f" }),
            "proxy-cache" | "proxy-cache-advanced" => json!({ "strategy": "memory" }),
            "response-ratelimiting" => json!({ "limits": { "video": { "hour": 1 } } }),
            "redirect" => json!({ "location": "https://elsewhere.test" }),
            "standard-webhooks" => json!({ "secret_v1": "s" }),
            _ => json!({}),
        };
        let stored = created(&definitions, json!({ "name": plugin.name, "config": config })).expect("valid");
        let built = plugin.build(&stored["config"], &exchange::About::default(), &services);
        assert_eq!(built.map(|built| built.name()), Ok(plugin.name));
    }
}
