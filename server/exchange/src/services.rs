//! What a plugin may ask the house for when it is configured.

use std::sync::Arc;

use crate::counters::Counters;
use crate::redis::Redis;
use uuid::Uuid;

/// Handles that outlive every configuration. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Counters of windows of time, exact across workers (rate limits).
    pub counters: Arc<Counters>,
    /// Redis servers that nodes share.
    pub redis: Arc<dyn Redis>,
    /// This node's id, as `GET /` of the Admin API tells it.
    pub node_id: Uuid,
}
