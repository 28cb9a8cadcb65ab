//! `statsd`: metrics of every request for a StatsD server.

use super::line::{StatType, datagrams, standard, value};
use super::names::{ConsumerIdentifier, ServiceIdentifier, WorkspaceIdentifier, without_dots};
use crate::queue::{Legacy, Queue};
use entities::PluginSchema;
use exchange::{About, Destination, Exchange, Outbox, Pack, Phases, Plugin, Services, Shipment};
use schema::{Check, Field, Schema, json};
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Options of `statsd`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Name or address of the server.
    #[field(default = "localhost", is = host)]
    pub host: Option<String>,
    /// Its port.
    #[field(default = 8125, is = port)]
    pub port: Option<u16>,
    /// What the names of metrics begin with.
    #[field(default = "kong")]
    pub prefix: Option<String>,
    /// The metrics that are sent.
    #[field(is = self::usual_metrics)]
    pub metrics: Option<Vec<Metric>>,
    /// Ranges of statuses that are counted; all where there are none.
    #[field(elements(match = "^[0-9]+-[0-9]+$"))]
    pub allow_status_codes: Option<Vec<String>>,
    /// Bytes of a datagram that metrics are put together in; 0: a datagram for each.
    #[field(default = 0, between(0, 65507))]
    pub udp_packet_size: Option<f64>,
    /// Whether to use TCP.
    #[field(default = false)]
    pub use_tcp: Option<bool>,
    /// Whether names begin with this host's name, behind the prefix.
    #[field(default = false)]
    pub hostname_in_prefix: Option<bool>,
    /// How Consumers are called by metrics that do not say it.
    #[field(default = "custom_id")]
    pub consumer_identifier_default: ConsumerIdentifier,
    /// How Services are called by metrics that do not say it.
    #[field(default = "service_name_or_host")]
    pub service_identifier_default: ServiceIdentifier,
    /// How workspaces are called by metrics that do not say it.
    #[field(default = "workspace_id")]
    pub workspace_identifier_default: WorkspaceIdentifier,
    /// Has no meaning any more.
    #[field(deprecated_since_default(
        "statsd: config.retry_count no longer works, please use config.queue.max_retry_time instead",
        10
    ))]
    pub retry_count: Option<i64>,
    /// The old name of `queue.max_batch_size`.
    #[field(deprecated_since_default(
        "statsd: config.queue_size is deprecated, please use config.queue.max_batch_size instead",
        1
    ))]
    pub queue_size: Option<i64>,
    /// The old name of `queue.max_coalescing_delay`.
    #[field(deprecated_since_default(
        "statsd: config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead",
        2
    ))]
    pub flush_timeout: Option<f64>,
    /// How tags are written; without it there are none, and names tell of Service and Consumer.
    #[field(required = false)]
    pub tag_style: Option<TagStyle>,
    /// How entries wait and are sent.
    pub queue: Queue,
}

/// A metric.
#[derive(Debug, Deserialize, Schema)]
#[schema(check = rate_of_counters())]
pub struct Metric {
    /// Which one.
    #[field(one_of(
        "kong_latency",
        "latency",
        "request_count",
        "request_per_user",
        "request_size",
        "response_size",
        "status_count",
        "status_count_per_user",
        "unique_users",
        "upstream_latency",
        "status_count_per_workspace",
        "status_count_per_user_per_route",
        "shdict_usage"
    ))]
    pub name: String,
    /// Its type.
    #[field(one_of("counter", "gauge", "histogram", "meter", "set", "timer"))]
    pub stat_type: StatType,
    /// The rate that is written into its lines.
    #[field(gt = 0)]
    pub sample_rate: Option<f64>,
    /// How Consumers are called.
    pub consumer_identifier: Option<ConsumerIdentifier>,
    /// How Services are called.
    pub service_identifier: Option<ServiceIdentifier>,
    /// How workspaces are called.
    pub workspace_identifier: Option<WorkspaceIdentifier>,
}

/// Counters and gauges need a sample rate.
pub(super) fn rate_of_counters() -> Check {
    Check::conditional("stat_type", |kind| kind.one_of(["counter", "gauge"]), "sample_rate", |rate| rate.required(true))
}

