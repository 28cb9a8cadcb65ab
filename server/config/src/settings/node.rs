//! The node: identity, workers, what it loads; its sockets; Lua; control and data planes.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::{Affinity, Database, LogLevel};
use crate::checker::Checker;
use crate::listener::{ListenAddress, Listener, Subsystem, parse_all};

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One per core.
    Auto,
    /// That many.
    Fixed(NonZeroUsize),
}

/// A list of names that may say `bundled`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Whether everything bundled is in it.
    bundled: bool,
    /// What is in it by name.
    pub names: Vec<String>,
}

impl Selection {
    fn read(list: &[String]) -> Self {
        if list.iter().any(|n| n == "off") {
            return Self::default();
        }
        Self {
            bundled: list.iter().any(|n| n == "bundled"),
            names: list.iter().filter(|n| *n != "bundled").cloned().collect(),
        }
    }

    /// Whether a bundled thing of that name is in it.
    pub fn contains(&self, name: &str) -> bool {
        self.bundled || self.names.iter().any(|n| n == name)
    }
}

/// The node itself.
#[derive(Debug, Clone)]
pub struct Node {
    /// `node_id`, a UUID; unset: one is made and kept.
    pub id: Option<uuid::Uuid>,
    /// What the error log holds.
    pub log_level: LogLevel,
    /// Proxy workers.
    pub workers: Workers,
    /// On which processors they run.
    pub affinity: Affinity,
    /// Plugins to load.
    pub plugins: Selection,
    /// Vaults to load.
    pub vaults: Selection,
}

impl Node {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        Self {
            id: node_id(c),
            log_level: c.choice("log_level", LogLevel::NAMES, LogLevel::Notice),
            workers: workers(c),
            affinity: Affinity::read(c),
            plugins: Selection::read(c.list("plugins")),
            vaults: Selection::read(c.list("vaults")),
        }
    }
}

fn node_id(c: &mut Checker<'_>) -> Option<uuid::Uuid> {
    let text = c.text("node_id")?;
    let id = (text.len() == 36).then(|| uuid::Uuid::parse_str(text).ok()).flatten();
    if id.is_none() {
        c.wrong("node_id", "node_id must be a valid UUID", "such as 7c5d1f5e-1b1e-4c40-9d2f-0a3b6c8d9e10");
    }
    id
}

fn workers(c: &mut Checker<'_>) -> Workers {
    let name = "nginx_main_worker_processes";
    match c.text(name) {
        None | Some("auto") => Workers::Auto,
        Some(text) => match text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= 1024) {
            Some(n) => Workers::Fixed(n),
            None => {
                let message = format!("nginx_worker_processes has an invalid value: '{text}'");
                c.wrong(name, message, "auto, or a number of workers between 1 and 1024");
                Workers::Auto
            }
        },
    }
}

/// A port on which clients arrive, and the one they reach here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMap {
    /// The port clients use.
    pub public: u16,
    /// The port of the listener.
    pub local: u16,
}

/// Sockets by purpose; an empty list is `off`.
#[derive(Debug, Clone, Default)]
pub struct Listeners {
    /// `proxy_listen`.
    pub proxy: Vec<Listener>,
    /// `stream_listen`.
    pub stream: Vec<Listener>,
    /// `admin_listen`.
    pub admin: Vec<Listener>,
    /// `admin_gui_listen`.
    pub manager: Vec<Listener>,
    /// `status_listen`.
    pub status: Vec<Listener>,
    /// `cluster_listen`; bound by a control plane only.
    pub cluster: Vec<Listener>,
    /// `port_maps`.
    pub port_maps: Vec<PortMap>,
}

impl Listeners {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let listeners = Self {
            proxy: listen(c, "proxy_listen", Subsystem::Http),
            stream: listen(c, "stream_listen", Subsystem::Stream),
            admin: listen(c, "admin_listen", Subsystem::Http),
            manager: listen(c, "admin_gui_listen", Subsystem::Http),
            status: listen(c, "status_listen", Subsystem::Http),
            cluster: listen(c, "cluster_listen", Subsystem::Http),
            port_maps: port_maps(c),
        };
        listeners.check_twice(c);
        listeners
    }

    fn check_twice(&self, c: &mut Checker<'_>) {
        let mut seen: HashMap<(&ListenAddress, bool), &str> = HashMap::new();
        let groups = [
            ("proxy_listen", &self.proxy),
            ("stream_listen", &self.stream),
            ("admin_listen", &self.admin),
            ("admin_gui_listen", &self.manager),
            ("status_listen", &self.status),
        ];
        for (name, listeners) in groups {
            for listener in listeners.iter().filter(|l| l.address.port() != Some(0)) {
                if let Some(other) = seen.insert((&listener.address, listener.udp), name) {
                    let message = if other == name {
                        format!("{name} listens on {} twice", listener.address)
                    } else {
                        format!("{name} and {other} both listen on {}", listener.address)
                    };
                    c.wrong(name, message, "each listener wants an address and port of its own");
                }
            }
        }
    }

    /// The port a client used for a connection that arrived on a local port.
    pub fn public_port(&self, local: u16) -> u16 {
        self.port_maps.iter().find(|map| map.local == local).map_or(local, |map| map.public)
    }
}

