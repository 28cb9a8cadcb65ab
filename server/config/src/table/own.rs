//! Silverback's own properties, and names of older Kong versions that still act.

use crate::property::{Property, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("sqlite_path", "silverback.sqlite", "file of database = sqlite, relative to prefix"),
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
