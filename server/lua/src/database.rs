//! `kong.db`: records of the configuration, read and written.

use crate::current::{call, may_wait, read};
use crate::error;
use crate::value::{self, Null, failed, one};
use mlua::{Lua, MultiValue, Table, Value};
use serde_json::{Map, Value as Json};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// An answer that may take a while; an error is a sentence.
pub type Reading<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The records, by primary key.
    pub rows: Vec<Map<String, Json>>,
    /// Where the next page begins, when there is one.
    pub next: Option<String>,
}

/// Which record a write is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one with this primary key.
    Id(String),
    /// The one with this value of a unique field.
    Field(String, String),
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new record.
    Insert(Map<String, Json>),
    /// A record that is there, with these fields changed.
    Update(Key, Map<String, Json>),
    /// The record of that key, made or replaced.
    Upsert(Key, Map<String, Json>),
    /// A record less; nothing happens where it is not there.
    Delete(Key),
}

/// Why a write was refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refusal {
    /// What Kong calls `err_t`: `code`, `name`, `message`, `fields`.
    pub details: Map<String, Json>,
}

/// Records of the configuration. `ws` counts for entities that belong to a workspace.
pub trait Database: Send + Sync {
    /// The name of an entity that Lua may read; none where there is no such.
    fn entity(&self, name: &str) -> Option<&'static str>;

    /// The record with this primary key.
    fn select(&self, entity: &'static str, ws: Uuid, id: &str) -> Reading<Option<Map<String, Json>>>;

    /// The record with this value of a unique field.
    fn select_by(&self, entity: &'static str, ws: Uuid, field: &str, value: &str)
    -> Reading<Option<Map<String, Json>>>;

    /// A page of at most `size` records, those of an `owner` only (name of the foreign field, and its id), from where
    /// the page before ended.
    fn page(
        &self,
        entity: &'static str,
        ws: Uuid,
        owner: Option<(&str, &str)>,
        size: usize,
        after: Option<&str>,
    ) -> Reading<Rows>;

    /// Writes for a plugin (`author`). Gives the record as it is now; none where it was deleted.
    fn write(
        &self,
        entity: &'static str,
        ws: Uuid,
        author: &'static str,
        change: Change,
    ) -> Reading<Result<Option<Map<String, Json>>, Refusal>>;

    /// How the engine is called in messages: `postgres`, `off`.
    fn strategy(&self) -> &'static str;
}

static DATABASE: OnceLock<Arc<dyn Database>> = OnceLock::new();

/// Sets it once for the process; later calls change nothing.
pub fn set_database(database: Arc<dyn Database>) {
    let _ = DATABASE.set(database);
}

/// The largest page, and the one where nothing is said.
const MOST: usize = 1000;
const SOME: usize = 100;

fn ready() -> mlua::Result<(&'static Arc<dyn Database>, Uuid)> {
    may_wait("kong.db cannot be read")?;
    let database = DATABASE.get().ok_or_else(|| error::of("there is no database"))?;
    Ok((database, read(|exchange| exchange.workspace).unwrap_or(entities::DEFAULT_WORKSPACE)))
}

fn known(database: &Arc<dyn Database>, name: &str) -> mlua::Result<&'static str> {
    database.entity(name).ok_or_else(|| error::of(format!("there is no entity '{name}'")))
}

/// A primary key: `{ id = … }`, or the id itself.
fn key(given: &Value) -> mlua::Result<String> {
    match given {
        Value::Table(key) => match key.get::<Value>("id")? {
            Value::Nil => Err(error::of("primary_key must have an 'id'")),
            id => value::text(&id),
        },
        Value::String(_) => value::text(given),
        _ => Err(error::of("primary_key must be a table")),
    }
}

fn shown(lua: &Lua, found: Result<Option<Map<String, Json>>, String>) -> mlua::Result<MultiValue> {
    match found {
        Ok(None) => value::one(lua, Value::Nil),
        Ok(Some(record)) => value::one(lua, value::from_json(lua, &record.into(), Null::Absent)?),
        Err(error) => failed(lua, error),
    }
}

/// What `kong.db` is made of: see `db.lua`.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    raw.set(
        "has",
        // While plugins are loaded there is no database yet: whatever they name may be there later.
        lua.create_function(|_, name: String| Ok(DATABASE.get().is_none_or(|db| db.entity(&name).is_some())))?,
    )?;
    raw.set(
        "select",
        lua.create_async_function(async |lua, (entity, given): (String, Value)| {
            let (database, ws) = ready()?;
            let found = database.select(known(database, &entity)?, ws, &key(&given)?).await;
            shown(&lua, found)
        })?,
    )?;
    raw.set(
        "select_by",
        lua.create_async_function(async |lua, (entity, field, given): (String, String, Value)| {
            let (database, ws) = ready()?;
            let Value::String(given) = given else { return Err(error::of(format!("{field} must be a string"))) };
            let found = database.select_by(known(database, &entity)?, ws, &field, &given.to_string_lossy()).await;
            shown(&lua, found)
        })?,
    )?;
    raw.set("page", lua.create_async_function(page)?)?;
    raw.set("write", lua.create_async_function(write)?)?;
    Ok(raw)
}