fn usual_metrics(field: Field) -> Field {
    let counter = |name: &str| json!({ "name": name, "sample_rate": 1, "stat_type": "counter" });
    let timer = |name: &str| json!({ "name": name, "stat_type": "timer" });
    field.default(json!([
        counter("request_count"),
        timer("latency"),
        counter("request_size"),
        counter("status_count"),
        counter("response_size"),
        { "name": "unique_users", "stat_type": "set" },
        counter("request_per_user"),
        timer("upstream_latency"),
        timer("kong_latency"),
        counter("status_count_per_user"),
        counter("status_count_per_workspace"),
        counter("status_count_per_user_per_route"),
        { "name": "shdict_usage", "sample_rate": 1, "stat_type": "gauge" },
    ]))
}

/// Ways to write tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum TagStyle {
    /// `name:1|c|#tag:value,…`
    Dogstatsd,
    /// `name,tag=value,…:1|c`
    Influxdb,
    /// `name#tag=value,…:1|c`
    Librato,
    /// `name[tag=value,…]:1|c`
    Signalfx,
}

/// `statsd`, configured.
pub struct Statsd {
    outbox: Arc<dyn Outbox>,
    prefix: String,
    host: String,
    metrics: Vec<Metric>,
    allowed: Option<Vec<(u16, u16)>>,
    consumer: ConsumerIdentifier,
    service: ServiceIdentifier,
    workspace: WorkspaceIdentifier,
    tags: Option<TagStyle>,
}

impl Plugin for Statsd {
    const NAME: &'static str = "statsd";
    const PRIORITY: i32 = 11;
    const PHASES: Phases = Phases::LOG;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, _: &About, services: &Services) -> Result<Self, String> {
        let (host, port) = (config.host.unwrap_or_else(|| "localhost".into()), config.port.unwrap_or(8125));
        let tcp = config.use_tcp == Some(true);
        let packet = config.udp_packet_size.unwrap_or(0.0) as usize;
        let limits = config.queue.limits(&Legacy {
            batch: config.queue_size.map(|size| (size, 1)),
            delay: config.flush_timeout.map(|delay| (delay, 2.0)),
        });
        let name = format!("statsd {host} {port} {tcp} {packet} {limits:?}");
        let (destination, pack) = match tcp {
            true => {
                let (timeout, keepalive) = (Duration::from_secs(1), Duration::from_secs(60));
                (Destination::Tcp { host, port, timeout, keepalive, tls: None }, Pack::Each)
            }
            false => (Destination::Udp { host, port }, datagrams(packet)),
        };
        let outbox = services.shipping.open(Shipment { plugin: Self::NAME, name, limits, pack, destination });
        let host = without_dots(&telemetry::hostname());
        let mut prefix = config.prefix.unwrap_or_else(|| "kong".into());
        if config.hostname_in_prefix == Some(true) {
            prefix = format!("{prefix}.node.{host}");
        }
        let range = |range: &String| {
            let (low, high) = range.split_once('-')?;
            Some((low.parse().ok()?, high.parse().unwrap_or(u16::MAX)))
        };
        let allowed = config.allow_status_codes.filter(|ranges| !ranges.is_empty());
        Ok(Self {
            outbox,
            prefix,
            host,
            metrics: config.metrics.unwrap_or_default(),
            allowed: allowed.map(|ranges| ranges.iter().filter_map(range).collect()),
            consumer: config.consumer_identifier_default,
            service: config.service_identifier_default,
            workspace: config.workspace_identifier_default,
            tags: config.tag_style,
        })
    }

    fn log(&self, exchange: &Exchange) {
        let mut lines = String::with_capacity(self.metrics.len() * 64);
        for metric in &self.metrics {
            let before = lines.len();
            let written = match self.tags {
                Some(style) => self.tagged(&mut lines, metric, style, exchange),
                None => self.named(&mut lines, metric, exchange),
            };
            match written {
                Some(()) => lines.push('\n'),
                None => lines.truncate(before),
            }
        }
        if !lines.is_empty() {
            self.outbox.push(lines.into());
        }
    }
}

impl Statsd {
    fn service_of(&self, metric: &Metric, exchange: &Exchange) -> Option<String> {
        exchange.service.as_deref().map(|service| metric.service_identifier.unwrap_or(self.service).of(service))
    }

    fn consumer_of(&self, metric: &Metric, exchange: &Exchange) -> Option<String> {
        metric.consumer_identifier.unwrap_or(self.consumer).of(exchange.identity.consumer.as_deref()?)
    }

