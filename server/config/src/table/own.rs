//! Silverback's own properties, and names of older Kong versions that still act.

use crate::property::{Property, list, number, on_off, text};

pub(super) const PROPERTIES: &[Property] = &[
    number(
        "access_log_sampling_rate",
        "1",
        "share of requests in the proxy's access log, 0..1; those answered with 4xx or 5xx always",
    ),
    on_off(
        "io_uring",
        "on",
        "send what cleartext connections of the proxy have to send by one system call for several, where the system lets it",
    ),
    list(
        "keyring_secret",
        "",
        "secrets whose keys encrypt what is secret in the database: the first one encrypts, all decrypt",
    )
    .secret(),
    on_off("log_masking", "on", "mask credentials in access logs and in what the node remembers of requests"),
    list("log_masked_names", "", "headers and query arguments that are secret beside those that always are"),
    text("sqlite_path", "silverback.sqlite", "file of database = sqlite, relative to prefix"),
    on_off("telemetry_history", "on", "remember requests: figures of an hour and a week, requests worth a look"),
    text("tracing_endpoint", "", "OTLP/HTTP endpoint of spans; unset: OTEL_EXPORTER_OTLP_ENDPOINT"),
];

/// Spellings that keep acting because only the name changed.
pub(super) const FORMER: &[Property] = &[
    text("client_max_body_size", "", "older name")
        .alias_of("nginx_http_client_max_body_size")
        .deprecated("use nginx_http_client_max_body_size"),
    number("admin_gui_auth_change_password_attempts_ttl", "", "other name")
        .alias_of("admin_gui_auth_change_password_ttl")
        .deprecated("use admin_gui_auth_change_password_ttl"),
];

/// Read from the environment only, never from a file, as in Kong's image.
pub(super) const VARIABLES: &[Property] =
    &[text("password", "", "password and RBAC token of the first super admin, kong_admin").secret()];
