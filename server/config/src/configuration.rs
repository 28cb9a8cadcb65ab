//! `configuration` of `GET /`, in Kong's types, secrets masked; and the environment of a running node.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::directive::{self, BLOCKS};
use crate::listener::{Listener, Subsystem};
use crate::load::Loaded;
use crate::property::Edition;
use crate::secret::MASK;
use crate::settings::{Listeners, PluginServer, Trusted};
use crate::value::Value;
use crate::{table, values};

/// Properties that have no default and yet are shown as off.
const SHOWN_AS_OFF: [&str; 2] = ["pg_ro_ssl", "pg_ro_ssl_verify"];

/// Directives that Kong sets itself and does not list among the injected ones.
const NOT_INJECTED: [&str; 2] = ["lua_ssl_protocols", "ssl_dhparam"];

impl Loaded {
    /// The object `GET /` shows, keys sorted. `plugins` are the names of those that are loaded.
    pub fn configuration<'a>(&self, plugins: impl IntoIterator<Item = &'a str>) -> Map<String, Json> {
        let mut object = Map::new();
        for (name, entry) in self.values.iter() {
            if let Some(shown) = self.shown(name, entry) {
                object.insert(name.to_owned(), shown);
            }
        }
        self.add_listeners(&mut object);
        self.add_headers(&mut object);
        self.add_directives(&mut object);
        add_paths(&mut object, &self.settings.prefix);
        let names = |on: Vec<&str>| -> Json { on.into_iter().map(|n| (n.to_owned(), Json::Bool(true))).collect() };
        object.insert("loaded_plugins".into(), names(plugins.into_iter().collect()));
        let env = self.settings.node.vaults.contains("env");
        object.insert("loaded_vaults".into(), names(if env { vec!["env"] } else { vec![] }));
        object.insert("pluginservers".into(), self.plugin_servers());
        object.insert("lmdb_validation_tag".into(), json!("3.9"));
        object.insert("database".into(), json!(self.settings.storage.database.name()));
        object.insert("prefix".into(), json!(self.settings.prefix));
        let trusted: Vec<Json> = self.settings.outgoing_tls.trusted.iter().filter_map(trusted_name).collect();
        object
            .insert("lua_ssl_trusted_certificate".into(), if trusted.is_empty() { json!({}) } else { trusted.into() });
        object.sort_keys();
        object
    }

    fn shown(&self, name: &str, entry: &values::Entry) -> Option<Json> {
        let property = table::find(name);
        let set = self.values.is_set(name);
        let hidden = match table::edition(name) {
            Some(Edition::Variable | Edition::Former) => true,
            Some(Edition::Enterprise | Edition::Silverback) => !set,
            Some(Edition::Kong) | None => false,
        };
        if hidden || name == "host_ports" {
            return (name == "host_ports").then(|| self.host_ports());
        }
        if SHOWN_AS_OFF.contains(&name) && entry.value == Value::Unset {
            return Some(Json::Bool(false));
        }
        if entry.value == Value::Unset {
            return None;
        }
        match &entry.shown {
            Some(reference) => Some(reference.to_json()),
            None if property.is_some_and(|p| p.sensitive) => Some(json!(MASK)),
            // A dynamic property is nobody's idea of public: vault and plugin server options may hold secrets.
            None if property.is_none() && !name.starts_with("nginx_") => Some(json!(MASK)),
            None => Some(entry.value.to_json()),
        }
    }

    /// Servers of plugins in other languages; commands may hold secrets, as the properties they come from.
    fn plugin_servers(&self) -> Json {
        let shown = |server: &PluginServer| {
            let mut shown = json!({"name": server.name, "socket": server.socket});
            for (name, given) in [("start_command", &server.start), ("query_command", &server.query)] {
                if given.is_some() {
                    shown[name] = MASK.into();
                }
            }
            shown
        };
        // Lua's empty table.
        match self.settings.plugin_servers.as_slice() {
            [] => json!({}),
            servers => servers.iter().map(shown).collect(),
        }
    }

    fn host_ports(&self) -> Json {
        let mut ports = Map::new();
        for map in &self.settings.listeners.port_maps {
            ports.insert(map.local.to_string(), json!(map.public));
        }
        Json::Object(ports)
    }

    fn add_listeners(&self, object: &mut Map<String, Json>) {
        let Listeners { proxy, stream, admin, manager, status, cluster, .. } = &self.settings.listeners;
        let groups: [(&str, &[Listener], Option<&str>); 6] = [
            ("proxy_listeners", proxy, Some("proxy_ssl_enabled")),
            ("stream_listeners", stream, Some("stream_proxy_ssl_enabled")),
            ("admin_listeners", admin, Some("admin_ssl_enabled")),
            ("admin_gui_listeners", manager, Some("admin_gui_ssl_enabled")),
            ("status_listeners", status, Some("status_ssl_enabled")),
            ("cluster_listeners", cluster, None),
        ];
        for (name, listeners, flag) in groups {
            let subsystem = if name == "stream_listeners" { Subsystem::Stream } else { Subsystem::Http };
            let list: Vec<Json> = listeners.iter().map(|l| l.to_json(subsystem)).collect();
            object.insert(name.into(), if list.is_empty() { json!({}) } else { list.into() });
            if let Some(flag) = flag {
                object.insert(flag.into(), json!(listeners.iter().any(|l| l.ssl)));
            }
        }
    }

    fn add_headers(&self, object: &mut Map<String, Json>) {
        let headers: Map<String, Json> =
            self.settings.proxying.headers.by_name().into_iter().map(|(n, on)| (n.to_owned(), json!(on))).collect();
        object.insert("enabled_headers".into(), headers.into());
        let upstream = json!({ "X-Kong-Request-Id": self.settings.proxying.headers_upstream.request_id });
        object.insert("enabled_headers_upstream".into(), upstream);
    }

    fn add_directives(&self, object: &mut Map<String, Json>) {
        for block in BLOCKS.iter().filter(|b| **b != "wasm") {
            let mut list: Vec<(&str, String)> = self
                .values
                .iter()
                .filter_map(|(name, entry)| {
                    let (of, directive) = directive::split(name)?;
                    let injected = of == *block && !NOT_INJECTED.contains(&directive);
                    let text = entry.value.to_text();
                    (injected && !text.is_empty() && !is_alias(name)).then_some((directive, text))
                })
                .collect();
            match *block {
                "http" => list.push(("lua_shared_dict", "prometheus_metrics 5m".into())),
                "stream" => list.push(("lua_shared_dict", "stream_prometheus_metrics 5m".into())),
                _ => {}
            }
            list.sort();
            let list: Vec<Json> =
                list.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            object.insert(format!("nginx_{block}_directives"), if list.is_empty() { json!({}) } else { list.into() });
        }
    }

    /// `name = value` lines of what differs from the defaults, without secrets: `.kong_env` in the prefix, from which
    /// other commands learn how the running node was started.
    pub fn environment_file(&self) -> String {
        let mut text = String::new();
        for (name, entry) in self.values.iter() {
            let sensitive = table::find(name).is_none_or(|p| p.sensitive) && !name.starts_with("nginx_");
            let set = self.values.is_set(name) && entry.shown.is_none();
            if set && !sensitive && !matches!(table::edition(name), Some(Edition::Variable | Edition::Former)) {
                let value = entry.value.to_text().replace('#', "\\#").replace('\n', " ");
                text.push_str(&format!("{name} = {value}\n"));
            }
        }
        if !self.values.is_set("prefix") {
            text.push_str(&format!("prefix = {}\n", self.settings.prefix.display()));
        }
        text
    }
}

