//! The settings of a node, typed and checked: what everything else reads.

mod access;
mod affinity;
mod dns;
mod logs;
mod manager;
mod node;
mod plugin_servers;
mod proxying;
mod storage;
mod telemetry;
mod tls;
mod tracing;

use std::path::PathBuf;

pub use access::{Audit, Mail, Rbac, RbacLevel, RouteValidation};
pub use affinity::Affinity;
pub use dns::{Dns, RecordKind};
pub use logs::{AccessLog, ErrorLog, LogFormat, LogLevel, LogSink, Logs};
pub use manager::{Attempts, Manager, SignIn};
pub use node::{Cluster, Listeners, Lua, Node, PortMap, Role, Selection, UntrustedLua, Workers};
pub use plugin_servers::PluginServer;
pub use proxying::{
    AddedHeaders, ClientLimits, DefaultErrorType, ErrorTemplates, Forwarded, HeaderBuffers, ParsingLimits, Proxying,
    RealIpHeader, RouterFlavor, TrustedPeer, UpstreamAdded, UpstreamKeepalive,
};
pub use storage::{Database, Declarative, Postgres, Storage};
pub use telemetry::Telemetry;
pub use tls::{KeyPair, Pem, TlsListener, TlsOutgoing, TlsVersion, Trusted, VerifyClient};
pub use tracing::{Instrumentation, Tracing};

use crate::checker::Checker;
use crate::secret::Secret;

/// Everything a node is told at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The working directory, absolute.
    pub prefix: PathBuf,
    /// The node itself.
    pub node: Node,
    /// Sockets.
    pub listeners: Listeners,
    /// Logs.
    pub logs: Logs,
    /// Proxying.
    pub proxying: Proxying,
    /// TLS of the proxy's listeners.
    pub tls: TlsListener,
    /// TLS of the Admin API's listeners.
    pub admin_tls: TlsListener,
    /// TLS of the manager's listeners.
    pub manager_tls: TlsListener,
    /// TLS of the status listeners.
    pub status_tls: TlsListener,
    /// TLS of outgoing connections.
    pub outgoing_tls: TlsOutgoing,
    /// Bounds of requests to the Admin API.
    pub admin_limits: ClientLimits,
    /// Where configuration lives.
    pub storage: Storage,
    /// Name resolution.
    pub dns: Dns,
    /// What is remembered of requests, and what is secret in them.
    pub telemetry: Telemetry,
    /// Tracing.
    pub tracing: Tracing,
    /// The manager.
    pub manager: Manager,
    /// RBAC.
    pub rbac: Rbac,
    /// Mail to admins.
    pub mail: Mail,
    /// The audit log.
    pub audit: Audit,
    /// `event_hooks_enabled`.
    pub event_hooks: bool,
    /// The environment, where references of entities and plugins lead.
    pub vault: crate::vault::Environment,
    /// Lua.
    pub lua: Lua,
    /// `pluginserver_names`: servers of plugins in other languages.
    pub plugin_servers: Vec<PluginServer>,
    /// Control and data planes.
    pub cluster: Cluster,
    /// `KONG_PASSWORD`: password and token of the first super admin.
    pub initial_password: Option<Secret>,
}

/// What [`Settings`] need besides properties.
pub(crate) struct Surroundings<'a> {
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub otlp_traces: Option<&'a str>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp: Option<&'a str>,
}

impl Settings {
    pub(crate) fn read(c: &mut Checker<'_>, around: &Surroundings<'_>) -> Self {
        let given = c.path("prefix").unwrap_or_default();
        // Components drop a slash at the end, as Kong does.
        let prefix: PathBuf = std::path::absolute(&given).unwrap_or(given).components().collect();
        let listeners = Listeners::read(c);
        let storage = Storage::read(c, &prefix);
        let tls = TlsListener::read(c, "", listeners.proxy.iter().chain(&listeners.stream).any(|l| l.ssl));
        let admin_tls = TlsListener::read(c, "admin_", listeners.admin.iter().any(|l| l.ssl));
        let rbac = Rbac::read(c, storage.database);
        access::warn_of_open_doors(c, &rbac, &listeners.admin, admin_tls.verify_client);
        Self {
            node: Node::read(c),
            logs: Logs::read(c, &prefix),
            proxying: Proxying::read(c),
            admin_tls,
            manager_tls: TlsListener::read(c, "admin_gui_", listeners.manager.iter().any(|l| l.ssl)),
            status_tls: TlsListener::read(c, "status_", listeners.status.iter().any(|l| l.ssl)),
            outgoing_tls: TlsOutgoing::read(c),
            admin_limits: ClientLimits::admin(c),
            dns: Dns::read(c),
            telemetry: Telemetry::read(c),
            tracing: Tracing::read(c, around),
            manager: Manager::read(c),
            rbac,
            mail: Mail::read(c),
            audit: Audit::read(c),
            event_hooks: c.flag("event_hooks_enabled"),
            vault: c.values.vault.clone(),
            lua: Lua::read(c),
            plugin_servers: PluginServer::read(c, &prefix),
            cluster: Cluster::read(c, storage.database),
            initial_password: c.secret("password"),
            prefix,
            listeners,
            tls,
            storage,
        }
    }
}