    fn workspace_of(&self, metric: &Metric, exchange: &Exchange) -> String {
        metric.workspace_identifier.unwrap_or(self.workspace).of(exchange)
    }

    /// Service and Consumer in the name. `None` where there is nothing to say.
    fn named(&self, line: &mut String, metric: &Metric, exchange: &Exchange) -> Option<()> {
        let (kind, rate) = (metric.stat_type, metric.sample_rate);
        let scope = match self.service_of(metric, exchange) {
            Some(service) => format!("service.{service}"),
            None => "global.unmatched".to_owned(),
        };
        let prefix = &self.prefix;
        if let Some((name, number)) = standard(&metric.name, exchange) {
            // Writing to memory does not fail.
            let _ = write!(line, "{prefix}.{scope}.{name}");
            value(line, number, kind, rate);
            return Some(());
        }
        let consumer = || self.consumer_of(metric, exchange);
        let status = exchange.response.status;
        if metric.name == "unique_users" {
            let consumer = consumer()?;
            let _ = write!(line, "{prefix}.{scope}.user.uniques");
            value(line, consumer, kind, rate);
            return Some(());
        }
        if metric.name.starts_with("status_count") && !self.allows(status) {
            return None;
        }
        let _ = match metric.name.as_str() {
            "request_per_user" => write!(line, "{prefix}.{scope}.user.{}.request.count", consumer()?),
            "status_count" => write!(line, "{prefix}.{scope}.status.{status}"),
            "status_count_per_user" => write!(line, "{prefix}.{scope}.user.{}.status.{status}", consumer()?),
            "status_count_per_workspace" => {
                let workspace = self.workspace_of(metric, exchange);
                write!(line, "{prefix}.{scope}.workspace.{workspace}.status.{status}")
            }
            "status_count_per_user_per_route" => {
                let (route, consumer) = (exchange.route.as_ref()?.id, consumer()?);
                write!(line, "{prefix}.route.{route}.user.{consumer}.status.{status}")
            }
            // There are no shared dictionaries.
            _ => return None,
        };
        value(line, 1, kind, rate);
        Some(())
    }

    /// Service and Consumer as tags. `None` where there is nothing to say.
    fn tagged(&self, line: &mut String, metric: &Metric, style: TagStyle, exchange: &Exchange) -> Option<()> {
        let (name, number) = standard(&metric.name, exchange)?;
        let route = exchange.route_entity();
        let tags = [
            ("service", self.service_of(metric, exchange)),
            ("route", route.map(|route| route.name.clone().unwrap_or_else(|| route.id.to_string()))),
            ("workspace", Some(self.workspace_of(metric, exchange))),
            ("node", Some(self.host.clone())),
            ("consumer", self.consumer_of(metric, exchange)),
            ("status", Some(exchange.response.status.to_string())),
        ];
        let between = if style == TagStyle::Dogstatsd { ':' } else { '=' };
        let tags: Vec<_> =
            tags.iter().filter_map(|(tag, text)| Some(format!("{tag}{between}{}", text.as_ref()?))).collect();
        let tags = tags.join(",");
        let _ = write!(line, "{}.{name}", self.prefix);
        let _ = match style {
            TagStyle::Dogstatsd => Ok(()),
            TagStyle::Influxdb => write!(line, ",{tags}"),
            TagStyle::Librato => write!(line, "#{tags}"),
            TagStyle::Signalfx => write!(line, "[{tags}]"),
        };
        value(line, number, metric.stat_type, metric.sample_rate);
        if style == TagStyle::Dogstatsd {
            let _ = write!(line, "|#{tags}");
        }
        Some(())
    }

