//! Functions that Lua asked to be run later, on its worker.

use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::worker::BUDGET;
use mlua::{Function, MultiValue, Value};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use uuid::Uuid;

/// Timers that may wait on one worker (`lua_max_pending_timers`).
const MOST: usize = 16_384;

thread_local! {
    static PENDING: Cell<usize> = const { Cell::new(0) };
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// Timers that wait.
pub fn pending() -> usize {
    PENDING.get()
}

/// Timers whose function runs.
pub fn running() -> usize {
    RUNNING.get()
}

/// Runs `function(premature, …)` after so many seconds, once or again and again. One timer too many is logged and left
/// out.
pub fn start(seconds: f64, again: bool, function: Function, arguments: MultiValue) {
    if PENDING.get() >= MOST {
        tracing::error!("{MOST} Lua timers are waiting: one more is not started");
        return;
    }
    let asked = current::call();
    let of = asked.as_ref().map_or(("timer", Uuid::nil()), |call| (call.plugin, call.id));
    // What has no bound now has none later.
    let budget = match asked {
        Ok(call) if call.budget.get() > BUDGET => u64::MAX,
        _ => BUDGET,
    };
    PENDING.set(PENDING.get() + 1);
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            RUNNING.set(RUNNING.get() + 1);
            if let Err(error) = once((of, budget), &function, &arguments).await {
                tracing::error!("Lua timer of '{}' failed: {}", of.0, error::text(&error));
            }
            RUNNING.set(RUNNING.get() - 1);
            if !again {
                break;
            }
        }
        PENDING.set(PENDING.get() - 1);
    });
}

type Of = (&'static str, Uuid);

async fn once((of, budget): (Of, u64), function: &Function, arguments: &MultiValue) -> mlua::Result<()> {
    let call: Rc<Call> = Call::new(of, Phase::Timer, None);
    call.budget.set(budget);
    let mut values = MultiValue::from_iter([Value::Boolean(false)]);
    values.extend(arguments.iter().cloned());
    let mut future: Pin<Box<dyn Future<Output = mlua::Result<()>>>> = Box::pin(function.call_async::<()>(values));
    poll_fn(|context| current::alone(&call, || future.as_mut().poll(context))).await
}
