//! `rate-limiting`: so many requests per second, minute, hour, day, month or year.

mod config;
mod headers;
mod names;
pub(crate) mod period;

pub(crate) use config::without_cluster;
pub use config::{Config, LimitBy, Policy};

use crate::counting::Counting;
use crate::{auth, number};
use entities::{PluginSchema, Scopes};
use exchange::counters::{Key, Taken, Window};
use exchange::redis::Taking;
use exchange::{About, Answer, Exchange, Flow, LimitExceeded, Phases, Plugin, Services, Step};
use headers::{Report, Told};
use names::Scope;
use period::Period;
use smallvec::SmallVec;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

/// A configured limit of one period.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    period: Period,
    /// As configured; may have a fraction.
    limit: f64,
    /// As headers show it.
    text: String,
}

impl Limit {
    /// Requests it admits: of 2.5 the third is the last.
    fn units(&self) -> u64 {
        self.limit.ceil() as u64
    }
}

/// `rate-limiting`, configured.
pub struct RateLimiting {
    config: Config,
    limits: SmallVec<[Limit; 6]>,
    /// Workspace, Route and Service the configuration is attached to; counters belong to them, not to the configuration,
    /// so they outlive a change of it.
    scope: [Uuid; 3],
    /// The counters' keys of that, by what a request is counted for: an id, a text, an address.
    scoped: [Key; 3],
    services: Services,
    counting: Counting,
}

/// Who a request is counted for. The kinds are kept apart: a header's value cannot use up an address's share.
#[derive(Debug, PartialEq, Eq)]
enum Identifier<'a> {
    Id(Uuid),
    Text(&'a [u8]),
    Address(std::net::IpAddr),
}

impl RateLimiting {
    fn identifier<'a>(&self, exchange: &'a Exchange) -> Identifier<'a> {
        let identity = &exchange.identity;
        let credential = || identity.credential.as_ref().map(|credential| Identifier::Id(credential.id));
        let found = match self.config.limit_by.unwrap_or(LimitBy::Ip) {
            LimitBy::Consumer => {
                identity.consumer.as_ref().map(|consumer| Identifier::Id(consumer.id)).or_else(credential)
            }
            LimitBy::Credential => credential(),
            LimitBy::Ip => None,
            LimitBy::Service => exchange.service.as_ref().map(|service| Identifier::Id(service.id)),
            LimitBy::Header => self
                .config
                .header_name
                .as_deref()
                .and_then(|name| exchange.request.headers.get(name))
                .map(Identifier::Text),
            LimitBy::Path => {
                let path = exchange.request.path.as_slice();
                (self.config.path.as_deref().map(str::as_bytes) == Some(path)).then_some(Identifier::Text(path))
            }
        };
        found.unwrap_or_else(|| Identifier::Address(exchange.request.client_ip()))
    }

    fn key(&self, exchange: &Exchange) -> Key {
        let [id, text, address] = self.scoped;
        let key = |scope, name: &[u8]| self.services.counters.key_under(scope, name);
        match self.identifier(exchange) {
            Identifier::Id(name) => key(id, name.as_bytes()),
            Identifier::Text(name) => key(text, name),
            Identifier::Address(std::net::IpAddr::V4(name)) => key(address, &name.octets()),
            Identifier::Address(std::net::IpAddr::V6(name)) => key(address, &name.octets()),
        }
    }

    /// Tells what was found, and lets the request pass or not.
    fn decide(&self, exchange: &mut Exchange, taken: &Taken, now: u64) -> Flow {
        if !self.config.hide_client_headers {
            exchange.state.put(Told(Report::new(&self.limits, taken, now)));
        }
        if taken.granted {
            return Flow::Next;
        }
        self.tell(exchange, taken, now);
        self.refusal().into()
    }

    /// Tells which limit was reached: of several, the one of the shortest period.
    fn tell(&self, exchange: &Exchange, taken: &Taken, now: u64) {
        let reached = |(limit, used): &(&Limit, &u64)| **used >= limit.units();
        let Some((limit, used)) = self.limits.iter().zip(&taken.used).find(reached) else { return };
        self.services.notices.limit_exceeded(LimitExceeded {
            at: now,
            consumer: exchange.identity.consumer.clone(),
            ip: exchange.request.client_ip(),
            service: exchange.service.clone(),
            rate: *used,
            limit: limit.limit,
            window: limit.period.name(),
        });
    }

    /// Counts. Where the place of the counters cannot be asked, `fault_tolerant` decides.
    fn take<'a>(&'a self, exchange: &'a mut Exchange, windows: &[Window], now: u64) -> Step<'a> {
        let [_, route, service] = self.scope;
        let scope = Scope { limits: &self.limits, route, service, identifier: self.identifier(exchange), now };
        match self.counting.take(windows, &scope, now) {
            Taking::Done(taken) => Step::Ready(self.decide(exchange, &taken, now)),
            Taking::Wait(pending) => Step::Wait(Box::pin(async move {
                let outcome = pending.await;
                self.counting.note(&outcome);
                match outcome {
                    Ok(taken) => self.decide(exchange, &taken, now),
                    Err(_) if self.config.fault_tolerant => Flow::Next,
                    Err(_) => auth::failure().into(),
                }
            })),
        }
    }

    fn refusal(&self) -> Answer {
        let code = self.config.error_code.unwrap_or(429.0);
        if code.fract() != 0.0 || !(100.0..600.0).contains(&code) {
            return auth::failure();
        }
        Answer::error(code as u16, self.config.error_message.clone().unwrap_or_default())
    }
}

