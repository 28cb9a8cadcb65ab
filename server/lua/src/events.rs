//! `kong.worker_events`: what workers tell each other. See `events.lua`.

use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::value::{self, Null};
use mlua::{Function, Lua, MultiValue, Table, Value};
use serde_json::Value as Json;
use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Events that one worker may have before it; what comes then is lost for it, and the log says so.
const MOST: usize = 10_000;
/// Names of `unique` events that are remembered, so that each is told once.
const REMEMBERED: usize = 1000;

struct Event {
    source: String,
    event: String,
    data: Json,
    pid: u32,
}

static WORKERS: Mutex<Vec<mpsc::Sender<Arc<Event>>>> = Mutex::new(Vec::new());
static UNIQUE: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

/// What `kong.worker_events` is made of.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    const RECEIVER: &str = "silverback.events";
    let raw = lua.create_table()?;
    raw.set(
        "receiver",
        lua.create_function(|lua, receiver: Function| lua.set_named_registry_value(RECEIVER, receiver))?,
    )?;
    raw.set(
        "listen",
        lua.create_function(|lua, ()| {
            // What is called for an event is held to no bound.
            if current::call().is_ok_and(|call| call.is_bound()) {
                return Err(error::of("kong.worker_events cannot be listened to in the sandbox"));
            }
            if tokio::runtime::Handle::try_current().is_ok() && !LISTENS.replace(true) {
                listen(lua.clone(), lua.named_registry_value(RECEIVER)?);
            }
            Ok(())
        })?,
    )?;
    raw.set(
        "post",
        lua.create_function(|lua, (source, event, data, unique): (String, String, Value, Option<String>)| {
            if let Some(name) = unique {
                let mut told = UNIQUE.lock().unwrap_or_else(PoisonError::into_inner);
                if told.contains(&name) {
                    return Ok(true);
                }
                if told.len() >= REMEMBERED {
                    told.remove(0);
                }
                told.push(name);
            }
            let data = value::to_json(lua, &data)?;
            let told = Arc::new(Event { source, event, data, pid: std::process::id() });
            let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
            workers.retain(|worker| match worker.try_send(told.clone()) {
                Err(mpsc::error::TrySendError::Closed(_)) => false,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::error!("an event of '{}' is lost: {MOST} are waiting for a worker", told.source);
                    true
                }
                Ok(()) => true,
            });
            Ok(true)
        })?,
    )?;
    Ok(raw)
}

/// Calls this worker's functions for every event.
fn listen(lua: Lua, receiver: Function) {
    let (sender, mut events) = mpsc::channel::<Arc<Event>>(MOST);
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    tokio::task::spawn_local(async move {
        while let Some(event) = events.recv().await {
            if let Err(error) = tell(&lua, &receiver, &event).await {
                tracing::error!("an event of '{}' failed: {}", event.source, error::text(&error));
            }
        }
    });
}

async fn tell(lua: &Lua, receiver: &Function, event: &Event) -> mlua::Result<()> {
    let call = Call::new(("worker-events", Uuid::nil()), Phase::Timer, None);
    call.budget.set(u64::MAX);
    let arguments = MultiValue::from_iter([
        Value::String(lua.create_string(&event.source)?),
        Value::String(lua.create_string(&event.event)?),
        value::from_json(lua, &event.data, Null::Absent)?,
        Value::Integer(event.pid.into()),
    ]);
    let mut running = Box::pin(receiver.call_async::<()>(arguments));
    poll_fn(|context| current::alone(&call, || running.as_mut().poll(context))).await
}
