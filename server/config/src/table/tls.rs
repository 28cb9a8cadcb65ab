//! Certificates, keys, TLS versions, of listeners and of outgoing calls.

use crate::property::{Property, boolean, list, number, on_off, text};

pub(super) const PROPERTIES: &[Property] = &[
    list("ssl_cert", "", "default proxy certificate list"),
    list("ssl_cert_key", "", "keys for ssl_cert").secret(),
    boolean("client_ssl", "off", "send a client certificate upstream by default"),
    text("client_ssl_cert", "", "that certificate"),
    text("client_ssl_cert_key", "", "its key").secret(),
    text("ssl_cipher_suite", "intermediate", "modern, intermediate, old, fips or custom"),
    text("ssl_ciphers", "", "cipher list for custom"),
    text("ssl_protocols", "TLSv1.2 TLSv1.3", "TLS versions (overridden by suite unless custom)")
        .sets(&["nginx_http_ssl_protocols", "nginx_stream_ssl_protocols"]),
    on_off("ssl_prefer_server_ciphers", "on", "server cipher order")
        .sets(&["nginx_http_ssl_prefer_server_ciphers", "nginx_stream_ssl_prefer_server_ciphers"]),
    text("ssl_dhparam", "", "DH params: ffdhe name or file")
        .without_effect()
        .sets(&["nginx_http_ssl_dhparam", "nginx_stream_ssl_dhparam"]),
    on_off("ssl_session_tickets", "on", "TLS tickets")
        .sets(&["nginx_http_ssl_session_tickets", "nginx_stream_ssl_session_tickets"]),
    text("ssl_session_timeout", "1d", "how long a TLS session may be resumed; by ticket for 12 hours at most")
        .sets(&["nginx_http_ssl_session_timeout", "nginx_stream_ssl_session_timeout"]),
    text("ssl_session_cache_size", "10m", "TLS session cache size").without_effect(),
    list("admin_ssl_cert", "", "Admin API certificate list"),
    list("admin_ssl_cert_key", "", "keys").secret(),
    list("admin_gui_ssl_cert", "", "Manager certificate list"),
    list("admin_gui_ssl_cert_key", "", "keys").secret(),
    list("status_ssl_cert", "", "Status API certificate list"),
    list("status_ssl_cert_key", "", "keys").secret(),
    list("lua_ssl_trusted_certificate", "system", "CA list for outgoing TLS; system = distro bundle"),
    number("lua_ssl_verify_depth", "1", "chain depth"),
    text(
        "lua_ssl_protocols",
        "TLSv1.2 TLSv1.3",
        "TLS versions in which the node asks others: plugins, Redis, LDAP, health checks",
    )
    .sets(&["nginx_http_lua_ssl_protocols", "nginx_stream_lua_ssl_protocols"]),
];
