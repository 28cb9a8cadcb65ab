//! Counters of `quota` with the strategy `cluster`.

use crate::Entity;
use schema::{Named, Schema};
use serde::{Deserialize, Serialize};

/// A counter.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct QuotaCounter {
    /// Which quotas it belongs to.
    pub namespace: String,
    /// Who is counted.
    pub identifier: String,
    /// `day`, `week`, `month` or `year`.
    pub period: String,
    /// Begin of the window, ms since 1970.
    #[field(timestamp)]
    pub period_date: i64,
    /// Units that were used.
    pub value: i64,
}

impl Named for QuotaCounter {
    const NAME: &'static str = "quota_counters";
}

pub(crate) fn entity() -> Entity {
    Entity {
        primary_key: &["namespace", "identifier", "period", "period_date"],
        ttl: true,
        generate_admin_api: false,
        db_export: false,
        plugin: Some("quota"),
        ..Entity::of::<QuotaCounter>("quota_counters")
    }
}
