//! References to secrets (`{vault://…}`) in plugins and certificates: what is compiled holds what they lead to, what is
//! stored and shown keeps the reference.

use entities::Definitions;
use schema::is_vault_reference;
use serde_json::{Map, Value};
use store::{Id, Record, View};

/// Knows secrets by their references.
pub trait Secrets: Send + Sync {
    /// The secret, or Kong's sentence why there is none. `vault` tells the `config` of the Vault entity with a prefix.
    fn resolve(&self, reference: &str, vault: &dyn Fn(&str) -> Option<Value>) -> Result<String, String>;
}

/// A view with secrets in the places of references to them; none where there is no reference. In plugins, what cannot be
/// found is empty text; a certificate of which anything cannot be found is left out. The log tells either.
pub(crate) fn resolved(view: &View, definitions: &Definitions, secrets: &dyn Secrets) -> Option<View> {
    let vault = |prefix: &str| {
        let found = view.all("vaults").find(|vault| vault.text("prefix") == Some(prefix))?;
        Some(found.value.get("config").cloned().unwrap_or_default())
    };
    let find = |reference: &str| {
        let found = secrets.resolve(reference, &vault);
        found.inspect_err(|error| tracing::warn!("unable to resolve reference {reference} ({error})")).ok()
    };
    let mut changes: Vec<(&'static str, Id, Option<Record>)> = Vec::new();
    for record in view.all("plugins").filter(|record| mentions(&record.value)) {
        let Some(plugin) = record.text("name").and_then(|name| definitions.plugin(name)) else { continue };
        let mut seen = Record::clone(record);
        let Some(config) = seen.value.get_mut("config") else { continue };
        if plugin.config.dereference(config, &mut |reference| find(reference).unwrap_or_default()) {
            changes.push((record.entity, record.id.clone(), Some(seen)));
        }
    }
    let definition = definitions.entity("certificates").map(|entity| &entity.record);
    for record in view.all("certificates").filter(|record| mentions(&record.value)) {
        let Some(definition) = definition else { break };
        let mut seen = Value::Object(record.value.clone());
        let mut complete = true;
        let changed = definition.dereference(&mut seen, &mut |reference| {
            let found = find(reference);
            complete &= found.is_some();
            found.unwrap_or_default()
        });
        if let (true, Value::Object(value)) = (changed, seen) {
            let seen = Record { value, ..Record::clone(record) };
            changes.push((record.entity, record.id.clone(), complete.then_some(seen)));
        }
    }
    (!changes.is_empty()).then(|| view.seen_with(changes))
}

/// Whether a reference is in there, wherever.
fn mentions(value: &Map<String, Value>) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => is_vault_reference(text),
            Value::Array(values) => values.iter().any(any),
            Value::Object(members) => members.values().any(any),
            _ => false,
        }
    }
    value.values().any(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use entities::{PluginSchema, VaultSchema};
    use schema::Field;
    use serde_json::json;
    use std::sync::Arc;
    use store::Catalog;
    use uuid::Uuid;

    /// The vault `env`, and those that begin like the prefix in their configuration.
    struct Known;

    impl Secrets for Known {
        fn resolve(&self, reference: &str, vault: &dyn Fn(&str) -> Option<Value>) -> Result<String, String> {
            match reference {
                "{vault://env/a}" => Ok("A".to_owned()),
                "{vault://mine/a}" => Ok(vault("mine").ok_or("no vault")?["prefix"].to_string()),
                _ => Err("no value found".to_owned()),
            }
        }
    }

    fn record(entity: &'static str, number: u128, value: Value) -> Record {
        let Value::Object(value) = value else { panic!("an object") };
        Record { entity, id: Id::Uuid(Uuid::from_u128(number)), ws: None, value, expires: None }
    }

    #[test]
    fn what_is_compiled_has_secrets_and_what_is_stored_references() {
        let config =
            schema::Record::new().field(Field::string("secret").referenceable(true)).field(Field::string("text"));
        let plugins = [PluginSchema::with_config("p", config)].into_iter().collect();
        let vaults = [VaultSchema::env()].into_iter().collect();
        let definitions = Definitions::new(plugins, vaults, router::Flavor::Traditional, false);
        let plugin = |number, secret: &str| {
            record("plugins", number, json!({"name": "p", "config": {"secret": secret, "text": "{vault://env/a}"}}))
        };
        let certificate = |number, key: &str| record("certificates", number, json!({"cert": "C", "key": key}));
        let records = vec![
            plugin(1, "{vault://env/a}"),
            plugin(2, "{vault://mine/a}"),
            plugin(3, "{vault://env/none}"),
            certificate(4, "{vault://env/a}"),
            certificate(5, "{vault://env/none}"),
            record("vaults", 6, json!({"name": "env", "prefix": "mine", "config": {"prefix": "X_"}})),
        ];
        let kept = records.into_iter().map(Arc::new);
        let view = View::kept(Arc::new(Catalog::of(&definitions)), kept, 1);
        let seen = resolved(&view, &definitions, &Known).expect("there are references");
        let find = |view: &View, entity, number| view.get(entity, &Id::Uuid(Uuid::from_u128(number))).cloned();
        let config = |view: &View, number| find(view, "plugins", number).expect("a plugin").value["config"].clone();
        for (number, secret) in [(1, "A"), (2, "\"X_\""), (3, "")] {
            assert_eq!(config(&seen, number), json!({"secret": secret, "text": "{vault://env/a}"}));
        }
        assert_eq!(find(&seen, "certificates", 4).expect("a certificate").value["key"], "A");
        assert!(find(&seen, "certificates", 5).is_none());
        assert_eq!(config(&view, 1)["secret"], "{vault://env/a}");
    }
}
