//! What Lua is told of the node.

use super::running::workers;
use config::{Settings, TrustedPeer, UntrustedLua};
use lua::Trust;
use serde_json::json;
use std::sync::Arc;

/// By the node's settings.
pub fn settings(settings: &Settings) -> lua::Settings {
    let of = &settings.lua;
    let trusted = settings.proxying.forwarded.trusted.clone();
    lua::Settings {
        trust: match of.untrusted {
            UntrustedLua::On => Trust::On,
            UntrustedLua::Off => Trust::Off,
            UntrustedLua::Sandbox => Trust::Sandbox,
        },
        requires: of.sandbox_requires.clone(),
        environment: of.sandbox_environment.clone(),
        configuration: json!({
            "prefix": settings.prefix, "database": settings.storage.database.name(),
        }),
        trusted: Arc::new(move |address| {
            trusted.iter().any(|peer| matches!(peer, TrustedPeer::Net(net) if net.contains(&address)))
        }),
        workers: workers(settings.node.workers),
    }
}
