//! Counters of `rate-limiting` with the policy `cluster`.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A counter.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RatelimitingMetric {
    /// Who is counted.
    #[field(len_min(0))]
    pub identifier: String,
    /// Unit of time.
    pub period: String,
    /// Begin of the period, ms since 1970.
    #[field(timestamp)]
    pub period_date: i64,
    /// The Service.
    pub service_id: Uuid,
    /// The Route.
    pub route_id: Uuid,
    /// The value.
    pub value: i64,
}

impl Named for RatelimitingMetric {
    const NAME: &'static str = "ratelimiting_metrics";
}

pub(crate) fn entity() -> Entity {
    Entity {
        primary_key: &["identifier", "period", "period_date", "service_id", "route_id"],
        ttl: true,
        generate_admin_api: false,
        db_export: false,
        plugin: Some("rate-limiting"),
        ..Entity::of::<RatelimitingMetric>("ratelimiting_metrics")
    }
}
