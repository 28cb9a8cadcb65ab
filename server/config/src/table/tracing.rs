//! Tracing and request debugging.

use crate::property::{Property, boolean, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    list("opentelemetry_tracing", "off", "older name")
        .alias_of("tracing_instrumentations")
        .deprecated("use tracing_instrumentations"),
    number("opentelemetry_tracing_sampling_rate", "0.01", "older name")
        .alias_of("tracing_sampling_rate")
        .deprecated("use tracing_sampling_rate"),
    list(
        "tracing_instrumentations",
        "off",
        "span kinds: off, all, request, db_query, router, http_client, balancer, plugin_rewrite, plugin_access, plugin_header_filter, dns_query",
    ),
    number("tracing_sampling_rate", "0.01", "0..1"),
    boolean("request_debug", "on", "timing output with X-Kong-Request-Debug"),
    text("request_debug_token", "", "token for remote use of it; default random"),
];