impl Plugin for RateLimiting {
    const NAME: &'static str = "rate-limiting";
    const PRIORITY: i32 = 910;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::GROUPS)
            .without_database(without_cluster)
            .checks(config::checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let counting = match config.policy {
            Some(Policy::Redis) => Counting::on_server(config.redis.server(services)?, config.sync_rate, Self::NAME),
            Some(Policy::Cluster) => Counting::in_database(services.meters.clone(), Self::NAME),
            Some(Policy::Local) | None => Counting::on_node(services.counters.clone(), Self::NAME),
        };
        let limits = Period::ALL.into_iter().filter_map(|period| {
            let limit = config.limit(period)?;
            Some(Limit { period, limit, text: number::text(limit) })
        });
        let scope = [about.workspace, about.route.unwrap_or_default(), about.service.unwrap_or_default()];
        let [workspace, route, service] = scope.each_ref().map(Uuid::as_bytes);
        let scoped =
            |kind: &str| services.counters.key(&[b"rate-limiting", workspace, route, service, kind.as_bytes()]);
        Ok(Self {
            limits: limits.collect(),
            scope,
            scoped: ["id", "text", "address"].map(scoped),
            services: services.clone(),
            counting,
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let wall = exchange.timeline.wall();
        let now = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let key = self.key(exchange);
        let windows: SmallVec<[Window; 6]> = self
            .limits
            .iter()
            .map(|limit| Window {
                key: key.of(limit.period as u64),
                limit: limit.units(),
                expires_at: limit.period.end(now),
            })
            .collect();
        self.take(exchange, &windows, now)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        if let Some(Told(report)) = exchange.state.take() {
            report.write(&self.limits, &mut exchange.response.headers);
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Manner, People, access, message, plugin, plugin_with, request, services};
    use exchange::{Consumer, Credential};
    use serde_json::json;
    use std::sync::Arc;

    fn from(headers: &[(&str, &str)]) -> Exchange {
        request("GET", "/a", headers, People::new(Manner::Knows))
    }

    /// Runs access and header_filter; tells the status, or what remains.
    fn run(plugin: &RateLimiting, exchange: &mut Exchange) -> Result<String, u16> {
        let status = access(plugin, exchange);
        assert!(matches!(Plugin::header_filter(plugin, exchange), Flow::Next));
        let remaining = exchange.response.headers.get_str("ratelimit-remaining").unwrap_or("none").to_owned();
        status.map_or(Ok(remaining), Err)
    }

    #[test]
    fn requests_over_the_limit_are_refused() {
        let plugin = plugin::<RateLimiting>(json!({ "year": 2 }));
        assert_eq!(run(&plugin, &mut from(&[])).as_deref(), Ok("1"));
        assert_eq!(run(&plugin, &mut from(&[])).as_deref(), Ok("0"));
        let mut refused = from(&[]);
        assert_eq!(run(&plugin, &mut refused), Err(429));
        assert_eq!(message(&refused), "API rate limit exceeded");
        let header = |name| refused.response.headers.get_str(name);
        assert_eq!(
            (header("retry-after"), header("x-ratelimit-remaining-year")),
            (header("ratelimit-reset"), Some("0"))
        );
        let mut later = from(&[]);
        later.timeline = testing::at(1_735_689_600);
        assert_eq!(run(&plugin, &mut later).as_deref(), Ok("1"));
    }

    #[derive(Default)]
    struct Heard(std::sync::Mutex<Vec<LimitExceeded>>);

    impl exchange::Notices for Heard {
        fn limit_exceeded(&self, notice: LimitExceeded) {
            self.0.lock().unwrap().push(notice);
        }
    }

    #[test]
    fn a_refusal_is_told_with_the_limit_that_was_reached() {
        let heard = Arc::new(Heard::default());
        let services = Services { notices: heard.clone(), ..services() };
        let config = json!({ "second": 1000, "hour": 1.5, "year": 2 });
        let plugin = plugin_with::<RateLimiting>(config, &About::default(), &services);
        let consumer = Arc::new(Consumer { id: Uuid::from_u128(7), ..Consumer::default() });
        for expected in [None, None, Some(429)] {
            let mut exchange = from(&[]);
            exchange.authenticate(Some(consumer.clone()), None, None);
            exchange.service = Some(crate::testing::service());
            assert_eq!(run(&plugin, &mut exchange).err(), expected);
        }
        let heard = heard.0.lock().unwrap();
        let [told] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!((told.window, told.rate, told.limit), ("hour", 2, 1.5));
        assert_eq!(told.consumer.as_ref().map(|consumer| consumer.id), Some(Uuid::from_u128(7)));
        assert!(told.service.is_some() && told.at > 0);
    }

    #[test]
    fn refusals_are_as_configured() {
        for (config, status, text, header) in [
            (json!({ "hour": 1, "error_code": 404, "error_message": "Quota used up" }), 404, "Quota used up", true),
            (json!({ "hour": 1, "error_code": 503 }), 503, "API rate limit exceeded", true),
            (json!({ "hour": 1, "error_message": null }), 429, "Too many requests", true),
            (json!({ "hour": 1, "error_code": 700 }), 500, "An unexpected error occurred", true),
            (json!({ "hour": 1, "hide_client_headers": true }), 429, "API rate limit exceeded", false),
        ] {
            let plugin = plugin::<RateLimiting>(config.clone());
            assert!(run(&plugin, &mut from(&[])).is_ok());
            let mut refused = from(&[]);
            assert_eq!((run(&plugin, &mut refused), message(&refused).as_str()), (Err(status), text), "{config}");
            assert_eq!(refused.response.headers.contains("retry-after"), header, "{config}");
            assert_eq!(refused.response.headers.contains("ratelimit-limit"), header, "{config}");
        }
    }

    #[test]
    fn identifiers_fall_back_to_the_address() {
        let plain = || from(&[]);
        let consumer = |id: u128, credential: u128| {
            let mut exchange = from(&[]);
            let consumer = (id > 0).then(|| Arc::new(Consumer { id: Uuid::from_u128(id), ..Consumer::default() }));
            let credential = Arc::new(Credential { id: Uuid::from_u128(credential), ..Credential::default() });
            exchange.authenticate(consumer, Some(credential), None);
            exchange
        };
        let service = || {
            let mut exchange = from(&[]);
            exchange.service = Some(crate::testing::service());
            exchange
        };
        let other = || {
            let mut exchange = from(&[("X-Tenant", "10.0.0.1")]);
            exchange.request.client_ip = Some([10, 0, 0, 2].into());
            exchange.request.path = "/b".as_bytes().into();
            exchange
        };
        // Whether the second request is counted with the first.
        let cases: Vec<(serde_json::Value, Exchange, Exchange, bool)> = vec![
            (json!({}), consumer(1, 5), consumer(1, 6), true),
            (json!({}), consumer(1, 5), consumer(2, 5), false),
            (json!({}), consumer(0, 5), consumer(0, 5), true),
            (json!({}), consumer(0, 5), plain(), false),
            (json!({}), plain(), plain(), true),
            (json!({}), plain(), other(), false),
            (json!({ "limit_by": null }), plain(), plain(), true),
            (json!({ "limit_by": "ip" }), consumer(1, 5), consumer(2, 6), true),
            (json!({ "limit_by": "credential" }), consumer(1, 5), consumer(1, 6), false),
            (json!({ "limit_by": "credential" }), consumer(1, 5), consumer(2, 5), true),
            (json!({ "limit_by": "credential" }), plain(), plain(), true),
            (json!({ "limit_by": "service" }), service(), service(), true),
            (json!({ "limit_by": "service" }), service(), plain(), false),
            (
                json!({ "limit_by": "header", "header_name": "x-tenant" }),
                from(&[("X-Tenant", "t")]),
                from(&[("x-TENANT", "t")]),
                true,
            ),
            (
                json!({ "limit_by": "header", "header_name": "x-tenant" }),
                from(&[("X-Tenant", "t")]),
                from(&[("X-Tenant", "u")]),
                false,
            ),
            (json!({ "limit_by": "header", "header_name": "x-tenant" }), plain(), other(), false),
            (json!({ "limit_by": "path", "path": "/a" }), plain(), plain(), true),
            (json!({ "limit_by": "path", "path": "/a" }), plain(), other(), false),
            (json!({ "limit_by": "path", "path": "/c" }), plain(), plain(), true),
        ];
        for (mut config, mut first, mut second, together) in cases {
            config["year"] = 1.into();
            let plugin = plugin::<RateLimiting>(config.clone());
            assert!(run(&plugin, &mut first).is_ok());
            assert_eq!(run(&plugin, &mut second).is_err(), together, "{config}");
        }
    }

    #[test]
    fn counters_belong_to_the_scope() {
        let services = services();
        let limited =
            |about: &About| run(&plugin_with(json!({ "year": 1 }), about, &services), &mut from(&[])).is_err();
        let scope = |id: u128, route: Option<u128>, service: Option<u128>| About {
            id: Uuid::from_u128(id),
            route: route.map(Uuid::from_u128),
            service: service.map(Uuid::from_u128),
            ..About::default()
        };
        assert!(!limited(&scope(1, Some(1), None)));
        assert!(limited(&scope(2, Some(1), None)), "a changed configuration finds the counters of the former one");
        assert!(!limited(&scope(2, Some(2), None)) && !limited(&scope(2, None, Some(1))));
        let elsewhere = About { workspace: Uuid::from_u128(9), ..scope(1, Some(1), None) };
        assert!(!limited(&elsewhere));
    }

    #[test]
    fn redis_out_of_reach() {
        let redis = |tolerant: bool| {
            let redis = json!({ "host": "127.0.0.1" });
            plugin::<RateLimiting>(json!({ "year": 1, "policy": "redis", "fault_tolerant": tolerant, "redis": redis }))
        };
        let (open, closed) = (redis(true), redis(false));
        for _ in 0..2 {
            assert_eq!(run(&open, &mut from(&[])).as_deref(), Ok("none"));
            let mut refused = from(&[]);
            assert_eq!(run(&closed, &mut refused), Err(500));
            assert_eq!(message(&refused), "An unexpected error occurred");
        }
    }

    #[test]
    fn redis_counts_for_every_node() {
        for (sync_rate, text) in [(-1.0, "asked each time"), (0.5, "synchronised")] {
            let shelf = testing::Shelf::default();
            let about = About { service: Some(Uuid::from_u128(3)), ..About::default() };
            let node = || {
                let services = Services { redis: Arc::new(shelf.clone()), ..services() };
                let config = json!({ "minute": 2, "year": 9, "policy": "redis", "redis": { "host": "r" },
                    "limit_by": "header", "header_name": "x-tenant", "sync_rate": sync_rate });
                plugin_with::<RateLimiting>(config, &about, &services)
            };
            let (one, two) = (node(), node());
            let exchange = || from(&[("X-Tenant", "t")]);
            assert_eq!(run(&one, &mut exchange()).as_deref(), Ok("1"), "{text}");
            assert_eq!(run(&two, &mut exchange()).as_deref(), Ok("0"), "{text}");
            let mut refused = exchange();
            assert_eq!((run(&one, &mut refused), message(&refused).as_str()), (Err(429), "API rate limit exceeded"));
            assert_eq!(refused.response.headers.get_str("x-ratelimit-remaining-year"), Some("7"));
            let scope = "00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000003";
            assert_eq!(
                shelf.shown(),
                [
                    format!("r/ratelimit:{scope}:t:1672531200000:year=2"),
                    format!("r/ratelimit:{scope}:t:1699999980000:minute=2"),
                ]
            );
        }
    }

    #[test]
    fn exact_from_several_threads() {
        let plugin = plugin::<RateLimiting>(json!({ "minute": 1000, "hour": 1000, "limit_by": "ip" }));
        let passed: usize = std::thread::scope(|scope| {
            let run = || (0..500).filter(|_| access(&plugin, &mut from(&[])).is_none()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000);
    }
}
