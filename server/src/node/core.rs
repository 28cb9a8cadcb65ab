//! What outlives every actor of a node: the store, the Snapshot in use, the counters, the health of Targets.

use super::redis::Outside;
use super::translate;
use arc_swap::ArcSwap;
use config::{RouterFlavor, Settings};
use declarative::Kinds;
use declarative::keep::{self, Kept};
use entities::{Definitions, PluginSchemas, VaultSchema, VaultSchemas};
use exchange::counters::Counters;
use exchange::{Registry, Services};
use proxy::Traffic;
use proxy::dns::Resolver;
use proxy::targets::Targets;
use snapshot::{BuildError, Builder, Published, Snapshot};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Batch, Memory, View};
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
    /// The actor that publishes configurations does not answer.
    #[error(transparent)]
    NoAnswer(#[from] crate::supervise::NoAnswer),
}

/// What a node is made of.
pub struct Core {
    /// Entities, plugins and vaults there are.
    pub definitions: Arc<Definitions>,
    /// The same as declarative files and paths name them.
    pub kinds: Arc<Kinds>,
    /// Plugins that can be configured.
    pub registry: Arc<Registry>,
    /// The configuration's records.
    pub store: Arc<Memory>,
    /// The Snapshot in use.
    pub published: Published,
    /// Counters of windows of time.
    pub counters: Arc<Counters>,
    /// Redis servers that plugins name.
    pub redis: Arc<redis_client::Client>,
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
    /// This node's id.
    pub node_id: Uuid,
    builder: Builder,
}

impl Core {
    /// The parts of a node with these settings; nothing is configured yet.
    pub fn new(settings: &Settings, node_id: Uuid) -> Result<Self, String> {
        let flavor = match settings.proxying.router_flavor {
            RouterFlavor::Traditional => router::Flavor::Traditional,
            RouterFlavor::TraditionalCompatible => router::Flavor::TraditionalCompatible,
            RouterFlavor::Expressions => router::Flavor::Expressions,
        };
        let mut registry = plugins::registry();
        registry.retain(|name| settings.node.plugins.contains(name));
        let schemas: PluginSchemas = registry.iter().map(|plugin| plugin.schema.clone()).collect();
        let vaults: VaultSchemas = [VaultSchema::env()].into_iter().collect();
        let definitions = Arc::new(Definitions::new(schemas, vaults, flavor, false));
        let kinds = Arc::new(Kinds::new(definitions.clone()));
        let counters =
            Arc::new(Counters::new(usize::try_from(settings.storage.mem_cache_size / 8).unwrap_or(16 << 20)));
        let registry = Arc::new(registry);
        let trust = Arc::new(translate::trust(&settings.outgoing_tls)?);
        let resolver = Resolver::start(&translate::dns(&settings.dns)).map_err(|error| error.to_string())?;
        let redis =
            Arc::new(redis_client::Client::new(Arc::new(Outside { resolver: resolver.clone(), trust: trust.clone() })));
        let services = Services { counters: counters.clone(), redis: redis.clone(), ..Services::alone(node_id) };
        Ok(Self {
            builder: Builder::new(definitions.clone(), registry.clone(), services, flavor, trust.clone()),
            store: Arc::new(Memory::new(kinds.catalog().clone())),
            published: Published::new(ArcSwap::from_pointee(Snapshot::empty(flavor))),
            targets: Targets::new(resolver.clone(), trust),
            prefix: settings.prefix.clone(),
            traffic: Arc::default(),
            hash: ArcSwap::from_pointee(declarative::EMPTY_HASH.into()),
            node_id,
            definitions,
            kinds,
            registry,
            counters,
            redis,
            resolver,
        })
    }

    /// Compiles the state that a batch leads to, stores it, publishes it and keeps it for the next start; or changes
    /// nothing.
    pub fn replace(&self, batch: Batch, hash: String) -> Result<(), LoadError> {
        let mut accepted = None;
        self.store.commit_if(batch, |view| {
            // Writing takes as long as compiling: both at once.
            accepted = Some(std::thread::scope(|scope| {
                let staged = scope.spawn(|| self.stage(view, &hash));
                let snapshot = self.compile(view)?;
                Ok::<_, LoadError>((snapshot, staged.join()))
            })?);
            Ok::<_, LoadError>(())
        })?;
        if let Some((snapshot, staged)) = accepted {
            self.targets.publish(&snapshot);
            self.published.store(snapshot);
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

    /// Compiles what is stored once more and publishes it.
    pub fn rebuild(&self) -> Result<(), LoadError> {
        let snapshot = self.compile(&self.store.current())?;
        self.targets.publish(&snapshot);
        self.published.store(snapshot);
        Ok(())
    }

    fn compile(&self, view: &View) -> Result<Arc<Snapshot>, LoadError> {
        self.builder.build(view, &self.published.load()).map(Arc::new).map_err(LoadError::Build)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
