//! Where configuration is kept.

use crate::property::{Property, choice, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    text(
        "lmdb_environment_path",
        "dbless.lmdb",
        "LMDB dir; without a database the last configuration is in `dbless.json` of the prefix",
    )
    .without_effect(),
    text("lmdb_map_size", "2048m", "LMDB max size").without_effect(),
    text("mem_cache_size", "128m", "size of each entity cache dict"),
    choice(
        "database",
        "",
        &["postgres", "sqlite", "cassandra", "off"],
        "where configuration lives; unset: postgres if any pg_ property is set, else sqlite",
    ),
    text("declarative_config", "", "declarative file for DB-less"),
    text("declarative_config_string", "", "declarative text for DB-less").secret(),
    number("db_update_frequency", "5", "seconds between cluster event polls"),
    number("db_update_propagation", "0", "seconds replicas may lag"),
    number("db_cache_ttl", "0", "entity cache ttl; 0 forever"),
    number("db_cache_neg_ttl", "", "miss cache ttl"),
    number("db_resurrect_ttl", "30", "stale use seconds"),
    list("db_cache_warmup_entities", "services", "entities loaded at start: always all that routing and plugins need")
        .without_effect(),
];