/// `nginx_user` and the like are spelled as if they were directives of a block, and are not.
fn is_alias(name: &str) -> bool {
    table::find(name).is_some_and(|p| p.alias_of.is_some())
}

fn trusted_name(trusted: &Trusted) -> Option<Json> {
    match trusted {
        Trusted::System(path) => Some(json!(path)),
        Trusted::SystemMissing => None,
        Trusted::Pem(pem) => Some(pem.path.as_ref().map_or(json!("inline"), |path| json!(path))),
    }
}

/// Paths below the prefix and names of sockets that Kong shows.
fn add_paths(object: &mut Map<String, Json>, prefix: &Path) {
    let paths = [
        ("admin_acc_logs", "logs/admin_access.log"),
        ("kong_env", ".kong_env"),
        ("kong_process_secrets", ".kong_process_secrets"),
        ("lua_ssl_trusted_certificate_combined", ".ca_combined"),
        ("nginx_acc_logs", "logs/access.log"),
        ("nginx_conf", "nginx.conf"),
        ("nginx_err_logs", "logs/error.log"),
        ("nginx_inject_conf", "nginx-inject.conf"),
        ("nginx_kong_conf", "nginx-kong.conf"),
        ("nginx_kong_gui_include_conf", "nginx-kong-gui-include.conf"),
        ("nginx_kong_inject_conf", "nginx-kong-inject.conf"),
        ("nginx_kong_stream_conf", "nginx-kong-stream.conf"),
        ("nginx_kong_stream_inject_conf", "nginx-kong-stream-inject.conf"),
        ("nginx_pid", "pids/nginx.pid"),
        ("socket_path", "sockets"),
        ("ssl_cert_csr_default", "ssl/kong-default.csr"),
        ("client_ssl_cert_default", "ssl/kong-default.crt"),
        ("client_ssl_cert_key_default", "ssl/kong-default.key"),
    ];
    for (name, path) in paths {
        object.insert(name.into(), json!(prefix.join(path)));
    }
    for (property, file) in [("", ""), ("admin_", "admin-"), ("admin_gui_", "admin-gui-"), ("status_", "status-")] {
        for (kind, extension) in [("cert", "crt"), ("cert_key", "key")] {
            for (suffix, curve) in [("", ""), ("_ecdsa", "-ecdsa")] {
                let path = format!("ssl/{file}kong-default{curve}.{extension}");
                object.insert(format!("{property}ssl_{kind}_default{suffix}"), json!(prefix.join(path)));
            }
        }
    }
    let sockets = [
        ("cluster_proxy_ssl_terminator_sock", "cp"),
        ("stream_config_sock", "sc"),
        ("stream_rpc_sock", "rp"),
        ("stream_tls_passthrough_sock", "sp"),
        ("stream_tls_terminate_sock", "st"),
        ("stream_worker_events_sock", "sw"),
        ("worker_events_sock", "we"),
    ];
    for (name, socket) in sockets {
        object.insert(name.into(), json!(socket));
    }
}
