//! An `api.lua`: paths of the Admin API that a plugin answers.
//!
//! They are answered beside the workers ([`beside`]).

use super::{FolderError, kept, table_module};
use crate::beside;
use crate::current::{Call, Running};
use crate::error;
use crate::pdk::given_headers;
use crate::phase::Phase;
use crate::value::{self, Null};
use crate::worker::Worker;
use bytes::Bytes;
use exchange::directory::Nobody;
use exchange::escape::RESERVED;
use exchange::{Answer, Body, ErrorTemplates, Exchange, Request, Source, Timeline};
use mlua::{Function, Lua, Table, Value};
use percent_encoding::percent_encode;
use serde_json::{Map, Value as Json};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// Methods that a path may have, in the order in which they are told.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A path that a plugin answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPath {
    /// With its parameters in braces: `/greetings/{name}`.
    pub path: &'static str,
    /// Among GET, POST, PUT, PATCH, DELETE.
    pub methods: &'static [&'static str],
    /// The plugin.
    plugin: &'static str,
    /// The path as the plugin writes it.
    key: &'static str,
}

/// A request to such a path.
#[derive(Clone, Debug, Default)]
pub struct AdminCall {
    /// The path as in [`AdminPath::path`].
    pub path: String,
    /// The method.
    pub method: String,
    /// What stands for the path's parameters, decoded.
    pub parameters: Vec<String>,
    /// The arguments of the query; one without a value is `true`.
    pub query: Vec<(String, Json)>,
    /// The members of the body.
    pub body: Map<String, Json>,
    /// The workspace.
    pub workspace: Uuid,
    /// This node's id.
    pub node_id: Uuid,
}

/// What a plugin answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminAnswer {
    /// The status.
    pub status: u16,
    /// The type of the body, where there is one.
    pub content_type: Option<String>,
    /// Other headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The paths of all plugins in folders.
///
/// # Errors
/// A sentence that names the plugin and what is wrong.
pub fn paths(folders: &[String]) -> Result<Vec<AdminPath>, FolderError> {
    let mut all = Vec::new();
    for plugin in folders {
        let failed = |error: mlua::Error| FolderError(format!("plugin '{plugin}': api.lua: {}", error::text(&error)));
        let worker = Worker::of_thread().map_err(failed)?;
        all.extend(of_plugin(&worker.lua, plugin).map_err(failed)?);
    }
    all.sort_by_key(|path: &AdminPath| path.path);
    Ok(all)
}

fn of_plugin(lua: &Lua, plugin: &str) -> mlua::Result<Vec<AdminPath>> {
    let Some(module) = table_module(lua, plugin, "api")? else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for pair in module.pairs::<Value, Value>() {
        let (Value::String(key), Value::Table(endpoint)) = pair? else {
            return Err(error::of("it must be a table of paths, each with a table"));
        };
        let key = key.to_string_lossy().to_string();
        let Some(rest) = key.strip_prefix('/') else {
            return Err(error::of(format!("the path '{key}' must begin with a slash")));
        };
        let named = |segment: &str| match segment.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        };
        let path = rest.trim_end_matches('/').split('/').map(named).collect::<Vec<_>>().join("/");
        let own = methods(&endpoint)?;
        let mut found: Vec<&'static str> = Vec::new();
        for method in METHODS {
            match own.get::<Value>(method)? {
                Value::Nil => {}
                Value::Function(_) => found.push(method),
                other => {
                    return Err(error::of(format!(
                        "'{method}' of '{key}' must be a function, not a {}",
                        other.type_name()
                    )));
                }
            }
        }
        if found.is_empty() {
            return Err(error::of(format!("'{key}' has no method among {}", METHODS.join(", "))));
        }
        paths.push(AdminPath {
            path: kept(format!("/{path}")),
            methods: Box::leak(found.into_boxed_slice()),
            plugin: kept(plugin),
            key: kept(key),
        });
    }
    Ok(paths)
}

/// The methods of a path: in `methods`, or beside each other.
fn methods(endpoint: &Table) -> mlua::Result<Table> {
    Ok(match endpoint.get::<Value>("methods")? {
        Value::Table(methods) => methods,
        _ => endpoint.clone(),
    })
}

/// Has a plugin answer a request to one of its paths.
pub async fn administrate(call: AdminCall) -> AdminAnswer {
    beside::run(move || answer(call)).await.unwrap_or_else(failure)
}

fn failure() -> AdminAnswer {
    let body = Bytes::from_static(b"{\"message\":\"An unexpected error occurred\"}");
    let content_type = Some("application/json; charset=utf-8".to_owned());
    AdminAnswer { status: 500, content_type, headers: Vec::new(), body }
}

async fn answer(asked: AdminCall) -> AdminAnswer {
    let Some(path) = super::super::settings::admin_paths().iter().find(|path| path.path == asked.path) else {
        return failure();
    };
    match handled(path, asked).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!("[{}] {} failed: {}", path.plugin, path.key, error::text(&error));
            failure()
        }
    }
}

