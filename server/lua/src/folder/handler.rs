//! A `handler.lua`: its phases, called with a configuration.

use super::{FolderError, definition, kept};
use crate::error;
use crate::phase::Phase;
use crate::runner::{self, Runner};
use crate::value::{self, Null};
use crate::worker::{Slot, Worker};
use exchange::{About, Chunk, Exchange, Flow, Instance, Phases, PluginType, Services, Step};
use mlua::{Function, Lua, Table, Value};
use serde_json::{Value as Json, json};

/// Phases that a handler may have and that are not run here.
const NOT_RUN: &[&str] = &["ws_handshake", "ws_client_frame", "ws_upstream_frame", "ws_close"];

/// What a handler says of itself.
#[derive(Debug)]
struct Facts {
    name: &'static str,
    priority: i32,
    version: &'static str,
    has: Vec<Phase>,
}

impl Facts {
    fn has(&self, phase: Phase) -> bool {
        self.has.contains(&phase)
    }
}

/// The type of a plugin in a folder: its schema and its handler, loaded once to see whether they are whole.
///
/// # Errors
/// A sentence that names the plugin and what is wrong with it.
pub fn plugin_type(name: &str) -> Result<PluginType, FolderError> {
    let failed = |error: mlua::Error| FolderError(format!("plugin '{name}': {}", error::text(&error)));
    let worker = Worker::of_thread().map_err(failed)?;
    if super::module(&worker.lua, name, "handler").map_err(failed)?.is_none() {
        return Err(FolderError(format!(
            "{name} plugin is enabled but not installed;\nthere is no kong/plugins/{name}/handler.lua in '{}'",
            super::path()
        )));
    }
    // As long as the process: there are as many as the settings name.
    let name = kept(name);
    let facts = facts(&worker.lua, name).map_err(failed)?;
    let schema = definition::read(&worker.lua, name)
        .map_err(|error| FolderError(format!("plugin '{name}': schema.lua: {}", error::text(&error))))?;
    let facts: &'static Facts = Box::leak(Box::new(facts));
    let schema = schema.priority(facts.priority).version(facts.version);
    Ok(PluginType::new(facts.name, facts.version, schema, move |config, about, services| {
        Ok(std::sync::Arc::new(Handler::new(facts, config, about, services)))
    }))
}

/// The table that a plugin's `handler.lua` returns, of this state.
pub fn table(lua: &Lua, name: &str) -> mlua::Result<Table> {
    match super::module(lua, name, "handler")? {
        Some(Value::Table(handler)) => Ok(handler),
        Some(other) => Err(error::of(format!("handler.lua must return a table, not a {}", other.type_name()))),
        None => Err(error::of("handler.lua is gone")),
    }
}

