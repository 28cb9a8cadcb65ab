//! `kong.vault`

use crate::error;
use crate::secrets::secrets;
use crate::value::{self, Null, failed, one};
use mlua::{Lua, MultiValue, Table, Value};

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let vault = lua.create_table()?;
    vault.set("is_reference", lua.create_function(|_, given: Value| Ok(is_reference(&given)))?)?;
    vault.set(
        "parse_reference",
        lua.create_function(|lua, given: Value| {
            let reference = match text(&given) {
                Ok(reference) => reference,
                Err(error) => return failed(lua, error),
            };
            match secrets().and_then(|secrets| secrets.parse(&reference)) {
                Ok(parts) => one(lua, value::from_json(lua, &parts.into(), Null::Absent)?),
                Err(error) => failed(lua, error),
            }
        })?,
    )?;
    vault.set(
        "get",
        lua.create_function(|lua, given: Value| match text(&given).and_then(|reference| secrets()?.get(&reference)) {
            Ok(secret) => one(lua, secret),
            Err(error) => failed(lua, error),
        })?,
    )?;
    // References in a configuration are resolved anew with every configuration, and the environment does not change.
    for name in ["flush", "init_worker", "warmup"] {
        vault.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    vault.set("update", lua.create_function(update)?)?;
    vault.set("try", lua.create_async_function(attempt)?)?;
    kong.set("vault", vault)
}

fn text(given: &Value) -> Result<String, String> {
    match given {
        Value::String(text) => Ok(text.to_string_lossy().to_string()),
        other => Err(format!("not a reference [{}]", value::text(other).unwrap_or_default())),
    }
}

fn is_reference(given: &Value) -> bool {
    let Value::String(text) = given else { return false };
    let bytes = text.as_bytes();
    bytes.starts_with(b"{vault://") && bytes.ends_with(b"}")
}

/// Puts secrets in the places that `$refs` names: a reference, or a list of them, by field.
fn update(_: &Lua, options: Value) -> mlua::Result<Value> {
    let Value::Table(table) = &options else { return Err(error::of("options must be a table")) };
    let Value::Table(references) = table.get::<Value>("$refs")? else { return Ok(options) };
    let secrets = secrets().map_err(error::of)?;
    // What cannot be found is empty, as where a configuration is read.
    let found = |reference: &Value| text(reference).and_then(|reference| secrets.get(&reference)).unwrap_or_default();
    for pair in references.pairs::<Value, Value>() {
        let (field, reference) = pair?;
        match &reference {
            Value::String(_) => table.set(field, found(&reference))?,
            Value::Table(list) => {
                let Value::Table(values) = table.get::<Value>(field)? else { continue };
                for pair in list.pairs::<Value, Value>() {
                    let (index, reference) = pair?;
                    values.set(index, found(&reference))?;
                }
            }
            _ => {}
        }
    }
    Ok(options)
}

/// `try(callback, options)`: once more with fresh secrets where it failed the first time.
async fn attempt(lua: Lua, (callback, options): (Value, Value)) -> mlua::Result<MultiValue> {
    let Value::Function(callback) = callback else { return Err(error::of("callback must be a function")) };
    let results: MultiValue = callback.call_async(options.clone()).await?;
    let done = results.front().is_some_and(|first| !matches!(first, Value::Nil | Value::Boolean(false)));
    let has_references = match &options {
        Value::Table(options) => matches!(options.get::<Value>("$refs")?, Value::Table(_)),
        _ => false,
    };
    if done || !has_references {
        return Ok(results);
    }
    let options = update(&lua, options)?;
    callback.call_async(options).await
}
