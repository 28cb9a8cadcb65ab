//! Recorded create calls: every one for an entity comes out as recorded.

use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use schema::Value;

fn definitions() -> Definitions {
    Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true)
}

#[test]
fn recorded_calls_for_entities_come_out_the_same() {
    let examples: Value = serde_json::from_str(include_str!("data/examples.json")).unwrap();
    let failures = entities::examples::failures(&definitions(), &examples, |entity, input| {
        entity != "plugins" || matches!(input.get("name").and_then(Value::as_str), None | Some("nope"))
    });
    assert!(failures.is_empty(), "{} of them differ:\n{}", failures.len(), failures.join("\n"));
}
