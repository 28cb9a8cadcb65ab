//! `prometheus`: what requests do, as metrics.

use super::models;
use super::series::{Recorded, record, record_session};
use entities::PluginSchema;
use exchange::{About, Exchange, Phases, Plugin, Services};
use schema::Schema;
use serde::Deserialize;

/// Options of `prometheus`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Whether metrics tell Consumers apart.
    #[field(default = false)]
    pub per_consumer: Option<bool>,
    /// Whether answers are counted by status.
    #[field(default = false)]
    pub status_code_metrics: Option<bool>,
    /// Whether requests to language models are counted.
    #[field(default = false)]
    pub ai_metrics: Option<bool>,
    /// Whether latencies are recorded.
    #[field(default = false)]
    pub latency_metrics: Option<bool>,
    /// Whether bytes are counted.
    #[field(default = false)]
    pub bandwidth_metrics: Option<bool>,
    /// Whether the health of Targets is shown.
    #[field(default = false)]
    pub upstream_health_metrics: Option<bool>,
}

/// `prometheus`, configured.
pub struct Prometheus {
    recorded: Recorded,
    /// Whether what models took is counted.
    models: bool,
}

impl Plugin for Prometheus {
    const NAME: &'static str = "prometheus";
    const PRIORITY: i32 = 13;
    const PHASES: Phases = Phases::LOG.and(Phases::SESSION);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, _: &About, _: &Services) -> Result<Self, String> {
        let on = |option: Option<bool>| option == Some(true);
        let recorded = Recorded {
            answers: on(config.status_code_metrics),
            times: on(config.latency_metrics),
            bytes: on(config.bandwidth_metrics),
            per_consumer: on(config.per_consumer),
        };
        Ok(Self { recorded, models: on(config.ai_metrics) })
    }

    fn log(&self, exchange: &Exchange) {
        let Recorded { answers, times, bytes, .. } = self.recorded;
        if exchange.session.is_some() {
            record_session(exchange, self.recorded);
            return;
        }
        if answers || times || bytes {
            record(exchange, self.recorded);
        }
        if self.models {
            models::record(exchange);
        }
    }
}
