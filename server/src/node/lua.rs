//! What Lua is told of the node.

use super::running::workers;
use super::vault::Vault;
use config::{Settings, TrustedPeer, UntrustedLua};
use entities::Definitions;
use exchange::About;
use lua::{Secrets, Shown, Trust, Yaml};
use serde_json::json;
use std::sync::Arc;
use store::{Id, View};

/// By the node's settings. Plugins that they name and that are not `known` are in folders.
pub fn settings(settings: &Settings, known: impl Fn(&str) -> bool) -> lua::Settings {
    let in_folder = |name: &&String| !known(name) && !lua::NAMES.contains(&name.as_str());
    let of = &settings.lua;
    let of_messages = settings.proxying.parsing;
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
        shown: Shown {
            request_headers: of_messages.request_headers as usize,
            response_headers: of_messages.response_headers as usize,
            query_arguments: of_messages.query_arguments as usize,
            form_arguments: of_messages.form_arguments as usize,
        },
        workers: workers(settings.node.workers),
        package_path: of.package_path.clone(),
        report: Some(telemetry::report),
        yaml: Some(Yaml {
            read: |text| declarative::yaml::parse(text).map_err(|error| error.to_string()),
            write: declarative::yaml::write,
        }),
        folders: settings.node.plugins.names.iter().filter(in_folder).cloned().collect(),
    }
}

/// Shows the plugins in folders which of their configurations are in use.
pub fn configured(view: &View, definitions: &Definitions, vault: &Vault) {
    let id = |id: Id| match id {
        Id::Uuid(id) => Some(id),
        _ => None,
    };
    let enabled = view.all("plugins").filter(|record| record.value.get("enabled").is_none_or(|on| on == true));
    let given = enabled.filter_map(|record| {
        let name = record.text("name").filter(|name| lua::is_folder(name))?;
        let about = About {
            id: id(record.id.clone())?,
            workspace: record.ws.unwrap_or_default(),
            instance_name: record.text("instance_name").map(str::to_owned),
            route: record.reference("route").and_then(id),
            service: record.reference("service").and_then(id),
            consumer: record.reference("consumer").and_then(id),
            consumer_group: record.reference("consumer_group").and_then(id),
        };
        let mut config = record.value.get("config").cloned().unwrap_or_default();
        if let Some(plugin) = definitions.plugin(name) {
            plugin.config.dereference(&mut config, &mut |reference| vault.get(reference).unwrap_or_default());
        }
        Some((name.to_owned(), about, config))
    });
    lua::configured(given.collect::<Vec<_>>());
}
