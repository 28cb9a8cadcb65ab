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

/// Directives that Silverback honours, and in which blocks, besides those in the table of properties. What stands in
/// `http` counts for the listeners whose own block is silent: `proxy`, `admin` (with the manager's), `status`.
pub(crate) const ACTING: &[(&str, &[&str])] = &[
    ("client_max_body_size", LIMITS),
    ("client_header_timeout", LIMITS),
    ("client_body_timeout", LIMITS),
    ("keepalive_timeout", LIMITS),
    ("large_client_header_buffers", &["http", "proxy"]),
    ("keepalive_requests", &["http", "proxy"]),
    ("send_timeout", &["http", "proxy"]),
    ("real_ip_header", &["proxy"]),
    ("real_ip_recursive", &["proxy"]),
    ("log_format", &["http", "stream"]),
    ("ssl_protocols", LISTENERS),
    ("ssl_prefer_server_ciphers", LISTENERS),
    ("ssl_session_tickets", LISTENERS),
    ("ssl_session_timeout", LISTENERS),
    ("ssl_verify_client", LISTENERS),
    ("ssl_client_certificate", LISTENERS),
    ("ssl_verify_depth", LISTENERS),
    ("lua_ssl_protocols", &["http"]),
    ("worker_cpu_affinity", &["main"]),
    ("proxy_protocol", &["sproxy"]),
];

/// Where bounds of clients stand; those of `admin` count for the status listeners, too.
const LIMITS: &[&str] = &["http", "proxy", "admin"];

/// Where TLS of listeners is set up.
const LISTENERS: &[&str] = &["http", "proxy", "admin", "status"];

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
        Some((block, directive)) => ACTING.iter().any(|(name, blocks)| *name == directive && blocks.contains(&block)),
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
        assert!(acts("nginx_admin_ssl_verify_client") && acts("nginx_http_client_header_timeout"));
        assert!(acts("nginx_proxy_send_timeout") && !acts("nginx_admin_send_timeout"));
        assert!(acts("nginx_sproxy_proxy_protocol") && !acts("nginx_proxy_proxy_protocol"));
        assert!(acts("nginx_main_worker_cpu_affinity") && !acts("nginx_main_worker_priority"));
    }
}
