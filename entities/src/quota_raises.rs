//! Temporary raises of what `quota` allows a Consumer.

use crate::{Consumer, Entity};
use schema::{Foreign, Named, Schema, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A raise.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct QuotaRaise {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// The Consumer that may use more.
    #[field(is = cascade)]
    pub consumer: Foreign<Consumer>,
    /// How much more each window holds.
    #[field(required = true, between(1, 1e12))]
    pub amount: i64,
    /// Until when, in seconds since 1970.
    #[field(required = true, between(1, 1e12))]
    pub until: i64,
    /// Only windows of this length; without it all of them.
    #[field(one_of("day", "week", "month", "year"))]
    pub period: Option<String>,
    /// Only quotas with this `namespace`; without it all of them.
    #[field(len_min = 1, len_max = 200)]
    pub namespace: Option<String>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for QuotaRaise {
    const NAME: &'static str = "quota_raises";
}

pub(crate) fn entity() -> Entity {
    Entity {
        workspaceable: true,
        admin_api_name: Some("quota-raises"),
        admin_api_nested_name: Some("quota-raises"),
        plugin: Some("quota"),
        ..Entity::of::<QuotaRaise>("quota_raises")
    }
}
