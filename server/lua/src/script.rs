//! Chunks of configurations: those that make values for the log entry (`custom_fields_by_lua` of the logging plugins),
//! and those that run for no request (event hooks).

use crate::current;
use crate::error;
use crate::phase::Phase;
use crate::runner::Runner;
use crate::worker::{self, Slot, Worker};
use exchange::log_entry::Mode;
use exchange::{Exchange, LogScripts, Returning, Scripts};
use mlua::Value;
use serde_json::Value as Json;
use std::sync::Arc;
use uuid::Uuid;

/// Runs chunks of configurations as `untrusted_lua` says, for plugins that take some.
pub struct Chunks {
    /// This node's id.
    pub node_id: Uuid,
}

impl Scripts for Chunks {
    fn check(&self, chunk: &str) -> Result<(), String> {
        worker::check(chunk).map_err(|error| format!("Error parsing function: {error}"))
    }

    fn log_values(
        &self,
        plugin: &'static str,
        id: Uuid,
        chunks: Vec<(String, String)>,
    ) -> Result<Arc<dyn LogScripts>, String> {
        chunks.iter().try_for_each(|(_, chunk)| self.check(chunk))?;
        Ok(Arc::new(Values { chunks, runner: Runner::new(plugin, id, self.node_id, worker::BUDGET) }))
    }

    fn run(&self, chunk: &str, arguments: Vec<Json>) -> Returning {
        match self.check(chunk) {
            Ok(()) => Box::pin(crate::beside::call(self.node_id, chunk.to_owned(), arguments)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

struct Values {
    /// Dotted name and chunk.
    chunks: Vec<(String, String)>,
    runner: Runner,
}

impl Values {
    fn put(&self, exchange: &Exchange) -> mlua::Result<()> {
        let make = |worker: &Worker| {
            let compile = |(_, chunk): &(String, String)| worker.compile(chunk).map(Slot::of_function);
            self.chunks.iter().map(compile).collect()
        };
        let (functions, call) = self.runner.begin(Phase::Log, exchange.state.get().cloned(), &make)?;
        let worker = Worker::of_thread()?;
        current::look(&call, exchange, || {
            for (slot, (name, _)) in functions.iter().zip(&self.chunks) {
                let value: Value = slot.function().call(())?;
                crate::pdk::put_log_value(&worker.lua, name, Mode::Set, &value)?;
            }
            Ok(())
        })
    }
}

impl LogScripts for Values {
    fn run(&self, exchange: &Exchange) -> Result<(), String> {
        self.put(exchange).map_err(|error| error::text(&error))
    }
}
