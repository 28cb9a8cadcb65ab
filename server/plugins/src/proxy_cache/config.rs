//! Options of `proxy-cache`, and what `proxy-cache-advanced` has beyond them.

use crate::redis::ExtendedRedis;
use schema::{Field, FieldType, Record, Schema, Value};
use serde::Deserialize;

/// Options of `proxy-cache`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Statuses of responses that are kept.
    #[field(default([200, 301, 404]), len_min = 1, elements(between(100, 900)))]
    pub response_code: Vec<u16>,
    /// Methods of requests that are answered from the cache.
    #[field(default(["GET", "HEAD"]), elements(one_of("HEAD", "GET", "POST", "PATCH", "PUT")))]
    pub request_method: Vec<String>,
    /// Types of responses that are kept; `*` stands for any type or subtype, parameters must be the same.
    #[field(default(["text/plain", "application/json"]))]
    pub content_type: Vec<String>,
    /// For how long responses are fresh, in seconds.
    #[field(default = 300, gt = 0)]
    pub cache_ttl: Option<u64>,
    /// Where responses are kept.
    #[field(one_of("memory"))]
    pub strategy: Strategy,
    /// Whether `Cache-Control` of requests and responses counts (RFC 9111 §5.2).
    #[field(default = false)]
    pub cache_control: bool,
    /// Whether paths that differ in case only are the same.
    #[field(default = false, required = false)]
    pub ignore_uri_case: Option<bool>,
    /// For how long responses are kept, fresh or not, in seconds.
    pub storage_ttl: Option<i64>,
    /// Options of strategy memory.
    pub memory: Memory,
    /// Arguments of the query that tell responses apart; none: all of them.
    pub vary_query_params: Option<Vec<String>>,
    /// Headers of requests that tell responses apart.
    pub vary_headers: Option<Vec<String>>,
    /// Which headers tell clients of the cache.
    pub response_headers: ResponseHeaders,
}

/// Where responses are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// On each node.
    Memory,
    /// On a Redis server, which nodes may share; `proxy-cache-advanced` only.
    Redis,
}

/// Options of strategy memory.
#[derive(Debug, Deserialize, Schema)]
pub struct Memory {
    /// The shared memory to use; here all of them are one.
    #[field(default = "kong_db_cache")]
    pub dictionary_name: String,
}

/// Headers that tell clients of the cache.
#[derive(Debug, Deserialize, Schema)]
pub struct ResponseHeaders {
    /// `Age`
    #[field(default = true)]
    pub age: Option<bool>,
    /// `X-Cache-Status`
    #[serde(rename = "X-Cache-Status")]
    #[field(default = true)]
    pub status: Option<bool>,
    /// `X-Cache-Key`
    #[serde(rename = "X-Cache-Key")]
    #[field(default = true)]
    pub key: Option<bool>,
}

/// Options of `proxy-cache-advanced`.
#[derive(Debug, Deserialize)]
pub struct AdvancedConfig {
    /// Those of `proxy-cache`.
    #[serde(flatten)]
    pub cache: Config,
    /// Whether requests pass while Redis cannot be asked; else they are answered with 500.
    pub bypass_on_err: Option<bool>,
    /// The Redis server of strategy redis.
    pub redis: ExtendedRedis,
}

impl Schema for AdvancedConfig {
    fn record() -> Record {
        Config::record()
            .change("content_type", |types| types.default(["application/json", "text/plain"].as_slice()))
            .change("strategy", |strategy| {
                strategy
                    .one_of(["memory", "redis"])
                    .help("Where responses are kept: on each node, or on a Redis server.")
            })
            .field(Field::boolean("bypass_on_err").default(false).help(
                "Whether requests pass, with `X-Cache-Status: Bypass`, while Redis cannot be asked; else they are \
                     answered with 500.",
            ))
            .field(ExtendedRedis::field().named("redis").required(true).help("The Redis server of strategy redis."))
    }
}

/// The shared memories that Kong has by default.
pub(crate) const DICTIONARIES: [&str; 12] = [
    "kong",
    "kong_locks",
    "kong_db_cache",
    "kong_db_cache_miss",
    "kong_core_db_cache",
    "kong_core_db_cache_miss",
    "kong_healthchecks",
    "kong_cluster_events",
    "kong_rate_limiting_counters",
    "kong_secrets",
    "kong_dns_cache",
    "prometheus_metrics",
];

/// The shared memory must be one of Kong's.
pub(super) fn dictionary(plugin: &schema::Map<String, Value>) -> Result<(), String> {
    let config = plugin.get("config").and_then(Value::as_object);
    let name = config.and_then(|config| config.get("memory")?.get("dictionary_name")?.as_str());
    match name {
        Some(name) if !DICTIONARIES.contains(&name) => Err(format!("missing shared dict '{name}'")),
        _ => Ok(()),
    }
}
