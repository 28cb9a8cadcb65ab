//! Lua that no proxy worker runs, on a thread of its own with a state like a worker's: paths of the Admin API that
//! plugins answer, and functions of event hooks.

use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::value::{self, Null};
use crate::worker::Worker;
use mlua::{Function, MultiValue, Value};
use serde_json::Value as Json;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Jobs that may wait for the thread.
const WAITING: usize = 1000;
/// How long a function may take with its waiting.
const LONGEST: Duration = Duration::from_secs(60);

type Work = Pin<Box<dyn Future<Output = ()>>>;
type Job = Box<dyn FnOnce() -> Work + Send>;

static THREAD: LazyLock<Option<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, mut jobs) = mpsc::channel::<Job>(WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let serve = move || {
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job());
            }
        });
    };
    std::thread::Builder::new().name("lua-admin".to_owned()).spawn(serve).ok()?;
    Some(sender)
});

/// Runs something on the thread; none where the thread cannot be had, or what ran panicked.
pub async fn run<T, F>(job: impl FnOnce() -> F + Send + 'static) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (reply, answered) = oneshot::channel();
    let job: Job = Box::new(move || {
        let work = job();
        Box::pin(async move {
            // Who asked may have gone.
            let _ = reply.send(work.await);
        })
    });
    THREAD.as_ref()?.send(job).await.ok()?;
    answered.await.ok()
}

/// Calls the function that a chunk returns, or the chunk itself where it returns none, and gives what comes back.
pub async fn call(node_id: Uuid, chunk: String, arguments: Vec<Json>) -> Result<Json, String> {
    let called = run(move || async move {
        let called = tokio::time::timeout(LONGEST, called(node_id, &chunk, &arguments)).await;
        let called = called.unwrap_or_else(|_| Err(error::of("the function has taken longer than it may")));
        called.map_err(|error| error::text(&error))
    });
    called.await.unwrap_or_else(|| Err("the thread for it has stopped".to_owned()))
}

async fn called(node_id: Uuid, chunk: &str, arguments: &[Json]) -> mlua::Result<Json> {
    let worker = Worker::of_thread()?;
    let lua = &worker.lua;
    crate::pdk::of_node(node_id);
    let call = Call::new(("event-hooks", Uuid::nil()), Phase::Timer, None);
    let arguments = arguments.iter().map(|argument| value::from_json(lua, argument, Null::Null));
    let arguments = arguments.collect::<mlua::Result<MultiValue>>()?;
    let function: Function = worker.compile(chunk)?;
    let mut future: Pin<Box<dyn Future<Output = mlua::Result<Value>>>> = Box::pin(async move {
        match function.call_async::<Value>(()).await? {
            Value::Function(inner) => inner.call_async(arguments).await,
            other => Ok(other),
        }
    });
    let returned = poll_fn(|context| current::alone(&call, || future.as_mut().poll(context))).await?;
    value::to_json(lua, &returned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn functions_run_beside_the_workers() {
        let run = |chunk: &str, arguments: Vec<Json>| call(Uuid::nil(), chunk.to_owned(), arguments);
        let chunk = "return function (data, event) return event .. data.entity.name end";
        let returned = run(chunk, vec![json!({"entity": {"name": "ann"}}), "created ".into()]).await;
        assert_eq!(returned, Ok("created ann".into()));
        assert_eq!(run("return true", Vec::new()).await, Ok(true.into()));
        for (chunk, expected) in [
            ("return function () error('no good') end", "no good"),
            ("return function () return print end", "type not supported"),
            ("return function () while true do end end", "more instructions than it may"),
            ("return function (", "expected near"),
        ] {
            let error = run(chunk, Vec::new()).await.unwrap_err();
            assert!(error.contains(expected), "{chunk}: {error}");
        }
    }
}
