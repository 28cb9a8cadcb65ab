//! Names of old Kong versions: a sentence each on what replaced them.

/// What replaced a name that no longer means anything.
pub fn replacement(name: &str) -> Option<&'static str> {
    if name.starts_with("cassandra_") || name == "databases_available" {
        return Some("Cassandra is not available as a datastore; use database = postgres with the pg_* properties");
    }
    let sentence = match name {
        "proxy_listen_ssl" | "proxy_ssl_listen" | "proxy_ssl_port" | "proxy_port" | "ssl" | "http2" | "stream_port" => {
            "listeners are all in proxy_listen, each with its flags: proxy_listen = 0.0.0.0:8000, 0.0.0.0:8443 ssl http2"
        }
        "admin_api_listen" | "admin_listen_ssl" | "admin_ssl_listen" | "admin_api_port" | "admin_port"
        | "admin_ssl" | "admin_http2" | "admin_ip" => {
            "listeners of the Admin API are all in admin_listen: admin_listen = 127.0.0.1:8001, 127.0.0.1:8444 ssl http2"
        }
        "admin_gui_ssl" | "admin_gui_listen_ssl" => {
            "listeners of the manager are all in admin_gui_listen: admin_gui_listen = 0.0.0.0:8002, 0.0.0.0:8445 ssl"
        }
        "cluster_listen_rpc"
        | "cluster_advertise"
        | "cluster_encrypt_key"
        | "cluster_profile"
        | "cluster_ttl_on_failure"
        | "cluster_keyring_file"
        | "serf_path"
        | "cluster"
        | "serf_event" => {
            "nodes no longer talk through Serf (ports 7946 and 7373): they follow changes in the database they share, see \
             db_update_frequency; remove it"
        }
        "cluster_telemetry_listen" | "cluster_telemetry_endpoint" | "cluster_telemetry_server_name" => {
            "there is no telemetry channel between planes; logging and tracing plugins send from each node"
        }
        "custom_plugins" | "plugins_available" => "name plugins in plugins: plugins = bundled,my-plugin",
        "send_anonymous_reports" => "the name is anonymous_reports",
        "dnsmasq" | "dnsmasq_port" | "dns_resolvers_available" => {
            "names are resolved without dnsmasq; nameservers are in dns_resolver, default those of /etc/resolv.conf"
        }
        "nginx_working_dir" => "the name is prefix",
        "nginx_optimizations" => "remove it; single directives can be set as nginx_http_<directive>",
        "memory_cache_size" => "the name is mem_cache_size",
        "pid_file" => "remove it; the process id is in the folder pids under prefix",
        "upstream_keepalive" | "nginx_upstream_keepalive" | "nginx_http_upstream_keepalive" => {
            "the name is upstream_keepalive_pool_size"
        }
        "nginx_upstream_keepalive_requests" | "nginx_http_upstream_keepalive_requests" => {
            "the name is upstream_keepalive_max_requests"
        }
        "nginx_upstream_keepalive_timeout" | "nginx_http_upstream_keepalive_timeout" => {
            "the name is upstream_keepalive_idle_timeout"
        }
        "router_update_frequency" => "the name is worker_state_update_frequency",
        "go_pluginserver_exe" | "go_plugins_dir" => {
            "plugin servers are named in pluginserver_names, each with pluginserver_<name>_start_cmd and _socket"
        }
        "service_mesh" | "origins" | "transparent" => "removed with service mesh; reach other hosts through Upstreams",
        "lua_code_cache" => "remove it; code is always cached",
        "db_cache_warmup" => "the name is db_cache_warmup_entities",
        "error_log" => "error logs are set per listener: proxy_error_log, admin_error_log, status_error_log",
        "access_log" => "access logs are set per listener: proxy_access_log, admin_access_log, status_access_log",
        "status_port" => "the listener is in status_listen: status_listen = 127.0.0.1:8007",
        _ => return None,
    };
    Some(sentence)
}

/// What to say about a `cluster_listen` that still names one of Serf's ports.
pub fn serf_port(listen: &str) -> Option<&'static str> {
    listen
        .split(|c: char| c == ',' || c.is_whitespace())
        .any(|word| word.ends_with(":7946") || word.ends_with(":7373"))
        .then_some(
            "7946 and 7373 were Serf's ports; cluster_listen is now where a control plane listens for its data planes \
             (default 0.0.0.0:8005), and nodes that share a database need no port between them",
        )
}
