//! Secrets by reference, for `kong.vault`.

use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

/// Knows secrets by their references.
pub trait Secrets: Send + Sync {
    /// The secret, or Kong's sentence why there is none.
    fn get(&self, reference: &str) -> Result<String, String>;

    /// The parts of a reference: `name`, `resource`, and where they are there `key`, `config` and `version`.
    fn parse(&self, reference: &str) -> Result<Map<String, Value>, String>;
}

static SECRETS: OnceLock<Arc<dyn Secrets>> = OnceLock::new();

/// Sets them once for the process; later calls change nothing.
pub fn set_secrets(secrets: Arc<dyn Secrets>) {
    let _ = SECRETS.set(secrets);
}

/// Those of the process.
pub fn secrets() -> Result<&'static Arc<dyn Secrets>, String> {
    SECRETS.get().ok_or_else(|| "there are no vaults".to_owned())
}
