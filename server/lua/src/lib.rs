//! Lua where Kong takes Lua: `pre-function`, `post-function` and `exit-transformer`, Kong's plugin development kit, and
//! what of OpenResty plugins use.
//!
//! Invariants: one Lua state for each proxy worker, never shared; a function reaches its request only while a phase
//! lends it ([`current`]); a function that waits suspends its coroutine, never the worker; in the sandbox every call
//! is bounded in instructions and every state in memory.

mod beside;
mod cluster;
mod current;
mod database;
mod error;
mod events;
mod exit_transformer;
mod folder;
mod function;
mod kit;
mod messagepack;
mod modules;
mod ngx;
mod pdk;
mod phase;
mod runner;
mod script;
mod secrets;
mod settings;
mod socket;
mod timer;
mod tls;
mod value;
mod worker;

#[cfg(test)]
mod tests;

pub use cluster::{Cluster, cluster_event, cluster_events_lost, set_cluster};
pub use database::{Change, Database, Key, Reading, Refusal, Rows, set_database};
pub use exit_transformer::ExitTransformer;
pub use folder::{AdminAnswer, AdminCall, AdminPath, FolderError, administrate, begin, configured, schema_of, told};
pub use function::{Function, Place, Post, Pre};
pub use kit::Kit;
pub use pdk::{Connections, DICTIONARIES, dictionaries, set_connections};
pub use phase::Phase;
pub use runner::settle;
pub use script::Chunks;
pub use secrets::{Secrets, set_secrets};
pub use settings::{Report, Settings, Shown, Trust, Yaml, admin_paths, set_configuration};
pub use socket::{Network, Resolving, set_network};

use entities::Entity;
use exchange::{Plugin, PluginType, Registry};

/// Names of the plugins that run Lua of configurations.
pub const NAMES: [&str; 3] = [<Pre as Place>::NAME, <Post as Place>::NAME, ExitTransformer::NAME];

/// Whether a plugin is one in a folder.
pub fn is_folder(name: &str) -> bool {
    settings::get().folders.iter().any(|folder| folder == name)
}

/// Adds the plugins that run Lua, those in folders too; `settings` hold for the process. Gives the kinds of entities
/// that plugins in folders bring along.
///
/// # Errors
/// Where a plugin in a folder cannot be loaded: a sentence that names it.
pub fn register(registry: &mut Registry, settings: Settings) -> Result<Vec<Entity>, FolderError> {
    let folders = settings.folders.clone();
    settings::set(settings);
    registry.add(PluginType::of::<Function<Pre>>());
    registry.add(PluginType::of::<Function<Post>>());
    registry.add(PluginType::of::<ExitTransformer>());
    for name in &folders {
        registry.add(folder::plugin_type(name)?);
    }
    let admin_paths = folder::admin_paths(&folders)?;
    settings::set_admin_paths(admin_paths);
    folder::entities(&folders)
}
