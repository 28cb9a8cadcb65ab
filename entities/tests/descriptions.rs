//! Every definition describes itself as the reference does.

use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use schema::Value;
use std::{fs, path::Path};

fn definitions(flavor: Flavor) -> Definitions {
    Definitions::new(PluginSchemas::default(), VaultSchemas::default(), flavor, true)
}

/// Without what only one side has: descriptions here, notes on functions there.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(name, value)| !(name.starts_with("x-") || *name == "description" && value.is_string()))
                .map(|(name, value)| (name.clone(), bare(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(bare).collect()),
        other => other.clone(),
    }
}

/// Order of these differs from one Kong to the next.
fn steady(entity: &str, mut value: Value) -> Value {
    fn sort_lists(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort_lists);
                items.sort_by_key(Value::to_string);
            }
            Value::Object(members) => members.values_mut().for_each(sort_lists),
            _ => {}
        }
    }
    if entity == "keys"
        && let Some(checks) = value.get_mut("entity_checks")
    {
        sort_lists(checks);
    }
    value
}

#[test]
fn entities_describe_themselves_as_the_reference_does() {
    let mut seen = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas")).unwrap() {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let reference: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let (name, flavor) = match stem.split_once('.') {
            Some((name, flavor)) => (name, flavor.parse().unwrap()),
            None => (stem.as_str(), Flavor::TraditionalCompatible),
        };
        let definitions = definitions(flavor);
        let entity = definitions.entity(name).unwrap_or_else(|| panic!("no entity {name}"));
        let described = steady(name, bare(&definitions.describe(name).unwrap()));
        let plugin = reference.get("x-plugin").and_then(Value::as_str).map(str::to_owned);
        let reference = steady(name, bare(&reference));
        // A workspace's looks and settings have no fields in the reference: what is kept of them is ours.
        let ours =
            |field: &&Value| name == "workspaces" && (field.get("meta").is_some() || field.get("config").is_some());
        let own: Vec<&Value> = described["fields"].as_array().unwrap().iter().collect();
        let expected: Vec<&Value> = reference["fields"].as_array().unwrap().iter().collect();
        for (own, expected) in own.iter().zip(&expected) {
            if !ours(own) {
                assert_eq!(own, expected, "{stem}");
            }
        }
        assert_eq!(own.len(), expected.len(), "{stem}");
        let checks = reference.get("entity_checks").cloned().unwrap_or(Value::Array(Vec::new()));
        assert_eq!(described["entity_checks"], checks, "{stem}");
        let text = |key: &str| reference.get(key).and_then(Value::as_str);
        let list = |key: &str| -> Vec<&str> {
            reference.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let flag = |key: &str| reference.get(key).and_then(Value::as_bool);
        assert_eq!(entity.primary_key, list("primary_key"), "{stem}");
        assert_eq!(entity.cache_key, list("cache_key"), "{stem}");
        assert_eq!(entity.endpoint_key, text("endpoint_key"), "{stem}");
        assert_eq!(entity.admin_api_name, text("admin_api_name"), "{stem}");
        assert_eq!(entity.admin_api_nested_name, text("admin_api_nested_name"), "{stem}");
        assert_eq!(entity.plugin, plugin.as_deref(), "{stem}");
        assert_eq!(entity.workspaceable, flag("workspaceable").unwrap_or(false), "{stem}");
        assert_eq!(entity.ttl, flag("ttl").unwrap_or(false), "{stem}");
        assert_eq!(entity.generate_admin_api, flag("generate_admin_api").unwrap_or(true), "{stem}");
        assert_eq!(entity.db_export, flag("db_export").unwrap_or(true), "{stem}");
        if let Some(shorthands) = reference.get("shorthand_fields") {
            let own = bare(&entity.record.describe_shorthands());
            assert_eq!(own, *shorthands, "{stem}");
        }
        seen += 1;
    }
    assert_eq!(seen, 30);
}

#[test]
fn fields_that_kong_does_not_have_are_described_where_that_is_asked_for() {
    let definitions = definitions(Flavor::TraditionalCompatible);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/beyond");
    for entity in definitions.entities() {
        let fields = |described: Option<Value>| described.unwrap()["fields"].as_array().unwrap().clone();
        let known = fields(definitions.describe(entity.name));
        let mut more = fields(definitions.describe_all(entity.name));
        more.retain(|field| !known.contains(field));
        let expected = match fs::read_to_string(folder.join(format!("{}.json", entity.name))) {
            Ok(text) => fields(serde_json::from_str(&text).ok()),
            Err(_) => Vec::new(),
        };
        assert_eq!(bare(&Value::Array(more)), Value::Array(expected), "{}", entity.name);
    }
}
