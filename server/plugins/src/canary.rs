//! `canary`: sends a part of the requests to another upstream: a share of them, one that grows, or those of groups.

use entities::{PluginSchema, Scopes};
use exchange::{About, Consumer, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Options of `canary`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// When the share begins to grow, in seconds since 1970; not needed with `percentage` or groups. Without it: when
    /// the configuration is made.
    #[field(gt = 0, auto = created)]
    pub start: Option<f64>,
    /// What tells requests apart: those of one Consumer, address or header value go the same way. `allow` and `deny` go
    /// by ACL groups.
    #[field(default = "consumer", one_of("consumer", "ip", "none", "allow", "deny", "header"))]
    pub hash: String,
    /// The header for `hash` = `header`.
    #[field(is = schema::typedefs::header_name)]
    pub hash_header: Option<String>,
    /// How long the share grows, in seconds.
    #[field(default = 3600, gt = 0)]
    pub duration: f64,
    /// Into how many equal parts requests are divided.
    #[field(default = 1000, gt = 1)]
    pub steps: f64,
    /// The share, fixed.
    #[field(between(0, 100))]
    pub percentage: Option<f64>,
    /// Host name of the other upstream, or the name of an Upstream.
    #[field(is = schema::typedefs::host)]
    pub upstream_host: Option<String>,
    /// Its port.
    #[field(is = schema::typedefs::port)]
    pub upstream_port: Option<u16>,
    /// Path that takes the place of the request's.
    #[field(len_min = 1)]
    pub upstream_uri: Option<String>,
    /// Not available: must be `false`.
    #[field(default = false, eq = false, err = "falling back to the Service is not available")]
    pub upstream_fallback: bool,
    /// ACL groups for `hash` = `allow` or `deny`.
    pub groups: Option<Vec<String>>,
    /// A header by which clients choose: `always` or `never`.
    #[field(is = schema::typedefs::header_name)]
    pub canary_by_header_name: Option<String>,
}

/// What tells requests apart.
enum By {
    Consumer,
    Address,
    Turn,
    Header(String),
    /// Members of the groups; others where `0` is false.
    Groups(bool),
}

/// `canary`, configured.
pub struct Canary {
    config: Config,
    by: By,
    /// Number of requests that were told apart by nothing.
    turns: AtomicU64,
}

/// Spreads consecutive numbers evenly: the golden ratio, as a fraction of 2⁶⁴.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Canary {
    /// How many of the `steps` go to the other upstream, at a time.
    fn share(&self, now: SystemTime) -> f64 {
        let config = &self.config;
        if let Some(percentage) = config.percentage {
            return (percentage * config.steps / 100.0).floor();
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let passed = now - config.start.unwrap_or_default();
        (passed / config.duration * config.steps).floor().clamp(0.0, config.steps)
    }

    /// Which step a request belongs to, from 0.
    fn step(&self, exchange: &Exchange) -> f64 {
        let consumer = exchange.identity.consumer.as_ref().map(|consumer| consumer.id.into_bytes().to_vec());
        let address = || exchange.request.client_ip.map(|ip| ip.to_string().into_bytes());
        // Where what should tell is not there, the Consumer does, and then the address.
        let told = match &self.by {
            By::Turn => None,
            By::Address => address(),
            By::Header(name) => exchange.request.headers.get(name).map(<[u8]>::to_vec).or(consumer).or_else(address),
            By::Consumer | By::Groups(_) => consumer.or_else(address),
        };
        match told {
            Some(told) => f64::from(crc32fast::hash(&told)) % self.config.steps.floor(),
            None => {
                let turn = self.turns.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN);
                (turn as f64 / 2_f64.powi(64) * self.config.steps).floor()
            }
        }
    }

    fn go(&self, exchange: &mut Exchange) {
        let forward = &mut exchange.forward;
        if let Some(host) = &self.config.upstream_host {
            forward.host = host.as_bytes().into();
        }
        if let Some(port) = self.config.upstream_port {
            forward.port = port;
        }
        if let Some(uri) = &self.config.upstream_uri {
            let (path, query) = uri.split_once('?').map_or((uri.as_str(), None), |(path, query)| (path, Some(query)));
            forward.path = path.as_bytes().into();
            if let Some(query) = query {
                let given = forward.query.take().filter(|given| !given.is_empty());
                let whole = given.map_or_else(
                    || query.as_bytes().to_vec(),
                    |given| [query.as_bytes(), b"&", given.as_slice()].concat(),
                );
                forward.query = Some(whole.as_slice().into());
            }
        }
    }

    fn is_member(&self, group: &str) -> bool {
        self.config.groups.iter().flatten().any(|listed| listed == group)
    }

    fn by_groups<'a>(&'a self, exchange: &'a mut Exchange, members: bool) -> Step<'a> {
        let found = &exchange.identity.authenticated_groups;
        let listed = found.iter().any(|group| self.is_member(group));
        let consumer: Option<Arc<Consumer>> = exchange.identity.consumer.clone().filter(|_| !listed);
        let Some(consumer) = consumer else {
            if listed == members {
                self.go(exchange);
            }
            return Step::NEXT;
        };
        let workspace: Uuid = exchange.workspace;
        let memberships = exchange.directory.of_consumer(workspace, "acls", consumer.id);
        Step::Wait(Box::pin(async move {
            let memberships = match memberships.get().await {
                Ok(memberships) => memberships.unwrap_or_default(),
                Err(error) => return crate::auth::unavailable(&error).into(),
            };
            let groups = memberships.iter().filter_map(|membership| membership.text("group"));
            if groups.into_iter().any(|group| self.is_member(group)) == members {
                self.go(exchange);
            }
            Flow::Next
        }))
    }
}

