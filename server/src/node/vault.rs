//! Where references to secrets lead.

use arc_swap::ArcSwap;
use config::{EnvironmentVault, VaultReference};
use serde_json::{Map, Value, json};
use snapshot::Secrets;
use std::collections::HashMap;
use std::sync::Arc;
use store::View;

/// The environment of the process, by the name `env` or the prefixes of Vault entities.
pub struct Vault {
    /// The variables.
    pub environment: EnvironmentVault,
    /// What variables begin with, by the prefix of a Vault entity: those of the configuration in use.
    entities: ArcSwap<HashMap<String, String>>,
}

/// What the variables of a Vault entity begin with, by its configuration.
fn beginning(config: &Value) -> String {
    config["prefix"].as_str().unwrap_or_default().to_owned()
}

impl Vault {
    /// Over an environment; there are no Vault entities yet.
    pub fn new(environment: EnvironmentVault) -> Self {
        Self { environment, entities: ArcSwap::default() }
    }

    /// Takes over the Vault entities of a configuration.
    pub fn follow(&self, view: &View) {
        let entities: HashMap<String, String> = view
            .all("vaults")
            .filter_map(|vault| {
                let begin = vault.value.get("config").map(beginning).unwrap_or_default();
                Some((vault.text("prefix")?.to_owned(), begin))
            })
            .collect();
        self.entities.store(Arc::new(entities));
    }
}

impl Secrets for Vault {
    fn resolve(&self, reference: &str, vault: &dyn Fn(&str) -> Option<Value>) -> Result<String, String> {
        self.environment.resolve(reference, |prefix| Some(beginning(&vault(prefix)?)))
    }
}

impl lua::Secrets for Vault {
    fn get(&self, reference: &str) -> Result<String, String> {
        let entities = self.entities.load();
        self.environment.resolve(reference, |prefix| entities.get(prefix).cloned())
    }

    fn parse(&self, reference: &str) -> Result<Map<String, Value>, String> {
        let parsed = VaultReference::parse(reference)?;
        let mut parts = Map::new();
        parts.insert("name".to_owned(), parsed.vault.into());
        parts.insert("resource".to_owned(), parsed.resource.into());
        parts.insert("key".to_owned(), json!(parsed.key));
        parts.insert("version".to_owned(), json!(parsed.version));
        if !parsed.options.is_empty() {
            let options: Map<String, Value> =
                parsed.options.into_iter().map(|(name, value)| (name, value.into())).collect();
            parts.insert("config".to_owned(), options.into());
        }
        Ok(parts)
    }
}
