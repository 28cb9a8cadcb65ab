//! Dynamic properties: `nginx_<block>_<directive>`, `pluginserver_<name>_*`, `vault_<name>_*`.

/// Blocks of nginx.conf into which a property can inject a directive. A longer name comes before its beginning.
pub const BLOCKS: &[&str] = &[
    "main",
    "events",
    "http",
    "upstream",
    "proxy",
    "location",
    "status",
    "admin",
    "stream",
    "supstream",
    "sproxy",
    "wasm_main_shm_kv",
    "wasm_wasmtime",
    "wasm_wasmer",
    "wasm_main",
    "wasm_v8",
    "wasm",
];

/// Blocks whose directives Silverback honours.
pub(crate) const ACTING_BLOCKS: &[&str] = &["http", "proxy", "admin", "status"];

/// Properties that it honours beside: directives that count in one block only.
pub(crate) const ACTING_ONCE: &[&str] = &["nginx_main_worker_cpu_affinity", "nginx_sproxy_proxy_protocol"];

/// Directives that Silverback honours in any of these blocks, besides those in the table of properties.
pub(crate) const ACTING: &[&str] = &[
    "client_max_body_size",
    "client_header_timeout",
    "client_body_timeout",
    "client_header_buffer_size",
    "large_client_header_buffers",
    "keepalive_timeout",
    "keepalive_requests",
    "send_timeout",
    "real_ip_header",
    "real_ip_recursive",
    "set_real_ip_from",
    "log_format",
    "ssl_protocols",
    "ssl_prefer_server_ciphers",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "ssl_verify_client",
    "ssl_client_certificate",
    "ssl_verify_depth",
    "lua_ssl_protocols",
];

/// A property name as block and directive: `nginx_http_log_format` is (`http`, `log_format`).
pub fn split(name: &str) -> Option<(&'static str, &str)> {
    let rest = name.strip_prefix("nginx_")?;
    BLOCKS.iter().find_map(|block| {
        let directive = rest.strip_prefix(block)?.strip_prefix('_')?;
        (!directive.is_empty()).then_some((*block, directive))
    })
}

/// Whether a name may be set though no table lists it.
pub fn is_dynamic(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(word) {
        return false;
    }
    if split(name).is_some() {
        return true;
    }
    let tail = |prefix| name.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty());
    (tail("pluginserver_") && ["_socket", "_start_cmd", "_query_cmd"].iter().any(|end| name.ends_with(end)))
        || (tail("vault_") && name.matches('_').count() >= 2)
}

/// Whether setting a dynamic property does anything.
pub fn acts(name: &str) -> bool {
    match split(name) {
        Some((block, directive)) => {
            ACTING_ONCE.contains(&name) || (ACTING_BLOCKS.contains(&block) && ACTING.contains(&directive))
        }
        None => name.starts_with("vault_") || name.starts_with("pluginserver_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(split("nginx_http_log_format"), Some(("http", "log_format")));
        assert_eq!(split("nginx_sproxy_proxy_timeout"), Some(("sproxy", "proxy_timeout")));
        assert_eq!(split("nginx_http_"), None);
        assert_eq!(split("nginx_daemon"), None);
        assert!(is_dynamic("vault_env_prefix"));
        assert!(is_dynamic("vault_rotation_interval"));
        assert!(is_dynamic("pluginserver_go_start_cmd"));
        assert!(!is_dynamic("pluginserver_go"));
        assert!(!is_dynamic("vault_"));
        assert!(acts("nginx_admin_ssl_verify_client"));
        assert!(acts("nginx_sproxy_proxy_protocol") && !acts("nginx_proxy_proxy_protocol"));
        assert!(acts("nginx_main_worker_cpu_affinity") && !acts("nginx_main_worker_priority"));
    }
}
