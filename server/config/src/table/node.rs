//! The node itself: its folder, identity, what it loads.

use crate::property::{Property, boolean, choice, list, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("prefix", "/usr/local/kong/", "working directory: logs, sockets, last good configuration, .kong_env"),
    choice(
        "log_level",
        "notice",
        &["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"],
        "error log level",
    ),
    list("vaults", "bundled", "vaults to load: bundled, off or names"),
    list("plugins", "bundled", "plugins to load: bundled, off or names (bundled,custom)"),
    boolean("anonymous_reports", "on", "usage reports; Silverback never sends any").without_effect(),
    text("node_id", "", "fixed node UUID; default random, kept in prefix/kong.id"),
    boolean("dedicated_config_processing", "on", "DP: privileged process parses config").without_effect(),
    boolean("privileged_worker", "", "older name").without_effect().deprecated("use dedicated_config_processing"),
    text("vault_env_prefix", "", "prefix of the env vault when used by name"),
];
