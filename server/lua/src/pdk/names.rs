//! `kong.dns`: names to addresses, as the gateway itself finds them.

use crate::current::{check, phase};
use crate::error;
use crate::phase::{Phase, Phases};
use crate::socket::network;
use crate::value::failed;
use mlua::{Lua, MultiValue, Table, Value};
use std::net::SocketAddr;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let dns = lua.create_table()?;
    dns.set(
        "toip",
        lua.create_async_function(async |lua: Lua, (name, port): (Value, Option<u16>)| {
            match found(name, port).await? {
                Ok(address) => {
                    let ip = Value::String(lua.create_string(address.ip().to_string())?);
                    // Who asks without a port gets none, as from a name without SRV records.
                    let port = port.map_or(Value::Nil, |_| Value::Integer(address.port().into()));
                    Ok(MultiValue::from_iter([ip, port]))
                }
                Err(error) => failed(&lua, error),
            }
        })?,
    )?;
    dns.set(
        "resolve",
        lua.create_async_function(async |lua: Lua, (name, _): (Value, Value)| {
            match found(name.clone(), None).await? {
                Ok(address) => {
                    let record = lua.create_table()?;
                    record.set("name", name)?;
                    record.set("address", address.ip().to_string())?;
                    record.set("type", if address.is_ipv4() { 1 } else { 28 })?;
                    record.set("class", 1)?;
                    let list = lua.create_table()?;
                    list.raw_push(record)?;
                    Ok(MultiValue::from_iter([Value::Table(list)]))
                }
                Err(error) => failed(&lua, error),
            }
        })?,
    )?;
    kong.set("dns", dns)
}

async fn found(name: Value, port: Option<u16>) -> mlua::Result<Result<SocketAddr, String>> {
    if phase() != Phase::InitWorker {
        check(Phases::WAITING)?;
    }
    let Value::String(name) = name else { return Err(error::of("name must be a string")) };
    let name = name.to_string_lossy().to_string();
    Ok(match network() {
        Ok(network) => network.resolve(&name, port.unwrap_or(0)).await,
        Err(error) => Err(error),
    })
}
