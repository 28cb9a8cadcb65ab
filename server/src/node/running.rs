//! Starting and stopping a node.

use super::acme::Certifier;
use super::admin::{Health, Publish, View};
use super::affinity::Places;
use super::api_server::{self, Api};
use super::core::{Core, Offer, Storage};
use super::database::{Database, Patience};
use super::health_checkers::HealthCheckers;
use super::logs::Logs;
use super::presence::{self, Telling};
use super::rate_limiter::RateLimiter;
use super::route_table::{Replace, RouteTable};
use super::stapler::Stapler;
use super::tracing::Tracing;
use super::{request_debug, translate};
use crate::supervise::Supervised;
use actix::Arbiter;
use actix_web::dev::ServerHandle;
use admin::{AdminState, Gate, HeaderPolicy, Limits, NodeFacts, Parts};
use config::{Loaded, Workers};
use declarative::Source;
use proxy::listen::{self, Bound, Listening, Options, Sockets, Streams};
use proxy::tls::{Acceptor, Issued};
use proxy::{Engine, ProxySettings, Purpose, Sessions, Shared};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Why a node does not start: a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl From<String> for StartError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// How long a graceful stop waits for what is in flight.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a stop waits for counters to reach Redis.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a stop waits for entries of loggers to be sent.
const LAST_ENTRIES: Duration = Duration::from_secs(3);

/// The actors of a node.
pub struct Actors {
    /// Publishes configurations.
    pub route_table: Supervised<RouteTable>,
    /// Keeps counters free of windows that are over.
    pub rate_limiter: Supervised<RateLimiter>,
    /// Orders and renews certificates.
    pub certifier: Supervised<Certifier>,
    /// Asks for OCSP responses.
    pub stapler: Supervised<Stapler>,
    /// Probe Targets.
    pub health_checkers: Arc<HealthCheckers>,
}

/// A node that runs.
pub struct Node {
    /// What outlives its actors.
    pub core: Arc<Core>,
    /// Its actors.
    pub actors: Actors,
    /// Where the proxy listens.
    pub proxy: Vec<SocketAddr>,
    /// Where TCP, TLS and UDP are taken.
    pub stream: Vec<SocketAddr>,
    /// Where the Admin API listens.
    pub admin: Vec<SocketAddr>,
    logs: Logs,
    source: Option<Source>,
    state: AdminState,
    shared: Arc<Shared>,
    listening: Option<Listening>,
    http: Vec<ServerHandle>,
    control: Arbiter,
    tracing: Option<Tracing>,
    telling: Option<Telling>,
    // The listening sockets once more. They listen as long as anybody has them.
    kept: Sockets,
}

