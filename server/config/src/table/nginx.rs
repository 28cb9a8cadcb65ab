//! Directives of nginx that have a default; other `nginx_*` directives are dynamic ([`crate::directive`]).

use crate::property::{Property, on_off, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("nginx_user", "kong kong", "worker user and group").without_effect().alias_of("nginx_main_user"),
    text("nginx_worker_processes", "auto", "worker count").alias_of("nginx_main_worker_processes"),
    on_off("nginx_daemon", "on", "run in background; `start` stays in the foreground")
        .alias_of("nginx_main_daemon")
        .without_effect(),
    text("nginx_main_daemon", "on", "nginx directive daemon").without_effect(),
    text("nginx_main_user", "kong kong", "nginx directive user").without_effect(),
    text("nginx_main_worker_processes", "auto", "nginx directive worker_processes"),
    text("nginx_main_worker_rlimit_nofile", "auto", "nginx directive worker_rlimit_nofile").without_effect(),
    text("nginx_events_worker_connections", "auto", "nginx directive worker_connections").without_effect(),
    text("nginx_events_multi_accept", "on", "nginx directive multi_accept").without_effect(),
    text("nginx_http_charset", "UTF-8", "nginx directive charset").without_effect(),
    text("nginx_http_client_max_body_size", "0", "nginx directive client_max_body_size"),
    text("nginx_http_client_body_buffer_size", "8k", "nginx directive client_body_buffer_size").without_effect(),
    text("nginx_http_ssl_protocols", "", "nginx directive ssl_protocols"),
    text("nginx_http_ssl_prefer_server_ciphers", "", "nginx directive ssl_prefer_server_ciphers"),
    text("nginx_http_ssl_dhparam", "", "nginx directive ssl_dhparam").without_effect(),
    text("nginx_http_ssl_session_tickets", "", "nginx directive ssl_session_tickets"),
    text("nginx_http_ssl_session_timeout", "", "nginx directive ssl_session_timeout"),
    text("nginx_http_ssl_conf_command", "", "nginx directive ssl_conf_command").without_effect(),
    text("nginx_http_proxy_ssl_conf_command", "", "nginx directive proxy_ssl_conf_command").without_effect(),
    text("nginx_http_lua_ssl_conf_command", "", "nginx directive lua_ssl_conf_command").without_effect(),
    text("nginx_http_grpc_ssl_conf_command", "", "nginx directive grpc_ssl_conf_command").without_effect(),
    text("nginx_http_lua_regex_match_limit", "100000", "nginx directive lua_regex_match_limit").without_effect(),
    text("nginx_http_lua_regex_cache_max_entries", "8192", "nginx directive lua_regex_cache_max_entries")
        .without_effect(),
    text("nginx_http_keepalive_requests", "10000", "nginx directive keepalive_requests"),
    text("nginx_stream_ssl_conf_command", "", "nginx directive ssl_conf_command").without_effect(),
    text("nginx_stream_proxy_ssl_conf_command", "", "nginx directive proxy_ssl_conf_command").without_effect(),
    text("nginx_stream_lua_ssl_conf_command", "", "nginx directive lua_ssl_conf_command").without_effect(),
    text("nginx_stream_ssl_protocols", "", "nginx directive ssl_protocols").without_effect(),
    text("nginx_stream_ssl_prefer_server_ciphers", "", "nginx directive ssl_prefer_server_ciphers").without_effect(),
    text("nginx_stream_ssl_dhparam", "", "nginx directive ssl_dhparam").without_effect(),
    text("nginx_stream_ssl_session_tickets", "", "nginx directive ssl_session_tickets").without_effect(),
    text("nginx_stream_ssl_session_timeout", "", "nginx directive ssl_session_timeout").without_effect(),
    text("nginx_proxy_real_ip_header", "X-Real-IP", "nginx directive real_ip_header"),
    text("nginx_proxy_real_ip_recursive", "off", "nginx directive real_ip_recursive"),
    text("nginx_admin_client_max_body_size", "10m", "nginx directive client_max_body_size"),
    text("nginx_admin_client_body_buffer_size", "10m", "nginx directive client_body_buffer_size").without_effect(),
];
