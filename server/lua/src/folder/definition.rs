//! A `schema.lua` as the gateway's definition of a plugin.
//!
//! Functions of a schema belong to one state. A definition is used on every thread, so it names them by their order:
//! each thread reads the schema once more and has its own.

use super::field::{table, text};
use crate::error;
use crate::value::{self, Null};
use crate::worker::Worker;
use entities::{PluginSchema, Scopes};
use mlua::{Function, Lua, MultiValue, Table, Value};
use schema::{Check, Record, typedefs::PROTOCOLS};
use serde_json::Value as Json;
use std::rc::Rc;

/// Reads a schema. What is read twice gives the same functions in the same order.
pub struct Reader<'l> {
    pub lua: &'l Lua,
    pub plugin: &'static str,
    pub functions: Vec<Function>,
}

/// A function of a plugin's schema.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    pub plugin: &'static str,
    pub index: usize,
}

impl Calls {
    /// Calls it on this thread; gives what it returns.
    pub fn call(self, arguments: Vec<Json>) -> Result<Vec<Json>, String> {
        self.run(arguments).map_err(|error| error::text(&error))
    }

    fn run(self, arguments: Vec<Json>) -> mlua::Result<Vec<Json>> {
        let worker = Worker::of_thread()?;
        let functions = worker.schema_functions(self.plugin, || functions(&worker.lua, self.plugin))?;
        let Some(function) = functions.get(self.index) else {
            return Err(error::of(format!("the schema of '{}' is not the one it was", self.plugin)));
        };
        let arguments = arguments.iter().map(|argument| value::from_json(&worker.lua, argument, Null::Null));
        let results: MultiValue = function.call(arguments.collect::<mlua::Result<MultiValue>>()?)?;
        results.iter().map(|result| value::to_json(&worker.lua, result)).collect()
    }

    /// Calls a validator: `true`, or `nil, err`.
    pub fn verdict(self, value: Json, otherwise: &str) -> Result<(), String> {
        let results = self.call(vec![value])?;
        match (results.first(), results.get(1)) {
            (None | Some(Json::Null | Json::Bool(false)), Some(Json::String(error))) => Err(error.clone()),
            (None | Some(Json::Null | Json::Bool(false)), Some(error)) if !error.is_null() => Err(error.to_string()),
            (None | Some(Json::Null | Json::Bool(false)), _) => Err(otherwise.to_owned()),
            _ => Ok(()),
        }
    }
}

fn functions(lua: &Lua, plugin: &'static str) -> mlua::Result<Rc<[Function]>> {
    let mut reader = Reader { lua, plugin, functions: Vec::new() };
    reader.plugin()?;
    reader.daos()?;
    Ok(reader.functions.into())
}

/// The definition of a plugin whose schema is JSON: that of a plugin which is no Lua.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn of_json(plugin: &'static str, schema: &Json) -> Result<PluginSchema, super::FolderError> {
    let read = || {
        let worker = Worker::of_thread()?;
        let Value::Table(schema) = value::from_json(&worker.lua, schema, Null::Absent)? else {
            return Err(error::of("it must be an object"));
        };
        Reader { lua: &worker.lua, plugin, functions: Vec::new() }.schema(&schema)
    };
    read().map_err(|error| super::FolderError(error::text(&error)))
}

/// The definition of a plugin in a folder.
pub fn read(lua: &Lua, plugin: &'static str) -> mlua::Result<PluginSchema> {
    Reader { lua, plugin, functions: Vec::new() }.plugin()
}

impl Reader<'_> {
    /// The plugin's own schema.
    pub fn plugin(&mut self) -> mlua::Result<PluginSchema> {
        let missing = || error::of(format!("no configuration schema found for plugin: {}", self.plugin));
        let schema = super::table_module(self.lua, self.plugin, "schema")?.ok_or_else(missing)?;
        self.schema(&schema)
    }

    /// A plugin's schema from a table.
    fn schema(&mut self, schema: &Table) -> mlua::Result<PluginSchema> {
        for name in ["transformations", "check", "self_check"] {
            if !schema.get::<Value>(name)?.is_nil() {
                return Err(error::of(format!("'{name}' is not available in this gateway")));
            }
        }
        if let Some(name) = text(schema, "name")?
            && name != self.plugin
        {
            return Err(error::of(format!("its 'name' is '{name}', not '{}'", self.plugin)));
        }
        let Some(list) = table(schema, "fields")? else { return Err(error::of("it must have 'fields'")) };
        let (mut config, mut scopes) = (None, Scopes::ALL);
        let (mut allowed, mut default) = (None, None);
        for entry in list.sequence_values::<Table>() {
            for pair in entry?.pairs::<String, Table>() {
                let (name, attributes) = pair?;
                let nowhere = attributes.get::<Value>("eq")? == Value::NULL;
                match name.as_str() {
                    "consumer" => scopes.consumer = !nowhere,
                    "service" => scopes.service = !nowhere,
                    "route" => scopes.route = !nowhere,
                    "consumer_group" => scopes.consumer_group = !nowhere,
                    "protocols" => {
                        let list = |table: Option<Table>| table.map(|table| protocols(&table)).transpose();
                        default = list(table(&attributes, "default")?)?;
                        if let Some(elements) = table(&attributes, "elements")? {
                            allowed = list(table(&elements, "one_of")?)?;
                        }
                    }
                    "config" => config = Some(self.config(&attributes)?),
                    other => return Err(error::of(format!("there is no field '{other}' of plugins"))),
                }
            }
        }
        let mut made = PluginSchema::with_config(self.plugin, config.unwrap_or_default()).scopes(scopes);
        if let Some(protocols) = &allowed {
            made = made.protocols(protocols);
        }
        if let Some(protocols) = default.as_ref().or(allowed.as_ref()) {
            made = made.default_protocols(protocols);
        }
        for check in self.checks(schema)? {
            made = made.check(check);
        }
        Ok(made)
    }

    fn config(&mut self, attributes: &Table) -> mlua::Result<Record> {
        let record = self.record(attributes).map_err(|error| error::of(format!("config: {}", error::text(&error))))?;
        Ok(match self.function(attributes, "custom_validator")? {
            Some(function) => record.validate(move |value: &Json| function.verdict(value.clone(), "validation failed")),
            None => record,
        })
    }

    fn checks(&mut self, schema: &Table) -> mlua::Result<Vec<Check>> {
        let Some(checks) = table(schema, "entity_checks")? else { return Ok(Vec::new()) };
        checks.sequence_values::<Table>().map(|given| super::check::read(self, &given?)).collect()
    }
}

fn protocols(list: &Table) -> mlua::Result<Vec<&'static str>> {
    let names = super::field::texts(list)?;
    names
        .iter()
        .map(|name| {
            let known = PROTOCOLS.into_iter().find(|known| known == name);
            known.ok_or_else(|| error::of(format!("there is no protocol '{name}'")))
        })
        .collect()
}
