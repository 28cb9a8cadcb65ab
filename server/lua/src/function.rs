//! `pre-function` and `post-function`: Lua of a configuration, first or last of all plugins.

use crate::current::{self, Call, Remembered, Running};
use crate::error;
use crate::phase::Phase;
use crate::worker::{self, Slot, Worker};
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Chunk, Exchange, Flow, Phases, Plugin, Services, Source, Step};
use mlua::Value;
use schema::{Check, Field, Record, Schema};
use serde::Deserialize;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use uuid::Uuid;

/// Which of the two.
pub trait Place: Send + Sync + 'static {
    /// The plugin's name.
    const NAME: &'static str;
    /// Larger runs first.
    const PRIORITY: i32;
}

/// Before every other plugin.
pub struct Pre;

impl Place for Pre {
    const NAME: &'static str = "pre-function";
    const PRIORITY: i32 = 1_000_000;
}

/// After every other plugin.
pub struct Post;

impl Place for Post {
    const NAME: &'static str = "post-function";
    const PRIORITY: i32 = -1000;
}

/// Names of the options, each a list of functions for the phase of that name.
const OPTIONS: [&str; 6] = ["certificate", "rewrite", "access", "header_filter", "body_filter", "log"];

/// Options of the two plugins.
#[derive(Debug, Deserialize)]
pub struct Config<P> {
    certificate: Vec<String>,
    rewrite: Vec<String>,
    access: Vec<String>,
    header_filter: Vec<String>,
    body_filter: Vec<String>,
    log: Vec<String>,
    #[serde(skip)]
    place: PhantomData<P>,
}

impl<P: Place> Schema for Config<P> {
    fn record() -> Record {
        OPTIONS.into_iter().fold(Record::new(), |record, name| {
            let function = Field::string("").validate(loadable::<P> as fn(&str) -> Result<(), String>);
            record.field(Field::array(name, function).required(true).default(serde_json::json!([])))
        })
    }
}

fn loadable<P: Place>(source: &str) -> Result<(), String> {
    worker::check(source).map_err(|error| format!("error parsing {}: {error}", P::NAME))
}

/// The plugin, configured.
pub struct Function<P> {
    config: Config<P>,
    phases: Phases,
    id: Uuid,
    node_id: Uuid,
    /// Number of this configuration in the process; one for each phase.
    key: u64,
    alive: Arc<()>,
}

static KEYS: AtomicU64 = AtomicU64::new(0);

type Outcome = mlua::Result<()>;

impl<P: Place> Function<P> {
    fn sources(&self, phase: Phase) -> &[String] {
        match phase {
            Phase::Rewrite => &self.config.rewrite,
            Phase::Access => &self.config.access,
            Phase::HeaderFilter => &self.config.header_filter,
            Phase::BodyFilter => &self.config.body_filter,
            Phase::Log => &self.config.log,
            _ => &[],
        }
    }

    /// The worker's Lua, what is to be called in it, and the call.
    fn begin(&self, phase: Phase, remembered: Option<Remembered>) -> mlua::Result<(Rc<[Slot]>, Rc<Call>)> {
        let worker = Worker::of_thread()?;
        crate::pdk::of_node(self.node_id);
        let functions = worker.functions(self.key + phase as u64, &self.alive, self.sources(phase))?;
        let call = Call::new(&worker.lua, (P::NAME, self.id), phase, remembered)?;
        Ok((functions, call))
    }

