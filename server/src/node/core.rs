//! What outlives every actor of a node: the store, the Snapshot in use, the counters, the health of Targets.

use super::acme::Issuance;
use super::aside::Aside;
use super::builds::{Builds, Trigger};
use super::cluster_events::ClusterEvents;
use super::database::Database;
use super::log_level::LogLevel;
use super::lua_database::LuaDatabase;
use super::meters::SharedMeters;
use super::notices::ToGate;
use super::redis::Outside;
use super::shipper::Outbound;
use super::told::told;
use super::translate;
use super::vault::Vault;
use ::history::History;
use arc_swap::ArcSwap;
use config::{RouterFlavor, Settings};
use declarative::Kinds;
use declarative::keep::{self, Kept};
use directory::{People, PluginRecords};
use entities::{Definitions, PluginSchemas, VaultSchema, VaultSchemas};
use exchange::counters::Counters;
use exchange::mask::Masks;
use exchange::{Desks, Meters, NoMeters, NoRecords, Records, Registry, ResponseCache, Scripts, Services};
use ocsp_client::Staples;
use pluginserver::Servers;
use proxy::Traffic;
use proxy::dns::Resolver;
use proxy::targets::Targets;
use snapshot::{BuildError, Builder, Published, Snapshot};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use store::{Batch, Memory, Store, View};
use uuid::Uuid;

/// Why a configuration was refused. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its records contradict each other.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It cannot be compiled.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Build(Vec<BuildError>),
    /// Compiling it panicked; the log says where.
    #[error("compiling the configuration failed unexpectedly; the one in use stays")]
    Panicked,
    /// With a database, nodes follow what is in it.
    #[error("the configuration of a node with a database is what is in the database")]
    Database,
    /// The actor that publishes configurations does not answer.
    #[error(transparent)]
    NoAnswer(#[from] crate::supervise::NoAnswer),
}

/// What can be configured on a node with certain settings.
pub struct Offer {
    /// Plugins that can be configured.
    pub registry: Arc<Registry>,
    /// Entities, plugins and vaults there are, as declarative files and paths name them.
    pub kinds: Arc<Kinds>,
    /// Servers of plugins in other languages; none is started.
    pub servers: Servers,
}

impl Offer {
    /// What these settings offer.
    ///
    /// # Errors
    /// Where a plugin that they name cannot be loaded.
    pub fn of(settings: &Settings) -> Result<Self, String> {
        let mut registry = plugins::registry();
        let scripts: Arc<dyn Scripts> = Arc::new(lua::Chunks { node_id: Uuid::nil() });
        observability::registry(&mut registry, &scripts);
        let servers = Servers::query(&translate::plugin_servers(settings)).map_err(|error| error.to_string())?;
        let known = |name: &str| registry.get(name).is_some() || servers.has(name);
        let lua_settings = super::lua::settings(settings, known);
        let own = lua::register(&mut registry, lua_settings).map_err(|error| error.to_string())?;
        let named = |name: &str| settings.node.plugins.names.iter().any(|other| other == name);
        servers.register(&mut registry, named).map_err(|error| error.to_string())?;
        registry.retain(|name| settings.node.plugins.contains(name));
        let schemas: PluginSchemas = registry.iter().map(|plugin| plugin.schema.clone()).collect();
        let vaults: VaultSchemas = [VaultSchema::env()].into_iter().collect();
        let database = settings.storage.database != config::Database::Off;
        let definitions = Definitions::new(schemas, vaults, flavor(settings), database).with_entities(own)?;
        let kinds = Arc::new(Kinds::new(Arc::new(definitions)));
        Ok(Self { registry: Arc::new(registry), kinds, servers })
    }
}

fn flavor(settings: &Settings) -> router::Flavor {
    match settings.proxying.router_flavor {
        RouterFlavor::Traditional => router::Flavor::Traditional,
        RouterFlavor::TraditionalCompatible => router::Flavor::TraditionalCompatible,
        RouterFlavor::Expressions => router::Flavor::Expressions,
    }
}

/// Where a node's records are.
pub enum Storage {
    /// In memory: one declarative configuration at a time.
    Memory(Arc<Memory>),
    /// In a database, which other nodes may share.
    Database(Database),
}