    fn allows(&self, status: u16) -> bool {
        self.allowed.as_ref().is_none_or(|ranges| ranges.iter().any(|(low, high)| (*low..=*high).contains(&status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin};
    use exchange::Consumer;
    use serde_json::Value;
    use uuid::Uuid;

    fn lines(config: Value, change: impl FnOnce(&mut Exchange)) -> Vec<String> {
        let shelf = Shelf::default();
        let plugin = plugin::<Statsd>(config, &shelf);
        let mut exchange = exchange("/", &[]);
        change(&mut exchange);
        Plugin::log(&plugin, &exchange);
        shelf.entries().iter().flat_map(|entry| entry.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn amy(exchange: &mut Exchange) {
        exchange.identity.consumer = Some(Arc::new(Consumer {
            id: Uuid::from_u128(5),
            username: Some("amy".into()),
            custom_id: Some("c-1".into()),
            ..Consumer::default()
        }));
    }

    #[test]
    fn the_usual_metrics_are_kongs() {
        let default = format!("kong.service.main.workspace.{}.status.200:1|c", entities::DEFAULT_WORKSPACE);
        let mut expected = vec![
            "kong.service.main.request.count:1|c",
            "kong.service.main.latency:12|ms",
            "kong.service.main.request.size:100|c",
            "kong.service.main.status.200:1|c",
            "kong.service.main.response.size:200|c",
            "kong.service.main.upstream_latency:7|ms",
            "kong.service.main.kong_latency:2|ms",
            &default,
        ];
        assert_eq!(lines(json!({}), |_| ()), expected);
        expected.insert(5, "kong.service.main.user.uniques:c-1|s");
        expected.insert(6, "kong.service.main.user.c-1.request.count:1|c");
        expected.insert(9, "kong.service.main.user.c-1.status.200:1|c");
        let mut got = lines(json!({}), amy);
        let last = got.pop().unwrap();
        assert_eq!(got, expected);
        assert!(last.starts_with("kong.route.") && last.ends_with(".user.c-1.status.200:1|c"), "{last}");
    }

    fn one(name: &str, more: Value) -> Value {
        let mut metric = json!({ "name": name, "stat_type": "counter", "sample_rate": 1 });
        metric.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([metric])
    }

    #[test]
    fn names_are_as_configured() {
        let count = |more| one("request_count", more);
        for (config, expected) in [
            (json!({ "metrics": count(json!({ "sample_rate": 0.25 })) }), "kong.service.main.request.count:1|c|@0.25"),
            (
                json!({ "prefix": "edge", "metrics": count(json!({ "service_identifier": "service_host" })) }),
                "edge.service.up_test.request.count:1|c",
            ),
            (
                json!({ "metrics": one("request_per_user", json!({ "consumer_identifier": "username" })) }),
                "kong.service.main.user.amy.request.count:1|c",
            ),
            (
                json!({ "consumer_identifier_default": "consumer_id", "metrics": one("unique_users", json!({ "stat_type": "set" })) }),
                "kong.service.main.user.uniques:00000000-0000-0000-0000-000000000005|s",
            ),
            (
                json!({ "workspace_identifier_default": "workspace_name", "metrics": one("status_count_per_workspace", json!({})) }),
                "kong.service.main.workspace.default.status.200:1|c",
            ),
        ] {
            assert_eq!(lines(config.clone(), amy), [expected], "{config}");
        }
        let unmatched = lines(json!({ "metrics": count(json!({})) }), |exchange| exchange.service = None);
        assert_eq!(unmatched, ["kong.global.unmatched.request.count:1|c"]);
    }

    #[test]
    fn statuses_outside_the_ranges_are_not_counted() {
        let config = json!({ "allow_status_codes": ["200-204", "500-503"], "metrics": one("status_count", json!({})) });
        for (status, sent) in [(200, true), (204, true), (205, false), (404, false), (502, true)] {
            let lines = lines(config.clone(), |exchange| exchange.response.status = status);
            assert_eq!(!lines.is_empty(), sent, "{status}");
        }
    }

    #[test]
    fn tags_are_written_in_every_style() {
        let host = without_dots(&telemetry::hostname());
        let workspace = entities::DEFAULT_WORKSPACE;
        let tags = |b: char| {
            format!("service{b}main,route{b}r,workspace{b}{workspace},node{b}{host},consumer{b}c-1,status{b}200")
        };
        for (style, expected) in [
            ("dogstatsd", format!("kong.request.count:1|c|#{}", tags(':'))),
            ("influxdb", format!("kong.request.count,{}:1|c", tags('='))),
            ("librato", format!("kong.request.count#{}:1|c", tags('='))),
            ("signalfx", format!("kong.request.count[{}]:1|c", tags('='))),
        ] {
            assert_eq!(
                lines(json!({ "tag_style": style, "metrics": one("request_count", json!({})) }), amy),
                [expected]
            );
        }
        assert!(lines(json!({ "tag_style": "influxdb", "metrics": one("status_count", json!({})) }), amy).is_empty());
    }
}
