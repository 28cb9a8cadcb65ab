//! The plugin servers of a node and their plugins.

use crate::described::{self, Definition, Described, Description, Protocol};
use crate::plugin::{External, Facts};
use crate::process::Keeper;
use crate::server::Server;
use exchange::{PluginType, Registry};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a server may take for one answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a server's plugins cannot be had: a sentence that names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin server '{server}': {reason}")]
pub struct ServerError {
    server: String,
    reason: String,
}

struct Known {
    server: Arc<Server>,
    start: Option<String>,
    plugins: Vec<Described>,
}

/// The servers.
#[derive(Default)]
pub struct Servers {
    all: Vec<Known>,
    kept: Mutex<Vec<Keeper>>,
}

impl Servers {
    /// Asks each server's query command for its plugins. Waits for the commands.
    ///
    /// # Errors
    /// Where a command fails, or describes no plugins.
    pub fn query(definitions: &[Definition]) -> Result<Self, ServerError> {
        let mut all = Vec::new();
        for definition in definitions {
            let name = &definition.name;
            let failed = |reason| ServerError { server: name.clone(), reason: format!("its query command: {reason}") };
            let Description { protocol, plugins } = match &definition.query {
                Some(command) => described::query(command).map_err(failed)?,
                None => Description { protocol: Protocol::MessagePack, plugins: Vec::new() },
            };
            let server = Arc::new(Server::new(name.clone(), definition.socket.clone(), protocol, LIMIT));
            all.push(Known { server, start: definition.start.clone(), plugins });
        }
        Ok(Self { all, kept: Mutex::default() })
    }

    /// Whether one of them has a plugin of that name.
    pub fn has(&self, plugin: &str) -> bool {
        self.all.iter().flat_map(|known| &known.plugins).any(|described| described.name == plugin)
    }

    /// Adds their plugins of names for which `wanted` holds. Called after `lua::register`.
    ///
    /// # Errors
    /// Where a schema cannot be understood.
    pub fn register(&self, registry: &mut Registry, wanted: impl Fn(&str) -> bool) -> Result<(), ServerError> {
        for known in &self.all {
            for plugin in known.plugins.iter().filter(|plugin| wanted(&plugin.name)) {
                let failed = |reason: lua::FolderError| ServerError {
                    server: known.server.name.clone(),
                    reason: format!("plugin '{}': {reason}", plugin.name),
                };
                registry.add(plugin_type(known.server.clone(), plugin).map_err(failed)?);
            }
        }
        Ok(())
    }

    /// Starts those that have a command for it, and keeps them running.
    ///
    /// # Errors
    /// Where there is no thread to watch over one.
    pub fn start(&self) -> Result<(), ServerError> {
        for known in &self.all {
            let Some(command) = known.start.clone() else { continue };
            let failed =
                |error: std::io::Error| ServerError { server: known.server.name.clone(), reason: error.to_string() };
            let keeper = Keeper::start(known.server.clone(), command).map_err(failed)?;
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(keeper);
        }
        Ok(())
    }

    /// Ends those that were started, and waits for them.
    pub fn stop(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        kept.iter().for_each(Keeper::stop);
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn plugin_type(server: Arc<Server>, plugin: &Described) -> Result<PluginType, lua::FolderError> {
    // As long as the process: there are as many as the servers have.
    let name: &'static str = Box::leak(plugin.name.clone().into_boxed_str());
    let version: &'static str = Box::leak(plugin.version().into_boxed_str());
    let facts: &'static Facts = Box::leak(Box::new(Facts::new(name, plugin.priority(), server, &plugin.phases)));
    let schema = lua::schema_of(name, &plugin.schema)?.priority(facts.priority).version(version);
    Ok(PluginType::new(name, version, schema, move |config, about, services| {
        Ok(Arc::new(External::new(facts, config, about, services)))
    }))
}
