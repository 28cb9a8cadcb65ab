//! Event hooks: what is told to others when something happens.

use crate::Entity;
use schema::{Field, Kind, Map, Named, Schema, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event hook.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct EventHook {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Where events come from.
    pub source: String,
    /// Which event; none: all of the source.
    pub event: Option<String>,
    /// What is done.
    #[field(one_of("webhook", "webhook-custom", "log", "lambda"))]
    pub handler: String,
    /// Whether only events that differ from the last one are told.
    pub on_change: Option<bool>,
    /// Seconds during which the same event is told once.
    pub snooze: Option<i64>,
    /// Options of the handler.
    #[field(is = self::config)]
    pub config: Map<String, Value>,
}

impl Named for EventHook {
    const NAME: &'static str = "event_hooks";
}

/// Checked by the Admin API, since what it holds depends on the handler.
fn config(field: Field) -> Field {
    let help = field.help_text().to_owned();
    Field::new(field.name().to_owned(), Kind::Json(None)).help(help)
}

pub(crate) fn entity() -> Entity {
    Entity { generate_admin_api: false, db_export: false, ..Entity::of::<EventHook>("event_hooks") }
}