/// The request as functions of the kit see it.
fn exchange_of(asked: &AdminCall, path: &AdminPath) -> Exchange {
    let mut parameters = asked.parameters.iter();
    let segments = path.path.split('/').skip(1).map(|segment| match segment.starts_with('{') {
        true => {
            let given = parameters.next().map(String::as_str).unwrap_or_default();
            percent_encode(given.as_bytes(), RESERVED).to_string()
        }
        false => segment.to_owned(),
    });
    let target = format!("/{}", segments.collect::<Vec<_>>().join("/"));
    let body = Json::Object(asked.body.clone()).to_string();
    let request = Request {
        method: asked.method.as_bytes().into(),
        target: target.as_bytes().into(),
        path: target.as_bytes().into(),
        headers: [("Content-Type", "application/json")].into_iter().collect(),
        body: Body::Buffered(Bytes::from(body)),
        ..Request::default()
    };
    let mut exchange = Exchange::new(request, Timeline::default(), Arc::new(Nobody));
    exchange.workspace = asked.workspace;
    exchange
}

/// `self` of a handler: `params`, and where each came from in `args`.
fn own(lua: &Lua, asked: &AdminCall, path: &AdminPath) -> mlua::Result<Table> {
    let query: Map<String, Json> = asked.query.iter().cloned().collect();
    let mut params = query.clone();
    params.extend(asked.body.clone());
    let names = path.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    for (name, value) in names.zip(&asked.parameters) {
        params.insert(name.to_owned(), value.as_str().into());
    }
    let own = lua.create_table()?;
    let shown = |members: Map<String, Json>| value::from_json(lua, &members.into(), Null::Null);
    own.set("params", shown(params)?)?;
    let args = lua.create_table()?;
    args.set("uri", shown(query)?)?;
    args.set("post", shown(asked.body.clone())?)?;
    own.set("args", args)?;
    let request = lua.create_table()?;
    request.set("method", asked.method.as_str())?;
    own.set("req", request)?;
    Ok(own)
}

async fn handled(path: &AdminPath, asked: AdminCall) -> mlua::Result<AdminAnswer> {
    let worker = Worker::of_thread()?;
    let lua = worker.lua.clone();
    crate::pdk::of_node(asked.node_id);
    let gone = || error::of("api.lua is not the one it was");
    let endpoint: Table = table_module(&lua, path.plugin, "api")?.ok_or_else(gone)?.get(path.key)?;
    let methods = methods(&endpoint)?;
    let handler: Function = methods.get(asked.method.as_str())?;
    let before: Option<Function> = methods.get("before")?;
    let given = own(&lua, &asked, path)?;
    let database: Value = lua.globals().get::<Table>("kong")?.get("db")?;
    let helpers = lua.create_table()?;
    helpers.set("yield_error", lua.create_function(|_, text: Value| Err::<(), _>(error::of(value::text(&text)?)))?)?;
    let mut exchange = exchange_of(&asked, path);
    let call = Call::new((path.plugin, Uuid::nil()), Phase::AdminApi, None);
    call.budget.set(u64::MAX);
    let future: Pin<Box<dyn Future<Output = mlua::Result<Value>>>> = Box::pin(async move {
        let arguments = (given, database, helpers);
        if let Some(before) = before {
            before.call_async::<()>(arguments.clone()).await?;
        }
        handler.call_async(arguments).await
    });
    let mut running = Running { call: call.clone(), exchange: &mut exchange, future };
    let returned = poll_fn(|context| running.poll(context)).await;
    if let Some(answer) = call.answer.take() {
        return Ok(finished(exchange, &call, answer));
    }
    match returned {
        Err(error) if !call.ended.get() => return Err(error),
        Ok(Value::Table(returned)) => {
            let status = returned.get::<Option<u16>>("status")?.unwrap_or(200);
            let body = value::to_json(&lua, &returned.get::<Value>("json")?)?;
            let answer =
                Answer { headers: given_headers(&returned.get::<Value>("headers")?)?, ..Answer::json(status, body) };
            return Ok(finished(exchange, &call, answer));
        }
        _ => {}
    }
    let written = call.written.take();
    let status = call.remembered.status().get();
    if written.is_empty() {
        return Ok(finished(exchange, &call, Answer::bytes(status.unwrap_or(204), Vec::new())));
    }
    Ok(finished(exchange, &call, Answer { source: Source::Exit, ..Answer::bytes(status.unwrap_or(200), written) }))
}

fn finished(mut exchange: Exchange, call: &Call, answer: Answer) -> AdminAnswer {
    exchange.answer(answer, &ErrorTemplates::default());
    call.remembered.settle(&mut exchange.response.headers);
    let response = exchange.response;
    let body = response.body;
    let content_type = response.headers.get_str("content-type").map(str::to_owned);
    let content_type = content_type.filter(|_| !body.is_empty());
    let own =
        |name: &[u8]| !name.eq_ignore_ascii_case(b"content-type") && !name.eq_ignore_ascii_case(b"content-length");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = response.headers.iter().filter(|(name, _)| own(name));
    let headers = headers.map(|(name, value)| (text(name), text(value))).collect();
    AdminAnswer { status: response.status, content_type, headers, body }
}
