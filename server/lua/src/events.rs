//! What workers are told: `kong.worker_events` by each other, and [`crate::cluster`] by other nodes. See `events.lua`.

use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::value::{self, Null};
use mlua::{Function, Lua, MultiValue, Table, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Events that one worker may have before it; what comes then is lost for it, and the log says so.
const MOST: usize = 10_000;
/// Under which names the registry has what takes events.
const EVENT: &str = "silverback.events";
pub(crate) const CLUSTER: &str = "silverback.cluster_events";
/// Names of `unique` events that are remembered, so that each is told once.
const REMEMBERED: usize = 1000;

/// What a worker tells all of its node.
pub(crate) struct Event {
    source: String,
    event: String,
    data: Json,
    pid: u32,
}

/// What one worker is told.
pub(crate) enum Told {
    /// By a worker of its node.
    Event(Arc<Event>),
    /// By another node.
    ClusterEvent {
        /// What it is about.
        channel: String,
        /// What it says.
        data: String,
    },
}

/// A worker that listens.
pub(crate) struct Worker {
    queue: mpsc::Sender<Told>,
    /// What it wants to hear of from other nodes.
    pub(crate) channels: Vec<String>,
}

impl Worker {
    /// Tells it something; whether it still lives.
    pub(crate) fn tell(&self, told: Told) -> bool {
        match self.queue.try_send(told) {
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(told)) => {
                tracing::error!("an event of '{}' is lost: {MOST} are waiting for a worker", told.about());
                true
            }
            Ok(()) => true,
        }
    }
}

static WORKERS: Mutex<Vec<Worker>> = Mutex::new(Vec::new());
static UNIQUE: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static QUEUE: RefCell<Option<mpsc::Sender<Told>>> = const { RefCell::new(None) };
}

/// The workers that listen, in the order in which they began to.
pub(crate) fn workers() -> MutexGuard<'static, Vec<Worker>> {
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `kong.worker_events` is made of.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    raw.set("receiver", lua.create_function(|lua, receiver: Function| lua.set_named_registry_value(EVENT, receiver))?)?;
    raw.set(
        "listen",
        lua.create_function(|lua, ()| {
            // What is called for an event is held to no bound.
            if current::is_bound() {
                return Err(error::of("kong.worker_events cannot be listened to in the sandbox"));
            }
            listen(lua)
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
            workers().retain(|worker| worker.tell(Told::Event(told.clone())));
            Ok(true)
        })?,
    )?;
    Ok(raw)
}

/// Has this worker hear of events from now on, where there is something to hear with.
pub(crate) fn listen(lua: &Lua) -> mlua::Result<()> {
    if tokio::runtime::Handle::try_current().is_err() || QUEUE.with_borrow(Option::is_some) {
        return Ok(());
    }
    let receivers = Receivers { event: lua.named_registry_value(EVENT)?, cluster: lua.named_registry_value(CLUSTER)? };
    let (queue, mut heard) = mpsc::channel::<Told>(MOST);
    QUEUE.set(Some(queue.clone()));
    workers().push(Worker { queue, channels: Vec::new() });
    let lua = lua.clone();
    tokio::task::spawn_local(async move {
        while let Some(told) = heard.recv().await {
            if let Err(error) = receivers.tell(&lua, &told).await {
                tracing::error!("an event of '{}' failed: {}", told.about(), error::text(&error));
            }
        }
    });
    Ok(())
}

/// Has this worker hear what other nodes tell about a channel.
pub(crate) fn subscribe(channel: String) {
    QUEUE.with_borrow(|own| {
        let Some(own) = own else { return };
        if let Some(worker) = workers().iter_mut().find(|worker| worker.queue.same_channel(own))
            && !worker.channels.contains(&channel)
        {
            worker.channels.push(channel);
        }
    });
}

/// What Lua takes events with.
struct Receivers {
    event: Function,
    cluster: Function,
}

impl Receivers {
    async fn tell(&self, lua: &Lua, told: &Told) -> mlua::Result<()> {
        let call = Call::new((told.kind(), Uuid::nil()), Phase::Timer, None);
        call.budget.set(u64::MAX);
        let text = |text: &str| lua.create_string(text).map(Value::String);
        let (receiver, arguments) = match told {
            Told::Event(event) => {
                let data = value::from_json(lua, &event.data, Null::Absent)?;
                let pid = Value::Integer(event.pid.into());
                (&self.event, MultiValue::from_iter([text(&event.source)?, text(&event.event)?, data, pid]))
            }
            Told::ClusterEvent { channel, data } => {
                (&self.cluster, MultiValue::from_iter([text(channel)?, text(data)?]))
            }
        };
        let mut running = Box::pin(receiver.call_async::<()>(arguments));
        poll_fn(|context| current::alone(&call, || running.as_mut().poll(context))).await
    }
}

impl Told {
    fn about(&self) -> &str {
        match self {
            Self::Event(event) => &event.source,
            Self::ClusterEvent { channel, .. } => channel,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "worker-events",
            Self::ClusterEvent { .. } => "cluster-events",
        }
    }
}
