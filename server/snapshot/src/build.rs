//! From records to a Snapshot.

use crate::Snapshot;
use crate::certificates::Certificates;
use crate::chain::{Attached, Chain};
use crate::people::People;
use crate::service::{CompiledRoute, CompiledService, CompiledUpstream, Protocols, Upstreams};
use crate::upstream_tls::{self, UpstreamTls};
use entities::{Definitions, Route, Service, Target, Upstream};
use exchange::{About, Consumer, Credential, Directory, Registry, Scheme, Services};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
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
    fn new(entity: &'static str, id: Uuid, message: impl ToString) -> Self {
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
        Self { definitions, registry, services, flavor, trust, directory: None, generation: AtomicU64::new(0) }
    }

    /// Has Snapshots ask `directory` for people, instead of holding those of the view.
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Compiles every record of a view. What did not change since `previous` is taken from there: configured plugins
    /// keep their state, an unchanged set of Routes keeps its router.
    pub fn build(&self, view: &View, previous: &Snapshot) -> Result<Snapshot, Vec<BuildError>> {
        let mut errors = Vec::new();
        let certificates = Certificates::of(view).unwrap_or_else(|found| {
            errors.extend(found);
            Certificates::default()
        });
        let tls = upstream_tls::Material::of(view, self.trust.clone());
        let configured = self.plugins(view, previous, &mut errors);
        let chains = Chains::new(configured.values().map(|(_, attached)| attached));
        let services = self.compile_services(view, &tls, &mut errors);
        let upstreams = compile_upstreams(view, &tls, &mut errors);
        let (definitions, routes) = self.compile_routes(view, &services, &chains, &mut errors);
        let router = match router::Router::build(self.flavor, &definitions) {
            Ok(router) => Some(Arc::new(router)),
            Err(found) => {
                errors.extend(found.iter().map(|error| {
                    let id = definitions.get(error.route).map_or(Uuid::nil(), |route| route.id);
                    BuildError::new("routes", id, &error.message)
                }));
                None
            }
        };
        let Some(router) = router.filter(|_| errors.is_empty()) else { return Err(errors) };
        Ok(Snapshot {
            generation: self.generation.fetch_add(1, Relaxed) + 1,
            router,
            routes,
            global: chains.unattached(),
            certificates: Arc::new(certificates),
            upstreams,
            directory: match &self.directory {
                Some(directory) => directory.clone(),
                None => Arc::new(self.people(view)),
            },
            configured,
        })
    }

    fn plugins(&self, view: &View, previous: &Snapshot, errors: &mut Vec<BuildError>) -> Configured {
        let mut configured = Configured::default();
        for record in view.all("plugins") {
            let row = &record.value;
            if row.get("enabled") == Some(&Value::Bool(false)) || !takes_http(row) {
                continue;
            }
            let id = id(record);
            if let Some(kept) =
                previous.configured.get(&id).filter(|(held, _)| held.value == *row && held.ws == record.ws)
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
            };
            let empty = Value::Object(Map::new());
            match plugin.build(row.get("config").unwrap_or(&empty), &about, &self.services) {
                Ok(instance) => {
                    let attached = Attached {
                        route: about.route,
                        service: about.service,
                        consumer: about.consumer,
                        group: foreign(row, "consumer_group"),
                        workspace: about.workspace,
                        instance,
                    };
                    configured.insert(id, (record.clone(), attached));
                }
                Err(message) => errors.push(BuildError::new("plugins", id, message)),
            }
        }
        configured
    }

    fn compile_services(
        &self,
        view: &View,
        tls: &upstream_tls::Material,
        errors: &mut Vec<BuildError>,
    ) -> HashMap<Uuid, Arc<CompiledService>> {
        let mut services = HashMap::new();
        for record in view.all("services") {
            match Service::deserialize(&record.value) {
                Ok(entity) => match compile_service(entity, tls) {
                    Ok(service) => _ = services.insert(id(record), Arc::new(service)),
                    Err(message) => errors.push(BuildError::new("services", id(record), message)),
                },
                Err(error) => errors.push(BuildError::new("services", id(record), error)),
            }
        }
        services
    }

    fn compile_routes(
        &self,
        view: &View,
        services: &HashMap<Uuid, Arc<CompiledService>>,
        chains: &Chains<'_>,
        errors: &mut Vec<BuildError>,
    ) -> (Vec<router::RouteDefinition>, Vec<Arc<CompiledRoute>>) {
        let mut definitions = Vec::new();
        let mut routes = Vec::new();
        for record in view.all("routes") {
            let entity = match Route::deserialize(&record.value) {
                Ok(entity) => entity,
                Err(error) => {
                    errors.push(BuildError::new("routes", id(record), error));
                    continue;
                }
            };
            let protocols = Protocols::of(entity.protocols.iter().map(String::as_str));
            let service = entity.service.as_ref().and_then(|service| services.get(&service.id)).cloned();
            let disabled = service.as_ref().is_some_and(|service| !service.entity.enabled);
            if !protocols.is_http() || disabled {
                continue;
            }
            definitions.push(entity.definition());
            let chain = chains.of(workspace(record), entity.id, entity.service.as_ref().map(|service| service.id));
            routes.push(Arc::new(CompiledRoute {
                service,
                chain,
                workspace: workspace(record),
                protocols,
                strip_path: entity.strip_path,
                preserve_host: entity.preserve_host,
                https_redirect_status_code: entity.https_redirect_status_code,
                entity: Arc::new(entity),
            }));
        }
        (definitions, routes)
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
            let row = &record.value;
            let mut of = groups.remove(&id(record)).unwrap_or_default();
            of.sort();
            let consumer = Consumer {
                id: id(record),
                username: text(row, "username").map(Arc::from),
                custom_id: text(row, "custom_id").map(Arc::from),
                tags: row
                    .get("tags")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(Arc::from)
                    .collect(),
                groups: of.into_iter().map(|(_, id)| id).collect(),
                created_at: row.get("created_at").and_then(Value::as_i64).unwrap_or_default(),
                updated_at: row.get("updated_at").and_then(Value::as_i64).unwrap_or_default(),
            };
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

/// Chains of Routes without plugins of their own, by workspace and Service.
type Shared = HashMap<(Uuid, Option<Uuid>), Arc<Chain>>;

/// Finds the plugins of each Route; Routes without plugins of their own share the chain of their Service.
struct Chains<'a> {
    by_route: HashMap<Uuid, Vec<&'a Attached>>,
    by_service: HashMap<Uuid, Vec<&'a Attached>>,
    anywhere: HashMap<Uuid, Vec<&'a Attached>>,
    shared: RefCell<Shared>,
}

