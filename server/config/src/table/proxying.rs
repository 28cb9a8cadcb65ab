//! Proxying: headers, client address, upstream connections, router.

use crate::property::{Property, boolean, choice, list, number, on_off, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("error_template_html", "", "file overriding the HTML error template"),
    text("error_template_json", "", "file overriding the JSON error template"),
    text("error_template_xml", "", "file overriding the XML error template"),
    text("error_template_plain", "", "file overriding the plain error template"),
    number("worker_events_max_payload", "65535", "max bytes of a worker event").without_effect(),
    list("headers", "server_tokens, latency_tokens, x-kong-request-id", "response headers Kong adds"),
    list("headers_upstream", "x-kong-request-id", "request headers Kong adds upstream"),
    list("trusted_ips", "", "peers whose forwarded headers are trusted: addresses, CIDR blocks, unix:"),
    choice(
        "error_default_type",
        "text/plain",
        &["application/json", "application/xml", "text/html", "text/plain"],
        "type of nginx-made errors without Accept/Content-Type",
    ),
    number("upstream_keepalive_pool_size", "512", "idle upstream connections per pool; 0 off"),
    number("upstream_keepalive_max_requests", "10000", "requests per upstream connection; 0 unlimited"),
    number("upstream_keepalive_idle_timeout", "60", "idle seconds; 0 unlimited"),
    boolean("allow_debug_header", "off", "honour Kong-Debug request header"),
    text("client_body_buffer_size", "8k", "obsolete, see nginx_http_client_body_buffer_size").without_effect(),
    text("real_ip_header", "X-Real-IP", "header with the client address").alias_of("nginx_proxy_real_ip_header"),
    on_off("real_ip_recursive", "off", "recursive search in it").alias_of("nginx_proxy_real_ip_recursive"),
    choice(
        "worker_consistency",
        "eventual",
        &["strict", "eventual"],
        "rebuild before requests (strict) or by timer (eventual); requests see changes at once",
    )
    .without_effect(),
    number("worker_state_update_frequency", "5", "timer seconds for eventual").without_effect(),
    choice(
        "router_flavor",
        "traditional_compatible",
        &["traditional", "traditional_compatible", "expressions"],
        "router engine",
    ),
    choice("router_consistency", "", &["strict", "eventual"], "older name").deprecated("use worker_consistency"),
];
