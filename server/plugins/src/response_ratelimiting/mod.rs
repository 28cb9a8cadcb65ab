//! `response-ratelimiting`: so much per second, minute, hour, day, month or year, as upstreams say what responses cost.

mod config;

pub use config::{Config, LimitBy, Limits};

use crate::rate_limiting::{Policy, period::Period, without_cluster};
use crate::{auth, number, redis};
use entities::PluginSchema;
use exchange::counters::Window;
use exchange::redis::{RedisServer, RemoteCounter};
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use uuid::Uuid;

/// A limit of one period.
#[derive(Debug)]
struct Limit {
    /// Index of its name.
    name: usize,
    period: Period,
    limit: f64,
    /// As headers show it.
    text: String,
}

/// `response-ratelimiting`, configured.
pub struct ResponseRatelimiting {
    names: Vec<String>,
    /// By name; those of a name from the shortest period to the longest.
    limits: Vec<Limit>,
    header: String,
    limit_by: LimitBy,
    fault_tolerant: bool,
    block: bool,
    hide: bool,
    /// Workspace, Route and Service the configuration is attached to.
    scope: [Uuid; 3],
    services: Services,
    server: Option<Arc<dyn RedisServer>>,
}

/// What access found, kept until the response's head goes out.
struct Found {
    identifier: String,
    now: u64,
    /// Units used of each limit, in their order.
    used: SmallVec<[u64; 8]>,
}

impl Found {
    fn remaining(&self, limits: &[Limit], index: usize) -> f64 {
        (limits[index].limit - self.used[index] as f64).max(0.0)
    }
}

impl ResponseRatelimiting {
    fn identifier(&self, exchange: &Exchange) -> String {
        let identity = &exchange.identity;
        let credential = || identity.credential.as_ref().map(|credential| credential.id.to_string());
        let found = match self.limit_by {
            LimitBy::Consumer => identity.consumer.as_ref().map(|consumer| consumer.id.to_string()).or_else(credential),
            LimitBy::Credential => credential(),
            LimitBy::Ip => None,
        };
        found.unwrap_or_else(|| IpAddr::to_string(&exchange.request.client_ip()))
    }

    fn window(&self, limit: &Limit, found: &Found) -> Window {
        let [workspace, route, service] = &self.scope;
        let name = self.names[limit.name].as_bytes();
        let parts = [
            b"response-ratelimiting",
            workspace.as_bytes().as_slice(),
            route.as_bytes(),
            service.as_bytes(),
            name,
            found.identifier.as_bytes(),
        ];
        let key = self.services.counters.key(&parts).of(limit.period as u64);
        Window { key, limit: limit.limit.ceil() as u64, expires_at: limit.period.end(found.now) }
    }

    /// A counter on a Redis server, under the key that Kong gives it.
    fn remote(&self, limit: &Limit, found: &Found) -> RemoteCounter {
        let [_, route, service] = &self.scope;
        let (name, period) = (&self.names[limit.name], limit.period);
        let (identifier, start) = (&found.identifier, period.start(found.now));
        let key = format!("response-ratelimit:{route}:{service}:{identifier}:{start}000:{name}:{}", period.name());
        RemoteCounter { name: key.into_bytes(), limit: limit.limit.ceil() as u64, lifetime: period.length() }
    }

    /// Tells the upstream what is left, and refuses where nothing is and that is the rule.
    fn pass(&self, exchange: &mut Exchange, found: Found) -> Flow {
        if self.block && (0..self.limits.len()).any(|index| found.remaining(&self.limits, index) <= 0.0) {
            exchange.state.put(found);
            return Answer::error(429, "API rate limit exceeded").into();
        }
        for (at, name) in self.names.iter().enumerate() {
            let of_name = (0..self.limits.len()).filter(|index| self.limits[*index].name == at);
            let least = of_name.map(|index| found.remaining(&self.limits, index)).reduce(f64::min);
            if let Some(least) = least {
                exchange.request.headers.set(&format!("X-RateLimit-Remaining-{name}"), number::text(least));
            }
        }
        exchange.state.put(found);
        Flow::Next
    }

