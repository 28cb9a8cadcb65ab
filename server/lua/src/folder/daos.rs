//! A `daos.lua`: kinds of entities that a plugin brings along.

use super::definition::Reader;
use super::field::{flag, table, text, texts};
use super::{FolderError, kept};
use crate::error;
use crate::worker::Worker;
use entities::Entity;
use mlua::{Table, Value};
use schema::Record;

/// The longest name of a kind: it is a table's.
const LONGEST: usize = 40;

/// The kinds of all plugins in folders, in the order of the plugins.
///
/// # Errors
/// A sentence that names the plugin and what is wrong.
pub fn entities(folders: &[String]) -> Result<Vec<Entity>, FolderError> {
    let mut all = Vec::new();
    for plugin in folders {
        let plugin = kept(plugin.as_str());
        let failed = |error: mlua::Error| FolderError(format!("plugin '{plugin}': daos.lua: {}", error::text(&error)));
        let worker = Worker::of_thread().map_err(failed)?;
        let mut reader = Reader { lua: &worker.lua, plugin, functions: Vec::new() };
        // Functions are known by their place: those of the plugin's own schema come first.
        reader.plugin().map_err(failed)?;
        for (dao, record) in reader.daos().map_err(failed)? {
            all.push(entity(plugin, &dao, record).map_err(failed)?);
        }
    }
    Ok(all)
}

fn entity(plugin: &'static str, dao: &Table, record: Record) -> mlua::Result<Entity> {
    let name = text(dao, "name")?.unwrap_or_default();
    let known = |field: &str| record.get(field).is_some();
    let keys = match table(dao, "primary_key")? {
        Some(keys) => texts(&keys)?,
        None => return Err(error::of(format!("'{name}' must have a 'primary_key'"))),
    };
    let cache = table(dao, "cache_key")?.map_or(Ok(Vec::new()), |fields| texts(&fields))?;
    let endpoint = text(dao, "endpoint_key")?;
    for field in keys.iter().chain(&cache).chain(&endpoint) {
        if !known(field) {
            return Err(error::of(format!("'{name}' has no field '{field}'")));
        }
    }
    if keys.is_empty() {
        return Err(error::of(format!("the 'primary_key' of '{name}' is empty")));
    }
    let fields = |names: Vec<String>| -> &'static [&'static str] {
        Box::leak(names.into_iter().map(kept).collect::<Vec<_>>().into_boxed_slice())
    };
    let mut entity = Entity::of_plugin(plugin, kept(name), record);
    entity.primary_key = fields(keys);
    entity.cache_key = fields(cache);
    entity.endpoint_key = endpoint.map(kept);
    entity.workspaceable = flag(dao, "workspaceable")?.unwrap_or(false);
    entity.ttl = flag(dao, "ttl")?.unwrap_or(false);
    entity.generate_admin_api = flag(dao, "generate_admin_api")?.unwrap_or(true);
    entity.db_export = flag(dao, "db_export")?.unwrap_or(true);
    entity.admin_api_name = text(dao, "admin_api_name")?.map(kept);
    entity.admin_api_nested_name = text(dao, "admin_api_nested_name")?.map(kept);
    Ok(entity)
}

impl Reader<'_> {
    /// The definitions of a plugin's kinds, each with its fields; none where it has no `daos.lua`.
    pub fn daos(&mut self) -> mlua::Result<Vec<(Table, Record)>> {
        let Some(module) = super::table_module(self.lua, self.plugin, "daos")? else { return Ok(Vec::new()) };
        // A list; in older plugins a table by name, which has no order of its own.
        let mut daos: Vec<(String, Table)> = Vec::new();
        for pair in module.pairs::<Value, Value>() {
            let (key, dao) = pair?;
            let Value::Table(dao) = dao else { return Err(error::of("each of its entities must be a table")) };
            if let (Value::String(name), None) = (&key, text(&dao, "name")?) {
                dao.set("name", name)?;
            }
            let place = match crate::value::number(&key) {
                Some(number) => format!("{number:09}"),
                None => crate::value::text(&key)?,
            };
            daos.push((place, dao));
        }
        daos.sort_by(|left, right| left.0.cmp(&right.0));
        let mut read = Vec::new();
        for (_, dao) in daos {
            let name = text(&dao, "name")?.ok_or_else(|| error::of("each of its entities must have a 'name'"))?;
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.len() > LONGEST {
                return Err(error::of(format!(
                    "'{name}' cannot be the name of an entity: at most {LONGEST} of a-z, 0-9 and _, a letter first"
                )));
            }
            for part in ["transformations", "check"] {
                if !dao.get::<Value>(part)?.is_nil() {
                    return Err(error::of(format!("'{part}' of '{name}' is not available in this gateway")));
                }
            }
            let record = self.record(&dao).map_err(|error| error::of(format!("{name}: {}", error::text(&error))))?;
            read.push((dao, record));
        }
        Ok(read)
    }
}