type PageOf = (String, Option<String>, Value, Option<usize>, Option<String>);

/// `rows, err, err_t, offset`
async fn page(lua: Lua, (entity, owner, id, size, after): PageOf) -> mlua::Result<MultiValue> {
    let (database, ws) = ready()?;
    let entity = known(database, &entity)?;
    let id = if owner.is_some() { key(&id)? } else { String::new() };
    let owner = owner.as_deref().map(|owner| (owner, id.as_str()));
    let size = size.unwrap_or(SOME).clamp(1, MOST);
    match database.page(entity, ws, owner, size, after.as_deref()).await {
        Ok(Rows { rows, next }) => {
            let list = lua.create_table_with_capacity(rows.len(), 0)?;
            for row in rows {
                list.raw_push(value::from_json(&lua, &row.into(), Null::Absent)?)?;
            }
            let next = next.map_or(Ok(Value::Nil), |next| lua.create_string(next).map(Value::String))?;
            Ok(MultiValue::from_iter([Value::Table(list), Value::Nil, Value::Nil, next]))
        }
        Err(error) => failed(&lua, error),
    }
}

type Writing = (String, String, Option<String>, Value, Value);

/// The members of a record that Lua gives; `ngx.null` is null.
fn members(lua: &Lua, given: &Value) -> mlua::Result<Map<String, Json>> {
    match given {
        Value::Table(_) => match value::to_json(lua, given)? {
            Json::Object(members) => Ok(members),
            _ => Err(error::of("entity must be a table of fields")),
        },
        _ => Err(error::of("entity must be a table")),
    }
}

/// `row`, or `nil, err, err_t`. `write(entity, what, field, key, record)`
async fn write(lua: Lua, (entity, what, field, given, record): Writing) -> mlua::Result<MultiValue> {
    let call = call()?;
    // What the sandbox runs reads only.
    if call.is_bound() {
        return Err(error::of(format!("kong.db.{entity}:{what} cannot be called in the sandbox")));
    }
    let (database, ws) = ready()?;
    let entity = known(database, &entity)?;
    let key = |given: &Value| match field {
        Some(field) => value::text(given).map(|value| Key::Field(field, value)),
        None => key(given).map(Key::Id),
    };
    let change = match what.as_str() {
        "insert" => Change::Insert(members(&lua, &record)?),
        "update" => Change::Update(key(&given)?, members(&lua, &record)?),
        "upsert" => Change::Upsert(key(&given)?, members(&lua, &record)?),
        _ => Change::Delete(key(&given)?),
    };
    match database.write(entity, ws, call.plugin, change).await {
        Ok(Ok(Some(record))) => one(&lua, value::from_json(&lua, &record.into(), Null::Absent)?),
        Ok(Ok(None)) => one(&lua, true),
        Ok(Err(Refusal { mut details })) => {
            let strategy = database.strategy();
            let message = details.get("message").and_then(Json::as_str).unwrap_or_default();
            let text = lua.create_string(format!("[{strategy}] {message}"))?;
            details.insert("strategy".to_owned(), strategy.into());
            let details = value::from_json(&lua, &details.into(), Null::Absent)?;
            Ok(MultiValue::from_iter([Value::Nil, Value::String(text), details]))
        }
        Err(error) => failed(&lua, error),
    }
}