    /// What a response costs of each limit's name, as its header says: `video=2, image=1`.
    fn costs(&self, exchange: &Exchange) -> Vec<u64> {
        let mut costs = vec![0; self.names.len()];
        for line in exchange.response.headers.get_all(&self.header) {
            let line = String::from_utf8_lossy(line);
            for (name, cost) in line.split(',').filter_map(|part| part.split_once('=')) {
                let known = self.names.iter().position(|known| known == name.trim());
                if let (Some(at), Some(cost)) = (known, number::parse(cost)) {
                    costs[at] = cost.max(0.0) as u64;
                }
            }
        }
        costs
    }

    /// Counts what a response costs.
    fn charge(&self, found: &Found, costs: &[u64]) {
        let charged = self.limits.iter().filter(|limit| costs[limit.name] > 0);
        match &self.server {
            None => {
                for limit in charged {
                    self.services.counters.add(&self.window(limit, found), costs[limit.name], found.now);
                }
            }
            Some(server) => {
                let amount = |limit: &Limit| i64::try_from(costs[limit.name]).unwrap_or(i64::MAX);
                let amounts: Vec<_> = charged.map(|limit| (self.remote(limit, found), amount(limit))).collect();
                if !amounts.is_empty() {
                    // The server is told whether or not anyone waits for its answer.
                    drop(server.add(amounts));
                }
            }
        }
    }
}

impl Plugin for ResponseRatelimiting {
    const NAME: &'static str = "response-ratelimiting";
    const PRIORITY: i32 = 900;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .without_database(without_cluster)
            .checks(redis::checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let server = match config.policy {
            Some(Policy::Redis) => Some(config.redis.server(services)?),
            Some(Policy::Cluster) => {
                tracing::warn!(plugin = Self::NAME, id = %about.id, "policy cluster counts on each node apart");
                None
            }
            Some(Policy::Local) | None => None,
        };
        let limits = config.limits.values().enumerate().flat_map(|(name, limits)| {
            let limit = move |period| {
                let limit = limits.of(period)?;
                Some(Limit { name, period, limit, text: number::text(limit) })
            };
            Period::ALL.into_iter().filter_map(limit)
        });
        Ok(Self {
            limits: limits.collect(),
            names: config.limits.keys().cloned().collect(),
            header: config.header_name.unwrap_or_else(|| "x-kong-limit".to_owned()),
            limit_by: config.limit_by.unwrap_or(LimitBy::Ip),
            fault_tolerant: config.fault_tolerant,
            block: config.block_on_first_violation,
            hide: config.hide_client_headers,
            scope: [about.workspace, about.route.unwrap_or_default(), about.service.unwrap_or_default()],
            services: services.clone(),
            server,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let now = exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut found = Found { identifier: self.identifier(exchange), now, used: SmallVec::new() };
        let Some(server) = &self.server else {
            let windows = self.limits.iter().map(|limit| self.window(limit, &found));
            let counters = &self.services.counters;
            found.used = windows.map(|window| counters.usage(window.key, window.expires_at)).collect();
            return Step::Ready(self.pass(exchange, found));
        };
        let asked = server.add(self.limits.iter().map(|limit| (self.remote(limit, &found), 0)).collect());
        Step::Wait(Box::pin(async move {
            match asked.await {
                Ok(used) if used.len() == self.limits.len() => {
                    found.used = used.into();
                    self.pass(exchange, found)
                }
                outcome => {
                    if let Err(error) = outcome {
                        tracing::error!(plugin = Self::NAME, "failed to get usage: {error}");
                    }
                    if self.fault_tolerant { Flow::Next } else { auth::failure().into() }
                }
            }
        }))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let Some(found) = exchange.state.take::<Found>() else { return Flow::Next };
        let costs = self.costs(exchange);
        exchange.response.headers.remove(&self.header);
        let mut exceeded = false;
        let mut told = Vec::new();
        for (index, limit) in self.limits.iter().enumerate() {
            let (remaining, cost) = (found.remaining(&self.limits, index), costs[limit.name]);
            exceeded |= cost > 0 && remaining <= 0.0;
            if !self.hide {
                let (name, period) = (&self.names[limit.name], limit.period.name());
                told.push((format!("X-RateLimit-Limit-{name}-{period}"), limit.text.clone()));
                let left = number::text((remaining - cost as f64).max(0.0));
                told.push((format!("X-RateLimit-Remaining-{name}-{period}"), left));
            }
        }
        if exceeded {
            let answer = Answer::bytes(429, "");
            return told.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value)).into();
        }
        for (name, value) in told {
            exchange.response.headers.set(&name, value);
        }
        self.charge(&found, &costs);
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Manner, People, access, answered, message, plugin, plugin_with, request, services};
    use serde_json::{Value, json};

