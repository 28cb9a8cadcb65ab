//! From records to a Snapshot.

use crate::Snapshot;
use crate::certificates::Certificates;
use crate::chain::{Attached, Chains};
use crate::client_tls::{Asked, Authorities};
use crate::compile::{compile_routes, compile_services, compile_upstreams};
use crate::people::People;
use crate::reuse::Before;
use crate::secrets::{Secrets, resolved};
use crate::service::{CompiledRoute, Protocols};
use crate::upstream_tls;
use entities::Definitions;
use exchange::{About, Consumer, Credential, Directory, Phases, Registry, Services};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use store::{Record, View};
use uuid::Uuid;

/// The kinds that Snapshots are compiled from, where a [`Directory`] of its own knows the people.
pub const COMPILED: [&str; 12] = [
    "workspaces",
    "services",
    "routes",
    "plugins",
    "upstreams",
    "targets",
    "certificates",
    "snis",
    "ca_certificates",
    "vaults",
    "key_sets",
    "keys",
];

/// Why a configuration cannot be compiled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{entity} {id}: {message}")]
pub struct BuildError {
    /// Name of the entity, for instance `routes`.
    pub entity: &'static str,
    /// The record's primary key.
    pub id: Uuid,
    /// What is wrong.
    pub message: String,
}

impl BuildError {
    pub(crate) fn new(entity: &'static str, id: Uuid, message: impl ToString) -> Self {
        Self { entity, id, message: message.to_string() }
    }
}

/// Compiles configurations. One per node.
pub struct Builder {
    definitions: Arc<Definitions>,
    registry: Arc<Registry>,
    services: Services,
    flavor: router::Flavor,
    trust: Arc<upstream_tls::Trust>,
    directory: Option<Arc<dyn Directory>>,
    secrets: Option<Arc<dyn Secrets>>,
    generation: AtomicU64,
}

/// A plugin entity that was configured, to be used again while its record stays the same.
pub(crate) type Configured = HashMap<Uuid, (Arc<Record>, Attached), foldhash::fast::RandomState>;

impl Builder {
    /// A builder for a node with these plugins.
    pub fn new(
        definitions: Arc<Definitions>,
        registry: Arc<Registry>,
        services: Services,
        flavor: router::Flavor,
        trust: Arc<upstream_tls::Trust>,
    ) -> Self {
        Self {
            definitions,
            registry,
            services,
            flavor,
            trust,
            directory: None,
            secrets: None,
            generation: AtomicU64::new(0),
        }
    }