impl<'a> Chains<'a> {
    fn new(all: impl Iterator<Item = &'a Attached>) -> Self {
        let (mut by_route, mut by_service) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut anywhere = HashMap::<_, Vec<_>>::new();
        for attached in all {
            match (attached.route, attached.service) {
                (Some(route), _) => by_route.entry(route).or_default().push(attached),
                (None, Some(service)) => by_service.entry(service).or_default().push(attached),
                (None, None) => anywhere.entry(attached.workspace).or_default().push(attached),
            }
        }
        Self { by_route, by_service, anywhere, shared: Default::default() }
    }

    fn of(&self, workspace: Uuid, route: Uuid, service: Option<Uuid>) -> Arc<Chain> {
        match self.by_route.get(&route) {
            None => self
                .shared
                .borrow_mut()
                .entry((workspace, service))
                .or_insert_with(|| Arc::new(Chain::new(self.wider(workspace, service))))
                .clone(),
            Some(own) => {
                let own =
                    own.iter().copied().filter(|attached| attached.service.is_none() || attached.service == service);
                Arc::new(Chain::new(own.chain(self.wider(workspace, service))))
            }
        }
    }

    fn wider(&self, workspace: Uuid, service: Option<Uuid>) -> impl Iterator<Item = &'a Attached> + '_ {
        let of_service = service.and_then(|service| self.by_service.get(&service));
        let of_workspace = self.anywhere.get(&workspace);
        [of_service, of_workspace].into_iter().flatten().flatten().copied()
    }

