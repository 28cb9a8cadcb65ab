//! `kong.client`

use crate::current::{check, read, with};
use crate::error;
use crate::phase::Phases;
use crate::value::{self, Null, failed, one};
use exchange::{Consumer, Credential, DirectoryError, Lookup};
use mlua::{Lua, MultiValue, Table, Value};
use serde_json::{Map, Value as Json, json};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    let client = lua.create_table()?;
    client.set("get_ip", lua.create_function(|_, ()| peer().map(|(ip, _)| ip.to_string()))?)?;
    client.set("get_port", lua.create_function(|_, ()| peer().map(|(_, port)| port))?)?;
    client.set(
        "get_forwarded_ip",
        lua.create_function(|_, ()| {
            check(Phases::STARTED)?;
            read(|exchange| exchange.request.client_ip().to_string())
        })?,
    )?;
    client.set(
        "get_forwarded_port",
        lua.create_function(|_, ()| {
            check(Phases::STARTED)?;
            read(|exchange| exchange.request.client_port)
        })?,
    )?;
    client.set(
        "get_consumer",
        lua.create_function(|lua, ()| {
            check(Phases::ROUTED)?;
            let consumer = read(|exchange| exchange.identity.consumer.clone())?;
            consumer.map_or(Ok(Value::Nil), |consumer| shown(lua, &consumer_json(&consumer)))
        })?,
    )?;
    client.set(
        "get_credential",
        lua.create_function(|lua, ()| {
            check(Phases::ROUTED)?;
            let credential = read(|exchange| exchange.identity.credential.clone())?;
            credential.map_or(Ok(Value::Nil), |credential| shown(lua, &credential_json(&credential)))
        })?,
    )?;
    client.set("get_protocol", lua.create_function(protocol)?)?;
    client.set("authenticate", lua.create_function(authenticate)?)?;
    client.set("load_consumer", lua.create_async_function(load_consumer)?)?;
    client.set(
        "authenticate_consumer_group_by_consumer_id",
        lua.create_function(|_, _: MultiValue| {
            Err::<(), _>(error::of(
                "kong.client.authenticate_consumer_group_by_consumer_id is not available in this gateway",
            ))
        })?,
    )?;
    super::client_tls::add(lua, &client)?;
    kong.set("client", client)
}

fn peer() -> mlua::Result<(IpAddr, u16)> {
    check(Phases::STARTED)?;
    read(|exchange| match exchange.request.peer {
        Some(peer) => (peer.ip(), peer.port()),
        None => (exchange.request.client_ip(), exchange.request.client_port),
    })
}

fn shown(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    value::from_json(lua, json, Null::Absent)
}

fn consumer_json(consumer: &Consumer) -> Json {
    json!({
        "id": consumer.id, "username": consumer.username.as_deref(), "custom_id": consumer.custom_id.as_deref(),
        "tags": consumer.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(),
    })
}

fn credential_json(credential: &Credential) -> Json {
    let mut record = credential.record.clone();
    record.insert("id".into(), json!(credential.id));
    if let Some(consumer) = credential.consumer {
        record.insert("consumer".into(), json!({ "id": consumer }));
    }
    Json::Object(record)
}

/// The protocol of the matched Route that this request uses.
fn protocol(lua: &Lua, allow_terminated: Option<bool>) -> mlua::Result<MultiValue> {
    check(Phases::ROUTED)?;
    let (scheme, grpc, routed) = read(|exchange| {
        let scheme = match allow_terminated {
            Some(true) => exchange.request.forwarded_scheme().to_owned(),
            _ => exchange.request.scheme.as_str().to_owned(),
        };
        let protocols = exchange.route_entity().map(|route| serde_json::to_value(&route.protocols).unwrap_or_default());
        let grpc = protocols.as_ref().and_then(Json::as_array).is_some_and(|protocols| {
            protocols.iter().filter_map(Json::as_str).any(|protocol| protocol.starts_with("grpc"))
        });
        (scheme, grpc, exchange.route.is_some())
    })?;
    if !routed {
        return failed(lua, "No active route found");
    }
    let protocol = match (grpc, scheme.as_str()) {
        (true, "https") => "grpcs",
        (true, _) => "grpc",
        (false, other) => other,
    };
    one(lua, protocol)
}