fn listen(c: &mut Checker<'_>, name: &str, subsystem: Subsystem) -> Vec<Listener> {
    parse_all(c.list(name), subsystem).unwrap_or_else(|reason| {
        c.wrong(name, format!("{name} {}", subsystem.usage()), &reason);
        Vec::new()
    })
}

fn port_maps(c: &mut Checker<'_>) -> Vec<PortMap> {
    let mut maps = Vec::new();
    for entry in c.list("port_maps") {
        let map = entry.split_once(':').and_then(|(public, local)| {
            let port = |text: &str| text.trim().parse().ok().filter(|port: &u16| *port > 0);
            Some(PortMap { public: port(public)?, local: port(local)? })
        });
        match map {
            Some(map) => maps.push(map),
            None => {
                let message = format!("invalid port mapping (`port_maps`): {entry}");
                c.wrong("port_maps", message, "public:local, such as 80:8000, 443:8443");
            }
        }
    }
    maps
}

/// What Lua in plugin configurations may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UntrustedLua {
    /// Anything.
    On,
    /// It is refused.
    Off,
    /// What the sandbox allows.
    Sandbox,
}

/// Lua.
#[derive(Debug, Clone)]
pub struct Lua {
    /// `untrusted_lua`.
    pub untrusted: UntrustedLua,
    /// Modules allowed in the sandbox.
    pub sandbox_requires: Vec<String>,
    /// Globals allowed in the sandbox.
    pub sandbox_environment: Vec<String>,
    /// Where modules are looked for.
    pub package_path: String,
}

impl Lua {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let options = [("on", UntrustedLua::On), ("off", UntrustedLua::Off), ("sandbox", UntrustedLua::Sandbox)];
        Self {
            untrusted: c.choice("untrusted_lua", &options, UntrustedLua::Sandbox),
            sandbox_requires: c.owned_list("untrusted_lua_sandbox_requires"),
            sandbox_environment: c.owned_list("untrusted_lua_sandbox_environment"),
            package_path: c.string("lua_package_path"),
        }
    }
}

/// Part of a node in a hybrid cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Proxy and Admin API in one.
    Traditional,
    /// Admin API, pushes to data planes.
    ControlPlane,
    /// Proxy, told by a control plane.
    DataPlane,
}

/// Control and data planes, which are not available yet: their properties are checked as Kong checks them.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// `role`.
    pub role: Role,
}

impl Cluster {
    pub(super) fn read(c: &mut Checker<'_>, database: Database) -> Self {
        let roles = [
            ("traditional", Role::Traditional),
            ("control_plane", Role::ControlPlane),
            ("data_plane", Role::DataPlane),
        ];
        let role = c.choice("role", &roles, Role::Traditional);
        let _: u64 = c.integer("cluster_data_plane_purge_delay", 60..=(1 << 40), "must be 60 or greater");
        let _: u64 = c.integer("cluster_max_payload", 4_194_304..=(1 << 40), "must be 4194304 (4MB) or greater");
        check_labels(c);
        match role {
            Role::Traditional => return Self { role },
            Role::DataPlane if database != Database::Off => {
                c.wrong("role", "only in-memory storage can be used when role = \"data_plane\"", "set database = off");
            }
            Role::ControlPlane if database == Database::Off => {
                let message = "in-memory storage can not be used when role = \"control_plane\"";
                c.wrong("role", message, "set database = postgres");
            }
            _ => {}
        }
        if c.text("cluster_cert").is_none() || c.text("cluster_cert_key").is_none() {
            let message = "cluster certificate and key must be provided to use Hybrid mode";
            c.wrong("cluster_cert", message, "set cluster_cert and cluster_cert_key");
        }
        let pki = c.text("cluster_mtls") == Some("pki");
        if pki && c.text("cluster_ca_cert").is_none() && role == Role::ControlPlane {
            c.wrong("cluster_ca_cert", "cluster_ca_cert must be specified when cluster_mtls = pki", "");
        }
        Self { role }
    }
}

/// `key:value`, of fewer than 64 bytes each.
fn check_labels(c: &mut Checker<'_>) {
    for entry in c.list("cluster_dp_labels") {
        let fine = |text: &str| (1..64).contains(&text.trim().len());
        if !entry.split_once(':').is_some_and(|(key, value)| fine(key) && fine(value)) {
            c.wrong("cluster_dp_labels", format!("cluster_dp_labels: invalid entry '{entry}'"), "key:value");
        }
    }
}