    /// Has Snapshots ask `directory` for people, instead of holding those of the view.
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Has references to secrets resolved by `secrets`; without, they stay what they are.
    pub fn with_secrets(self, secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Compiles every record of a view. What did not change since `previous` is taken from there: configured plugins
    /// keep their state, Upstreams their balancers, an unchanged set of Routes its router.
    pub fn build(&self, view: &View, previous: &Snapshot) -> Result<Snapshot, Vec<BuildError>> {
        let mut errors = Vec::new();
        let seen = self.secrets.as_ref().and_then(|secrets| resolved(view, &self.definitions, &**secrets));
        let view = seen.as_ref().unwrap_or(view);
        let before = Before::new(previous, view);
        let certificates = match before.has_same(&["certificates", "snis"]) {
            true => previous.certificates.clone(),
            false => Arc::new(Certificates::of(view).unwrap_or_else(|found| {
                errors.extend(found);
                Certificates::default()
            })),
        };
        let authorities = match before.has_same(&["ca_certificates"]) {
            true => previous.authorities.clone(),
            false => Authorities::of(view, &previous.authorities),
        };
        let tls = upstream_tls::Material::of(view, self.trust.clone());
        let configured = self.plugins(view, previous, &mut errors);
        let attached = || configured.values().map(|(_, attached)| attached);
        let chains = Chains::new(attached().filter(|attached| attached.http));
        let sessions = Chains::new(attached().filter(|attached| attached.stream));
        let services = compile_services(view, &before, &tls, &mut errors);
        let upstreams = compile_upstreams(view, &before, &tls, &mut errors);
        let routes = compile_routes(view, &before, &services, (&chains, &sessions), &mut errors);
        let Some(router) = self.router(&routes, &before, &mut errors).filter(|_| errors.is_empty()) else {
            return Err(errors);
        };
        let asked = Asked::of(configured.values().map(|(_, attached)| attached), &routes);
        Ok(Snapshot {
            generation: self.generation.fetch_add(1, Relaxed) + 1,
            router,
            routes,
            global: chains.unattached(),
            sessions: sessions.unattached(),
            certificates,
            authorities,
            asked,
            services,
            upstreams,
            directory: match &self.directory {
                Some(directory) => directory.clone(),
                None => Arc::new(self.people(view)),
            },
            configured,
            view: Some(view.clone()),
        })
    }

    fn router(
        &self,
        routes: &[CompiledRoute],
        before: &Before<'_>,
        errors: &mut Vec<BuildError>,
    ) -> Option<Arc<router::Router>> {
        if let Some(router) = before.router_of(routes) {
            return Some(router);
        }
        let definition = |(number, route): (usize, &CompiledRoute)| {
            router::offer_turn(number);
            route.entity.definition()
        };
        let definitions: Vec<_> = routes.iter().enumerate().map(definition).collect();
        match router::Router::build(self.flavor, &definitions) {
            Ok(router) => Some(Arc::new(router)),
            Err(found) => {
                errors.extend(found.iter().map(|error| {
                    let id = definitions.get(error.route).map_or(Uuid::nil(), |route| route.id);
                    BuildError::new("routes", id, &error.message)
                }));
                None
            }
        }
    }

    fn plugins(&self, view: &View, previous: &Snapshot, errors: &mut Vec<BuildError>) -> Configured {
        let mut configured = Configured::default();
        for record in view.all("plugins") {
            let row = &record.value;
            let (http, stream) = subsystems(row);
            if row.get("enabled") == Some(&Value::Bool(false)) || !(http || stream) {
                continue;
            }
            let id = id(record);
            if let Some(kept) =
                previous.configured.get(&id).filter(|(held, _)| Arc::ptr_eq(held, record) || held == record)
            {
                configured.insert(id, kept.clone());
                continue;
            }
            let name = text(row, "name").unwrap_or_default();
            let Some(plugin) = self.registry.get(name) else {
                errors.push(BuildError::new("plugins", id, format!("{name} plugin is in use but not enabled")));
                continue;
            };
            let about = About {
                id,
                workspace: workspace(record),
                instance_name: text(row, "instance_name").map(str::to_owned),
                route: foreign(row, "route"),
                service: foreign(row, "service"),
                consumer: foreign(row, "consumer"),
                consumer_group: foreign(row, "consumer_group"),
            };
            let empty = Value::Object(Map::new());
            match plugin.build(row.get("config").unwrap_or(&empty), &about, &self.services) {
                Ok(instance) => {
                    let attached = Attached {
                        route: about.route,
                        service: about.service,
                        consumer: about.consumer,
                        group: about.consumer_group,
                        workspace: about.workspace,
                        http,
                        stream: stream && instance.phases().has(Phases::SESSION),
                        instance,
                    };
                    configured.insert(id, (record.clone(), attached));
                }
                Err(message) => errors.push(BuildError::new("plugins", id, message)),
            }
        }
        configured
    }

    fn people(&self, view: &View) -> People {
        let mut people = People::default();
        let mut groups: HashMap<Uuid, Vec<(String, Uuid)>> = HashMap::new();
        let names: HashMap<Uuid, &str> =
            view.all("consumer_groups").filter_map(|record| Some((id(record), text(&record.value, "name")?))).collect();
        for record in view.all("consumer_group_consumers") {
            let row = &record.value;
            if let (Some(group), Some(consumer)) = (foreign(row, "consumer_group"), foreign(row, "consumer")) {
                let name = names.get(&group).copied().unwrap_or_default().to_owned();
                groups.entry(consumer).or_default().push((name, group));
            }
        }
        for record in view.all("consumers") {
            let of = groups.remove(&id(record)).unwrap_or_default();
            let consumer = Consumer::of(id(record), &record.value, of);
            people.add_consumer(workspace(record), consumer);
        }
        for entity in self.definitions.entities().filter(|entity| entity.is_credential()) {
            for record in view.all(entity.name) {
                let row = &record.value;
                let key = entity.endpoint_key.and_then(|field| text(row, field));
                let credential = Credential {
                    id: id(record),
                    entity: entity.name,
                    consumer: foreign(row, "consumer"),
                    expires: record.expires,
                    record: row.clone(),
                };
                people.add_credential(workspace(record), key, credential);
            }
        }
        people
    }
}

/// Whether a plugin's `protocols` has one of the HTTP subsystem, and one of the stream subsystem.
fn subsystems(row: &Map<String, Value>) -> (bool, bool) {
    let Some(protocols) = row.get("protocols").and_then(Value::as_array) else { return (true, true) };
    let protocols = Protocols::of(protocols.iter().filter_map(Value::as_str));
    (protocols.is_http(), protocols.is_stream())
}

/// The primary key; every entity compiled here has a UUID.
pub(crate) fn id(record: &Record) -> Uuid {
    record.id.uuid().unwrap_or_default()
}

pub(crate) fn workspace(record: &Record) -> Uuid {
    record.ws.unwrap_or(entities::DEFAULT_WORKSPACE)
}

pub(crate) fn text<'a>(row: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    row.get(field)?.as_str()
}

/// The primary key in a foreign field `{"id": …}`.
pub(crate) fn foreign(row: &Map<String, Value>, field: &str) -> Option<Uuid> {
    row.get(field)?.get("id")?.as_str()?.parse().ok()
}
