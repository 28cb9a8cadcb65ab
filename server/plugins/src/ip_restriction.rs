//! `ip-restriction`: lets requests pass or not by their client's address.

use crate::auth;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Phases, Plugin, Services, Step};
use ipnet::IpNet;
use schema::{Check, Schema};
use serde::Deserialize;
use std::net::IpAddr;

/// Options of `ip-restriction`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Addresses and ranges from which requests pass; none of them: all addresses.
    #[field(elements(is = ip_or_cidr))]
    pub allow: Option<Vec<String>>,
    /// Addresses and ranges from which no request passes, also where `allow` has them.
    #[field(elements(is = ip_or_cidr))]
    pub deny: Option<Vec<String>>,
    /// Status of the answer to a refused request; 403 where there is none.
    #[field(required = false)]
    pub status: Option<f64>,
    /// Message of that answer.
    #[field(required = false)]
    pub message: Option<String>,
}

/// `ip-restriction`, configured.
pub struct IpRestriction {
    allow: Option<Addresses>,
    deny: Addresses,
    status: f64,
    message: Option<String>,
}

/// A set of addresses: ranges that neither overlap nor touch, in order.
#[derive(Debug, Default, PartialEq)]
struct Addresses(Vec<(IpAddr, IpAddr)>);

impl Addresses {
    fn new(texts: &[String]) -> Result<Self, String> {
        let range = |text: &String| {
            let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map(|net| (net.network(), net.broadcast())).map_err(|_| format!("'{text}' is no address or range"))
        };
        let mut ranges: Vec<_> = texts.iter().map(range).collect::<Result<_, _>>()?;
        ranges.sort_unstable();
        ranges.dedup_by(|next, held| {
            let overlaps = next.0 <= held.1 && next.0.is_ipv4() == held.1.is_ipv4();
            if overlaps {
                held.1 = held.1.max(next.1);
            }
            overlaps
        });
        Ok(Self(ranges))
    }

    fn contains(&self, address: IpAddr) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, last)| address <= *last)
    }
}

impl IpRestriction {
    fn refusal(&self, address: IpAddr) -> Answer {
        if self.status.fract() != 0.0 || !(100.0..600.0).contains(&self.status) {
            return auth::failure();
        }
        let message = self.message.clone().unwrap_or_else(|| format!("IP address not allowed: {address}"));
        Answer::error(self.status as u16, message)
    }
}

impl Plugin for IpRestriction {
    const NAME: &'static str = "ip-restriction";
    const PRIORITY: i32 = 990;
    const PHASES: Phases = Phases::ACCESS.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .all_protocols()
            .default_protocols(&["http", "https", "tcp", "tls", "grpc", "grpcs"])
            .scopes(Scopes::GROUPS)
            .check(Check::at_least_one_of(["config.allow", "config.deny"]))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let allow = config.allow.filter(|allow| !allow.is_empty());
        Ok(Self {
            allow: allow.as_deref().map(Addresses::new).transpose()?,
            deny: Addresses::new(config.deny.as_deref().unwrap_or_default())?,
            status: config.status.unwrap_or(403.0),
            message: config.message,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let Some(address) = exchange.request.client_ip else {
            let text = "Cannot identify the client IP address, unix domain sockets are not supported.";
            return Answer::error(403, text).into();
        };
        // A client of a dual-stack socket is an IPv4 client all the same.
        let address = address.to_canonical();
        let allowed = self.allow.as_ref().is_none_or(|allow| allow.contains(address));
        if allowed && !self.deny.contains(address) { Step::NEXT } else { self.refusal(address).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, message, plugin, request};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn run(config: Value, address: &str) -> Option<(u16, String)> {
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        exchange.request.client_ip = Some(address.parse().unwrap());
        access(&plugin::<IpRestriction>(config), &mut exchange).map(|status| (status, message(&exchange)))
    }

    #[test]
    fn addresses_decide() {
        for (config, address, passes) in [
            (json!({ "allow": ["10.0.0.1"] }), "10.0.0.1", true),
            (json!({ "allow": ["10.0.0.1"] }), "10.0.0.2", false),
            (json!({ "allow": ["10.0.0.1"] }), "::ffff:10.0.0.1", true),
            (json!({ "allow": ["10.0.0.7/8", "192.168.0.0/16"] }), "10.200.0.1", true),
            (json!({ "allow": ["10.0.0.7/8", "192.168.0.0/16"] }), "11.0.0.0", false),
            (json!({ "deny": ["10.0.0.0/8"] }), "10.0.0.0", false),
            (json!({ "deny": ["10.0.0.0/8"] }), "10.255.255.255", false),
            (json!({ "deny": ["10.0.0.0/8"] }), "2001:db8::1", true),
            (json!({ "deny": ["2001:db8::/32"] }), "2001:db8:ffff::1", false),
            (json!({ "deny": ["::/0"] }), "10.0.0.1", true),
            (json!({ "allow": ["0.0.0.0/0"] }), "::1", false),
            (json!({ "allow": ["10.0.0.0/8"], "deny": ["10.0.0.1"] }), "10.0.0.1", false),
            (json!({ "allow": [], "deny": ["10.0.0.1"] }), "10.0.0.2", true),
        ] {
            assert_eq!(run(config.clone(), address).is_none(), passes, "{config} {address}");
        }
    }

    #[test]
    fn refusals_are_as_configured() {
        for (more, status, text) in [
            (json!({}), 403, "IP address not allowed: 10.0.0.1"),
            (json!({ "status": 451, "message": "not from there" }), 451, "not from there"),
            (json!({ "status": 40.5 }), 500, "An unexpected error occurred"),
        ] {
            let mut config = json!({ "deny": ["10.0.0.1"] });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(run(config.clone(), "10.0.0.1"), Some((status, text.into())), "{config}");
        }
        let mut local = request("GET", "/", &[], People::new(Manner::Knows));
        local.request.client_ip = None;
        assert_eq!(access(&plugin::<IpRestriction>(json!({ "deny": ["10.0.0.1"] })), &mut local), Some(403));
    }

    proptest! {
        #[test]
        fn a_set_holds_what_its_ranges_hold(
            ranges in proptest::collection::vec((0_u8..8, 0_u8..255, 20_u8..=32), 0..12), a in 0_u8..8, b in 0_u8..255,
        ) {
            let texts: Vec<_> = ranges.iter().map(|(a, b, length)| format!("10.0.{a}.{b}/{length}")).collect();
            let address: IpAddr = [10, 0, a, b].into();
            let expected = texts.iter().any(|text| text.parse::<IpNet>().unwrap().contains(&address));
            prop_assert_eq!(Addresses::new(&texts).unwrap().contains(address), expected);
        }
    }
}