impl Storage {
    /// The database, where there is one.
    pub fn database(&self) -> Option<&Database> {
        match self {
            Self::Memory(_) => None,
            Self::Database(database) => Some(database),
        }
    }
}

/// What a node is made of.
pub struct Core {
    /// The kinds of entities.
    pub kinds: Arc<Kinds>,
    /// Plugins that can be configured.
    pub registry: Arc<Registry>,
    /// The configuration's records.
    pub storage: Storage,
    /// The Snapshot in use.
    pub published: Published,
    /// Counters of windows of time.
    pub counters: Arc<Counters>,
    /// Responses that `proxy-cache` and `proxy-cache-advanced` keep.
    pub responses: Arc<ResponseCache>,
    /// What configured plugins have to show at the Admin API.
    pub desks: Arc<Desks>,
    /// Redis servers that plugins name.
    pub redis: Arc<redis_client::Client>,
    /// Directories that plugins, and admins, are known to.
    pub ldap: Arc<ldap_client::Client>,
    /// What goes out for plugins.
    pub outbound: Arc<Outbound>,
    /// How often Snapshots were compiled.
    pub builds: Builds,
    /// Who hears what plugins tell beside their answers.
    pub notices: Arc<ToGate>,
    /// Servers of plugins in other languages.
    pub servers: Servers,
    /// Names to addresses.
    pub resolver: Arc<Resolver>,
    /// Balancers and the health of Targets.
    pub targets: Arc<Targets>,
    /// Where the last good configuration is kept.
    pub prefix: PathBuf,
    /// Connections and requests since the start.
    pub traffic: Arc<Traffic>,
    /// Hash of the configuration in use; 32 zeros for none.
    pub hash: ArcSwap<String>,
    /// Certificates that are ordered (`acme`).
    pub acme: Arc<Issuance>,
    /// What certificates that must be stapled are shown with.
    pub staples: Arc<Staples>,
    /// This node's id.
    pub node_id: Uuid,
    /// Consumers and credentials, where they are looked up in a database.
    pub people: Option<People>,
    /// The log level, and for how long.
    pub log_level: LogLevel,
    /// The other nodes on the database.
    pub cluster_events: Arc<ClusterEvents>,
    /// Where what nobody's request waits for is done.
    pub(super) aside: Aside,
    /// What is secret in requests that are logged or kept.
    pub masks: Arc<ArcSwap<Masks>>,
    /// What the node remembers of its requests; `None` where that is off.
    pub history: Option<Arc<History>>,
    own_masks: Masks,
    vault: Arc<Vault>,
    builder: Builder,
    // What the Snapshot in use was compiled from, where there is a database.
    followed: Mutex<Option<Arc<View>>>,
    // Snapshots that were in use: taking one apart takes longer than a worker has, which would be the last to hold it.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Core {
    /// The parts of a node with these settings and without a database; nothing is configured yet.
    pub fn new(settings: &Settings, node_id: Uuid) -> Result<Self, String> {
        let offer = Offer::of(settings)?;
        let memory = Storage::Memory(Arc::new(Memory::new(offer.kinds.catalog().clone())));
        Self::with(settings, node_id, offer, memory)
    }

