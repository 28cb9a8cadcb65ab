//! How the functions of a plugin's phase are run for a request.

use crate::current::{self, Call, Remembered, Running};
use crate::error;
use crate::phase::Phase;
use crate::worker::{self, Slot, Worker};
use bytes::Bytes;
use exchange::{Answer, Chunk, Exchange, Flow, Source, Step};
use mlua::Value;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use uuid::Uuid;

type Outcome = mlua::Result<()>;

/// Makes the functions of a phase in a worker's state, once.
pub type Make<'m> = &'m dyn Fn(&Worker) -> mlua::Result<Vec<Slot>>;

/// Runs the functions of one configuration of a plugin.
pub struct Runner {
    /// Name of the plugin.
    pub plugin: &'static str,
    /// Id of the configuration.
    pub id: Uuid,
    node_id: Uuid,
    /// Number of this configuration in the process; one for each phase.
    key: u64,
    alive: Arc<()>,
    /// Thousands of instructions that a phase may take.
    budget: u64,
}

impl Runner {
    /// For a configuration; `budget` in thousands of instructions for each phase.
    pub fn new(plugin: &'static str, id: Uuid, node_id: Uuid, budget: u64) -> Self {
        Self { plugin, id, node_id, key: worker::key(), alive: Arc::new(()), budget }
    }

    /// The worker's Lua, what is to be called in it, and the call.
    pub fn begin(
        &self,
        phase: Phase,
        remembered: Option<Remembered>,
        make: Make<'_>,
    ) -> mlua::Result<(Rc<[Slot]>, Rc<Call>)> {
        let worker = Worker::of_thread()?;
        crate::pdk::of_node(self.node_id);
        let functions = worker.functions(self.key + phase as u64, &self.alive, || make(&worker))?;
        let call = Call::new((self.plugin, self.id), phase, remembered);
        call.budget.set(self.budget);
        Ok((functions, call))
    }

    /// A table of the configuration's own in a worker's state, made once.
    pub fn table(&self, worker: &Worker, make: impl FnOnce() -> mlua::Result<Value>) -> mlua::Result<Value> {
        worker.table(self.key, &self.alive, make)
    }

    fn failed(&self, error: &mlua::Error) -> Answer {
        tracing::error!("{}: {}", self.plugin, error::text(error));
        failure()
    }