fn facts(lua: &Lua, name: &'static str) -> mlua::Result<Facts> {
    let handler = table(lua, name)?;
    let priority = match handler.get::<Value>("PRIORITY")? {
        Value::Nil => 0.0,
        given => match value::number(&given).filter(|number| number.fract() == 0.0 && number.abs() < 2e9) {
            Some(number) => number,
            None => {
                let shown = value::text(&given)?;
                return Err(error::of(format!("its PRIORITY field is not a valid integer number, got: \"{shown}\"")));
            }
        },
    };
    let version = match handler.get::<Value>("VERSION")? {
        Value::Nil => String::new(),
        given => value::text(&given)?,
    };
    let mut has = Vec::new();
    for phase in [
        Phase::InitWorker,
        Phase::Certificate,
        Phase::Rewrite,
        Phase::Access,
        Phase::Response,
        Phase::HeaderFilter,
        Phase::BodyFilter,
        Phase::Preread,
        Phase::Log,
    ] {
        match handler.get::<Value>(phase.name())? {
            Value::Nil => {}
            Value::Function(_) => has.push(phase),
            other => {
                let (name, kind) = (phase.name(), other.type_name());
                return Err(error::of(format!("'{name}' of its handler must be a function, not a {kind}")));
            }
        }
    }
    if has.contains(&Phase::Response) && (has.contains(&Phase::HeaderFilter) || has.contains(&Phase::BodyFilter)) {
        return Err(error::of(
            "it cannot be loaded because it implements both `response` and `header_filter` or `body_filter` methods",
        ));
    }
    for phase in NOT_RUN {
        if matches!(handler.get::<Value>(*phase)?, Value::Function(_)) {
            tracing::warn!("plugin '{name}': the phase '{phase}' of its handler is not run by this gateway");
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within an i32")]
    let priority = priority as i32;
    Ok(Facts { name, priority, version: kept(version), has })
}

/// What a handler is called with: its configuration, and where that belongs.
pub fn told(config: &Json, about: &About) -> Json {
    let mut config = config.clone();
    if let Json::Object(members) = &mut config {
        let more = [
            ("__plugin_id", json!(about.id)),
            ("route_id", json!(about.route)),
            ("service_id", json!(about.service)),
            ("consumer_id", json!(about.consumer)),
            ("plugin_instance_name", json!(about.instance_name)),
        ];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    config
}

/// A plugin in a folder, configured.
struct Handler {
    facts: &'static Facts,
    /// What the handler is called with.
    config: Json,
    phases: Phases,
    runner: Runner,
}

impl Handler {
    fn new(facts: &'static Facts, config: &Json, about: &About, services: &Services) -> Self {
        let config = told(config, about);
        let mut phases = Phases::default();
        for (phase, as_ours) in [
            (Phase::Certificate, Phases::CERTIFICATE.and(Phases::SESSION)),
            // What these say of the response's head is done when there is one.
            (Phase::Rewrite, Phases::REWRITE.and(Phases::HEADER_FILTER)),
            (Phase::Access, Phases::ACCESS.and(Phases::HEADER_FILTER)),
            (Phase::Response, Phases::ACCESS.and(Phases::RESPONSE).and(Phases::HEADER_FILTER)),
            (Phase::HeaderFilter, Phases::HEADER_FILTER),
            (Phase::BodyFilter, Phases::BODY_FILTER),
            (Phase::Preread, Phases::ACCESS.and(Phases::SESSION)),
            (Phase::Log, Phases::LOG.and(Phases::SESSION)),
        ] {
            if facts.has(phase) {
                phases = phases.and(as_ours);
            }
        }
        // The operator put the plugin there: it may take what it takes.
        let runner = Runner::new(facts.name, about.id, services.node_id, u64::MAX);
        Self { facts, config, phases, runner }
    }

    /// The method of a phase, with the handler and the configuration in it.
    fn bound(&self, worker: &Worker, phase: Phase) -> mlua::Result<Vec<Slot>> {
        let handler = table(&worker.lua, self.facts.name)?;
        let method: Function = handler.get(phase.name())?;
        // Plugins keep things by it: one table for all phases.
        let config = self.runner.table(worker, || value::from_json(&worker.lua, &self.config, Null::Absent))?;
        Ok(vec![Slot::of_function(worker.bind.call((method, handler, config))?)])
    }
}

impl Instance for Handler {
    fn name(&self) -> &'static str {
        self.facts.name
    }

    fn priority(&self) -> i32 {
        self.facts.priority
    }

    fn phases(&self) -> Phases {
        self.phases
    }

    fn certificate<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match self.facts.has(Phase::Certificate) {
            true => self.runner.wait(Phase::Certificate, exchange, &|worker| self.bound(worker, Phase::Certificate)),
            false => Step::NEXT,
        }
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        match self.facts.has(Phase::Rewrite) {
            true => self.runner.wait(Phase::Rewrite, exchange, &|worker| self.bound(worker, Phase::Rewrite)),
            false => Step::NEXT,
        }
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let phase = match exchange.session {
            Some(_) => Phase::Preread,
            None => Phase::Access,
        };
        exchange.buffer_response |= phase == Phase::Access && self.facts.has(Phase::Response);
        match self.facts.has(phase) {
            true => self.runner.wait(phase, exchange, &|worker| self.bound(worker, phase)),
            false => Step::NEXT,
        }
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        runner::settle(exchange);
        match self.facts.has(Phase::Response) {
            true => self.runner.wait(Phase::Response, exchange, &|worker| self.bound(worker, Phase::Response)),
            false => Step::NEXT,
        }
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        runner::settle(exchange);
        match self.facts.has(Phase::HeaderFilter) {
            true => {
                let make = |worker: &Worker| self.bound(worker, Phase::HeaderFilter);
                self.runner.head(Phase::HeaderFilter, exchange, &make)
            }
            false => Flow::Next,
        }
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if self.facts.has(Phase::BodyFilter) {
            self.runner.chunk(exchange, chunk, &|worker| self.bound(worker, Phase::BodyFilter));
        }
    }

    fn log(&self, exchange: &Exchange) {
        if self.facts.has(Phase::Log) {
            self.runner.over(exchange, &|worker| self.bound(worker, Phase::Log));
        }
    }
}