    /// Requests without a Route are served by the default workspace's global plugins.
    fn unattached(&self) -> Arc<Chain> {
        Arc::new(Chain::new(self.wider(entities::DEFAULT_WORKSPACE, None)))
    }
}

fn compile_service(entity: Service, tls: &upstream_tls::Material) -> Result<CompiledService, String> {
    let (scheme, grpc) = match entity.protocol.as_str() {
        "https" => (Scheme::Https, false),
        "grpc" => (Scheme::Http, true),
        "grpcs" => (Scheme::Https, true),
        _ => (Scheme::Http, false),
    };
    let milliseconds = |given: Option<u32>| Duration::from_millis(u64::from(given.unwrap_or(60_000)));
    let tls: Option<Arc<UpstreamTls>> = match scheme {
        Scheme::Https => Some(tls.of_service(&entity)?),
        Scheme::Http => None,
    };
    Ok(CompiledService {
        scheme,
        grpc,
        ip: entity.host.trim_start_matches('[').trim_end_matches(']').parse().ok(),
        port: entity.port,
        connect_timeout: milliseconds(entity.connect_timeout),
        write_timeout: milliseconds(entity.write_timeout),
        read_timeout: milliseconds(entity.read_timeout),
        retries: entity.retries.unwrap_or(5),
        tls,
        entity: Arc::new(entity),
    })
}

fn compile_upstreams(view: &View, tls: &upstream_tls::Material, errors: &mut Vec<BuildError>) -> Upstreams {
    let mut targets: HashMap<Uuid, Vec<Arc<Target>>> = HashMap::new();
    for record in view.all("targets") {
        match Target::deserialize(&record.value) {
            Ok(target) => targets.entry(target.upstream.id).or_default().push(Arc::new(target)),
            Err(error) => errors.push(BuildError::new("targets", id(record), error)),
        }
    }
    let mut upstreams = Upstreams::default();
    for record in view.all("upstreams") {
        let entity = match Upstream::deserialize(&record.value) {
            Ok(entity) => entity,
            Err(error) => {
                errors.push(BuildError::new("upstreams", id(record), error));
                continue;
            }
        };
        let mut own = targets.remove(&entity.id).unwrap_or_default();
        own.sort_by(|a, b| a.target.cmp(&b.target).then(b.created_at.total_cmp(&a.created_at)));
        own.dedup_by(|a, b| a.target == b.target);
        match tls.of_upstream(&entity) {
            Ok(tls) => {
                let (workspace, name) = (workspace(record), entity.name.clone());
                let compiled = CompiledUpstream { workspace, entity: Arc::new(entity), targets: own, tls };
                upstreams.entry(workspace).or_default().insert(name, Arc::new(compiled));
            }
            Err(message) => errors.push(BuildError::new("upstreams", id(record), message)),
        }
    }
    upstreams
}

/// Whether a plugin's `protocols` has one of the HTTP subsystem.
fn takes_http(row: &Map<String, Value>) -> bool {
    let Some(protocols) = row.get("protocols").and_then(Value::as_array) else { return true };
    Protocols::of(protocols.iter().filter_map(Value::as_str)).is_http()
}

/// The primary key; every entity compiled here has a UUID.
fn id(record: &Record) -> Uuid {
    record.id.uuid().unwrap_or_default()
}

fn workspace(record: &Record) -> Uuid {
    record.ws.unwrap_or(entities::DEFAULT_WORKSPACE)
}

fn text<'a>(row: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    row.get(field)?.as_str()
}

/// The primary key in a foreign field `{"id": …}`.
fn foreign(row: &Map<String, Value>, field: &str) -> Option<Uuid> {
    row.get(field)?.get("id")?.as_str()?.parse().ok()
}
