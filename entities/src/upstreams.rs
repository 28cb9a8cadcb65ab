//! Upstreams: virtual host names with Targets behind them.

use crate::{Certificate, Entity};
use indexmap::IndexMap;
use schema::{Check, Field, FieldType, Foreign, Map, Named, Schema, Set, Shorthand, Value, address::Address};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const HASH_INPUTS: [&str; 8] = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];
const ALGORITHMS: [&str; 4] = ["consistent-hashing", "least-connections", "round-robin", "latency"];
const PROBES: [&str; 5] = ["tcp", "http", "https", "grpc", "grpcs"];

/// A virtual host name over which requests are balanced.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[schema(
    shorthand = Shorthand::computed(String::field().named("algorithm"), algorithm),
    shorthand = Shorthand::computed(String::field().named("hash_on"), hash_on),
    check = needs("hash_on", "header", "hash_on_header"),
    check = needs("hash_fallback", "header", "hash_fallback_header"),
    check = needs("hash_on", "cookie", "hash_on_cookie"),
    check = needs("hash_fallback", "cookie", "hash_on_cookie"),
    check = fallbacks("none", &["none"]),
    check = fallbacks("cookie", &["none"]),
    check = fallbacks("consumer", &["none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"]),
    check = fallbacks("ip", &["none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"]),
    check = fallbacks("path", &["none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"]),
    check = Check::distinct(["hash_on_header", "hash_fallback_header"]),
    check = needs("hash_on", "query_arg", "hash_on_query_arg"),
    check = needs("hash_fallback", "query_arg", "hash_fallback_query_arg"),
    check = Check::distinct(["hash_on_query_arg", "hash_fallback_query_arg"]),
    check = needs("hash_on", "uri_capture", "hash_on_uri_capture"),
    check = needs("hash_fallback", "uri_capture", "hash_fallback_uri_capture"),
    check = Check::distinct(["hash_on_uri_capture", "hash_fallback_uri_capture"]),
)]
pub struct Upstream {
    /// Unique identifier.
    #[field(is = id)]
    pub id: Uuid,
    /// Time of creation, seconds since 1970.
    #[field(is = created_at)]
    #[serde(default)]
    pub created_at: i64,
    /// Host name, equal to the `host` of the Services that use it.
    #[field(unique, validate = name)]
    pub name: String,
    /// Time of the last change, seconds since 1970.
    #[field(is = updated_at)]
    #[serde(default)]
    pub updated_at: i64,
    /// How a Target is chosen.
    #[field(default = "round-robin", one_of = ALGORITHMS)]
    pub algorithm: Option<String>,
    /// What is hashed.
    #[field(default = "none", one_of = HASH_INPUTS)]
    pub hash_on: Option<String>,
    /// What is hashed when `hash_on` gives nothing.
    #[field(default = "none", one_of = HASH_INPUTS)]
    pub hash_fallback: Option<String>,
    /// Header to hash.
    #[field(is = header_name)]
    pub hash_on_header: Option<String>,
    /// Header to hash when `hash_on` gives nothing.
    #[field(is = header_name)]
    pub hash_fallback_header: Option<String>,
    /// Cookie to hash; set on the response when the request has none.
    #[field(is = cookie_name)]
    pub hash_on_cookie: Option<String>,
    /// Path of that cookie.
    #[field(default = "/", is = path)]
    pub hash_on_cookie_path: Option<String>,
    /// Query argument to hash.
    #[field(len_min(1))]
    pub hash_on_query_arg: Option<String>,
    /// Query argument to hash when `hash_on` gives nothing.
    #[field(len_min(1))]
    pub hash_fallback_query_arg: Option<String>,
    /// Capture of the Route's path to hash.
    #[field(len_min(1))]
    pub hash_on_uri_capture: Option<String>,
    /// Capture of the Route's path to hash when `hash_on` gives nothing.
    #[field(len_min(1))]
    pub hash_fallback_uri_capture: Option<String>,
    /// Size of the ring.
    #[field(default = 10000, between(10, 65536))]
    pub slots: Option<u32>,
    /// How the health of Targets is found out.
    #[field(default({
        "active": {
            "type": "http", "concurrency": 10,
            "healthy": {"http_statuses": [200, 302], "interval": 0, "successes": 0},
            "http_path": "/", "https_verify_certificate": true, "timeout": 1,
            "unhealthy": {
                "http_failures": 0, "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
                "interval": 0, "tcp_failures": 0, "timeouts": 0
            }
        },
        "passive": {
            "type": "http",
            "healthy": {
                "http_statuses": [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306,
                    307, 308],
                "successes": 0
            },
            "unhealthy": {"http_failures": 0, "http_statuses": [429, 500, 503], "tcp_failures": 0, "timeouts": 0}
        }
    }))]
    pub healthchecks: Healthchecks,
    /// Free words to group and filter by.
    #[field(is = tags)]
    pub tags: Option<Set<String>>,
    /// Host header for proxied requests.
    #[field(is = host_with_optional_port)]
    pub host_header: Option<String>,
    /// Certificate to present to Targets.
    pub client_certificate: Option<Foreign<Certificate>>,
    /// Whether the name of an SRV record is used as host name.
    #[field(default = false)]
    pub use_srv_name: Option<bool>,
    /// How much each address of a Target is asked to bear, and when one that fails is left alone. Kong has no such field.
    #[field(beyond)]
    #[serde(default)]
    pub circuit_breaker: Option<CircuitBreaker>,
}