impl Node {
    /// Starts everything the settings name, on sockets that were handed over where there are some. Must be called
    /// within an actix `System`.
    pub async fn start(loaded: &Loaded, patience: Patience, mut given: Sockets) -> Result<Self, StartError> {
        let settings = &loaded.settings;
        let logs = Logs::open(settings)?;
        let node_id = node_id(settings.node.id, &settings.prefix);
        let tracing = Tracing::start(&settings.tracing, node_id)?;
        telemetry::install(logs.errors(), tracing.as_ref().map(Tracing::node_spans));
        for notice in &loaded.notices {
            match notice.weight {
                config::Weight::Warning => ::tracing::warn!("{}", notice.text),
                _ => ::tracing::info!("{}", notice.text),
            }
        }
        let mut kept = Sockets::new();
        let mut bind =
            |listeners: &[config::Listener]| bind(&translate::listeners(listeners, settings)?, &mut given, &mut kept);
        let proxy_sockets = bind(&settings.listeners.proxy)?;
        let stream_sockets = bind(&settings.listeners.stream)?;
        let admin_sockets = bind(&settings.listeners.admin)?;
        let status_sockets = bind(&settings.listeners.status)?;
        let manager_sockets = bind(&settings.listeners.manager)?;
        // Those that no listener wants any more.
        drop(given);
        ::lua::set_configuration(loaded.configuration(Vec::new()).into());
        let core = Arc::new(match settings.storage.database {
            config::Database::Off => Core::new(settings, node_id)?,
            _ => {
                let offer = Offer::of(settings)?;
                let database = Database::open(settings, &offer.kinds, patience).await?;
                let database = database.with_replica(settings, patience).await?;
                Core::with(settings, node_id, offer, Storage::Database(database))?
            }
        });
        core.servers.start().map_err(|error| StartError(error.to_string()))?;
        let source = match (&settings.storage.declarative.file, &settings.storage.declarative.text) {
            (Some(path), _) => Some(Source::File(path.clone())),
            (None, Some(text)) => Some(Source::String(text.reveal().to_owned())),
            (None, None) => None,
        };
        let telling = match core.database() {
            None => {
                begin(&core, source.as_ref())?;
                None
            }
            Some(_) => {
                super::route_table::follow(&core).await.map_err(|error| StartError(error.to_string()))?;
                super::database::attend(&core, settings.storage.ttl_cleanup_interval);
                presence::tell(&core, settings, hostname())
            }
        };

        if !stream_sockets.is_empty() {
            core.targets.serve_streams();
        }
        let control = Arbiter::new();
        let health_checkers = Arc::new(HealthCheckers::new(control.handle()));
        health_checkers.sync(&core);
        let actors = {
            let (routes, checkers, counters) = (core.clone(), health_checkers.clone(), core.counters.clone());
            let (acme, staples, outbound) = (core.acme.clone(), core.staples.clone(), core.outbound.clone());
            Actors {
                route_table: Supervised::start(&control.handle(), "RouteTable", move |life| {
                    RouteTable::new(routes.clone(), checkers.clone(), life)
                }),
                rate_limiter: Supervised::start(&control.handle(), "RateLimiter", move |life| {
                    RateLimiter::new(counters.clone(), life)
                }),
                certifier: Supervised::start(&control.handle(), "Certifier", move |life| {
                    Certifier::new(acme.clone(), life)
                }),
                stapler: Supervised::start(&control.handle(), "Stapler", move |life| {
                    Stapler::new(staples.clone(), outbound.clone(), life)
                }),
                health_checkers,
            }
        };

        let debug_token = (!proxy_sockets.is_empty()).then(|| request_debug::token(settings)).flatten();
        let places = Places::new(&settings.node.affinity, settings.node.workers);
        let shared = Arc::new(Shared {
            settings: Arc::new(ProxySettings { debug_token, ..translate::proxy(settings)? }),
            published: core.published.clone(),
            resolver: core.resolver.clone(),
            targets: core.targets.clone(),
            traffic: core.traffic.clone(),
            observer: logs.proxy().map(|log| Arc::new(log) as Arc<dyn proxy::Observer>),
            watching: core.history.as_ref().map(super::history::watching),
            tracer: tracing.as_ref().map(Tracing::requests).or_else(|| super::tracing::detailed(&settings.tracing)),
            begins: Some(Arc::new(move |purpose| {
                if purpose == Purpose::Connections {
                    places.take();
                }
                lua::begin(node_id);
            })),
            stopping: AtomicBool::new(false),
        });
        let gate = super::gate::open(settings, &core).await?;
        let state = admin_state(loaded, &core, &actors, gate);
        let mut http = Vec::new();
        let admin = addresses(&admin_sockets);
        let manager = Arc::new(translate::manager(settings));
        let admin_doors = admin_sockets.into_iter().map(|bound| (bound, Api::Admin));
        let status_doors = status_sockets.into_iter().map(|bound| (bound, Api::Status));
        let manager_doors = manager_sockets.into_iter().map(|bound| (bound, Api::Manager(manager.clone())));
        for (bound, api) in admin_doors.chain(status_doors).chain(manager_doors) {
            let (tls, log) = match api {
                Api::Admin => (&settings.admin_tls, logs.admin()),
                Api::Status => (&settings.status_tls, logs.status()),
                Api::Manager(_) => (&settings.manager_tls, logs.manager()),
            };
            http.push(api_server::serve(bound, (api, state.clone()), log, tls, settings, &core)?);
        }
        let proxy = addresses(&proxy_sockets);
        let stream = addresses(&stream_sockets);
        let listening = match proxy_sockets.is_empty() && stream_sockets.is_empty() {
            true => None,
            false => {
                let log = logs.stream().map(|log| Arc::new(log) as Arc<dyn proxy::Observer>);
                Some(serve_proxy(proxy_sockets, (stream_sockets, log), loaded, &core, shared.clone())?)
            }
        };
        Ok(Self {
            core,
            actors,
            proxy,
            stream,
            admin,
            logs,
            source,
            state,
            shared,
            listening,
            http,
            control,
            tracing,
            telling,
            kept,
        })
    }

    /// Reads the declarative file again, where there is one. The configuration in use stays where it is wrong.
    pub async fn reload(&self) {
        let Some(source) = self.source.clone() else {
            ::tracing::info!("nothing to read again: there is no declarative_config");
            return;
        };
        load_source(self.core.clone(), self.actors.route_table.clone(), source).await;
    }

