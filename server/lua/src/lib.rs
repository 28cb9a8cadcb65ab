//! Lua where Kong takes Lua: `pre-function` and `post-function`, Kong's plugin development kit, and what of OpenResty
//! plugins use.
//!
//! Invariants: one Lua state for each proxy worker, never shared; a function reaches its request only while a phase
//! lends it ([`current`]); a function that waits suspends its coroutine, never the worker; in the sandbox every call
//! is bounded in instructions and every state in memory.

mod current;
mod error;
mod function;
mod modules;
mod ngx;
mod pdk;
mod phase;
mod settings;
mod timer;
mod value;
mod worker;

#[cfg(test)]
mod tests;

pub use function::{Function, Post, Pre};
pub use settings::{Settings, Trust};

use exchange::{PluginType, Registry};

/// Adds the plugins that run Lua; `settings` hold for the process.
pub fn register(registry: &mut Registry, settings: Settings) {
    settings::set(settings);
    registry.add(PluginType::of::<Function<Pre>>());
    registry.add(PluginType::of::<Function<Post>>());
}