    /// A phase in which functions may wait.
    pub fn wait<'a>(&'a self, phase: Phase, exchange: &'a mut Exchange, make: Make<'_>) -> Step<'a> {
        let (functions, call) = match self.begin(phase, exchange.state.get::<Remembered>().cloned(), make) {
            Ok(begun) => begun,
            Err(error) => return self.failed(&error).into(),
        };
        exchange.state.put(call.remembered.clone());
        if let Err(error) = show_groups(&call, exchange) {
            return self.failed(&error).into();
        }
        let ending = call.clone();
        let future: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(async move {
            for slot in &*functions {
                let result: Value = slot.function().call_async(()).await?;
                if let Some(inner) = slot.settle(&result) {
                    inner.call_async::<()>(()).await?;
                }
                if ending.ended.get() {
                    break;
                }
            }
            Ok(())
        });
        let mut running = Running { call: call.clone(), exchange, future };
        // Most functions wait for nobody.
        match running.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => {
                take_groups(&call, running.exchange);
                Step::Ready(end(&call, outcome))
            }
            Poll::Pending => Step::Wait(Box::pin(async move {
                let outcome = poll_fn(|context| running.poll(context)).await;
                take_groups(&call, running.exchange);
                end(&call, outcome)
            })),
        }
    }

    /// A phase of the response's head, in which none may wait.
    pub fn head(&self, phase: Phase, exchange: &mut Exchange, make: Make<'_>) -> Flow {
        match self.begin(phase, exchange.state.get::<Remembered>().cloned(), make) {
            Ok((functions, call)) => {
                exchange.state.put(call.remembered.clone());
                let outcome = current::run(&call, exchange, || all(&functions, &call));
                match outcome {
                    // Nobody is there any more who could be told: the response goes out as it is.
                    Err(error) if phase == Phase::HeaderFilter && !call.ended.get() => {
                        log(&call, &error);
                        Flow::Next
                    }
                    outcome => end(&call, outcome),
                }
            }
            Err(error) if phase == Phase::HeaderFilter => {
                tracing::error!("{}: {}", self.plugin, error::text(&error));
                Flow::Next
            }
            Err(error) => self.failed(&error).into(),
        }
    }

    /// A piece of the response's body.
    pub fn chunk(&self, exchange: &mut Exchange, chunk: &mut Chunk, make: Make<'_>) {
        let remembered = exchange.state.get::<Remembered>().cloned();
        let (functions, call) = match self.begin(Phase::BodyFilter, remembered, make) {
            Ok(begun) => begun,
            Err(error) => return tracing::error!("{}: {}", self.plugin, error::text(&error)),
        };
        exchange.state.put(call.remembered.clone());
        call.last.set(chunk.last);
        call.chunk.replace(std::mem::take(&mut chunk.data));
        let outcome = current::run(&call, exchange, || all(&functions, &call));
        chunk.data = call.chunk.take();
        if let Err(error) = outcome {
            log(&call, &error);
            // Half of what a filter made is nothing that a client should get.
            chunk.data = Bytes::new();
        }
    }

    /// The response has gone out.
    pub fn over(&self, exchange: &Exchange, make: Make<'_>) {
        match self.begin(Phase::Log, exchange.state.get::<Remembered>().cloned(), make) {
            Ok((functions, call)) => {
                if let Err(error) = current::look(&call, exchange, || all(&functions, &call)) {
                    log(&call, &error);
                }
            }
            Err(error) => tracing::error!("{}: {}", self.plugin, error::text(&error)),
        }
    }
}

/// Makes the changes of the response's head that earlier phases asked for.
pub fn settle(exchange: &mut Exchange) {
    if let Some(remembered) = exchange.state.get::<Remembered>().cloned() {
        remembered.settle(&mut exchange.response.headers);
    }
}

/// Groups that a plugin in between found.
pub fn show_groups(call: &Call, exchange: &Exchange) -> mlua::Result<()> {
    let groups = &exchange.identity.authenticated_groups;
    if groups.is_empty() {
        return Ok(());
    }
    call.remembered.show_groups(&Worker::of_thread()?.lua, groups)
}

/// What Lua says of the client's groups is what `acl` and `session` see.
pub fn take_groups(call: &Call, exchange: &mut Exchange) {
    match call.remembered.groups() {
        Ok(Some(groups)) => exchange.identity.authenticated_groups = groups,
        Ok(None) => exchange.identity.authenticated_groups.clear(),
        Err(error) => log(call, &error),
    }
}

/// Calls every function of a phase in which none may wait.
fn all(functions: &[Slot], call: &Call) -> Outcome {
    for slot in functions {
        let result: Value = slot.function().call(())?;
        if let Some(inner) = slot.settle(&result) {
            inner.call::<()>(())?;
        }
        if call.ended.get() {
            break;
        }
    }
    Ok(())
}

/// What follows from how a phase went.
pub fn end(call: &Call, outcome: Outcome) -> Flow {
    if let Err(error) = outcome
        && !call.ended.get()
    {
        log(call, &error);
        return failure().into();
    }
    if let Some(answer) = call.answer.take() {
        return answer.into();
    }
    let written = call.written.take();
    if written.is_empty() {
        return Flow::Next;
    }
    Answer::bytes(call.remembered.status().get().unwrap_or(200), written).into()
}

fn log(call: &Call, error: &mlua::Error) {
    tracing::error!("[{}] {} failed: {}", call.plugin, call.phase.name(), error::text(error));
}

/// What a client gets whose plugin failed.
pub fn failure() -> Answer {
    Answer { source: Source::Error, ..Answer::message(500, "An unexpected error occurred") }
}
