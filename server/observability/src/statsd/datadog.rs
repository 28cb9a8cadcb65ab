//! `datadog`: metrics of every request for a Datadog agent.

use super::line::{StatType, datagrams, standard, value};
use super::names::{ConsumerIdentifier, without_dots};
use super::plugin::rate_of_counters;
use crate::queue::{Legacy, Queue};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Phases, Plugin, Services, Shipment};
use schema::{Field, Schema, json};
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;

/// Options of `datadog`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Name or address of the agent.
    #[field(default = "localhost", is = host, referenceable)]
    pub host: Option<String>,
    /// Its port.
    #[field(default = 8125, is = port)]
    pub port: Option<u16>,
    /// What the names of metrics begin with.
    #[field(default = "kong")]
    pub prefix: Option<String>,
    /// The tag with the Service's name.
    #[field(default = "name")]
    pub service_name_tag: Option<String>,
    /// The tag with the status.
    #[field(default = "status")]
    pub status_tag: Option<String>,
    /// The tag with the Consumer.
    #[field(default = "consumer")]
    pub consumer_tag: Option<String>,
    /// Has no meaning any more.
    #[field(deprecated_since_default(
        "datadog: config.retry_count no longer works, please use config.queue.max_retry_time instead",
        10
    ))]
    pub retry_count: Option<i64>,
    /// The old name of `queue.max_batch_size`.
    #[field(deprecated_since_default(
        "datadog: config.queue_size is deprecated, please use config.queue.max_batch_size instead",
        1
    ))]
    pub queue_size: Option<i64>,
    /// The old name of `queue.max_coalescing_delay`.
    #[field(deprecated_since_default(
        "datadog: config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead",
        2
    ))]
    pub flush_timeout: Option<f64>,
    /// How entries wait and are sent.
    pub queue: Queue,
    /// The metrics that are sent.
    #[field(is = self::usual_metrics)]
    pub metrics: Vec<Metric>,
}

/// A metric.
#[derive(Debug, Deserialize, Schema)]
#[schema(check = rate_of_counters())]
pub struct Metric {
    /// Which one.
    #[field(one_of("kong_latency", "latency", "request_count", "request_size", "response_size", "upstream_latency"))]
    pub name: String,
    /// Its type.
    pub stat_type: StatType,
    /// Further tags.
    #[field(elements(match = "^.*[^:]$"))]
    pub tags: Option<Vec<String>>,
    /// The rate that is written into its lines.
    #[field(between(0, 1))]
    pub sample_rate: Option<f64>,
    /// How Consumers are called.
    pub consumer_identifier: Option<ConsumerIdentifier>,
}

fn usual_metrics(field: Field) -> Field {
    let timer = |name: &str| json!({ "name": name, "consumer_identifier": "custom_id", "stat_type": "timer", "tags": ["app:kong"] });
    field.default(json!([
        {
            "name": "request_count", "consumer_identifier": "custom_id", "sample_rate": 1, "stat_type": "counter",
            "tags": ["app:kong"]
        },
        timer("latency"),
        timer("request_size"),
        timer("response_size"),
        timer("upstream_latency"),
        timer("kong_latency"),
    ]))
}

/// `datadog`, configured.
pub struct Datadog {
    outbox: Arc<dyn Outbox>,
    prefix: String,
    service_tag: Option<String>,
    status_tag: Option<String>,
    consumer_tag: Option<String>,
    metrics: Vec<Metric>,
}