    /// The parts of a node over a store; nothing is compiled yet.
    pub fn with(settings: &Settings, node_id: Uuid, offer: Offer, storage: Storage) -> Result<Self, String> {
        let Offer { registry, kinds, servers } = offer;
        let flavor = flavor(settings);
        let definitions = kinds.definitions().clone();
        let counters =
            Arc::new(Counters::new(usize::try_from(settings.storage.mem_cache_size / 8).unwrap_or(16 << 20)));
        let trust = Arc::new(translate::trust(&settings.outgoing_tls)?);
        let resolver = Resolver::start(&translate::dns(&settings.dns)).map_err(|error| error.to_string())?;
        let outside = Arc::new(Outside { resolver: resolver.clone(), trust: trust.clone() });
        let redis = Arc::new(redis_client::Client::new(outside.clone()));
        lua::set_network(outside.clone());
        let ldap = Arc::new(ldap_client::Client::new(outside.clone()));
        let outbound = Outbound::new(outside.clone());
        let people = match &storage {
            Storage::Memory(_) => None,
            Storage::Database(database) => {
                Some(People::new(database.reading().clone(), definitions.clone(), translate::people(&settings.storage)))
            }
        };
        let notices: Arc<ToGate> = Arc::default();
        let (records, meters): (Arc<dyn Records>, Arc<dyn Meters>) = match &storage {
            Storage::Memory(_) => (Arc::new(NoRecords), Arc::new(NoMeters)),
            Storage::Database(Database { store, background, .. }) => {
                let written = told(store.clone(), &notices);
                let records = PluginRecords::new(written, definitions.clone(), background.handle().clone());
                (Arc::new(records), Arc::new(SharedMeters(store.clone())))
            }
        };
        let cluster_events = Arc::new(ClusterEvents::new(node_id, storage.database(), settings));
        lua::set_cluster(cluster_events.clone());
        lua::set_database(Arc::new(match &storage {
            Storage::Memory(memory) => LuaDatabase { store: memory.clone(), kinds: kinds.clone(), handle: None },
            Storage::Database(Database { store, background, .. }) => {
                let store = told(store.clone(), &notices);
                LuaDatabase { store, kinds: kinds.clone(), handle: Some(background.handle().clone()) }
            }
        }));
        let responses = Arc::new(ResponseCache::new(settings.storage.mem_cache_size / 2));
        let desks: Arc<Desks> = Arc::default();
        let acme = {
            let (store, kept): (Arc<dyn Store>, _) = match &storage {
                Storage::Memory(memory) => (memory.clone(), None),
                Storage::Database(database) => (told(database.store.clone(), &notices), Some(records.clone())),
            };
            Arc::new(Issuance::new(redis.clone(), outbound.clone(), store, kept))
        };
        let vault = Arc::new(Vault::new(settings.vault.clone()));
        lua::set_secrets(vault.clone());
        let traffic: Arc<Traffic> = Arc::default();
        lua::set_connections({
            let traffic = traffic.clone();
            Box::new(move || {
                let now = traffic.now();
                lua::Connections {
                    accepted: now.accepted,
                    active: now.active,
                    requests: now.requests,
                    writing: now.writing,
                    waiting: now.waiting,
                }
            })
        });
        let own_masks = super::masks::of(settings);
        let masks = telemetry::masks().clone();
        masks.store(Arc::new(own_masks.clone()));
        let history = super::history::start(settings, masks.clone())?;
        let services = Services {
            notices: notices.clone(),
            records,
            challenges: acme.clone(),
            meters,
            counters: counters.clone(),
            responses: responses.clone(),
            desks: desks.clone(),
            redis: redis.clone(),
            ldap: ldap.clone(),
            scripts: Arc::new(lua::Chunks { node_id }),
            http: outbound.clone(),
            programs: Arc::new(super::programs::pool()),
            shipping: outbound.depot.clone(),
            tracing: super::tracing::defaults(&settings.tracing),
            ..Services::alone(node_id)
        };
        let builder =
            Builder::new(definitions, registry.clone(), services, flavor, trust.clone()).with_secrets(vault.clone());
        Ok(Self {
            builder: match &people {
                Some(people) => builder.with_directory(Arc::new(people.clone())),
                None => builder,
            },
            people,
            log_level: LogLevel::of_now(),
            cluster_events,
            aside: Aside::start(),
            masks,
            own_masks,
            history,
            storage,
            followed: Mutex::default(),
            retired: Mutex::default(),
            published: Published::new(ArcSwap::from_pointee(Snapshot::empty(flavor))),
            targets: Targets::new(resolver.clone(), trust),
            prefix: settings.prefix.clone(),
            traffic,
            vault,
            hash: ArcSwap::from_pointee(declarative::EMPTY_HASH.into()),
            node_id,
            kinds,
            registry,
            servers,
            acme,
            staples: Arc::default(),
            counters,
            responses,
            desks,
            redis,
            ldap,
            outbound,
            notices,
            builds: Builds::default(),
            resolver,
        })
    }

    /// The records behind the trait that every engine has.
    pub fn store(&self) -> Arc<dyn Store> {
        match &self.storage {
            Storage::Memory(memory) => memory.clone(),
            Storage::Database(database) => database.store.clone(),
        }
    }

    /// The database, where there is one.
    pub fn database(&self) -> Option<&Database> {
        self.storage.database()
    }

