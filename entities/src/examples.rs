//! Runs recorded create calls against definitions; for tests, also those of other crates.

use crate::Definitions;
use schema::{Map, Value, address::Address};

/// The recorded calls whose plugin (for `plugins`) is known: each is `{entity, input, result}` or
/// `{entity, input, message, fields}`. Gives a description of every one that comes out differently.
pub fn failures(
    definitions: &Definitions,
    examples: &Value,
    wanted: impl Fn(&str, &Map<String, Value>) -> bool,
) -> Vec<String> {
    let mut failures = Vec::new();
    for example in examples.as_array().into_iter().flatten() {
        let (Some(entity), Some(Value::Object(input))) = (example["entity"].as_str(), example.get("input")) else {
            continue;
        };
        if !wanted(entity, input) {
            continue;
        }
        let outcome = match definitions.process_insert(entity, input.clone(), 1_700_000_000.5) {
            Ok(stored) => shown(definitions, entity, input, &stored, example),
            Err(crate::Fault::Unknown(name)) => Err(format!("no entity {name}")),
            Err(crate::Fault::Invalid(errors)) => refused(&errors, example),
        };
        if let Err(difference) = outcome {
            failures.push(format!("{entity} {}\n  {difference}", Value::Object(input.clone())));
        }
    }
    failures
}

fn refused(errors: &schema::Errors, example: &Value) -> Result<(), String> {
    let Some(message) = example["message"].as_str() else {
        return Err(format!("refused: {}", errors.message()));
    };
    // The order of these two fields in the recording is by chance.
    let steady = |text: &str| text.replace("'pem', 'jwk'", "'jwk', 'pem'");
    if steady(&errors.message()) != steady(message) {
        return Err(format!("message: {}\n  expected: {message}", errors.message()));
    }
    let fields = Value::Object(errors.fields().clone()).to_string();
    let (got, expected) = (steady(&sorted(&fields)), steady(&sorted(&example["fields"].to_string())));
    if got == expected { Ok(()) } else { Err(format!("fields: {got}\n  expected: {expected}")) }
}

fn shown(
    definitions: &Definitions,
    entity: &str,
    input: &Map<String, Value>,
    stored: &Map<String, Value>,
    example: &Value,
) -> Result<(), String> {
    let Some(expected) = example.get("result") else {
        return Err(format!("accepted, expected: {}", example["message"]));
    };
    let mut got = definitions.present(entity, stored);
    for name in ["id", "created_at", "updated_at"] {
        got.shift_remove(name);
    }
    // The recording was made before values are formatted and hashed for storage.
    if entity == "targets"
        && let Some(text) = input.get("target").and_then(Value::as_str)
        && let Ok(address) = Address::parse(text)
        && got.get("target").and_then(Value::as_str) == Some(address.to_target().as_str())
    {
        got.insert("target".to_owned(), text.into());
    }
    let mut expected = expected.clone();
    // It shows a foreign object as given; only the key is stored.
    if let Value::Object(members) = &mut expected {
        for (field, _, _) in definitions.entity(entity).into_iter().flat_map(crate::Entity::references) {
            if let Some(Value::Object(foreign)) = members.get_mut(field) {
                foreign.retain(|name, _| name == "id");
            }
        }
    }
    let mut differences = Vec::new();
    compare("", &Value::Object(got), &expected, &mut differences);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n  ")) }
}

fn compare(path: &str, got: &Value, expected: &Value, differences: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            for (name, value) in expected {
                match got.get(name) {
                    Some(own) => compare(&format!("{path}.{name}"), own, value, differences),
                    None => differences.push(format!("{path}.{name}: missing")),
                }
            }
            for name in got.keys().filter(|name| !expected.contains_key(*name)) {
                differences.push(format!("{path}.{name}: not expected"));
            }
        }
        (Value::String(text), Value::String(random)) if random == "RANDOM32" => {
            if text.len() != 32 {
                differences.push(format!("{path}: {text} is not a token"));
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}.{index}"), a, b, differences);
            }
        }
        // A generated session secret.
        (Value::String(text), Value::String(_)) if path.ends_with(".secret") && text.len() >= 32 => {}
        _ if got == expected => {}
        _ => differences.push(format!("{path}: {got}, expected {expected}")),
    }
}

fn sorted(text: &str) -> String {
    fn sort(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut members: Vec<(String, Value)> = members.into_iter().collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(members.into_iter().map(|(name, value)| (name, sort(value))).collect())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(sort).collect()),
            other => other,
        }
    }
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| sort(value).to_string())
}
