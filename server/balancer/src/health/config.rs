//! `upstream.healthchecks`, typed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// How often what must happen until the state changes; 0 disables a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thresholds {
    /// `healthy.successes`.
    pub successes: u8,
    /// `unhealthy.http_failures`.
    pub http_failures: u8,
    /// `unhealthy.tcp_failures`.
    pub tcp_failures: u8,
    /// `unhealthy.timeouts`.
    pub timeouts: u8,
}

/// What a try or a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// An answer whose status line could not be read.
    BadStatusLine,
    /// Connect, TLS, send or receive failed; for a probe of type `tcp` the connection was refused.
    TcpFailure,
    /// Connect, send or receive took too long.
    Timeout,
    /// A probe of type `tcp` could connect.
    Connected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Success,
    HttpFailure,
    TcpFailure,
    Timeout,
}

/// A set of HTTP statuses.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses([u64; 16]);

impl Statuses {
    /// Whether the status is in the set.
    #[inline]
    pub fn contains(&self, status: u16) -> bool {
        self.0.get(usize::from(status / 64)).is_some_and(|word| word >> (status % 64) & 1 == 1)
    }

    /// The statuses in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..1024).filter(|status| self.contains(*status))
    }
}

impl FromIterator<u16> for Statuses {
    /// Statuses of 1024 and more, which the schema does not allow, are left out.
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        let mut set = Self::default();
        for status in statuses {
            if let Some(word) = set.0.get_mut(usize::from(status / 64)) {
                *word |= 1 << (status % 64);
            }
        }
        set
    }
}

impl std::fmt::Debug for Statuses {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

/// `healthchecks.active.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveType {
    /// Connect only.
    Tcp,
    /// A GET in cleartext.
    #[default]
    Http,
    /// A GET over TLS.
    Https,
    /// Kong refuses to probe this type.
    Grpc,
    /// Kong refuses to probe this type.
    Grpcs,
}

/// Which listeners a balancer serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// HTTP proxying.
    Http,
    /// TCP, TLS and UDP proxying.
    Stream,
}

/// `healthchecks.active`.
#[derive(Debug, Clone, PartialEq)]
pub struct Active {
    /// Kind of the probe.
    pub kind: ActiveType,
    /// Time allowed for one probe.
    pub timeout: Duration,
    /// Probes in flight at once; at least 1.
    pub concurrency: u32,
    /// Path of the GET.
    pub http_path: String,
    /// More headers of the GET.
    pub headers: BTreeMap<String, Vec<String>>,
    /// SNI in place of the Host header's name.
    pub https_sni: Option<String>,
    /// Whether the certificate must verify.
    pub https_verify_certificate: bool,
    /// Time between two probes of an available address; zero: none.
    pub healthy_interval: Duration,
    /// Time between two probes of an unavailable address; zero: none.
    pub unhealthy_interval: Duration,
    /// Statuses that count as success.
    pub healthy_statuses: Statuses,
    /// Statuses that count as HTTP failure.
    pub unhealthy_statuses: Statuses,
    /// Limits.
    pub thresholds: Thresholds,
}

/// `healthchecks.passive`.
#[derive(Debug, Clone, PartialEq)]
pub struct Passive {
    /// Statuses that count as success.
    pub healthy_statuses: Statuses,
    /// Statuses that count as HTTP failure.
    pub unhealthy_statuses: Statuses,
    /// Limits.
    pub thresholds: Thresholds,
}

/// `upstream.healthchecks`; deserialises from that JSON, absent and null members get their defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthConfig {
    /// Probes.
    pub active: Active,
    /// What proxied requests tell.
    pub passive: Passive,
    /// The balancer is unhealthy unless more than this percentage of the weight is available.
    pub threshold: f64,
}

impl HealthConfig {
    /// Whether any check is on; otherwise every address counts as available.
    pub fn enabled(&self) -> bool {
        let passive = &self.passive.thresholds;
        self.probes() || passive.tcp_failures > 0 || passive.timeouts > 0 || passive.http_failures > 0
    }

    /// Whether an interval asks for probes.
    pub fn probes(&self) -> bool {
        !self.active.healthy_interval.is_zero() || !self.active.unhealthy_interval.is_zero()
    }

    /// What an outcome of a probe means; `None`: nothing.
    pub(crate) fn active_event(&self, outcome: Outcome) -> Option<Event> {
        event(outcome, &self.active.healthy_statuses, &self.active.unhealthy_statuses)
    }