impl Plugin for Datadog {
    const NAME: &'static str = "datadog";
    const PRIORITY: i32 = 10;
    const PHASES: Phases = Phases::LOG;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, _: &About, services: &Services) -> Result<Self, String> {
        let (host, port) = (config.host.unwrap_or_else(|| "localhost".into()), config.port.unwrap_or(8125));
        let limits = config.queue.limits(&Legacy {
            batch: config.queue_size.map(|size| (size, 1)),
            delay: config.flush_timeout.map(|delay| (delay, 2.0)),
        });
        let outbox = services.shipping.open(Shipment {
            plugin: Self::NAME,
            name: format!("datadog {host} {port} {limits:?}"),
            limits,
            pack: datagrams(0),
            destination: Destination::Udp { host, port },
        });
        Ok(Self {
            outbox,
            prefix: config.prefix.unwrap_or_else(|| "kong".into()),
            service_tag: config.service_name_tag,
            status_tag: config.status_tag,
            consumer_tag: config.consumer_tag,
            metrics: config.metrics,
        })
    }

    fn log(&self, exchange: &Exchange) {
        let mut lines = String::with_capacity(self.metrics.len() * 96);
        let service = exchange.service.as_deref();
        let service = without_dots(service.map_or("", |service| service.name.as_deref().unwrap_or(&service.host)));
        for metric in &self.metrics {
            let Some((name, number)) = standard(&metric.name, exchange) else { continue };
            // Writing to memory does not fail.
            let _ = write!(lines, "{}.{name}", self.prefix);
            value(&mut lines, number, metric.stat_type, metric.sample_rate);
            let mut between = "|#";
            let mut tag = |text: std::fmt::Arguments<'_>| {
                let _ = write!(lines, "{between}{text}");
                between = ",";
            };
            if let Some(name) = &self.service_tag {
                tag(format_args!("{name}:{service}"));
            }
            if let Some(name) = &self.status_tag {
                tag(format_args!("{name}:{}", exchange.response.status));
            }
            let consumer = metric.consumer_identifier.zip(exchange.identity.consumer.as_deref());
            if let Some(consumer) = consumer.and_then(|(identifier, consumer)| {
                let text = identifier.of(consumer)?;
                Some(if identifier == ConsumerIdentifier::ConsumerId { text.replace('-', "_") } else { text })
            }) && let Some(name) = &self.consumer_tag
            {
                tag(format_args!("{name}:{consumer}"));
            }
            for further in metric.tags.iter().flatten() {
                tag(format_args!("{further}"));
            }
            lines.push('\n');
        }
        if !lines.is_empty() {
            self.outbox.push(lines.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, entity, exchange, plugin};
    use exchange::Consumer;
    use serde_json::Value;
    use uuid::Uuid;

    fn lines(config: Value, change: impl FnOnce(&mut Exchange)) -> Vec<String> {
        let shelf = Shelf::default();
        let plugin = plugin::<Datadog>(config, &shelf);
        let mut exchange = exchange("/", &[]);
        change(&mut exchange);
        Plugin::log(&plugin, &exchange);
        shelf.entries().iter().flat_map(|entry| entry.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn amy(exchange: &mut Exchange) {
        let (id, username, custom_id) = (Uuid::from_u128(5), Some("amy".into()), Some("c-1".into()));
        exchange.identity.consumer = Some(Arc::new(Consumer { id, username, custom_id, ..Consumer::default() }));
    }

    #[test]
    fn the_usual_metrics_are_kongs() {
        assert_eq!(
            lines(json!({}), amy),
            [
                "kong.request.count:1|c|#name:main,status:200,consumer:c-1,app:kong",
                "kong.latency:12|ms|#name:main,status:200,consumer:c-1,app:kong",
                "kong.request.size:100|ms|#name:main,status:200,consumer:c-1,app:kong",
                "kong.response.size:200|ms|#name:main,status:200,consumer:c-1,app:kong",
                "kong.upstream_latency:7|ms|#name:main,status:200,consumer:c-1,app:kong",
                "kong.kong_latency:2|ms|#name:main,status:200,consumer:c-1,app:kong",
            ]
        );
    }

    #[test]
    fn tags_are_as_configured() {
        let config = json!({
            "service_name_tag": "svc", "status_tag": null, "consumer_tag": "who",
            "metrics": [{
                "name": "request_count", "stat_type": "distribution", "sample_rate": 0.5, "tags": ["a:1", "b"],
                "consumer_identifier": "consumer_id"
            }],
        });
        let got = lines(config, |exchange| {
            amy(exchange);
            exchange.service = Some(entity(json!({ "name": "a.b", "host": "h" })));
        });
        assert_eq!(got, ["kong.request.count:1|d|@0.5|#svc:a_b,who:00000000_0000_0000_0000_000000000005,a:1,b"]);
    }
}
