//! The table of properties: the only place where a property is defined.

mod cluster;
mod dns;
mod enterprise;
mod listeners;
mod lua;
mod manager;
mod nginx;
mod node;
mod own;
mod postgres;
mod proxying;
mod storage;
mod tls;
mod tracing;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::property::{Edition, Property};

/// A chapter of the reference page.
#[derive(Debug, Clone, Copy)]
pub struct Chapter {
    /// Its title.
    pub title: &'static str,
    /// Whose properties these are.
    pub edition: Edition,
    /// Its properties, in the order in which they are listed.
    pub properties: &'static [Property],
}

const fn kong(title: &'static str, properties: &'static [Property]) -> Chapter {
    Chapter { title, edition: Edition::Kong, properties }
}

/// Every property, chapter by chapter.
pub const CHAPTERS: &[Chapter] = &[
    kong("The node", node::PROPERTIES),
    kong("Listeners and logs", listeners::PROPERTIES),
    kong("Proxying", proxying::PROPERTIES),
    kong("TLS", tls::PROPERTIES),
    kong("Storage", storage::PROPERTIES),
    kong("PostgreSQL", postgres::PROPERTIES),
    kong("Name resolution", dns::PROPERTIES),
    kong("Tracing", tracing::PROPERTIES),
    kong("Manager", manager::PROPERTIES),
    Chapter {
        title: "RBAC, admins, mail, audit, event hooks",
        edition: Edition::Enterprise,
        properties: enterprise::PROPERTIES,
    },
    Chapter { title: "Silverback's own", edition: Edition::Silverback, properties: own::PROPERTIES },
    kong("Clusters of control plane and data planes", cluster::PROPERTIES),
    kong("Lua, proxy-wasm, plugin servers", lua::PROPERTIES),
    kong("nginx directives", nginx::PROPERTIES),
    Chapter { title: "Other spellings", edition: Edition::Former, properties: own::FORMER },
    Chapter { title: "Environment only", edition: Edition::Variable, properties: own::VARIABLES },
];

static BY_NAME: LazyLock<HashMap<&'static str, (&'static Property, Edition)>> =
    LazyLock::new(|| CHAPTERS.iter().flat_map(|c| c.properties.iter().map(|p| (p.name, (p, c.edition)))).collect());

/// The property of that name.
pub fn find(name: &str) -> Option<&'static Property> {
    BY_NAME.get(name).map(|(property, _)| *property)
}

/// Whose property that is.
pub fn edition(name: &str) -> Option<Edition> {
    BY_NAME.get(name).map(|(_, edition)| *edition)
}

/// Every property with its edition.
pub fn all() -> impl Iterator<Item = (&'static Property, Edition)> {
    CHAPTERS.iter().flat_map(|c| c.properties.iter().map(|p| (p, c.edition)))
}