    /// What follows from how a phase went.
    fn end(call: &Call, outcome: Outcome) -> Flow {
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

    /// A phase in which functions may wait.
    fn wait<'a>(&'a self, phase: Phase, exchange: &'a mut Exchange) -> Step<'a> {
        if self.sources(phase).is_empty() {
            return Step::NEXT;
        }
        let (functions, call) = match self.begin(phase, exchange.state.get::<Remembered>().cloned()) {
            Ok(begun) => begun,
            Err(error) => {
                tracing::error!("{}: {}", P::NAME, error::text(&error));
                return failure().into();
            }
        };
        exchange.state.put(call.remembered.clone());
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
            Poll::Ready(outcome) => Step::Ready(Self::end(&call, outcome)),
            Poll::Pending => Step::Wait(Box::pin(async move {
                let outcome = poll_fn(|context| running.poll(context)).await;
                Self::end(&call, outcome)
            })),
        }
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

fn log(call: &Call, error: &mlua::Error) {
    tracing::error!("[{}] {} failed: {}", call.plugin, call.phase.name(), error::text(error));
}

/// What a client gets whose plugin failed.
fn failure() -> Answer {
    Answer { source: Source::Error, ..Answer::message(500, "An unexpected error occurred") }
}

impl<P: Place> Plugin for Function<P> {
    const NAME: &'static str = P::NAME;
    const PRIORITY: i32 = P::PRIORITY;
    const PHASES: Phases =
        Phases::REWRITE.and(Phases::ACCESS).and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER).and(Phases::LOG);
    type Config = Config<P>;

    fn schema() -> PluginSchema {
        let fields = OPTIONS.map(|name| format!("config.{name}"));
        PluginSchema::new::<Config<P>>(P::NAME)
            .priority(P::PRIORITY)
            .all_protocols()
            .scopes(Scopes::NO_CONSUMER)
            .check(Check::at_least_one_of(fields))
    }

    fn new(config: Config<P>, about: &About, services: &Services) -> Result<Self, String> {
        if !config.certificate.is_empty() {
            return Err(format!("{}: functions of the phase 'certificate' are not available in this gateway", P::NAME));
        }
        let given = |phase: Phases, sources: &[String]| if sources.is_empty() { Phases::default() } else { phase };
        let mut phases = given(Phases::BODY_FILTER, &config.body_filter)
            .and(given(Phases::LOG, &config.log))
            .and(given(Phases::HEADER_FILTER, &config.header_filter));
        // What these say of the response's head is done when there is one.
        phases = phases.and(given(Phases::REWRITE.and(Phases::HEADER_FILTER), &config.rewrite));
        phases = phases.and(given(Phases::ACCESS.and(Phases::HEADER_FILTER), &config.access));
        let key = KEYS.fetch_add(1 << 16, Relaxed);
        Ok(Self { config, phases, id: about.id, node_id: services.node_id, key, alive: Arc::new(()) })
    }

    fn used(&self) -> Phases {
        self.phases
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.wait(Phase::Rewrite, exchange)
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.wait(Phase::Access, exchange)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let remembered = exchange.state.get::<Remembered>().cloned();
        if let Some(remembered) = &remembered {
            remembered.settle(&mut exchange.response.headers);
        }
        if self.config.header_filter.is_empty() {
            return Flow::Next;
        }
        match self.begin(Phase::HeaderFilter, remembered) {
            Ok((functions, call)) => {
                exchange.state.put(call.remembered.clone());
                let outcome = current::run(&call, exchange, || all(&functions, &call));
                Self::end(&call, outcome)
            }
            Err(error) => {
                tracing::error!("{}: {}", P::NAME, error::text(&error));
                failure().into()
            }
        }
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if self.config.body_filter.is_empty() {
            return;
        }
        let remembered = exchange.state.get::<Remembered>().cloned();
        let (functions, call) = match self.begin(Phase::BodyFilter, remembered) {
            Ok(begun) => begun,
            Err(error) => return tracing::error!("{}: {}", P::NAME, error::text(&error)),
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

    fn log(&self, exchange: &Exchange) {
        if self.config.log.is_empty() {
            return;
        }
        match self.begin(Phase::Log, exchange.state.get::<Remembered>().cloned()) {
            Ok((functions, call)) => {
                if let Err(error) = current::look(&call, exchange, || all(&functions, &call)) {
                    log(&call, &error);
                }
            }
            Err(error) => tracing::error!("{}: {}", P::NAME, error::text(&error)),
        }
    }
}