    /// Compiles the state that a batch leads to, stores it, publishes it and keeps it for the next start; or changes
    /// nothing.
    pub fn replace(&self, batch: Batch, hash: String) -> Result<(), LoadError> {
        let Storage::Memory(memory) = &self.storage else { return Err(LoadError::Database) };
        let mut accepted = None;
        let mut given = None;
        memory.commit_if(batch, |view| {
            // Writing takes as long as compiling: both at once.
            accepted = Some(std::thread::scope(|scope| {
                let staged = scope.spawn(|| {
                    super::priority::spread();
                    self.stage(view, &hash)
                });
                let snapshot = self.builds.time(Trigger::Declarative, || self.compile(view))?;
                Ok::<_, LoadError>((snapshot, staged.join()))
            })?);
            given = Some(view.clone());
            Ok::<_, LoadError>(())
        })?;
        if let Some((snapshot, staged)) = accepted {
            if let Some(view) = &given {
                self.follow(view);
            }
            self.targets.publish(&snapshot);
            self.put_in_use(snapshot);
            self.hash.store(Arc::new(hash));
            // A disk that is full is a log line: the configuration before stays there.
            match staged.map(|staged| staged.and_then(keep::Staged::commit)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("{error}; the next start begins with the one before"),
                Err(_) => tracing::error!(
                    "writing the last good configuration failed; the next start begins with the one before"
                ),
            }
        }
        Ok(())
    }

    fn stage(&self, view: &View, hash: &str) -> Result<keep::Staged, keep::KeepError> {
        let purpose = declarative::export::Purpose::Keep;
        let document = declarative::export::document(view, &self.kinds, purpose, now() as i64);
        keep::stage(&self.prefix, &Kept { hash: hash.to_owned(), document })
    }

    /// Tries whether a configuration could be compiled.
    pub fn dry_run(&self, records: Vec<store::Record>) -> Result<Arc<Snapshot>, LoadError> {
        let view = View::of(self.kinds.catalog().clone(), records, 0)?;
        self.compile(&view)
    }

    /// Compiles what is in memory once more and publishes it.
    pub fn rebuild(&self) -> Result<(), LoadError> {
        let Storage::Memory(memory) = &self.storage else { return Err(LoadError::Database) };
        self.publish(&memory.current())
    }

    /// Compiles a state and publishes it.
    fn publish(&self, view: &View) -> Result<(), LoadError> {
        self.publish_compiled(view, self.builds.time(Trigger::Start, || self.compile(view))?);
        Ok(())
    }

    /// Publishes what a state was compiled to.
    pub(super) fn publish_compiled(&self, view: &View, snapshot: Arc<Snapshot>) {
        self.follow(view);
        self.targets.publish(&snapshot);
        tracing::debug!(generation = snapshot.generation, revision = view.revision(), "a configuration is in use");
        self.put_in_use(snapshot);
    }

    fn put_in_use(&self, snapshot: Arc<Snapshot>) {
        self.staples.follow(snapshot.certificates().to_be_stapled(), snapshot.authorities().cloned());
        let before = self.published.swap(snapshot);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(before);
    }

    /// Has taken apart what no request sees any more: that may take long.
    pub(super) fn release(&self) {
        let mut held = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let (unseen, seen) = held.drain(..).partition::<Vec<_>, _>(|snapshot| Arc::strong_count(snapshot) == 1);
        *held = seen;
        drop(held);
        if !unseen.is_empty() {
            self.aside.leave(move || drop(unseen));
        }
    }

    /// Tells those who follow configurations beside requests.
    fn follow(&self, view: &View) {
        self.acme.follow(view);
        self.vault.follow(view);
        self.masks.store(Arc::new(super::masks::following(&self.own_masks, view)));
        super::lua::configured(view, self.kinds.definitions(), &self.vault);
    }

    /// The state of the database that was last published, if any was.
    pub(super) fn followed(&self) -> Option<Arc<View>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the state that was last looked at.
    pub(super) fn set_followed(&self, view: Arc<View>) {
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }

    /// A state as requests see it.
    pub(super) fn compile(&self, view: &View) -> Result<Arc<Snapshot>, LoadError> {
        self.builder.build(view, &self.published.load()).map(Arc::new).map_err(LoadError::Build)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