    /// What an outcome of a proxied try means; `None`: nothing. Status 504 is a time-out.
    pub(crate) fn passive_event(&self, outcome: Outcome) -> Option<Event> {
        let outcome = if outcome == Outcome::Status(504) { Outcome::Timeout } else { outcome };
        event(outcome, &self.passive.healthy_statuses, &self.passive.unhealthy_statuses)
    }
}

impl Active {
    /// Whether probes of this type run for a subsystem: `tcp` for streams, `http` and `https` for HTTP.
    pub fn runs_in(&self, subsystem: Subsystem) -> bool {
        match self.kind {
            ActiveType::Tcp => subsystem == Subsystem::Stream,
            ActiveType::Http | ActiveType::Https => subsystem == Subsystem::Http,
            ActiveType::Grpc | ActiveType::Grpcs => false,
        }
    }
}

fn event(outcome: Outcome, healthy: &Statuses, unhealthy: &Statuses) -> Option<Event> {
    match outcome {
        Outcome::Status(status) if healthy.contains(status) => Some(Event::Success),
        Outcome::Status(status) if unhealthy.contains(status) => Some(Event::HttpFailure),
        Outcome::Status(_) => None,
        Outcome::BadStatusLine => Some(Event::HttpFailure),
        Outcome::TcpFailure => Some(Event::TcpFailure),
        Outcome::Timeout => Some(Event::Timeout),
        Outcome::Connected => Some(Event::Success),
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Wire::default().into()
    }
}

impl<'de> Deserialize<'de> for HealthConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Wire>::deserialize(deserializer)?.unwrap_or_default().into())
    }
}

#[derive(Default, Deserialize)]
struct Wire {
    active: Option<WireActive>,
    passive: Option<WirePassive>,
    threshold: Option<f64>,
}

#[derive(Default, Deserialize)]
struct WireActive {
    #[serde(rename = "type")]
    kind: Option<ActiveType>,
    timeout: Option<f64>,
    concurrency: Option<f64>,
    http_path: Option<String>,
    headers: Option<BTreeMap<String, Vec<String>>>,
    https_sni: Option<String>,
    https_verify_certificate: Option<bool>,
    healthy: Option<WireHealthy>,
    unhealthy: Option<WireUnhealthy>,
}

#[derive(Default, Deserialize)]
struct WirePassive {
    healthy: Option<WireHealthy>,
    unhealthy: Option<WireUnhealthy>,
}

#[derive(Default, Deserialize)]
struct WireHealthy {
    interval: Option<f64>,
    successes: Option<f64>,
    http_statuses: Option<Vec<u16>>,
}

#[derive(Default, Deserialize)]
struct WireUnhealthy {
    interval: Option<f64>,
    http_failures: Option<f64>,
    tcp_failures: Option<f64>,
    timeouts: Option<f64>,
    http_statuses: Option<Vec<u16>>,
}

const ACTIVE_HEALTHY: [u16; 2] = [200, 302];
const ACTIVE_UNHEALTHY: [u16; 8] = [429, 404, 500, 501, 502, 503, 504, 505];
const PASSIVE_HEALTHY: [u16; 19] =
    [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308];
const PASSIVE_UNHEALTHY: [u16; 3] = [429, 500, 503];

impl From<Wire> for HealthConfig {
    fn from(wire: Wire) -> Self {
        let active = wire.active.unwrap_or_default();
        let passive = wire.passive.unwrap_or_default();
        let (up, down) = (active.healthy.unwrap_or_default(), active.unhealthy.unwrap_or_default());
        let (passive_up, passive_down) = (passive.healthy.unwrap_or_default(), passive.unhealthy.unwrap_or_default());
        Self {
            threshold: wire.threshold.unwrap_or(0.0),
            active: Active {
                kind: active.kind.unwrap_or_default(),
                timeout: seconds(active.timeout.unwrap_or(1.0)),
                concurrency: active.concurrency.unwrap_or(10.0).max(1.0) as u32,
                http_path: active.http_path.unwrap_or_else(|| "/".to_owned()),
                headers: active.headers.unwrap_or_default(),
                https_sni: active.https_sni,
                https_verify_certificate: active.https_verify_certificate.unwrap_or(true),
                healthy_interval: seconds(up.interval.unwrap_or(0.0)),
                unhealthy_interval: seconds(down.interval.unwrap_or(0.0)),
                thresholds: thresholds(&up, &down),
                healthy_statuses: statuses(up.http_statuses, &ACTIVE_HEALTHY),
                unhealthy_statuses: statuses(down.http_statuses, &ACTIVE_UNHEALTHY),
            },
            passive: Passive {
                thresholds: thresholds(&passive_up, &passive_down),
                healthy_statuses: statuses(passive_up.http_statuses, &PASSIVE_HEALTHY),
                unhealthy_statuses: statuses(passive_down.http_statuses, &PASSIVE_UNHEALTHY),
            },
        }
    }
}

