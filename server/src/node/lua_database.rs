//! What Lua reads of the configuration's records.

use entities::Definitions;
use lua::{Database, Reading, Rows};
use serde_json::{Map, Value};
use std::future::Future;
use std::sync::Arc;
use store::{Error, Filter, Id, Query, Record, Store};
use tokio::runtime::Handle;
use uuid::Uuid;

/// Entities of the Admin API's own guards: nothing that a plugin reads.
const HIDDEN: &[&str] = &["rbac_", "admin", "audit_", "login_attempts", "group_rbac_roles", "event_hooks"];
/// Foreign fields that pages can be asked for by.
const OWNERS: &[&str] =
    &["service", "route", "consumer", "consumer_group", "upstream", "certificate", "ca_certificate", "set"];

/// Records of a store, asked for on its own thread where it has one.
pub struct LuaDatabase {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What they are.
    pub definitions: Arc<Definitions>,
    /// The thread of the database.
    pub handle: Option<Handle>,
}

impl LuaDatabase {
    /// The workspace of an entity's records, where they belong to one.
    fn scope(&self, entity: &str, ws: Uuid) -> Option<Uuid> {
        self.definitions.entity(entity).is_some_and(|entity| entity.workspaceable).then_some(ws)
    }

    fn work<T: Send + 'static>(&self, work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Reading<T> {
        let Some(handle) = &self.handle else {
            return Box::pin(async move { work.await.map_err(|error| error.to_string()) });
        };
        let task = handle.spawn(work);
        Box::pin(async move { task.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string()) })
    }
}

fn within(record: &Record, ws: Uuid) -> bool {
    record.ws.is_none_or(|own| own == ws)
}

impl Database for LuaDatabase {
    fn entity(&self, name: &str) -> Option<&'static str> {
        if HIDDEN.iter().any(|hidden| name.starts_with(hidden)) {
            return None;
        }
        self.definitions.entity(name).map(|entity| entity.name)
    }

    fn select(&self, entity: &'static str, ws: Uuid, id: &str) -> Reading<Option<Map<String, Value>>> {
        let (store, id) = (self.store.clone(), Id::parse(id));
        self.work(async move {
            let found = store.get(entity, &id).await?;
            Ok(found.filter(|record| within(record, ws)).map(|record| record.value.clone()))
        })
    }

    fn select_by(
        &self,
        entity: &'static str,
        ws: Uuid,
        field: &str,
        value: &str,
    ) -> Reading<Option<Map<String, Value>>> {
        let definition = self.definitions.entity(entity).and_then(|entity| entity.record.get(field));
        if !definition.is_some_and(|field| field.is_unique() || field.is_unique_across_ws()) {
            let error = format!("'{field}' is no unique field of {entity}");
            return Box::pin(std::future::ready(Err(error)));
        }
        let (store, scope) = (self.store.clone(), self.scope(entity, ws));
        let (field, value) = (field.to_owned(), Value::from(value));
        self.work(async move {
            let found = store.by_unique(entity, scope, &field, &value).await?;
            Ok(found.map(|record| record.value.clone()))
        })
    }

    fn page(
        &self,
        entity: &'static str,
        ws: Uuid,
        owner: Option<(&str, &str)>,
        size: usize,
        after: Option<&str>,
    ) -> Reading<Rows> {
        let mut filter = Filter::default();
        if let Some((field, id)) = owner {
            let definition = self.definitions.entity(entity).and_then(|entity| entity.record.get(field));
            let known = OWNERS.iter().find(|known| **known == field);
            let Some(field) = known.filter(|_| definition.is_some_and(|field| field.reference_to().is_some())) else {
                let error = format!("{entity} cannot be asked for by '{field}'");
                return Box::pin(std::future::ready(Err(error)));
            };
            filter.reference = Some((field, Id::parse(id)));
        }
        let ws = self.scope(entity, ws);
        let query = Query { entity, ws, after: after.map(Id::parse), size, filter };
        let store = self.store.clone();
        self.work(async move {
            let page = store.page(&query).await?;
            Ok(Rows {
                rows: page.records.iter().map(|record| record.value.clone()).collect(),
                next: page.next.map(|id| id.to_string()),
            })
        })
    }
}