impl Plugin for Canary {
    const NAME: &'static str = "canary";
    const PRIORITY: i32 = 20;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::NO_CONSUMER)
            .check(Check::at_least_one_of(["config.upstream_uri", "config.upstream_host", "config.upstream_port"]))
            .check(Check::conditional("config.hash", |f| f.eq("header"), "config.hash_header", |f| f.required(true)))
            .check(Check::conditional("config.hash", |f| f.eq("allow"), "config.groups", |f| f.required(true)))
            .check(Check::conditional("config.hash", |f| f.eq("deny"), "config.groups", |f| f.required(true)))
    }

    fn new(mut config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let by = match config.hash.as_str() {
            "ip" => By::Address,
            "none" => By::Turn,
            "allow" => By::Groups(true),
            "deny" => By::Groups(false),
            "header" => By::Header(config.hash_header.take().unwrap_or_default()),
            _ => By::Consumer,
        };
        Ok(Self { config, by, turns: AtomicU64::new(0) })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let wish = self.config.canary_by_header_name.as_deref().and_then(|name| exchange.request.headers.get(name));
        match (wish, &self.by) {
            (Some(b"always"), _) => self.go(exchange),
            (Some(b"never"), _) => {}
            (_, By::Groups(members)) => return self.by_groups(exchange, *members),
            _ if self.step(exchange) < self.share(exchange.timeline.wall()) => self.go(exchange),
            _ => {}
        }
        Step::NEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANNERS, Manner, People, access, plugin, request};
    use serde_json::{Value, json};

    fn canary(mut more: Value) -> Canary {
        more["upstream_host"] = "new.test".into();
        plugin(more)
    }

    fn goes(canary: &Canary, change: impl FnOnce(&mut Exchange)) -> bool {
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        exchange.forward.host = b"old.test".as_slice().into();
        change(&mut exchange);
        assert_eq!(access(canary, &mut exchange), None);
        exchange.forward.host.as_slice() == b"new.test"
    }

    #[test]
    fn a_fixed_share_is_exact_and_even() {
        for (percentage, steps) in [(0, 1000), (10, 1000), (10, 10), (33, 100), (100, 1000)] {
            let canary = canary(json!({ "hash": "none", "percentage": percentage, "steps": steps }));
            let gone: Vec<_> = (0..1000).map(|_| goes(&canary, |_| ())).collect();
            let count = gone.iter().filter(|gone| **gone).count();
            assert!(count.abs_diff(percentage * 10) <= 6, "{percentage} %: {count}");
            // No long stretch of one kind.
            let early = gone[..100].iter().filter(|gone| **gone).count();
            assert!(early.abs_diff(percentage) <= 4, "{percentage} %: {early} of the first hundred");
        }
    }

    #[test]
    fn who_has_gone_goes_again() {
        for hash in ["consumer", "ip", "header"] {
            let canary = canary(json!({ "hash": hash, "hash_header": "x-user", "percentage": 50 }));
            let mut both = [false; 2];
            for number in 0..40_u8 {
                let of = |exchange: &mut Exchange| match hash {
                    "ip" => exchange.request.client_ip = Some([10, 0, 0, number].into()),
                    "header" => {
                        exchange.request.headers.set("X-User", number.to_string());
                    }
                    _ => {
                        let id = Uuid::from_u128(number.into());
                        exchange.identity.consumer = Some(Arc::new(Consumer { id, ..Consumer::default() }));
                    }
                };
                let first = goes(&canary, of);
                assert!((0..3).all(|_| goes(&canary, of) == first), "{hash} {number}");
                both[usize::from(first)] = true;
            }
            assert_eq!(both, [true; 2], "{hash}");
        }
    }

    /// Requests of the tests come at second 1,700,000,000.
    #[test]
    fn the_share_grows_with_time() {
        for (start, share) in [
            (1_700_000_010, 0.0),
            (1_700_000_000, 0.0),
            (1_699_999_990, 10.0),
            (1_699_999_950, 50.0),
            (1_699_999_900, 100.0),
            (1, 100.0),
        ] {
            let canary = canary(json!({ "start": start, "duration": 100, "steps": 100 }));
            let exchange = request("GET", "/", &[], People::new(Manner::Knows));
            assert_eq!(canary.share(exchange.timeline.wall()), share, "{start}");
        }
    }

    #[test]
    fn clients_and_groups_choose() {
        let by_header = canary(json!({ "percentage": 0, "canary_by_header_name": "x-new" }));
        let to_all = canary(json!({ "percentage": 100, "canary_by_header_name": "x-new" }));
        for (value, from_none, from_all) in [("always", true, true), ("never", false, false), ("x", false, true)] {
            let wishes = |exchange: &mut Exchange| {
                exchange.request.headers.set("X-New", value);
            };
            assert_eq!((goes(&by_header, wishes), goes(&to_all, wishes)), (from_none, from_all), "{value}");
        }
        for manner in MANNERS {
            for (hash, group, gone) in
                [("allow", "beta", true), ("allow", "other", false), ("deny", "beta", false), ("deny", "other", true)]
            {
                let canary = canary(json!({ "hash": hash, "groups": ["beta"] }));
                let people = People::new(manner).credential("acls", 5, 1, json!({ "group": group }));
                let maya = people.consumers[0].clone();
                let mut exchange = request("GET", "/", &[], people);
                exchange.identity.consumer = Some(maya);
                assert_eq!(access(&canary, &mut exchange), None);
                assert_eq!(exchange.forward.host.as_slice() == b"new.test", gone, "{hash} {group}");
                assert_eq!(goes(&canary, |exchange| exchange.identity.authenticated_groups = vec![group.into()]), gone);
            }
        }
    }

    #[test]
    fn the_other_upstream_is_as_configured() {
        for (uri, query, path, sent) in [
            ("/new", None, "/new", None),
            ("/new", Some("a=1"), "/new", Some("a=1")),
            ("/new?v=2", None, "/new", Some("v=2")),
            ("/new?v=2", Some("a=1"), "/new", Some("v=2&a=1")),
        ] {
            let canary: Canary = plugin(json!({ "upstream_uri": uri, "upstream_port": 81, "percentage": 100 }));
            let mut exchange = request("GET", "/old", &[], People::new(Manner::Knows));
            exchange.forward.query = query.map(|query| query.as_bytes().into());
            assert_eq!(access(&canary, &mut exchange), None);
            assert_eq!((exchange.forward.path.as_slice(), exchange.forward.port), (path.as_bytes(), 81));
            assert_eq!(exchange.forward.query.as_deref(), sent.map(str::as_bytes), "{uri}");
        }
    }
}
