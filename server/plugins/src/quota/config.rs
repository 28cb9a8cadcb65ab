//! Options of `quota`.

use super::calendar::{Period, WEEKDAYS, zone};
use crate::redis::ExtendedRedis;
use schema::{Check, Map, Record, Schema, Value};
use serde::Deserialize;

/// Options of `quota`.
#[derive(Debug, Deserialize, Schema)]
#[schema(validate = sync_rate)]
pub struct Config {
    /// What a day holds.
    #[field(between(1, 1e12))]
    pub day: Option<u64>,
    /// What a week holds.
    #[field(between(1, 1e12))]
    pub week: Option<u64>,
    /// What a month holds.
    #[field(between(1, 1e12))]
    pub month: Option<u64>,
    /// What a year holds.
    #[field(between(1, 1e12))]
    pub year: Option<u64>,
    /// How much of what was not used goes over to the next window.
    pub carry_over: CarryOver,
    /// Whom to count for. Where a request has none of it, its client's address is taken; before that the credential for a
    /// Consumer, and the Consumer for a group.
    #[field(default = "consumer")]
    pub identifier: Identifier,
    /// What counts: every request; those that are not answered with a status of 500 or more; or what the upstream says
    /// in `weight_header`.
    #[field(default = "all")]
    pub count: Count,
    /// The response header by which the upstream says what a request weighs, a whole number; without it one.
    #[field(is = schema::typedefs::header_name)]
    pub weight_header: Option<String>,
    /// The time zone by whose calendar windows begin: a name of the IANA database.
    #[field(default = "UTC", validate = known_zone)]
    pub timezone: String,
    /// The day on which weeks begin.
    #[field(default = "monday", one_of("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))]
    pub week_start: String,
    /// The day of the month on which months and years begin.
    #[field(default = 1, between(1, 28))]
    pub start_day: u8,
    /// The month in which years begin.
    #[field(default = 1, between(1, 12))]
    pub start_month: u8,
    /// Quotas of one namespace share their counters; without it the counters are those of the Route or Service that the
    /// plugin is at.
    #[field(len_min = 1, len_max = 200, validate = plain)]
    pub namespace: Option<String>,
    /// Where the counters are: `local` on each node, until it ends; `cluster` in the database; `redis` on a Redis server.
    #[field(default = "cluster")]
    pub strategy: Strategy,
    /// Seconds between synchronisations with Redis; -1 asks Redis on every request.
    #[field(default = -1)]
    pub sync_rate: f64,
    /// Whether requests pass while the counters cannot be reached; else they are answered with 500.
    #[field(default = true)]
    pub fault_tolerant: bool,
    /// Whether the headers that tell clients of their quota are left out.
    #[field(default = false)]
    pub hide_client_headers: bool,
    /// The names of those headers.
    pub headers: HeaderNames,
    /// Status of the answer to a request over the quota.
    #[field(default = 429, between(400, 599))]
    pub error_code: u16,
    /// Message of that answer.
    #[field(default = "Quota exceeded")]
    pub error_message: String,
    /// The Redis server of strategy redis.
    pub redis: ExtendedRedis,
}

/// How much goes over to the next window at most.
#[derive(Debug, Deserialize, Schema)]
pub struct CarryOver {
    /// Of a day.
    #[field(between(0, 1e12))]
    pub day: Option<u64>,
    /// Of a week.
    #[field(between(0, 1e12))]
    pub week: Option<u64>,
    /// Of a month.
    #[field(between(0, 1e12))]
    pub month: Option<u64>,
    /// Of a year.
    #[field(between(0, 1e12))]
    pub year: Option<u64>,
}

/// Names of headers.
#[derive(Debug, Deserialize, Schema)]
pub struct HeaderNames {
    /// How much the window holds that has least left.
    #[field(default = "X-Quota-Limit", is = schema::typedefs::header_name)]
    pub limit: String,
    /// What is left of it.
    #[field(default = "X-Quota-Remaining", is = schema::typedefs::header_name)]
    pub remaining: String,
    /// Seconds until the next one begins.
    #[field(default = "X-Quota-Reset", is = schema::typedefs::header_name)]
    pub reset: String,
}

