//! Kong's kit for plugins that are no Lua: its functions by their names, with values that belong to no state.

use crate::current::{Call, Remembered, Running};
use crate::phase::Phase;
use crate::runner;
use crate::worker::Worker;
use crate::{error, messagepack, modules};
use exchange::{Exchange, Flow};
use mlua::{Lua, MultiValue, ObjectLike, Table, Value};
use rmpv::Value as Packed;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use uuid::Uuid;

/// The module of functions that such plugins have otherwise than Lua.
const OTHERWISE: &str = "silverback.external";

/// One phase of a plugin that is no Lua, while it runs for a request.
pub struct Kit {
    lua: Lua,
    call: Rc<Call>,
}

impl Kit {
    /// For a phase of a configuration: its plugin and its id.
    ///
    /// # Errors
    /// Where the worker has no Lua.
    pub fn begin(
        (plugin, id): (&'static str, Uuid),
        node_id: Uuid,
        phase: Phase,
        exchange: &mut Exchange,
    ) -> Result<Self, String> {
        let mut begin = || {
            let lua = Worker::of_thread()?.lua.clone();
            crate::pdk::of_node(node_id);
            let call = Call::new((plugin, id), phase, exchange.state.get::<Remembered>().cloned());
            // It is the operator's own.
            call.budget.set(u64::MAX);
            exchange.state.put(call.remembered.clone());
            runner::show_groups(&call, exchange)?;
            Ok(Self { lua, call })
        };
        begin().map_err(|error| error::text(&error))
    }

    /// What earlier phases remember of the request, for an Exchange that was copied (`Exchange::kept`).
    pub fn remember(from: &Exchange, to: &mut Exchange) {
        if let Some(remembered) = from.state.get::<Remembered>() {
            to.state.put(remembered.clone());
        }
    }

    /// Calls a function, such as `kong.request.get_header`. Gives its first result.
    ///
    /// # Errors
    /// The function's own, raised or returned as a second result.
    pub async fn ask(&self, exchange: &mut Exchange, name: &str, arguments: &[Packed]) -> Result<Packed, String> {
        match self.results(exchange, name, arguments).await? {
            (Packed::Nil | Packed::Boolean(false), Some(error)) => Err(error),
            (first, _) => Ok(first),
        }
    }

    /// The same, with the error that the function returned beside, where the second result is a text.
    ///
    /// # Errors
    /// Those that are raised.
    pub async fn results(
        &self,
        exchange: &mut Exchange,
        name: &str,
        arguments: &[Packed],
    ) -> Result<(Packed, Option<String>), String> {
        let future: Pin<Box<dyn Future<Output = mlua::Result<MultiValue>> + '_>> = Box::pin(async {
            let given = arguments.iter().map(|argument| messagepack::unpacked(&self.lua, argument));
            let given = given.collect::<mlua::Result<MultiValue>>()?;
            match self.named(name)? {
                Value::Function(function) => function.call_async(given).await,
                Value::Table(table) => table.call_async(given).await,
                plain => Ok(MultiValue::from_iter([plain])),
            }
        });
        let mut running = Running { call: self.call.clone(), exchange, future };
        let results = poll_fn(|context| running.poll(context)).await.map_err(|error| error::message(&error))?;
        let mut results = results.into_iter();
        let first = results.next().unwrap_or(Value::Nil);
        let error = match results.next() {
            Some(Value::String(error)) => Some(error.to_string_lossy().to_string()),
            _ => None,
        };
        Ok((messagepack::packed(&self.lua, &first).map_err(|error| error::text(&error))?, error))
    }

    /// Whether a function has ended the phase: nothing is asked after it.
    pub fn has_ended(&self) -> bool {
        self.call.ended.get()
    }

    /// What follows the phase.
    pub fn end(self, exchange: &mut Exchange) -> Flow {
        runner::take_groups(&self.call, exchange);
        runner::end(&self.call, Ok(()))
    }

    /// What a name stands for in the kit.
    fn named(&self, name: &str) -> mlua::Result<Value> {
        if let Some(Value::Table(otherwise)) = modules::module(&self.lua, OTHERWISE)? {
            let function: Value = otherwise.get(name)?;
            if !function.is_nil() {
                return Ok(function);
            }
        }
        let absent = || error::of(format!("there is no function '{name}'"));
        let mut parts = name.split('.');
        let mut at = match parts.next() {
            Some("kong") => self.lua.globals().get::<Table>("kong")?,
            _ => return Err(absent()),
        };
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            // What begins so is the kit's own.
            if part.starts_with('_') {
                return Err(absent());
            }
            match at.get::<Value>(part)? {
                Value::Nil => return Err(absent()),
                found if parts.peek().is_none() => return Ok(found),
                Value::Table(inner) => at = inner,
                _ => return Err(absent()),
            }
        }
        Err(absent())
    }
}