/// Limits of the addresses of an Upstream's Targets, and the circuit of each. Of everything 0 is no limit.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct CircuitBreaker {
    /// Requests that one address may have at a time.
    #[field(default = 0, between(0, 1_000_000))]
    pub max_requests: u32,
    /// Of these, those that may wait for a new connection to it.
    #[field(default = 0, between(0, 1_000_000))]
    pub max_pending: u32,
    /// How many retries the Upstream may have at a time, in percent of its requests at that time; three are always allowed.
    #[field(default = 0, between(0, 100))]
    pub max_retries_percent: u32,
    /// Percent of the requests of a window whose failure opens the circuit of an address; with 0 it never opens.
    #[field(default = 0, between(0, 100))]
    pub failure_percent: u32,
    /// Answers that begin later than this count as failures, in milliseconds; with 0 only errors do.
    #[field(default = 0, between(0, 2_147_483_646))]
    pub slow_after: u32,
    /// Length of a window, in seconds.
    #[field(default = 10, between(1, 3600))]
    pub window: u32,
    /// With fewer requests in a window the circuit stays closed.
    #[field(default = 20, between(1, 10_000))]
    pub min_requests: u32,
    /// How long a circuit stays open before it is tried, in seconds.
    #[field(default = 30, between(1, 86_400))]
    pub open_for: u32,
    /// Requests that must go well on trial before the circuit is closed.
    #[field(default = 3, between(1, 1000))]
    pub trials: u32,
}

/// Health checks of an Upstream.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct Healthchecks {
    /// Probes.
    #[field(default({
        "type": "http", "concurrency": 10,
        "healthy": {"http_statuses": [200, 302], "interval": 0, "successes": 0},
        "http_path": "/", "https_verify_certificate": true, "timeout": 1,
        "unhealthy": {
            "http_failures": 0, "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
            "interval": 0, "tcp_failures": 0, "timeouts": 0
        }
    }))]
    pub active: ActiveHealth,
    /// Observation of proxied traffic.
    #[field(default({
        "type": "http",
        "healthy": {
            "http_statuses": [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306,
                307, 308],
            "successes": 0
        },
        "unhealthy": {"http_failures": 0, "http_statuses": [429, 500, 503], "tcp_failures": 0, "timeouts": 0}
    }))]
    pub passive: PassiveHealth,
    /// Least share of the weight, in percent, that must be available for the Upstream to be healthy.
    #[field(default = 0, between(0, 100))]
    pub threshold: Option<f64>,
}

/// Probes.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ActiveHealth {
    /// Whether the Target's certificate is verified.
    #[field(default = true)]
    pub https_verify_certificate: bool,
    /// When a Target becomes healthy.
    #[field(default({"http_statuses": [200, 302], "interval": 0, "successes": 0}))]
    pub healthy: ActiveHealthy,
    /// When a Target becomes unhealthy.
    #[field(default({
        "http_failures": 0, "http_statuses": [429, 404, 500, 501, 502, 503, 504, 505],
        "interval": 0, "tcp_failures": 0, "timeouts": 0
    }))]
    pub unhealthy: ActiveUnhealthy,
    /// Headers of probes.
    #[field(required = false, keys(is = header_name))]
    pub headers: Option<IndexMap<String, Vec<String>>>,
    /// What a probe is.
    #[field(rename = "type", default = "http", one_of = PROBES)]
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Time-out of a probe, in seconds.
    #[field(default = 1, between(0, 65535))]
    pub timeout: Option<f64>,
    /// How many Targets are probed at once.
    #[field(default = 10, between(1, 2_147_483_648.0))]
    pub concurrency: Option<u32>,
    /// Path of a probe.
    #[field(default = "/", is = path)]
    pub http_path: Option<String>,
    /// TLS server name of a probe.
    #[field(required = false, is = sni)]
    pub https_sni: Option<String>,
}

