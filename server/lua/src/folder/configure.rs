//! The phase `configure`: plugins are shown their configurations whenever there are new ones.

use super::handler;
use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::settings;
use crate::value::{self, Null};
use crate::worker::Worker;
use exchange::About;
use mlua::{Function, Value};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, LazyLock};
use tokio::sync::watch;
use uuid::Uuid;

/// Configurations by plugin.
type Given = Arc<HashMap<String, Vec<Json>>>;

static NEWEST: LazyLock<watch::Sender<Given>> = LazyLock::new(|| watch::channel(Given::default()).0);

/// The configurations in use have changed: each with its plugin's name. Workers call `configure` of the plugins in
/// folders, each as soon as it can.
pub fn configured(configurations: impl IntoIterator<Item = (String, About, Json)>) {
    let mut given: HashMap<String, Vec<Json>> = HashMap::new();
    for (name, about, config) in configurations {
        given.entry(name).or_default().push(handler::told(&config, &about));
    }
    NEWEST.send_replace(Arc::new(given));
}

/// Calls `configure` now, and again after every change, for as long as the worker is there.
pub(super) async fn follow() {
    let mut newest = NEWEST.subscribe();
    loop {
        let given = newest.borrow_and_update().clone();
        for name in &settings::get().folders {
            if let Err(error) = show(name, given.get(name)).await {
                tracing::error!("[{name}] configure failed: {}", error::text(&error));
            }
        }
        if newest.changed().await.is_err() {
            return;
        }
    }
}

async fn show(name: &'static str, given: Option<&Vec<Json>>) -> mlua::Result<()> {
    let worker = Worker::of_thread()?;
    let handler = handler::table(&worker.lua, name)?;
    let Value::Function(configure) = handler.get::<Value>("configure")? else { return Ok(()) };
    let configurations = match given {
        Some(given) => value::from_json(&worker.lua, &Json::Array(given.clone()), Null::Absent)?,
        None => Value::Nil,
    };
    let call = Call::new((name, Uuid::nil()), Phase::Timer, None);
    call.budget.set(u64::MAX);
    let configure: Function = configure;
    let mut running = Box::pin(configure.call_async::<()>((handler, configurations)));
    poll_fn(|context| current::alone(&call, || running.as_mut().poll(context))).await
}
