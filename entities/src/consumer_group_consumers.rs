//! Which Consumer is in which Consumer Group.

use crate::{Consumer, ConsumerGroup, Entity};
use schema::{Foreign, Named, Schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A Consumer's place in a group.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ConsumerGroupConsumer {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// The group.
    #[field(is = cascade)]
    pub consumer_group: Foreign<ConsumerGroup>,
    /// The Consumer.
    #[field(is = cascade)]
    pub consumer: Foreign<Consumer>,
}

impl Named for ConsumerGroupConsumer {
    const NAME: &'static str = "consumer_group_consumers";
}

pub(crate) fn entity() -> Entity {
    Entity {
        cache_key: &["consumer_group", "consumer"],
        unique_together: &[&["consumer_group", "consumer"]],
        workspaceable: true,
        generate_admin_api: false,
        ..Entity::of::<ConsumerGroupConsumer>("consumer_group_consumers")
    }
}
