//! The plugins' schemas: described as the reference does, and recorded create calls come out as recorded.

use entities::{Definitions, Flavor, VaultSchemas};
use exchange::{About, NoScripts, Registry, Scripts, Services};
use schema::{Map, Value, json};
use std::{fs, path::Path, sync::Arc};

fn registry() -> Registry {
    let mut registry = Registry::default();
    let scripts: Arc<dyn Scripts> = Arc::new(NoScripts);
    observability::registry(&mut registry, &scripts);
    registry
}

fn definitions() -> Definitions {
    let schemas = registry().iter().map(|plugin| plugin.schema.clone()).collect();
    Definitions::new(schemas, VaultSchemas::default(), Flavor::TraditionalCompatible, true)
}

/// Without what only one side has (descriptions here, notes on functions there) and without the order of formats,
/// which has none.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let one_sided =
                |name: &str, value: &Value| name.starts_with("x-") || (name == "description" && value.is_string());
            let members = members.iter().filter(|(name, value)| !one_sided(name, value));
            members.map(|(name, value)| (name.clone(), sorted(name, bare(value)))).collect()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

fn sorted(name: &str, value: Value) -> Value {
    match value {
        Value::Array(mut items) if name == "one_of" && items.contains(&json!("jaeger")) => {
            items.sort_by_key(ToString::to_string);
            items.into()
        }
        other => other,
    }
}

#[test]
fn plugins_describe_themselves_as_the_reference_does() {
    let definitions = definitions();
    let registry = registry();
    let mut seen = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas")).unwrap() {
        let reference: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let name = reference["name"].as_str().unwrap();
        let described = bare(&definitions.describe_plugin(name).unwrap_or_else(|| panic!("no plugin {name}")));
        let expected = bare(&reference["schema"]);
        let config = |of: &Value| -> Vec<Value> {
            let fields = of["fields"].as_array().unwrap().iter().find_map(|field| field.get("config"));
            fields.and_then(|config| config["fields"].as_array()).unwrap().clone()
        };
        for (own, expected) in config(&described).iter().zip(&config(&expected)) {
            assert_eq!(own, expected, "{name}");
        }
        assert_eq!(described, expected, "{name}");
        let plugin = registry.get(name).unwrap();
        assert_eq!(plugin.priority, reference["priority"], "{name}");
        assert_eq!(plugin.schema.priority, plugin.priority, "{name}");
        seen += 1;
    }
    assert_eq!(seen, registry.iter().count());
}

#[test]
fn recorded_calls_come_out_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../entities/tests/data/examples.json");
    let examples: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let registry = registry();
    let failures = entities::examples::failures(&definitions(), &examples, |entity, input| {
        entity == "plugins"
            && input.get("name").and_then(Value::as_str).is_some_and(|name| registry.get(name).is_some())
            // Lua is parsed by who runs it.
            && input["config"].get("custom_fields_by_lua").is_none()
            // The order of formats in the text has none.
            && input["config"]["propagation"].get("extract").is_none()
    });
    assert!(failures.is_empty(), "{} of them differ:\n{}", failures.len(), failures.join("\n"));
}

fn created(plugin: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(plugin) = plugin else { return Err("an object".into()) };
    definitions().process_insert("plugins", plugin, 1_700_000_000.0).map_err(|fault| fault.to_string())
}

#[test]
fn every_complete_configuration_can_be_built() {
    let services = Services::alone(uuid::Uuid::nil());
    for plugin in registry().iter() {
        let config = match plugin.name {
            "file-log" => json!({ "path": "/tmp/x" }),
            "http-log" => json!({ "http_endpoint": "{vault://env/x}" }),
            "loggly" => json!({ "key": "k" }),
            "tcp-log" | "udp-log" => json!({ "host": "h", "port": 1 }),
            "opentelemetry" => json!({ "traces_endpoint": "http://a" }),
            _ => json!({}),
        };
        let stored = created(json!({ "name": plugin.name, "config": config })).expect("valid");
        let built = plugin.build(&stored["config"], &About::default(), &services);
        assert_eq!(built.map(|built| built.name()), Ok(plugin.name));
    }
}
