//! `lyaml`: YAML by the node's own reader and writer.

use crate::error;
use crate::settings::{self, Yaml};
use crate::value::{self, Null};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

/// The module; none where the node reads no YAML.
pub fn module(lua: &Lua) -> mlua::Result<Option<Table>> {
    let Some(Yaml { read, write }) = settings::get().yaml else { return Ok(None) };
    let module = lua.create_table()?;
    module.set("null", Value::NULL)?;
    module.set(
        "load",
        lua.create_function(move |lua, (text, options): (mlua::LuaString, Option<Table>)| {
            let document = read(&text.to_string_lossy()).map_err(error::of)?;
            let document = value::from_json(lua, &document, Null::Null)?;
            let all = options.map_or(Ok(None), |options| options.get::<Option<bool>>("all"))?;
            // The first document is the only one that is read.
            if all == Some(true) { lua.create_sequence_from([document]).map(Value::Table) } else { Ok(document) }
        })?,
    )?;
    module.set(
        "dump",
        lua.create_function(move |lua, documents: Table| {
            let mut out = String::new();
            for document in documents.sequence_values::<Value>() {
                let Json::Object(document) = value::to_json(lua, &document?)? else {
                    return Err(error::of("lyaml.dump: each document must be a table with names"));
                };
                out.push_str("---\n");
                out.push_str(write(&document).trim_end());
                out.push_str("\n...\n");
            }
            Ok(out)
        })?,
    )?;
    Ok(Some(module))
}
