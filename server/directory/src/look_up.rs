//! Asking the store.

use crate::cache::Known;
use crate::changes::foreign;
use entities::Definitions;
use exchange::{Consumer, Credential};
use serde_json::Value;
use std::sync::Arc;
use store::{Error, Filter, Id, Record, Store};
use uuid::Uuid;

/// A question to the store; what the answer is kept under is named by [`crate::keys::Wanted`].
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Consumer(Uuid, Uuid),
    Named(Uuid, &'static str, String),
    Credential(Uuid, &'static str, &'static str, String),
    ById(Uuid, &'static str, Uuid),
    OfConsumer(Uuid, &'static str, Uuid),
}

impl Question {
    pub(crate) async fn ask(&self, store: &dyn Store, definitions: &Definitions) -> Result<Known, Error> {
        match self {
            Question::Consumer(ws, id) => match store.get("consumers", &Id::Uuid(*id)).await? {
                Some(record) if within(&record, *ws) => Ok(Known::Consumer(Arc::new(consumer(store, &record).await?))),
                _ => Ok(Known::Nobody),
            },
            Question::Named(ws, field, value) => {
                let found = store.by_unique("consumers", Some(*ws), field, &Value::from(value.as_str())).await?;
                Ok(found.and_then(|found| found.id.uuid()).map_or(Known::Nobody, Known::Named))
            }
            Question::Credential(ws, entity, field, value) => {
                let scope = definitions.entity(entity).is_some_and(|entity| entity.workspaceable).then_some(*ws);
                let found = store.by_unique(entity, scope, field, &Value::from(value.as_str())).await?;
                Ok(found.map_or(Known::Nobody, |found| Known::Credential(Arc::new(credential(&found)))))
            }
            Question::ById(ws, entity, id) => match store.get(entity, &Id::Uuid(*id)).await? {
                Some(record) if within(&record, *ws) => Ok(Known::Credential(Arc::new(credential(&record)))),
                _ => Ok(Known::Nobody),
            },
            Question::OfConsumer(ws, entity, of) => {
                let records = children(store, entity, "consumer", *of).await?;
                let all = records.iter().filter(|record| within(record, *ws));
                Ok(Known::Several(all.map(|record| Arc::new(credential(record))).collect()))
            }
        }
    }
}

fn within(record: &Record, ws: Uuid) -> bool {
    record.ws.is_none_or(|own| own == ws)
}

async fn children(
    store: &dyn Store,
    entity: &'static str,
    field: &'static str,
    of: Uuid,
) -> Result<Vec<Arc<Record>>, Error> {
    let filter = Filter { reference: Some((field, Id::Uuid(of))), tags: None };
    store.all(entity, None, filter).await
}

async fn consumer(store: &dyn Store, record: &Record) -> Result<Consumer, Error> {
    let id = record.id.uuid().unwrap_or_default();
    let mut groups = Vec::new();
    for membership in children(store, "consumer_group_consumers", "consumer", id).await? {
        let Some(group) = foreign(&membership, "consumer_group") else { continue };
        if let Some(found) = store.get("consumer_groups", &Id::Uuid(group)).await? {
            groups.push((found.text("name").unwrap_or_default().to_owned(), group));
        }
    }
    Ok(Consumer::of(id, &record.value, groups))
}

/// A plugin's record as requests need it.
pub(crate) fn credential(record: &Record) -> Credential {
    Credential {
        id: record.id.uuid().unwrap_or_default(),
        entity: record.entity,
        consumer: foreign(record, "consumer"),
        expires: record.expires,
        record: record.value.clone(),
    }
}
