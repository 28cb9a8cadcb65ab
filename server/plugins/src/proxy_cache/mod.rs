//! `proxy-cache` and `proxy-cache-advanced`: answer requests with responses that were kept, in memory or on a Redis server
//! that nodes share. Both do the same; what differs is where responses are kept, and what happens when that is gone.

mod cache;
mod config;
mod control;
mod on_redis;
mod record;

pub use cache::{key_of_text, key_text};
pub(crate) use config::DICTIONARIES;
pub use config::{AdvancedConfig, Config, Memory, ResponseHeaders, Strategy};

use cache::Cache;
use entities::{PluginSchema, Scopes};
use exchange::{About, Chunk, Exchange, Flow, Phases, Plugin, ResponseStore, Services, Shelf, Step};
use on_redis::OnRedis;
use schema::Check;
use std::sync::Arc;

/// `proxy-cache`, configured.
pub struct ProxyCache(Cache);

/// `proxy-cache-advanced`, configured.
pub struct ProxyCacheAdvanced(Cache);

fn shelf(name: &'static str, about: &About, store: Arc<dyn ResponseStore>) -> Shelf {
    Shelf { name, plugin: about.id, workspace: about.workspace, store }
}

impl Plugin for ProxyCache {
    const NAME: &'static str = "proxy-cache";
    const PRIORITY: i32 = 100;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .all_protocols()
            .scopes(Scopes::GROUPS)
            .check(Check::custom(["config"], config::dictionary))
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let shelf = shelf(Self::NAME, about, services.responses.memory().clone());
        Ok(Self(Cache::new(config, false, shelf, services)))
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.0.access::<Self>(exchange)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        self.0.header_filter::<Self>(exchange);
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        self.0.body_filter::<Self>(exchange, chunk);
    }
}

impl Plugin for ProxyCacheAdvanced {
    const NAME: &'static str = "proxy-cache-advanced";
    const PRIORITY: i32 = 100;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER);
    type Config = AdvancedConfig;

    fn schema() -> PluginSchema {
        PluginSchema::new::<AdvancedConfig>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::GROUPS)
            .check(Check::custom(["config"], config::dictionary))
    }

    fn new(config: AdvancedConfig, about: &About, services: &Services) -> Result<Self, String> {
        let all = &services.responses;
        let store: Arc<dyn ResponseStore> = match config.cache.strategy {
            Strategy::Memory => all.memory().clone(),
            Strategy::Redis => Arc::new(OnRedis::new(config.redis.server(services)?, all.clone())),
        };
        let bypass = config.bypass_on_err.unwrap_or(false);
        Ok(Self(Cache::new(config.cache, bypass, shelf(Self::NAME, about, store), services)))
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        self.0.access::<Self>(exchange)
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        self.0.header_filter::<Self>(exchange);
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        self.0.body_filter::<Self>(exchange, chunk);
    }
}

#[cfg(test)]
mod tests;
