//! Targets: the servers behind an Upstream.

use crate::{Entity, Upstream};
use schema::{Foreign, Map, Named, Schema, Set, Value, address::Address};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A server behind an Upstream.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Target {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970 with ms.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: f64,
    /// Time of the last change, seconds since 1970 with ms.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: f64,
    /// The Upstream it is behind.
    #[field(is = cascade)]
    pub upstream: Foreign<Upstream>,
    /// Address (IP or host name) with port, 8000 when none is given.
    #[field(validate = target)]
    pub target: String,
    /// Share of the traffic; 0 takes it out.
    #[field(default = 100, between(0, 65535))]
    pub weight: Option<u32>,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
}

impl Named for Target {
    const NAME: &'static str = "targets";
}

fn target(text: &str) -> Result<(), String> {
    match Address::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("Invalid target ('{text}'); not a valid hostname or ip address")),
    }
}

fn format_target(data: &mut Map<String, Value>, _: Option<&Map<String, Value>>) {
    if let Some(Value::String(text)) = data.get_mut("target")
        && let Ok(address) = Address::parse(text)
    {
        *text = address.to_target();
    }
}

pub(crate) fn entity() -> Entity {
    Entity {
        endpoint_key: Some("target"),
        cache_key: &["upstream", "target"],
        unique_together: &[&["upstream", "target"]],
        workspaceable: true,
        normalise: Some(format_target),
        ..Entity::of::<Target>("targets")
    }
}
