//! `upstream-timeout`: other time-outs than the Service's.

use entities::{PluginSchema, Scopes};
use exchange::{About, Exchange, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use std::time::Duration;

/// Options of `upstream-timeout`. What is not given stays as the Service has it.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Limit between two reads from the upstream, in ms.
    #[field(is = schema::typedefs::timeout)]
    pub read_timeout: Option<u32>,
    /// Limit between two writes to the upstream, in ms.
    #[field(is = schema::typedefs::timeout)]
    pub send_timeout: Option<u32>,
    /// Limit for connecting, in ms.
    #[field(is = schema::typedefs::timeout)]
    pub connect_timeout: Option<u32>,
}

/// `upstream-timeout`, configured: for connecting, writing, reading.
pub struct UpstreamTimeout([Option<Duration>; 3]);

/// A Service's time-out where it has none, in ms.
const DEFAULT: u32 = 60_000;

fn ms(timeout: u32) -> Duration {
    Duration::from_millis(timeout.into())
}

impl Plugin for UpstreamTimeout {
    const NAME: &'static str = "upstream-timeout";
    const PRIORITY: i32 = 400;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::ALL)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self([config.connect_timeout, config.send_timeout, config.read_timeout].map(|timeout| timeout.map(ms))))
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let of_service = match exchange.service.as_deref() {
            Some(service) => [service.connect_timeout, service.write_timeout, service.read_timeout],
            None => [None; 3],
        };
        let wanted = exchange.forward.instead.get_or_insert_default();
        let mut timeouts = wanted.timeouts.unwrap_or_else(|| of_service.map(|timeout| ms(timeout.unwrap_or(DEFAULT))));
        for (timeout, own) in timeouts.iter_mut().zip(self.0) {
            *timeout = own.unwrap_or(*timeout);
        }
        wanted.timeouts = Some(timeouts);
        Step::NEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, service};
    use serde_json::json;

    #[test]
    fn what_is_given_takes_the_services_place() {
        for (config, earlier, timeouts) in [
            (json!({}), None, [60_000, 60_000, 60_000]),
            (json!({ "read_timeout": 5 }), None, [60_000, 60_000, 5]),
            (json!({ "connect_timeout": 1, "send_timeout": 2, "read_timeout": 3 }), None, [1, 2, 3]),
            (json!({ "send_timeout": 2 }), Some([7, 8, 9]), [7, 2, 9]),
        ] {
            let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
            exchange.service = Some(service());
            let earlier = earlier.map(|earlier: [u32; 3]| earlier.map(ms));
            exchange.forward.instead = Some(Box::new(exchange::Instead { timeouts: earlier, ..Default::default() }));
            assert_eq!(access(&plugin::<UpstreamTimeout>(config.clone()), &mut exchange), None);
            let wanted = exchange.forward.instead.and_then(|wanted| wanted.timeouts);
            assert_eq!(wanted, Some(timeouts.map(ms)), "{config}");
        }
    }
}
