//! Options of `rate-limiting`.

use super::period::Period;
use crate::redis::{self, Redis};
use schema::{Check, Map, Record, Schema, Value};
use serde::Deserialize;

/// Options of `rate-limiting`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = order_and_rate, with = shorthands)]
pub struct Config {
    /// Requests per second.
    #[field(gt = 0)]
    pub second: Option<f64>,
    /// Requests per minute.
    #[field(gt = 0)]
    pub minute: Option<f64>,
    /// Requests per hour.
    #[field(gt = 0)]
    pub hour: Option<f64>,
    /// Requests per day.
    #[field(gt = 0)]
    pub day: Option<f64>,
    /// Requests per month.
    #[field(gt = 0)]
    pub month: Option<f64>,
    /// Requests per year.
    #[field(gt = 0)]
    pub year: Option<f64>,
    /// Whom to count for. Where a request has none of it, its client's address is taken.
    #[field(default = "consumer")]
    pub limit_by: Option<LimitBy>,
    /// The header whose values are counted apart, with `limit_by` header.
    #[field(is = header_name)]
    pub header_name: Option<String>,
    /// The path to count for, with `limit_by` path.
    #[field(is = path)]
    pub path: Option<String>,
    /// Where the counters are.
    #[field(default = "local", len_min = 0)]
    pub policy: Option<Policy>,
    /// Whether requests pass while the counters cannot be reached; else they are answered with 500.
    #[field(default = true)]
    pub fault_tolerant: bool,
    /// The Redis server of policy redis.
    pub redis: Redis,
    /// Whether the headers that tell clients of their limits are left out.
    #[field(default = false)]
    pub hide_client_headers: bool,
    /// Status of the answer to a request over the limit.
    #[field(default = 429, gt = 0)]
    pub error_code: Option<f64>,
    /// Message of that answer.
    #[field(default = "API rate limit exceeded")]
    pub error_message: Option<String>,
    /// Seconds between synchronisations with Redis; -1 asks Redis on every request.
    #[field(default = -1)]
    pub sync_rate: f64,
}

/// Whom requests are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum LimitBy {
    /// The Consumer, else the credential.
    Consumer,
    /// The credential.
    Credential,
    /// The client's address.
    Ip,
    /// The Service.
    Service,
    /// A header's value.
    Header,
    /// One path.
    Path,
}

/// Where counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// On each node.
    Local,
    /// In the database.
    Cluster,
    /// On a Redis server.
    Redis,
}

impl Config {
    /// The limit of a period.
    pub(crate) fn limit(&self, period: Period) -> Option<f64> {
        match period {
            Period::Second => self.second,
            Period::Minute => self.minute,
            Period::Hour => self.hour,
            Period::Day => self.day,
            Period::Month => self.month,
            Period::Year => self.year,
        }
    }
}

/// A longer period cannot have the lower limit, and only Redis is synchronised with.
fn order_and_rate(config: &Map<String, Value>) -> Result<(), String> {
    let mut lower: Option<(Period, f64)> = None;
    for period in Period::ALL {
        let Some(limit) = config.get(period.name()).and_then(Value::as_f64) else { continue };
        if let Some((shorter, least)) = lower
            && limit < least
        {
            let (longer, shorter) = (period.name(), shorter.name());
            return Err(format!(
                "The limit for {longer}({limit:.1}) cannot be lower than the limit for {shorter}({least:.1})"
            ));
        }
        lower = Some((period, limit));
    }
    let rate = config.get("sync_rate").and_then(Value::as_f64).unwrap_or(-1.0);
    if rate != -1.0 {
        if config.get("policy").and_then(Value::as_str) != Some("redis") {
            return Err("sync_rate can only be used with the redis policy".to_owned());
        }
        if rate < 0.02 {
            return Err("sync_rate must be greater than 0.02, or -1 to disable".to_owned());
        }
    }
    Ok(())
}

fn shorthands(record: Record) -> Record {
    redis::shorthands(record, "rate-limiting")
}

/// The checks that span several options.
pub(crate) fn checks() -> Vec<Check> {
    let by = |value: &'static str, then: &str| {
        Check::conditional("config.limit_by", |by| by.eq(value), then, |field| field.required(true))
    };
    let mut checks = vec![Check::at_least_one_of(Period::ALL.map(|period| format!("config.{}", period.name())))];
    checks.extend(redis::checks());
    checks.extend([by("header", "config.header_name"), by("path", "config.path")]);
    checks
}

/// Without a database there are no counters in it.
pub(crate) fn without_cluster(config: Record) -> Record {
    config.change("policy", |policy| policy.one_of(["local", "redis"]))
}
