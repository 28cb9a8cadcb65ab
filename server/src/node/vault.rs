//! Where references to secrets lead.

use config::EnvironmentVault;
use serde_json::Value;
use snapshot::Secrets;

/// The environment of the process, by the name `env` or the prefixes of Vault entities.
pub struct Vault(pub EnvironmentVault);

impl Secrets for Vault {
    fn resolve(&self, reference: &str, vault: &dyn Fn(&str) -> Option<Value>) -> Result<String, String> {
        self.0.resolve(reference, |prefix| {
            let config = vault(prefix)?;
            Some(config["prefix"].as_str().unwrap_or_default().to_owned())
        })
    }
}
