//! Vaults: where `{vault://…}` references are looked up.

use crate::{Entity, plugins::config};
use schema::{Map, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A configured vault.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Vault {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Unique name used in references: `{vault://<prefix>/…}`.
    #[field(unique, unique_across_ws, not_one_of("env"), match = "^[a-z][a-z%d-]-[a-z%d]+$")]
    pub prefix: String,
    /// The kind of vault.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Options; which ones depends on the kind.
    #[field(is = self::config)]
    pub config: Map<String, Value>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for Vault {
    const NAME: &'static str = "vaults";
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("prefix"),
        cache_key: &["prefix"],
        workspaceable: true,
        admin_api_name: Some("vaults"),
        subschema_key: Some("name"),
        ..Entity::of::<Vault>("vaults")
    }
}
