//! References to secrets (`{vault://…}`) in plugins and certificates: what is compiled holds what they lead to, what is
//! stored and shown keeps the reference.

use entities::Definitions;
use serde_json::{Map, Value};
use store::{Id, Record, View};

/// Knows secrets by their references.
pub trait Secrets: Send + Sync {
    /// The secret, or Kong's sentence why there is none. `vault` tells the `config` of the Vault entity with a prefix.
    fn resolve(&self, reference: &str, vault: &dyn Fn(&str) -> Option<Value>) -> Result<String, String>;
}

/// A view with secrets in the places of references to them. In plugins, what cannot be found is empty text; a certificate
/// of which anything cannot be found is left out. The log tells either.
pub(crate) fn resolved(view: &View, definitions: &Definitions, secrets: &dyn Secrets) -> View {
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
    match changes.is_empty() {
        true => view.clone(),
        false => view.seen_with(changes),
    }
}

/// Whether a reference may be in there.
fn mentions(value: &Map<String, Value>) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => text.starts_with("{vault://"),
            Value::Array(values) => values.iter().any(any),
            Value::Object(members) => members.values().any(any),
            _ => false,
        }
    }
    value.values().any(any)
}
