//! PostgreSQL, and its read-only replica.

use crate::property::{Property, boolean, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("pg_host", "127.0.0.1", "Postgres host"),
    number("pg_port", "5432", "Postgres port"),
    text("pg_database", "kong", "database name"),
    text("pg_schema", "", "schema name"),
    number("pg_timeout", "5000", "connect/send/read timeout ms"),
    text("pg_user", "kong", "user"),
    text("pg_password", "", "password").secret(),
    boolean("pg_ssl", "off", "TLS to Postgres"),
    boolean("pg_ssl_verify", "off", "verify its certificate"),
    number("pg_max_concurrent_queries", "0", "concurrent queries per worker; 0 unlimited"),
    number("pg_semaphore_timeout", "60000", "ms to wait for a slot"),
    number("pg_keepalive_timeout", "", "idle connection ms"),
    number("pg_pool_size", "", "connection pool size"),
    number("pg_backlog", "", "connection queue"),
    number("_debug_pg_ttl_cleanup_interval", "300", "seconds between expired-row clean-ups"),
    text("pg_ro_host", "", "read-only replica: as pg_host (default = that value once pg_ro_host is set)"),
    number("pg_ro_port", "", "read-only replica: as pg_port (default = that value once pg_ro_host is set)"),
    text("pg_ro_database", "", "read-only replica: as pg_database (default = that value once pg_ro_host is set)"),
    text("pg_ro_schema", "", "read-only replica: as pg_schema (default = that value once pg_ro_host is set)"),
    number("pg_ro_timeout", "", "read-only replica: as pg_timeout (default = that value once pg_ro_host is set)"),
    text("pg_ro_user", "", "read-only replica: as pg_user (default = that value once pg_ro_host is set)"),
    text("pg_ro_password", "", "read-only replica: as pg_password (default = that value once pg_ro_host is set)")
        .secret(),
    boolean("pg_ro_ssl", "", "read-only replica: as pg_ssl (default = that value once pg_ro_host is set)"),
    boolean(
        "pg_ro_ssl_verify",
        "",
        "read-only replica: as pg_ssl_verify (default = that value once pg_ro_host is set)",
    ),
    number(
        "pg_ro_max_concurrent_queries",
        "",
        "read-only replica: as pg_max_concurrent_queries (default = that value once pg_ro_host is set)",
    ),
    number(
        "pg_ro_semaphore_timeout",
        "",
        "read-only replica: as pg_semaphore_timeout (default = that value once pg_ro_host is set)",
    ),
    number(
        "pg_ro_keepalive_timeout",
        "",
        "read-only replica: as pg_keepalive_timeout (default = that value once pg_ro_host is set)",
    ),
    number("pg_ro_pool_size", "", "read-only replica: as pg_pool_size (default = that value once pg_ro_host is set)"),
    number("pg_ro_backlog", "", "read-only replica: as pg_backlog (default = that value once pg_ro_host is set)"),
];
