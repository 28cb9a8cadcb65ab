//! The phase `init_worker`.

use super::handler;
use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::settings;
use crate::worker::Worker;
use mlua::{Function, Value};
use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use uuid::Uuid;

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

static WORKERS: AtomicUsize = AtomicUsize::new(0);

/// This proxy worker's number, from 0 (`ngx.worker.id`); none on other threads.
pub fn number() -> Option<usize> {
    NUMBER.get()
}

/// A proxy worker begins on this thread: runs `init_worker` of every plugin in a folder, by priority. Does nothing when
/// it is called again. Must be called within the worker's runtime.
pub fn begin(node_id: Uuid) {
    if NUMBER.get().is_some() {
        return;
    }
    NUMBER.set(Some(WORKERS.fetch_add(1, Relaxed)));
    if settings::get().folders.is_empty() {
        return;
    }
    crate::pdk::of_node(node_id);
    tokio::task::spawn_local(async {
        for name in &settings::get().folders {
            if let Err(error) = init(name).await {
                tracing::error!("[{name}] init_worker failed: {}", error::text(&error));
            }
        }
        super::configure::follow().await;
    });
}

async fn init(name: &'static str) -> mlua::Result<()> {
    let worker = Worker::of_thread()?;
    let handler = handler::table(&worker.lua, name)?;
    let Value::Function(init) = handler.get::<Value>(Phase::InitWorker.name())? else { return Ok(()) };
    let call = Call::new((name, Uuid::nil()), Phase::InitWorker, None);
    call.budget.set(u64::MAX);
    let init: Function = init;
    let mut running = Box::pin(init.call_async::<()>(handler));
    poll_fn(|context| current::alone(&call, || running.as_mut().poll(context))).await
}