    /// Follows the declarative file until the node ends: a file that changed is read.
    pub fn watch(&self) {
        let Some(Source::File(path)) = self.source.clone() else { return };
        let (core, route_table) = (self.core.clone(), self.actors.route_table.clone());
        self.control.spawn(async move {
            let mut seen = fingerprint(&path);
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let now = fingerprint(&path);
                if now.is_some() && now != seen {
                    load_source(core.clone(), route_table.clone(), Source::File(path.clone())).await;
                    seen = now;
                }
            }
        });
    }

    /// Opens log files anew (log rotation).
    pub fn reopen_logs(&self) {
        self.logs.reopen();
        self.core.outbound.depot.reopen();
    }

    /// Its listening sockets, by their listeners' names.
    pub fn sockets(&self) -> &Sockets {
        &self.kept
    }

    /// Leaves new connections of the APIs to another process that has the sockets: what is changed here is not seen there.
    pub async fn leave_apis(&self) {
        for server in &self.http {
            server.pause().await;
        }
    }

    /// Ends the node: gracefully after what is in flight, else at once.
    pub async fn stop(self, gracefully: bool) {
        drop(self.kept);
        self.state.drain();
        if let Some(history) = &self.core.history {
            history.stop();
        }
        self.shared.stopping.store(true, Ordering::Relaxed);
        if let Some(listening) = &self.listening {
            listening.stop(gracefully).await;
        }
        // All at once: each waits for its idle connections as long as it may.
        let ends = self.http.into_iter().map(|server| {
            actix_rt::spawn(async move {
                if gracefully {
                    server.pause().await;
                }
                server.stop(gracefully).await;
            })
        });
        for end in ends.collect::<Vec<_>>() {
            let _ = end.await;
        }
        presence::take_leave(&self.core, self.telling).await;
        self.core.redis.flush(FAREWELL).await;
        self.core.outbound.stop(LAST_ENTRIES).await;
        let core = self.core.clone();
        let _ = actix_rt::task::spawn_blocking(move || core.servers.stop()).await;
        self.actors.route_table.stop();
        self.actors.rate_limiter.stop();
        self.actors.certifier.stop();
        self.actors.stapler.stop();
        self.control.stop();
        if let Some(tracing) = self.tracing {
            let _ = actix_rt::task::spawn_blocking(|| tracing.stop()).await;
        }
        self.logs.flush();
    }
}

/// The configuration a node begins with: the given one, else the last good one, else none.
fn begin(core: &Core, source: Option<&Source>) -> Result<(), StartError> {
    if let Some(source) = source {
        let (document, hash) = source.read().map_err(|error| StartError(error.to_string()))?;
        let records = declarative::load(&document, &core.kinds, super::core::now())
            .map_err(|invalid| StartError(source.wrong(invalid).to_string()))?
            .records;
        core.replace(store::Batch::replace_all(records), hash).map_err(|error| StartError(error.to_string()))?;
        if let Source::File(path) = source {
            ::tracing::info!("declarative config loaded from {}", path.display());
        }
        return Ok(());
    }
    match declarative::keep::load(&core.prefix) {
        Ok(Some(kept)) => {
            let document = serde_json::Value::Object(kept.document);
            let restored = declarative::load(&document, &core.kinds, super::core::now())
                .map_err(|invalid| invalid.tree())
                .and_then(|loaded| {
                    let batch = store::Batch::replace_all(loaded.records);
                    core.replace(batch, kept.hash).map_err(|error| error.to_string())
                });
            match restored {
                Ok(()) => ::tracing::info!("the last good configuration is in use"),
                Err(error) => {
                    ::tracing::error!("the last good configuration cannot be used, starting without one: {error}");
                    core.rebuild().map_err(|error| StartError(error.to_string()))?;
                }
            }
        }
        found => {
            if let Err(error) = found {
                ::tracing::error!("{error}");
            }
            ::tracing::info!("no declarative configuration is given, starting without one");
            core.rebuild().map_err(|error| StartError(error.to_string()))?;
        }
    }
    Ok(())
}