/// Whom requests are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
pub enum Identifier {
    /// The Consumer.
    Consumer,
    /// The Consumer group that the plugin is at, else the Consumer's first one by name: its members share.
    ConsumerGroup,
    /// The credential.
    Credential,
    /// The client's address.
    Ip,
    /// The Service.
    Service,
}

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Every request.
    All,
    /// Requests that are not answered with a status of 500 or more.
    NoServerErrors,
    /// What the upstream says.
    Weight,
}

/// Where counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// On each node.
    Local,
    /// In the database.
    Cluster,
    /// On a Redis server.
    Redis,
}

impl Identifier {
    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::ConsumerGroup => "consumer-group",
            Self::Credential => "credential",
            Self::Ip => "ip",
            Self::Service => "service",
        }
    }
}

impl Config {
    /// What a window of a period holds.
    pub(super) fn limit(&self, period: Period) -> Option<u64> {
        match period {
            Period::Day => self.day,
            Period::Week => self.week,
            Period::Month => self.month,
            Period::Year => self.year,
        }
    }

    /// How much of it goes over at most.
    pub(super) fn carry_over(&self, period: Period) -> u64 {
        let most = match period {
            Period::Day => self.carry_over.day,
            Period::Week => self.carry_over.week,
            Period::Month => self.carry_over.month,
            Period::Year => self.carry_over.year,
        };
        most.unwrap_or(0)
    }

    /// The place of the day on which weeks begin among the days of the week.
    pub(super) fn weekday(&self) -> usize {
        WEEKDAYS.iter().position(|day| *day == self.week_start).unwrap_or(0)
    }
}

/// Names of counters are put together with colons.
fn plain(name: &str) -> Result<(), String> {
    match name.contains(':') {
        true => Err("must not have a colon".to_owned()),
        false => Ok(()),
    }
}

fn known_zone(name: &str) -> Result<(), String> {
    zone(name).map(drop)
}

fn sync_rate(config: &Map<String, Value>) -> Result<(), String> {
    let rate = config.get("sync_rate").and_then(Value::as_f64).unwrap_or(-1.0);
    if rate == -1.0 {
        return Ok(());
    }
    if config.get("strategy").and_then(Value::as_str) != Some("redis") {
        return Err("sync_rate can only be used with the redis strategy".to_owned());
    }
    match rate < 0.02 {
        true => Err("sync_rate must be greater than 0.02, or -1 to disable".to_owned()),
        false => Ok(()),
    }
}

/// The checks that span several options.
pub(super) fn checks() -> [Check; 3] {
    [
        Check::at_least_one_of(Period::ALL.map(|period| format!("config.{}", period.name()))),
        Check::conditional(
            "config.count",
            |count| count.eq("weight"),
            "config.weight_header",
            |header| header.required(true),
        ),
        Check::custom(["config"], carried_over),
    ]
}

/// Only what a window holds can go over.
fn carried_over(plugin: &Map<String, Value>) -> Result<(), String> {
    let set = |path: &[&str]| {
        let value = path.iter().try_fold(plugin.get("config")?, |value, name| value.get(name))?;
        (!value.is_null()).then_some(())
    };
    let lonely = Period::ALL
        .map(Period::name)
        .into_iter()
        .find(|period| set(&["carry_over", period]).is_some() && set(&[period]).is_none());
    match lonely {
        Some(period) => Err(format!("carry_over.{period} needs a quota for each {period}: set config.{period}, too")),
        None => Ok(()),
    }
}

/// Without a database there are no counters in it.
pub(super) fn without_cluster(config: Record) -> Record {
    config.change("strategy", |strategy| strategy.one_of(["local", "redis"]).default("local"))
}
