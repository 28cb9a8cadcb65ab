//! What a change of the store makes untrue.

use crate::keys::Wanted;
use entities::{DEFAULT_WORKSPACE, Definitions};
use store::{Change, ChangeKind, Record};
use uuid::Uuid;

/// Tells what is to be forgotten for a change; `None` for everything.
pub(crate) fn forget(change: &Change, definitions: &Definitions, mut forget: impl FnMut(Wanted<'_>)) -> Option<()> {
    let ChangeKind::Record { entity, before, after, .. } = &change.kind else { return None };
    for record in [before, after].into_iter().flatten() {
        let ws = record.ws.unwrap_or(DEFAULT_WORKSPACE);
        match *entity {
            "consumers" => {
                forget(Wanted::Consumer(ws, record.id.uuid()?));
                if let Some(name) = record.text("username") {
                    forget(Wanted::Username(ws, name));
                }
                if let Some(id) = record.text("custom_id") {
                    forget(Wanted::CustomId(ws, id));
                }
            }
            "consumer_group_consumers" => forget(Wanted::Consumer(ws, foreign(record, "consumer")?)),
            // A Consumer lists its groups by their names.
            "consumer_groups" => return None,
            _ => {
                let Some(definition) = definitions.entity(entity).filter(|definition| definition.plugin.is_some())
                else {
                    continue;
                };
                if let Some(key) = definition.endpoint_key.and_then(|field| record.text(field)) {
                    forget(Wanted::Credential(ws, entity, key));
                }
                if let Some(id) = record.id.uuid() {
                    forget(Wanted::ById(ws, entity, id));
                }
                if let Some(consumer) = foreign(record, "consumer") {
                    forget(Wanted::OfConsumer(ws, entity, consumer));
                }
            }
        }
    }
    Some(())
}

/// Whether changes of a kind make anything untrue.
pub(crate) fn concerns(entity: &str, definitions: &Definitions) -> bool {
    matches!(entity, "consumers" | "consumer_group_consumers" | "consumer_groups")
        || definitions.entity(entity).is_some_and(|definition| definition.plugin.is_some())
}

pub(crate) fn foreign(record: &Record, field: &str) -> Option<Uuid> {
    record.reference(field)?.uuid()
}