fn thresholds(healthy: &WireHealthy, unhealthy: &WireUnhealthy) -> Thresholds {
    // A cast from f64 saturates, and the schema allows 0..=255.
    let limit = |value: Option<f64>| value.unwrap_or(0.0) as u8;
    Thresholds {
        successes: limit(healthy.successes),
        http_failures: limit(unhealthy.http_failures),
        tcp_failures: limit(unhealthy.tcp_failures),
        timeouts: limit(unhealthy.timeouts),
    }
}

fn statuses(given: Option<Vec<u16>>, default: &[u16]) -> Statuses {
    given.unwrap_or_else(|| default.to_vec()).into_iter().collect()
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_and_null_members_have_their_defaults() {
        let empty: HealthConfig = serde_json::from_value(json!({})).unwrap();
        let null: HealthConfig = serde_json::from_value(json!(null)).unwrap();
        let nulls: HealthConfig = serde_json::from_value(
            json!({"active": {"headers": null, "healthy": {"interval": null}}, "passive": null, "threshold": null}),
        )
        .unwrap();
        assert_eq!(empty, HealthConfig::default());
        assert_eq!(null, empty);
        assert_eq!(nulls, empty);
        assert!(!empty.enabled());
        assert_eq!(empty.active.timeout, Duration::from_secs(1));
        assert!(empty.active.unhealthy_statuses.contains(404));
        assert!(!empty.passive.unhealthy_statuses.contains(404));
    }

    #[test]
    fn any_interval_or_passive_failure_limit_enables_checks() {
        let cases = [
            (json!({"active": {"healthy": {"interval": 0.2}}}), true),
            (json!({"active": {"unhealthy": {"interval": 1}}}), true),
            (json!({"active": {"unhealthy": {"http_failures": 1}}}), false),
            (json!({"passive": {"unhealthy": {"tcp_failures": 1}}}), true),
            (json!({"passive": {"unhealthy": {"timeouts": 1}}}), true),
            (json!({"passive": {"unhealthy": {"http_failures": 1}}}), true),
            (json!({"passive": {"healthy": {"successes": 1}}}), false),
            (json!({"threshold": 50}), false),
        ];
        for (config, expected) in cases {
            let parsed: HealthConfig = serde_json::from_value(config.clone()).unwrap();
            assert_eq!(parsed.enabled(), expected, "{config}");
        }
    }

    #[test]
    fn outcomes_become_events() {
        let config = HealthConfig::default();
        let cases = [
            (Outcome::Status(200), Some(Event::Success), Some(Event::Success)),
            (Outcome::Status(404), Some(Event::HttpFailure), None),
            (Outcome::Status(418), None, None),
            (Outcome::Status(504), Some(Event::HttpFailure), Some(Event::Timeout)),
            (Outcome::Status(65535), None, None),
            (Outcome::BadStatusLine, Some(Event::HttpFailure), Some(Event::HttpFailure)),
            (Outcome::TcpFailure, Some(Event::TcpFailure), Some(Event::TcpFailure)),
            (Outcome::Timeout, Some(Event::Timeout), Some(Event::Timeout)),
            (Outcome::Connected, Some(Event::Success), Some(Event::Success)),
        ];
        for (outcome, active, passive) in cases {
            assert_eq!(config.active_event(outcome), active, "{outcome:?}");
            assert_eq!(config.passive_event(outcome), passive, "{outcome:?}");
        }
    }

    #[test]
    fn out_of_range_numbers_saturate() {
        let parsed: HealthConfig = serde_json::from_value(
            json!({"active": {"timeout": -1, "concurrency": 0, "unhealthy": {"tcp_failures": 1e9, "interval": 1e300}}}),
        )
        .unwrap();
        assert_eq!(parsed.active.concurrency, 1);
        assert_eq!(parsed.active.thresholds.tcp_failures, 255);
        assert_eq!(parsed.active.timeout, Duration::ZERO);
        assert_eq!(parsed.active.unhealthy_interval, Duration::ZERO);
    }
}
