//! What a plugin may ask the house for when it is configured.

use std::sync::Arc;

use crate::counters::Counters;
use uuid::Uuid;

/// Handles that outlive every configuration. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Counters of windows of time, exact across workers (rate limits).
    pub counters: Arc<Counters>,
    /// This node's id, as `GET /` of the Admin API tells it.
    pub node_id: Uuid,
}
