//! Options of `response-ratelimiting`.

use crate::rate_limiting::Policy;
use crate::rate_limiting::period::Period;
use crate::redis::{self, Redis};
use indexmap::IndexMap;
use schema::{Check, Map, Record, Schema, Value};
use serde::Deserialize;

/// Options of `response-ratelimiting`.
#[derive(Debug, Deserialize, Schema)]
#[schema(with = shorthands)]
pub struct Config {
    /// The response header by which upstreams say what a response costs.
    #[field(default = "x-kong-limit")]
    pub header_name: Option<String>,
    /// Whom to count for. Where a request has none of it, its client's address is taken.
    #[field(default = "consumer")]
    pub limit_by: Option<LimitBy>,
    /// Where the counters are.
    #[field(default = "local")]
    pub policy: Option<Policy>,
    /// Whether requests pass while the counters cannot be reached; else they are answered with 500.
    #[field(default = true)]
    pub fault_tolerant: bool,
    /// The Redis server of policy redis.
    pub redis: Redis,
    /// Whether requests are refused as soon as one of the limits is used up.
    #[field(default = false)]
    pub block_on_first_violation: bool,
    /// Whether the headers that tell clients of their limits are left out.
    #[field(default = false)]
    pub hide_client_headers: bool,
    /// Limits by name.
    #[field(len_min = 1, values(required))]
    pub limits: IndexMap<String, Limits>,
}

/// What a limit admits in each period.
#[derive(Debug, Deserialize, Schema)]
#[schema(
    validate = order,
    check = Check::at_least_one_of(Period::ALL.map(Period::name))
)]
pub struct Limits {
    /// Per second.
    #[field(gt = 0)]
    pub second: Option<f64>,
    /// Per minute.
    #[field(gt = 0)]
    pub minute: Option<f64>,
    /// Per hour.
    #[field(gt = 0)]
    pub hour: Option<f64>,
    /// Per day.
    #[field(gt = 0)]
    pub day: Option<f64>,
    /// Per month.
    #[field(gt = 0)]
    pub month: Option<f64>,
    /// Per year.
    #[field(gt = 0)]
    pub year: Option<f64>,
}

impl Limits {
    /// The limit of a period.
    pub(crate) fn of(&self, period: Period) -> Option<f64> {
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

/// Whom responses are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum LimitBy {
    /// The Consumer, else the credential.
    Consumer,
    /// The credential.
    Credential,
    /// The client's address.
    Ip,
}

/// A longer period cannot have the lower limit.
fn order(limits: &Map<String, Value>) -> Result<(), String> {
    let mut lower: Option<(Period, f64)> = None;
    for period in Period::ALL {
        let Some(limit) = limits.get(period.name()).and_then(Value::as_f64) else { continue };
        if let Some((shorter, least)) = lower
            && limit < least
        {
            let (longer, shorter) = (period.name(), shorter.name());
            return Err(format!(
                "the limit for {longer}({limit:.1}) cannot be lower than the limit for {shorter}({least:.1})"
            ));
        }
        lower = Some((period, limit));
    }
    Ok(())
}

fn shorthands(record: Record) -> Record {
    redis::shorthands(record, "response-ratelimiting")
}
