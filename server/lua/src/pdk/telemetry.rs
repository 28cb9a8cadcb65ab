//! `kong.telemetry`: records for those who collect the node's log.

use crate::current::read;
use crate::settings;
use crate::value::{self, failed, one};
use mlua::{Lua, MultiValue, Table, Value};
use serde_json::{Map, Value as Json};

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let telemetry = lua.create_table()?;
    telemetry.set("log", lua.create_function(log)?)?;
    kong.set("telemetry", telemetry)
}

fn log(
    lua: &Lua,
    (plugin, config, kind, message, attributes): (Value, Value, Value, Value, Value),
) -> mlua::Result<MultiValue> {
    let Value::String(plugin) = plugin else { return failed(lua, "plugin_name must be a string") };
    let Value::Table(config) = config else { return failed(lua, "plugin_config must be a table") };
    let Value::String(kind) = kind else { return failed(lua, "message_type must be a string") };
    let message = match message {
        Value::Nil => String::new(),
        Value::String(text) => text.to_string_lossy(),
        _ => return failed(lua, "message must be a string"),
    };
    let mut known = match attributes {
        Value::Nil => Map::new(),
        Value::Table(_) => match value::to_json(lua, &attributes)? {
            Json::Object(known) => known,
            _ => return failed(lua, "attributes must be a table"),
        },
        _ => return failed(lua, "attributes must be a table"),
    };
    known.insert("message.type".to_owned(), kind.to_string_lossy().into());
    known.insert("plugin.name".to_owned(), plugin.to_string_lossy().into());
    for (name, member) in [("plugin.id", "__plugin_id"), ("plugin.instance.name", "plugin_instance_name")] {
        if let Value::String(text) = config.get::<Value>(member)? {
            known.insert(name.to_owned(), text.to_string_lossy().into());
        }
    }
    if let Some(report) = settings::get().report {
        // Outside of requests there is no trace.
        let trace = read(|exchange| exchange.trace).unwrap_or_default();
        report(&message, &known, trace.as_ref());
    }
    one(lua, true)
}
