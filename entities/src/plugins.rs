//! Plugins: what is done to requests and responses, and where.

use crate::{Consumer, ConsumerGroup, Entity, Route, Service};
use schema::{Field, Foreign, Kind, Map, Named, Schema, Set, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A configured plugin.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Plugin {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The plugin's name.
    pub name: String,
    /// Unique name of this configuration of it.
    #[field(unique, is = utf8_name)]
    pub instance_name: Option<String>,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// The only Route it runs for.
    #[field(is = cascade, default = null)]
    pub route: Option<Foreign<Route>>,
    /// The only Service it runs for.
    #[field(is = cascade, default = null)]
    pub service: Option<Foreign<Service>>,
    /// The only Consumer it runs for.
    #[field(is = cascade, default = null)]
    pub consumer: Option<Foreign<Consumer>>,
    /// Options; which ones depends on the plugin.
    #[field(is = self::config)]
    pub config: Map<String, Value>,
    /// Protocols it runs for.
    #[field(is = protocols)]
    pub protocols: Set<String>,
    /// Whether it runs.
    #[field(default = true)]
    pub enabled: bool,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// The only Consumer Group it runs for.
    #[field(skip)]
    #[serde(default)]
    pub consumer_group: Option<Foreign<ConsumerGroup>>,
}

impl Named for Plugin {
    const NAME: &'static str = "plugins";
}

pub(crate) fn config(field: Field) -> Field {
    let help = field.help_text().to_owned();
    Field::new(field.name().to_owned(), Kind::Abstract).help(help)
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("instance_name"),
        cache_key: &["name", "route", "service", "consumer"],
        unique_together: &[&["name", "route", "service", "consumer", "consumer_group"]],
        workspaceable: true,
        subschema_key: Some("name"),
        ..Entity::of::<Plugin>("plugins")
    }
}