fn member(table: &Table, name: &str) -> mlua::Result<Option<String>> {
    match table.get::<Value>(name)? {
        Value::Nil => Ok(None),
        value if value == Value::NULL => Ok(None),
        value => value::text(&value).map(Some),
    }
}

fn authenticate(lua: &Lua, (consumer, credential): (Value, Value)) -> mlua::Result<()> {
    check(Phases::ACCESS)?;
    let table = |value: Value, what: &str| match value {
        Value::Nil => Ok(None),
        Value::Table(table) => Ok(Some(table)),
        _ => Err(error::of(format!("{what} must be a table or nil"))),
    };
    let (consumer, credential) = (table(consumer, "consumer")?, table(credential, "credential")?);
    if consumer.is_none() && credential.is_none() {
        return Err(error::of("either credential or consumer must be provided"));
    }
    let consumer = match consumer {
        None => None,
        Some(table) => {
            let id = member(&table, "id")?.and_then(|id| Uuid::try_parse(&id).ok());
            // Who is known here keeps what the table does not show, such as groups.
            let known = match id {
                Some(id) => match read(|exchange| exchange.directory.consumer(exchange.workspace, id))? {
                    Lookup::Known(known) => known,
                    Lookup::Wait(_) => None,
                },
                None => None,
            };
            Some(match known {
                Some(known) => known,
                None => Arc::new(Consumer {
                    id: id.unwrap_or_default(),
                    username: member(&table, "username")?.map(Into::into),
                    custom_id: member(&table, "custom_id")?.map(Into::into),
                    ..Consumer::default()
                }),
            })
        }
    };
    let credential = match credential {
        None => None,
        Some(table) => {
            let Json::Object(record) = value::to_json(lua, &Value::Table(table))? else {
                return Err(error::of("credential must be a table or nil"));
            };
            Some(Arc::new(credential_of(record)))
        }
    };
    // The upstream is told by headers that the plugin sets itself, as in Kong.
    with(|exchange| {
        exchange.identity.consumer = consumer;
        exchange.identity.credential = credential;
    })
}

fn credential_of(record: Map<String, Json>) -> Credential {
    let id = |value: Option<&Json>| value.and_then(Json::as_str).and_then(|id| Uuid::try_parse(id).ok());
    let consumer =
        id(record.get("consumer_id")).or_else(|| id(record.get("consumer").and_then(|consumer| consumer.get("id"))));
    Credential { id: id(record.get("id")).unwrap_or_default(), entity: "", consumer, expires: None, record }
}

async fn load_consumer(lua: Lua, (name, by_username): (Value, Option<bool>)) -> mlua::Result<MultiValue> {
    check(Phases::ROUTED)?;
    let Value::String(name) = name else { return Err(error::of("consumer_id must be a string")) };
    let name = name.to_string_lossy().to_string();
    let id = Uuid::try_parse(&name).ok();
    if id.is_none() && by_username != Some(true) {
        return Err(error::of("cannot load a consumer with an id that is not a uuid"));
    }
    let mut found = None;
    if let Some(id) = id {
        let lookup = read(|exchange| exchange.directory.consumer(exchange.workspace, id))?;
        match settled(lookup).await {
            Ok(consumer) => found = consumer,
            Err(error) => return failed(&lua, error.to_string()),
        }
    }
    if found.is_none() && by_username == Some(true) {
        let lookup = read(|exchange| exchange.directory.consumer_by_username(exchange.workspace, &name))?;
        match settled(lookup).await {
            Ok(consumer) => found = consumer,
            Err(error) => return failed(&lua, error.to_string()),
        }
    }
    match found {
        Some(consumer) => one(&lua, shown(&lua, &consumer_json(&consumer))?),
        None => one(&lua, Value::Nil),
    }
}

async fn settled<T>(lookup: Lookup<T>) -> Result<Option<T>, DirectoryError> {
    lookup.get().await
}