/// When a probed Target becomes healthy.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ActiveHealthy {
    /// Successes it takes.
    #[field(default = 0, between(0, 255))]
    pub successes: Option<u32>,
    /// Seconds between two probes of a healthy Target; 0 is never.
    #[field(default = 0, between(0, 65535))]
    pub interval: Option<f64>,
    /// Statuses that are successes.
    #[field(default([200, 302]), elements(between(100, 999)))]
    pub http_statuses: Option<Vec<u16>>,
}

/// When a probed Target becomes unhealthy.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct ActiveUnhealthy {
    /// Statuses that are failures.
    #[field(default([429, 404, 500, 501, 502, 503, 504, 505]), elements(between(100, 999)))]
    pub http_statuses: Option<Vec<u16>>,
    /// Connection failures it takes.
    #[field(default = 0, between(0, 255))]
    pub tcp_failures: Option<u32>,
    /// Time-outs it takes.
    #[field(default = 0, between(0, 255))]
    pub timeouts: Option<u32>,
    /// Seconds between two probes of an unhealthy Target; 0 is never.
    #[field(default = 0, between(0, 65535))]
    pub interval: Option<f64>,
    /// HTTP failures it takes.
    #[field(default = 0, between(0, 255))]
    pub http_failures: Option<u32>,
}

/// Observation of proxied traffic.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct PassiveHealth {
    /// When a Target becomes healthy.
    #[field(default({
        "http_statuses": [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307,
            308],
        "successes": 0
    }))]
    pub healthy: PassiveHealthy,
    /// What is observed.
    #[field(rename = "type", default = "http", one_of = PROBES)]
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// When a Target becomes unhealthy.
    #[field(default({"http_failures": 0, "http_statuses": [429, 500, 503], "tcp_failures": 0, "timeouts": 0}))]
    pub unhealthy: PassiveUnhealthy,
}

/// When an observed Target becomes healthy.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct PassiveHealthy {
    /// Statuses that are successes.
    #[field(
        default([200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]),
        elements(between(100, 999))
    )]
    pub http_statuses: Option<Vec<u16>>,
    /// Successes it takes.
    #[field(default = 0, between(0, 255))]
    pub successes: Option<u32>,
}

/// When an observed Target becomes unhealthy.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct PassiveUnhealthy {
    /// Connection failures it takes.
    #[field(default = 0, between(0, 255))]
    pub tcp_failures: Option<u32>,
    /// Time-outs it takes.
    #[field(default = 0, between(0, 255))]
    pub timeouts: Option<u32>,
    /// Statuses that are failures.
    #[field(default([429, 500, 503]), elements(between(100, 999)))]
    pub http_statuses: Option<Vec<u16>>,
    /// HTTP failures it takes.
    #[field(default = 0, between(0, 255))]
    pub http_failures: Option<u32>,
}

impl Named for Upstream {
    const NAME: &'static str = "upstreams";
}

fn needs(field: &str, value: &str, other: &str) -> Check {
    Check::conditional(field, |f: Field| f.matches(format!("^{value}$")), other, |f| f.required(true))
}

fn fallbacks(hash_on: &str, allowed: &[&str]) -> Check {
    Check::conditional(
        "hash_on",
        |f| f.matches(format!("^{hash_on}$")),
        "hash_fallback",
        |f| f.one_of(allowed.iter().copied()),
    )
}

fn name(text: &str) -> Result<(), String> {
    let reason = match Address::parse(text) {
        Ok(address) if address.is_ip() => "no ip addresses allowed",
        Ok(address) if address.port.is_some() => "no port allowed",
        Ok(_) => return Ok(()),
        Err(_) => "must be a valid hostname",
    };
    Err(format!("Invalid name ('{text}'); {reason}"))
}

/// Algorithms that do not hash take `hash_on` away.
fn algorithm(value: &Value, _: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    fields.insert("algorithm".to_owned(), value.clone());
    if matches!(value.as_str(), Some("least-connections" | "latency")) {
        fields.insert("hash_on".to_owned(), Value::Null);
    }
    Ok(fields)
}

/// What is hashed decides the algorithm.
fn hash_on(value: &Value, _: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    match value.as_str() {
        None => {
            fields.insert("hash_on".to_owned(), "none".into());
        }
        Some("none") => {
            fields.insert("hash_on".to_owned(), "none".into());
            fields.insert("algorithm".to_owned(), "round-robin".into());
        }
        Some(_) => {
            fields.insert("hash_on".to_owned(), value.clone());
            fields.insert("algorithm".to_owned(), "consistent-hashing".into());
        }
    }
    Ok(fields)
}

pub(crate) fn entity() -> Entity {
    Entity { endpoint_key: Some("name"), workspaceable: true, ..Entity::of::<Upstream>("upstreams") }
}