async fn load_source(core: Arc<Core>, route_table: Supervised<RouteTable>, source: Source) {
    let kinds = core.kinds.clone();
    let read = actix_rt::task::spawn_blocking(move || {
        let (document, hash) = source.read().map_err(|error| error.to_string())?;
        let loaded = declarative::load(&document, &kinds, super::core::now());
        let records = loaded.map_err(|invalid| source.wrong(invalid).to_string())?.records;
        Ok::<_, String>((
            store::Batch { author: "declarative_config".into(), ..store::Batch::replace_all(records) },
            hash,
        ))
    });
    let done = match read.await {
        Ok(Ok((batch, hash))) => {
            let replace = Replace::new(batch, hash);
            match route_table.ask(|| replace.clone()).await {
                Ok(done) => done.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        Ok(Err(error)) => Err(error),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ::tracing::info!("the declarative configuration was read again"),
        Err(error) => ::tracing::error!("the declarative configuration was refused, the one in use stays: {error}"),
    }
}

/// What changes when a file is written.
fn fingerprint(path: &Path) -> Option<(std::time::SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Opens sockets, or takes those `given`; `kept` has each once more.
fn bind(listeners: &[listen::Listener], given: &mut Sockets, kept: &mut Sockets) -> Result<Vec<Bound>, StartError> {
    let bound = listen::bind_with(listeners, given).map_err(|error| StartError(error.to_string()))?;
    for one in &bound {
        kept.extend([one.share().map_err(|error| StartError(error.to_string()))?]);
    }
    Ok(bound)
}

fn addresses(bound: &[Bound]) -> Vec<SocketAddr> {
    bound.iter().filter_map(Bound::address).collect()
}

fn serve_proxy(
    bound: Vec<Bound>,
    (streams, log): (Vec<Bound>, Option<Arc<dyn proxy::Observer>>),
    loaded: &Loaded,
    core: &Core,
    shared: Arc<Shared>,
) -> Result<Listening, StartError> {
    let settings = &loaded.settings;
    let workers = workers(settings.node.workers);
    let wants_tls = bound.iter().chain(&streams).any(|bound| bound.listener().ssl);
    let given = translate::tls(&settings.tls)?;
    let tls = match wants_tls {
        false => None,
        true => {
            let certificate = translate::default_certificate(&settings.tls, &settings.prefix)?;
            core.staples.keep(certificate.to_be_stapled().cloned());
            let beside: (Option<Arc<dyn Issued>>, _) = (Some(core.acme.clone()), core.staples.clone());
            let acceptor = Acceptor::new(&given, core.published.clone(), certificate, beside, true);
            Some(acceptor.map_err(|error| StartError(format!("TLS cannot be set up: {error}")))?)
        }
    };
    let engine = Engine::new(shared);
    let streams = (!streams.is_empty()).then(|| {
        let settings = translate::sessions(settings, given.handshake_timeout);
        let sessions = Sessions::new(engine.clone(), tls.as_ref().map(Acceptor::for_sessions), log, settings);
        Streams { bound: streams, sessions }
    });
    let options = Options { workers, tls, handshake_timeout: given.handshake_timeout, patience: PATIENCE };
    let (listening, server) = listen::start_with(bound, streams, &options, engine)
        .map_err(|error| StartError(format!("cannot serve: {error}")))?;
    if let Some(server) = server {
        actix_rt::spawn(async move {
            if let Err(error) = server.await {
                ::tracing::error!(%error, "the proxy's listeners ended");
            }
        });
    }
    Ok(listening)
}

fn admin_state(loaded: &Loaded, core: &Arc<Core>, actors: &Actors, gate: Option<Arc<Gate>>) -> AdminState {
    let settings = &loaded.settings;
    let names: Vec<&str> = core.registry.iter().map(|plugin| plugin.name).collect();
    AdminState::new(Parts {
        kinds: core.kinds.clone(),
        store: core.store(),
        publish: Arc::new(Publish(actors.route_table.clone())),
        health: Arc::new(Health(core.clone())),
        node: Arc::new(View(core.clone())),
        facts: NodeFacts {
            node_id: core.node_id.to_string(),
            hostname: hostname(),
            configuration: loaded.configuration(names),
            workers: workers(settings.node.workers),
        },
        headers: HeaderPolicy {
            server: settings.proxying.headers.server,
            latency: settings.proxying.headers.admin_latency,
            origins: settings.manager.urls.clone(),
        },
        limits: Limits {
            body: settings.admin_limits.max_body_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX),
            patience: settings.admin_limits.body_timeout,
            ..Limits::default()
        },
        gate,
    })
}

/// `nginx_worker_processes` as a number: `auto` is one per core.
pub(super) fn workers(given: Workers) -> usize {
    match given {
        Workers::Auto => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        Workers::Fixed(number) => number.get(),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".into(), |name| name.trim().into())
}

/// This node's id: the setting, else the one kept under the prefix, else a fresh one that is kept there.
fn node_id(given: Option<Uuid>, prefix: &Path) -> Uuid {
    let path = prefix.join("kong.id");
    let kept = || std::fs::read_to_string(&path).ok()?.trim().parse().ok();
    given.or_else(kept).unwrap_or_else(|| {
        let fresh = Uuid::new_v4();
        let written = std::fs::create_dir_all(prefix).and_then(|()| std::fs::write(&path, fresh.to_string()));
        if let Err(error) = written {
            ::tracing::warn!(%error, "the node's id cannot be kept; the next start makes another");
        }
        fresh
    })
}
