//! `kong.db`: records of the configuration, read.

use crate::current::{phase, read};
use crate::error;
use crate::phase::{Phase, Phases};
use crate::value::{self, Null, failed};
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
    if !Phases::WAITING.has(phase()) && phase() != Phase::InitWorker {
        return Err(error::of(format!("kong.db cannot be read in the {} phase", phase().name())));
    }
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
        lua.create_function(|_, name: String| Ok(DATABASE.get().is_some_and(|db| db.entity(&name).is_some())))?,
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
