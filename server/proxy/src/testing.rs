//! A node for tests: an engine on a real listener, with a configuration given as a declarative document.

use crate::Engine;
use crate::dns::{DnsSettings, Resolver};
use crate::listen::{self, Bound, Listener, Listening, Options, Place, bind};
use crate::settings::ProxySettings;
use crate::targets::Targets;
use crate::tls::{Acceptor, TlsSettings, generate};
use crate::traffic::Traffic;
use crate::worker::{Observer, Shared};
use declarative::Kinds;
use entities::{Definitions, PluginSchemas, VaultSchemas};
use exchange::{Exchange, Registry, Services};
use serde_json::Value;
use snapshot::{Builder, Pair, Snapshot, Trust, certified_key};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::View;
use uuid::Uuid;

/// A running node with one worker.
pub(crate) struct Node {
    /// Cleartext, HTTP/2 by prior knowledge included.
    pub cleartext: SocketAddr,
    /// TLS, HTTP/2 by ALPN included.
    pub tls: SocketAddr,
    shared: Arc<Shared>,
    seen: Arc<Seen>,
    listening: Listening,
}

/// What was logged: method, path, status, HTTP version.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn finished(&self, exchange: &Exchange) {
        let (request, response) = (&exchange.request, &exchange.response);
        let path = String::from_utf8_lossy(&request.target).into_owned();
        let line = format!("{} {path} {} {}", request.method_str(), response.status, request.version.as_str());
        self.0.lock().unwrap().push(line);
    }
}

impl Node {
    /// Starts one. `document` is a declarative configuration without its version.
    pub fn start(mut document: Value, settings: ProxySettings) -> Self {
        document["_format_version"] = "3.0".into();
        let flavor = router::Flavor::Traditional;
        let definitions = Arc::new(Definitions::new(PluginSchemas::default(), VaultSchemas::default(), flavor, false));
        let kinds = Kinds::new(definitions.clone());
        let loaded = declarative::load(&document, &kinds, 1.0).map_err(|invalid| invalid.tree()).unwrap();
        let view = View::of(kinds.catalog().clone(), loaded.records, 1).unwrap();
        let trust = Arc::new(Trust::default());
        let services = Services::alone(Uuid::nil());
        let builder = Builder::new(definitions, Arc::new(Registry::default()), services, flavor, trust.clone());
        let snapshot = builder.build(&view, &Snapshot::empty(flavor)).unwrap();
        let nowhere = "/nonexistent";
        let dns = DnsSettings { hosts_file: nowhere.into(), resolv_conf: nowhere.into(), ..DnsSettings::default() };
        let resolver = Resolver::start(&dns).unwrap();
        let targets = Targets::new(resolver.clone(), trust);
        targets.publish(&snapshot);
        let published = Arc::new(arc_swap::ArcSwap::from_pointee(snapshot));
        let seen = Arc::new(Seen::default());
        let shared = Arc::new(Shared {
            settings: Arc::new(settings),
            published: published.clone(),
            resolver,
            targets,
            traffic: Arc::new(Traffic::default()),
            observer: Some(seen.clone()),
            watching: None,
            tracer: None,
            begins: None,
            stopping: AtomicBool::new(false),
        });
        let (certificate, key) = generate("localhost").unwrap();
        let pair = Pair::new(Arc::new(certified_key(&certificate, &key).unwrap()), None);
        let acceptor = Acceptor::new(&TlsSettings::default(), published, pair, (None, Arc::default()), true).unwrap();
        let limit = Duration::from_secs(20);
        let options = Options { workers: 1, tls: Some(acceptor), handshake_timeout: limit, patience: limit };
        let place = || Listener { http2: true, ..Listener::at(Place::Tcp(([127, 0, 0, 1], 0).into())) };
        let bound = bind(&[place(), Listener { ssl: true, ..place() }]).unwrap();
        let addresses: Vec<SocketAddr> = bound.iter().filter_map(Bound::address).collect();
        let (listening, server) = listen::start(bound, &options, Engine::new(shared.clone())).unwrap();
        actix_rt::spawn(server);
        Self { cleartext: addresses[0], tls: addresses[1], shared, seen, listening }
    }

    /// What was logged so far.
    pub fn logged(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Open client connections.
    pub fn connections(&self) -> u64 {
        self.shared.traffic.now().active
    }

    /// Tells the engine that the node stops, and the listeners to take no more.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.listening.stop(true).await;
    }
}
