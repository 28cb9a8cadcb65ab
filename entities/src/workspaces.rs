//! Workspaces: name spaces of entities.

use crate::Entity;
use schema::{Field, Map, Named, Record, Schema, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name space.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Workspace {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Unique name.
    #[field(unique, not_one_of("workspaces", "consumers", "certificates", "services", "routes", "snis", "upstreams", "targets", "plugins", "tags", "ca_certificates", "clustering_data_planes", "parameters", "vaults", "key_sets", "keys", "filter_chains"), is = utf8_name)]
    pub name: String,
    /// What it is for.
    pub comment: Option<String>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// How the manager shows it.
    #[field(is = self::nothing)]
    pub meta: Map<String, Value>,
    /// Settings.
    #[field(is = self::nothing)]
    pub config: Map<String, Value>,
}

impl Named for Workspace {
    const NAME: &'static str = "workspaces";
}

/// A record without fields.
fn nothing(field: Field) -> Field {
    Field::record(field.name().to_owned(), Record::new()).required(true).help(field.help_text().to_owned())
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("name"),
        cache_key: &["name"],
        generate_admin_api: false,
        ..Entity::of::<Workspace>("workspaces")
    }
}
