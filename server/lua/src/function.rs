//! `pre-function` and `post-function`: Lua of a configuration, first or last of all plugins.

use crate::phase::Phase;
use crate::runner::{self, Runner};
use crate::worker::{self, Slot, Worker};
use entities::{PluginSchema, Scopes};
use exchange::{About, Chunk, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Field, Record, Schema};
use serde::Deserialize;
use std::marker::PhantomData;

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
    runner: Runner,
}

/// The functions of a phase, each with globals of its own.
fn compiled(sources: &[String]) -> impl Fn(&Worker) -> mlua::Result<Vec<Slot>> {
    move |worker| sources.iter().map(|source| worker.compile(source).map(Slot::of_chunk)).collect()
}

impl<P: Place> Function<P> {
    /// A phase in which functions may wait.
    fn wait<'a>(&'a self, phase: Phase, sources: &'a [String], exchange: &'a mut Exchange) -> Step<'a> {
        match sources.is_empty() {
            true => Step::NEXT,
            false => self.runner.wait(phase, exchange, &compiled(sources)),
        }
    }
}

impl<P: Place> Plugin for Function<P> {
    const NAME: &'static str = P::NAME;
    const PRIORITY: i32 = P::PRIORITY;
    const PHASES: Phases = Phases::CERTIFICATE
        .and(Phases::REWRITE)
        .and(Phases::ACCESS)
        .and(Phases::HEADER_FILTER)
        .and(Phases::BODY_FILTER)
        .and(Phases::LOG);
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
        let given = |phase: Phases, sources: &[String]| if sources.is_empty() { Phases::default() } else { phase };
        let mut phases = given(Phases::BODY_FILTER, &config.body_filter)
            .and(given(Phases::LOG, &config.log))
            .and(given(Phases::HEADER_FILTER, &config.header_filter))
            .and(given(Phases::CERTIFICATE, &config.certificate));
        // What these say of the response's head is done when there is one.
        phases = phases.and(given(Phases::REWRITE.and(Phases::HEADER_FILTER), &config.rewrite));
        phases = phases.and(given(Phases::ACCESS.and(Phases::HEADER_FILTER), &config.access));
        let runner = Runner::new(P::NAME, about.id, services.node_id, worker::BUDGET);
        Ok(Self { config, phases, runner })
    }

    fn used(&self) -> Phases {
        self.phases
    }

    fn certificate<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.wait(Phase::Certificate, &self.config.certificate, exchange)
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.wait(Phase::Rewrite, &self.config.rewrite, exchange)
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.wait(Phase::Access, &self.config.access, exchange)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        runner::settle(exchange);
        match self.config.header_filter.is_empty() {
            true => Flow::Next,
            false => self.runner.head(Phase::HeaderFilter, exchange, &compiled(&self.config.header_filter)),
        }
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if !self.config.body_filter.is_empty() {
            self.runner.chunk(exchange, chunk, &compiled(&self.config.body_filter));
        }
    }

    fn log(&self, exchange: &Exchange) {
        if !self.config.log.is_empty() {
            self.runner.over(exchange, &compiled(&self.config.log));
        }
    }
}
