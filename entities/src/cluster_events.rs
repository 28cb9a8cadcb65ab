//! What nodes on one database tell each other beside the configuration.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event. Every node but the one that tells it heeds it once.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ClusterEvent {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// The node that tells it.
    pub node_id: Uuid,
    /// When it was told, seconds since 1970.
    pub at: f64,
    /// When it is to be heeded, seconds since 1970, unless at once.
    pub nbf: Option<f64>,
    /// What it is about.
    pub channel: String,
    /// What it says.
    pub data: String,
}

impl Named for ClusterEvent {
    const NAME: &'static str = "cluster_events";
}

pub(crate) fn entity() -> Entity {
    Entity { ttl: true, generate_admin_api: false, db_export: false, ..Entity::of::<ClusterEvent>("cluster_events") }
}
