//! Plugins in folders, as they are written for Kong: `kong/plugins/<name>/handler.lua` and `schema.lua`, found through
//! `lua_package_path`.

mod api;
mod check;
mod configure;
mod daos;
mod definition;
mod field;
mod handler;
mod worker;

pub use api::{AdminAnswer, AdminCall, AdminPath, administrate, paths as admin_paths};
pub use configure::configured;
pub use daos::entities;
pub use definition::of_json as schema_of;
pub use handler::{plugin_type, told};
pub use worker::{begin, number as worker_number};

use crate::{error, settings};
use mlua::{Function, Lua, Table, Value};

/// Why a plugin cannot be loaded: a sentence that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FolderError(pub String);

/// A module of a plugin; none where there is no such file.
fn module(lua: &Lua, plugin: &str, part: &str) -> mlua::Result<Option<Value>> {
    let name = format!("kong.plugins.{plugin}.{part}");
    if !exists(lua, &name)? {
        return Ok(None);
    }
    let require: Function = lua.globals().get("require")?;
    require.call(name).map(Some)
}

/// The same, which must be a table where it is there.
fn table_module(lua: &Lua, plugin: &str, part: &str) -> mlua::Result<Option<Table>> {
    match module(lua, plugin, part)? {
        None => Ok(None),
        Some(Value::Table(module)) => Ok(Some(module)),
        Some(other) => Err(error::of(format!("it must return a table, not a {}", other.type_name()))),
    }
}

/// The same text for as long as the process: there are as many as plugins in folders have.
fn kept(text: impl Into<Box<str>>) -> &'static str {
    Box::leak(text.into())
}

/// Whether there is a file of that module's name, or whether it is loaded already.
fn exists(lua: &Lua, name: &str) -> mlua::Result<bool> {
    let package: Table = lua.globals().get("package")?;
    if !package.get::<Table>("loaded")?.get::<Value>(name)?.is_nil() {
        return Ok(true);
    }
    let file = name.replace('.', "/");
    Ok(path()
        .split(';')
        .filter(|pattern| !pattern.is_empty())
        .any(|pattern| std::fs::metadata(pattern.replace('?', &file)).is_ok_and(|found| found.is_file())))
}

/// Where modules are looked for whatever `lua_package_path` says.
const ALWAYS: &str = "/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua";

/// `package.path`: that of the settings, then where packages of Lua are installed.
pub fn path() -> String {
    let given = settings::get().package_path.replace(";;", ";");
    format!("{};{ALWAYS}", given.trim_end_matches(';'))
}
