//! What Lua reads and writes of the configuration's records.

use super::now;
use declarative::Kinds;
use entities::Entity;
use lua::{Change, Database, Key, Reading, Refusal, Rows};
use serde_json::{Map, Value};
use std::future::Future;
use std::sync::Arc;
use store::{Batch, Error, Filter, Id, Operation, Precondition, Query, Record, Store};
use tokio::runtime::Handle;
use uuid::Uuid;

/// Entities of the Admin API's own guards, and of nodes: nothing that a plugin reads.
const HIDDEN: &[&str] =
    &["cluster_events", "rbac_", "admin", "audit_", "login_attempts", "group_rbac_roles", "event_hooks"];
/// How often a change is tried anew that someone overtook.
const ATTEMPTS: usize = 5;

/// Records of a store, asked for on its own thread where it has one.
pub struct LuaDatabase {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What they are.
    pub kinds: Arc<Kinds>,
    /// The thread of the database.
    pub handle: Option<Handle>,
}

impl LuaDatabase {
    /// The workspace of an entity's records, where they belong to one.
    fn scope(&self, entity: &str, ws: Uuid) -> Option<Uuid> {
        self.kinds.definitions().entity(entity).is_some_and(|entity| entity.workspaceable).then_some(ws)
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
        self.kinds.definitions().entity(name).map(|entity| entity.name)
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
        let definition = self.kinds.definitions().entity(entity).and_then(|entity| entity.record.get(field));
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
            let rules = self.kinds.catalog().get(entity);
            let known = rules.and_then(|rules| rules.references.iter().find(|known| known.field == field));
            let Some(field) = known.map(|known| known.field) else {
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

    fn write(
        &self,
        entity: &'static str,
        ws: Uuid,
        author: &'static str,
        change: Change,
    ) -> Reading<Result<Option<Map<String, Value>>, Refusal>> {
        let Some(definition) = self.kinds.definitions().entity(entity).cloned() else {
            return Box::pin(std::future::ready(Err(format!("there is no entity '{entity}'"))));
        };
        let scope = definition.workspaceable.then_some(ws);
        let writer = Writer { store: self.store.clone(), kinds: self.kinds.clone(), definition, ws: scope, author };
        self.work(async move { Ok(writer.write(change).await.map_err(|details| Refusal { details })) })
    }

    fn strategy(&self) -> &'static str {
        if self.kinds.definitions().database() { "postgres" } else { "off" }
    }
}

/// Writes records of one kind.
struct Writer {
    store: Arc<dyn Store>,
    kinds: Arc<Kinds>,
    definition: Entity,
    ws: Option<Uuid>,
    author: &'static str,
}

type Refused = Map<String, Value>;

impl Writer {
    async fn write(&self, change: Change) -> Result<Option<Map<String, Value>>, Refused> {
        let definitions = self.kinds.definitions();
        let name = self.definition.name;
        if !definitions.database() {
            let verb = match change {
                Change::Insert(_) => "create",
                Change::Update(..) => "update",
                Change::Upsert(..) => "create or update",
                Change::Delete(_) => "remove",
            };
            return Err(admin::unsupported(format!("cannot {verb} '{name}' entities when not using a database")));
        }
        match change {
            Change::Insert(members) => {
                let value = definitions.process_insert(name, members, now()).map_err(admin::explained_fault)?;
                let record = self.record(value)?;
                self.apply(Operation::Insert(record.clone()), Vec::new()).await.map_err(explained)?;
                Ok(Some(record.value))
            }
            Change::Update(key, members) => {
                for _ in 1..ATTEMPTS {
                    let Some(found) = self.find(&key).await? else { return Err(admin::explained(&self.missing(&key))) };
                    let changed = definitions.process_update(name, &found.value, members.clone(), now());
                    let mut record = self.record(changed.map_err(admin::explained_fault)?)?;
                    record.expires = record.expires.or(found.expires);
                    let unchanged = vec![Precondition::Unchanged(found)];
                    match self.apply(Operation::Update(record.clone()), unchanged).await {
                        Err(Error::Precondition(_)) => {}
                        Err(error) => return Err(explained(error)),
                        Ok(()) => return Ok(Some(record.value)),
                    }
                }
                Err(explained(Error::Unavailable("others change the same record all the time".to_owned())))
            }
            Change::Upsert(key, mut members) => {
                let found = self.find(&key).await?;
                if let Some(found) = &found {
                    members.insert("id".to_owned(), found.id.to_string().into());
                }
                match &key {
                    Key::Id(id) if self.definition.primary_key == ["id"] => {
                        members.insert("id".to_owned(), id.as_str().into());
                    }
                    Key::Id(_) => {}
                    Key::Field(field, value) => {
                        members.insert(field.clone(), value.as_str().into());
                    }
                }
                let existing = found.as_deref().map(|found| &found.value);
                let value = definitions.process_upsert(name, members, existing, now());
                let record = self.record(value.map_err(admin::explained_fault)?)?;
                self.apply(Operation::Upsert(record.clone()), Vec::new()).await.map_err(explained)?;
                Ok(Some(record.value))
            }
            Change::Delete(key) => {
                if let Some(found) = self.find(&key).await? {
                    let gone = Operation::Delete { entity: name, id: found.id.clone() };
                    self.apply(gone, Vec::new()).await.map_err(explained)?;
                }
                Ok(None)
            }
        }
    }

    fn missing(&self, key: &Key) -> Error {
        let (Key::Id(text) | Key::Field(_, text)) = key;
        Error::Missing { entity: self.definition.name, id: Id::parse(text) }
    }

    async fn find(&self, key: &Key) -> Result<Option<Arc<Record>>, Refused> {
        let name = self.definition.name;
        let found = match key {
            Key::Id(id) => self.store.get(name, &Id::parse(id)).await,
            Key::Field(field, value) => {
                let own = self.definition.record.get(field).is_some_and(schema::Field::is_unique);
                if !own {
                    return Err(admin::unsupported(format!("'{field}' is no unique field of {name}")));
                }
                self.store.by_unique(name, self.ws, field, &value.as_str().into()).await
            }
        };
        let found = found.map_err(explained)?;
        Ok(found.filter(|record| self.ws.is_none_or(|ws| within(record, ws))))
    }

    fn record(&self, mut value: Map<String, Value>) -> Result<Record, Refused> {
        let mut expires = None;
        if self.definition.ttl
            && let Some(ttl) = value.shift_remove("ttl")
        {
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            let at = ttl.as_f64().filter(|seconds| *seconds > 0.0).map(|seconds| (now() + seconds) as i64);
            expires = at;
        }
        let name = self.definition.name;
        let Some(id) = Id::of(self.definition.primary_key, &value) else {
            return Err(admin::unsupported(format!("'{name}' entities without a primary key cannot be written")));
        };
        Ok(Record { entity: name, id, ws: self.ws, value, expires })
    }

    async fn apply(&self, operation: Operation, preconditions: Vec<Precondition>) -> Result<(), Error> {
        let author = format!("plugin {}", self.author);
        let batch = Batch { operations: vec![operation], preconditions, author, ..Batch::default() };
        self.store.apply(batch).await.map(|_| ())
    }
}

fn explained(error: Error) -> Refused {
    admin::explained(&error)
}
