//! What Lua is told of the node.

use super::running::workers;
use config::{Settings, TrustedPeer, UntrustedLua};
use lua::Trust;
use serde_json::json;
use std::sync::Arc;

/// By the node's settings. Plugins that they name and that are not `known` are in folders.
pub fn settings(settings: &Settings, known: impl Fn(&str) -> bool) -> lua::Settings {
    let in_folder = |name: &&String| !known(name) && !lua::NAMES.contains(&name.as_str());
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
        package_path: of.package_path.clone(),
        folders: settings.node.plugins.names.iter().filter(in_folder).cloned().collect(),
    }
}
