//! `ngx.header`: the response's head, as a table.

use crate::current::{Edit, call, phase, read, with};
use crate::error;
use crate::pdk::{header_name, header_values};
use crate::phase::Phase;
use mlua::{Lua, Table, Value};

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let header = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, name): (Value, Value)| {
            let name = header_name(name)?.replace('_', "-");
            let planned = call()?.remembered.planned();
            let values = read(|exchange| {
                let headers = if exchange.response.status == 0 { &planned } else { &exchange.response.headers };
                headers.get_all(&name).map(<[u8]>::to_vec).collect::<Vec<_>>()
            })?;
            match values.as_slice() {
                [] => Ok(Value::Nil),
                [one] => Ok(Value::String(lua.create_string(one)?)),
                several => {
                    let list = lua.create_table()?;
                    for value in several {
                        list.raw_push(lua.create_string(value)?)?;
                    }
                    Ok(Value::Table(list))
                }
            }
        })?,
    )?;
    metatable.set(
        "__newindex",
        lua.create_function(|_, (_, name, value): (Value, Value, Value)| {
            let name = header_name(name)?.replace('_', "-");
            let edit = match &value {
                Value::Nil => Edit::Clear(name),
                value => {
                    let values = header_values(&name, value)?;
                    if values.is_empty() { Edit::Clear(name) } else { Edit::Set(name, values) }
                }
            };
            change(edit)
        })?,
    )?;
    header.set_metatable(Some(metatable))?;
    ngx.set("header", header)
}

/// Changes the head that is there, or the one that will be.
pub(super) fn change(edit: Edit) -> mlua::Result<()> {
    match phase() {
        Phase::HeaderFilter => with(|exchange| edit.apply(&mut exchange.response.headers)),
        Phase::BodyFilter | Phase::Log => {
            Err(error::of("attempt to set ngx.header.HEADER after sending out response headers"))
        }
        _ => {
            call()?.remembered.later(edit);
            Ok(())
        }
    }
}
