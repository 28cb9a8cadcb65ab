//! What the health endpoints of the Admin API show; member names and values are Kong's.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::address::Address;
use crate::balancer::Balancer;
use crate::target::Target;

/// The value of `health` members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Label {
    /// In use.
    #[serde(rename = "HEALTHY")]
    Healthy,
    /// Out of use.
    #[serde(rename = "UNHEALTHY")]
    Unhealthy,
    /// The Upstream has no health checks, or the Target weight 0.
    #[serde(rename = "HEALTHCHECKS_OFF")]
    Off,
    /// The Target's name has no address.
    #[serde(rename = "DNS_ERROR")]
    DnsError,
}

impl Label {
    fn of(healthy: bool) -> Self {
        if healthy { Self::Healthy } else { Self::Unhealthy }
    }
}

/// One item of `GET /upstreams/{u}/health`: its members follow those of the Target entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetHealth {
    /// Which Target; not shown, the entity has it.
    #[serde(skip)]
    pub target: Uuid,
    /// Healthy if at least one address is.
    pub health: Label,
    /// Addresses and weights.
    pub data: TargetData,
}

/// The `data` member of a Target's health.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetData {
    /// The Target's host.
    pub host: Arc<str>,
    /// The Target's port.
    pub port: u16,
    /// Record type, or the look-up's error.
    pub dns: String,
    /// The Target's weight.
    #[serde(rename = "nodeWeight")]
    pub node_weight: u32,
    /// Sums over its addresses.
    pub weight: Weights,
    /// Its addresses.
    pub addresses: Vec<AddressHealth>,
}

/// Sums of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Weights {
    /// All addresses.
    pub total: u64,
    /// Those in use.
    pub available: u64,
    /// The others.
    pub unavailable: u64,
}

/// One address in a Target's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressHealth {
    /// IPv6 in brackets.
    pub ip: Arc<str>,
    /// The port to connect to.
    pub port: u16,
    /// Its share.
    pub weight: u32,
    /// Its health.
    pub health: Label,
    /// Its circuit breaker, where the Upstream has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<BreakerStatus>,
}

/// The circuit breaker of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakerStatus {
    /// The circuit: `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// Requests under way.
    pub requests: u32,
    /// Of these, those that wait for a connection.
    pub pending: u32,
    /// Seconds until it may be tried again, where it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The `data` member of `GET /upstreams/{u}/health?balancer_health=1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BalancerHealth {
    /// As `balancer_health`, or off without health checks.
    pub health: Label,
    /// Whether more than the threshold of the weight is available.
    pub balancer_health: Label,
    /// The Upstream's id.
    pub id: Uuid,
    /// Everything below.
    pub details: BalancerDetails,
}

/// The `details` member of a balancer's health.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BalancerDetails {
    /// Whether requests are let through.
    pub healthy: bool,
    /// Sums over all addresses.
    pub weight: Weights,
    /// One per Target.
    pub hosts: Vec<HostStatus>,
}

/// One Target in a balancer's details.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostStatus {
    /// The Target's host.
    pub host: Arc<str>,
    /// The Target's port.
    pub port: u16,
    /// Record type, or the look-up's error.
    pub dns: String,
    /// The Target's weight.
    #[serde(rename = "nodeWeight")]
    pub node_weight: u32,
    /// Sums over its addresses.
    pub weight: Weights,
    /// Its addresses.
    pub addresses: Vec<AddressStatus>,
}

/// One address in a balancer's details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressStatus {
    /// IPv6 in brackets.
    pub ip: Arc<str>,
    /// The port to connect to.
    pub port: u16,
    /// Its share.
    pub weight: u32,
    /// Whether it is in use.
    pub healthy: bool,
    /// Its circuit breaker, where the Upstream has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<BreakerStatus>,
}

impl Balancer {
    /// The health of every Target, in the order they were given. `now` is in ms.
    pub fn target_health(&self, now: u64) -> Vec<TargetHealth> {
        self.targets().map(|(target, addresses)| self.one_target(target, addresses, now)).collect()
    }

    fn one_target(&self, target: &Target, addresses: &[Arc<Address>], now: u64) -> TargetHealth {
        let shown = |address: &Arc<Address>| AddressHealth {
            ip: address.ip.clone(),
            port: address.socket.port(),
            weight: address.weight,
            health: if self.checks_health() && target.weight > 0 {
                Label::of(self.available(address))
            } else {
                Label::Off
            },
            circuit_breaker: self.breaker_status(address, now),
        };
        let data = TargetData {
            host: target.host.clone(),
            port: target.port,
            dns: target.dns().to_owned(),
            node_weight: target.weight,
            weight: self.weights(addresses),
            addresses: addresses.iter().map(shown).collect(),
        };
        let health = if target.weight == 0 {
            Label::Off
        } else if data.addresses.is_empty() {
            Label::DnsError
        } else if !self.checks_health() {
            Label::Off
        } else {
            Label::of(data.addresses.iter().any(|address| address.health == Label::Healthy))
        };
        TargetHealth { target: target.id, health, data }
    }

    /// The health of the balancer as a whole; `upstream` is the id to show, `now` is in ms.
    pub fn balancer_health(&self, upstream: Uuid, now: u64) -> BalancerHealth {
        let healthy = self.healthy();
        let status = |address: &Arc<Address>| AddressStatus {
            ip: address.ip.clone(),
            port: address.socket.port(),
            weight: address.weight,
            healthy: self.available(address),
            circuit_breaker: self.breaker_status(address, now),
        };
        let host = |(target, addresses): (&Target, &[Arc<Address>])| HostStatus {
            host: target.host.clone(),
            port: target.port,
            dns: target.dns().to_owned(),
            node_weight: target.weight,
            weight: self.weights(addresses),
            addresses: addresses.iter().map(status).collect(),
        };
        BalancerHealth {
            health: if self.checks_health() { Label::of(healthy) } else { Label::Off },
            balancer_health: Label::of(healthy),
            id: upstream,
            details: BalancerDetails {
                healthy,
                weight: self.weights(self.addresses()),
                hosts: self.targets().map(host).collect(),
            },
        }
    }

    fn weights(&self, addresses: &[Arc<Address>]) -> Weights {
        let total = addresses.iter().map(|address| u64::from(address.weight)).sum();
        let available = addresses.iter().filter(|address| self.available(address)).map(|a| u64::from(a.weight)).sum();
        Weights { total, available, unavailable: total - available }
    }
}