    /// Runs a request whose response costs this; tells the status of an answer, and the headers.
    fn run(plugin: &ResponseRatelimiting, cost: &str) -> String {
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        let mut status = access(plugin, &mut exchange);
        if status.is_none() {
            exchange.response.headers.append("x-kong-limit", cost);
        }
        let flow = Plugin::header_filter(plugin, &mut exchange);
        if matches!(flow, Flow::Answer(_)) {
            status = answered(flow, &mut exchange);
        }
        let line = |(name, value): (&[u8], &[u8])| {
            let name = String::from_utf8_lossy(name).replace("X-RateLimit-", "");
            format!("{name}={}", String::from_utf8_lossy(value))
        };
        let lines = exchange.response.headers.iter().map(line).filter(|line| !line.starts_with("Content-Type"));
        let sent = exchange.request.headers.get_str("x-ratelimit-remaining-video").unwrap_or_default();
        let status = status.map(|status| format!("{status} {}", message(&exchange))).unwrap_or_default();
        format!("{status}[{sent}] {}", lines.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn responses_cost_what_they_say() {
        let plugin =
            plugin::<ResponseRatelimiting>(json!({ "limits": { "video": { "year": 6 }, "image": { "year": 3 } } }));
        let image = "Limit-image-year=3 Remaining-image-year";
        for (cost, seen) in [
            ("video=2", format!("[6] Limit-video-year=6 Remaining-video-year=4 {image}=3")),
            ("", format!("[4] Limit-video-year=6 Remaining-video-year=4 {image}=3")),
            (" image = 1 , video=4", format!("[4] Limit-video-year=6 Remaining-video-year=0 {image}=2")),
            ("audio=1, image=x, image", format!("[0] Limit-video-year=6 Remaining-video-year=0 {image}=2")),
            ("video=1", format!("429 [0] Limit-video-year=6 Remaining-video-year=0 {image}=2")),
            ("image=5", format!("[0] Limit-video-year=6 Remaining-video-year=0 {image}=0")),
        ] {
            assert_eq!(run(&plugin, cost), seen, "{cost}");
        }
    }

    #[test]
    fn options_change_what_is_told() {
        let config = |more: Value| {
            let mut config = json!({ "limits": { "video": { "minute": 1, "year": 2 } } });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            plugin::<ResponseRatelimiting>(config)
        };
        let hidden = config(json!({ "hide_client_headers": true }));
        assert_eq!((run(&hidden, "video=1"), run(&hidden, "video=1")), ("[1] ".into(), "429 [0] ".into()));
        let blocking = config(json!({ "block_on_first_violation": true }));
        run(&blocking, "video=1");
        let refused = run(&blocking, "");
        assert!(refused.starts_with("429 API rate limit exceeded[] "), "{refused}");
        assert!(refused.ends_with("Remaining-video-year=1"), "{refused}");
    }

    #[test]
    fn redis_counts_for_every_node() {
        let shelf = testing::Shelf::default();
        let node = |host: &str, tolerant: bool| {
            let services = Services { redis: Arc::new(shelf.clone()), ..services() };
            let redis = json!({ "host": host });
            let config = json!({ "limits": { "video": { "year": 4 } }, "policy": "redis", "redis": redis, "limit_by": "ip",
                "fault_tolerant": tolerant });
            plugin_with::<ResponseRatelimiting>(config, &About::default(), &services)
        };
        let (one, two) = (node("r", true), node("r", true));
        assert!(run(&one, "video=3").ends_with("Remaining-video-year=1"));
        assert!(run(&two, "").ends_with("Remaining-video-year=1"));
        let scope = "00000000-0000-0000-0000-000000000000:00000000-0000-0000-0000-000000000000";
        assert_eq!(shelf.shown(), [format!("r/response-ratelimit:{scope}:10.0.0.1:1672531200000:video:year=3")]);
        assert_eq!(run(&node("gone", true), ""), "[] x-kong-limit=");
        assert!(run(&node("gone", false), "").starts_with("500 An unexpected error occurred"));
    }
}
