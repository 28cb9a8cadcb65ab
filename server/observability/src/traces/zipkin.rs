//! `zipkin`: spans of requests for a Zipkin server, and trace headers for the upstream.

use super::formats::{Extracted, Format, Injected};
use super::propagation::{Options, Propagation, came_with, fresh};
use super::zipkin_spans::{Facts, spans};
use crate::endpoint::Endpoint;
use crate::queue::{Legacy, Queue};
use entities::PluginSchema;
use exchange::{
    About, Destination, Exchange, Flow, Outbox, Pack, Phases, Plugin, Services, Shipment, SpanId, Step, TraceId,
};
use schema::typedefs::PROTOCOLS;
use schema::{Field, Schema, Value, json};
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Options of `zipkin`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// What this node is called in spans.
    #[field(default = "kong")]
    pub local_service_name: String,
    /// URL that spans are posted to; without it none are.
    #[field(is = url)]
    pub http_endpoint: Option<String>,
    /// Share of the traces that are recorded where the caller does not decide.
    #[field(default = 0.001, between(0, 1))]
    pub sample_ratio: Option<f64>,
    /// What those are called that have no name.
    pub default_service_name: Option<String>,
    /// Whether spans name the credential.
    #[field(default = true)]
    pub include_credential: bool,
    /// Bytes of the ids of traces that begin here.
    #[field(default = 16, one_of(8, 16))]
    pub traceid_byte_count: u8,
    /// What is done with trace headers, before there was `propagation`.
    #[field(
        default = "preserve",
        one_of("preserve", "ignore", "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp"),
        deprecated_since_default(
            "zipkin: config.header_type is deprecated, please use config.propagation options instead",
            "preserve"
        )
    )]
    pub header_type: String,
    /// The old name of `propagation.default_format`.
    #[field(
        default = "b3",
        one_of("b3", "b3-single", "w3c", "jaeger", "ot", "aws", "datadog", "gcp"),
        deprecated_since_default(
            "zipkin: config.default_header_type is deprecated, please use config.propagation.default_format instead",
            "b3"
        )
    )]
    pub default_header_type: String,
    /// The request header with further tags: `a=b; c=d`.
    #[field(default = "Zipkin-Tags")]
    pub tags_header: String,
    /// Tags of every request.
    #[field(is = self::static_tags)]
    pub static_tags: Option<Vec<StaticTag>>,
    /// What spans of requests are called.
    #[field(default = "method")]
    pub http_span_name: SpanName,
    /// Time-out for connecting, in ms.
    #[field(default = 2000, between(0, 2_147_483_646))]
    pub connect_timeout: Option<u32>,
    /// Time-out for sending, in ms.
    #[field(default = 5000, between(0, 2_147_483_646))]
    pub send_timeout: Option<u32>,
    /// Time-out for the answer, in ms.
    #[field(default = 5000, between(0, 2_147_483_646))]
    pub read_timeout: Option<u32>,
    /// The response header that tells the client the trace's id.
    pub http_response_header_for_traceid: Option<String>,
    /// How the times of phases are written.
    #[field(default = "annotations")]
    pub phase_duration_flavor: Flavor,
    /// How spans wait and are sent.
    pub queue: Queue,
    /// Which trace headers are read and written.
    #[field(default = json!({ "default_format": "b3" }))]
    pub propagation: Options,
}

/// A tag of every request.
#[derive(Debug, Clone, Deserialize, Schema)]
pub struct StaticTag {
    /// Its name.
    #[field(not_one_of(
        "error",
        "http.method",
        "http.path",
        "http.status_code",
        "kong.balancer.state",
        "kong.balancer.try",
        "kong.consumer",
        "kong.credential",
        "kong.node.id",
        "kong.route",
        "kong.service",
        "lc",
        "peer.hostname"
    ))]
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What spans of requests are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum SpanName {
    /// `GET`
    Method,
    /// `GET /path`
    MethodPath,
}

/// How the times of phases are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// As annotations with begin and end.
    Annotations,
    /// As tags with durations.
    Tags,
}

fn static_tags(field: Field) -> Field {
    field.validate(|tags: &Value| {
        let mut seen = HashSet::new();
        for tag in tags.as_array().into_iter().flatten() {
            if let Some(name) = tag.get("name").and_then(Value::as_str)
                && !seen.insert(name)
            {
                return Err(format!("repeated tags are not allowed: {name}"));
            }
        }
        Ok(())
    })
}

/// A request's place in its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The trace.
    pub trace_id: TraceId,
    /// Whether its id is written with 8 bytes.
    pub short: bool,
    /// The request's own span.
    pub span_id: SpanId,
    /// The caller's.
    pub parent_id: Option<SpanId>,
    /// The span that the upstream is told of.
    pub proxy_id: SpanId,
    /// Whether spans are sent.
    pub sampled: bool,
}

/// `zipkin`, configured.
pub struct Zipkin {
    outbox: Option<Arc<dyn Outbox>>,
    propagation: Propagation,
    ratio: f64,
    trace_bytes: u8,
    header: Option<String>,
    facts: Facts,
}

impl Plugin for Zipkin {
    const NAME: &'static str = "zipkin";
    const PRIORITY: i32 = 100_000;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::LOG);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).protocols(&PROTOCOLS)
    }

    fn new(config: Config, _: &About, services: &Services) -> Result<Self, String> {
        let limits = config.queue.limits(&Legacy::default());
        let ms = |given: Option<u32>, usual: u32| u64::from(given.unwrap_or(usual));
        let timeout = ms(config.connect_timeout, 2000) + ms(config.send_timeout, 5000) + ms(config.read_timeout, 5000);
        let outbox = config.http_endpoint.as_ref().map(|url| {
            let endpoint = Endpoint::of(url);
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(endpoint.authorization().map(|value| ("authorization".to_owned(), value)));
            services.shipping.open(Shipment {
                plugin: Self::NAME,
                name: format!("zipkin {url} {timeout} {limits:?}"),
                limits,
                pack: Pack::JsonArray,
                destination: Destination::Http {
                    method: "POST".to_owned(),
                    url: endpoint.url(),
                    headers,
                    timeout: Duration::from_millis(timeout.max(1)),
                    verify: true,
                    failure_from: 300,
                },
            })
        });
        // At its default the old option says nothing.
        let default = serde_json::from_value::<Format>(config.default_header_type.into()).ok();
        let default = default.filter(|format| *format != Format::B3);
        Ok(Self {
            outbox,
            propagation: Propagation::new(&config.propagation, &config.header_type, default),
            ratio: config.sample_ratio.unwrap_or(0.001),
            trace_bytes: config.traceid_byte_count,
            header: config.http_response_header_for_traceid,
            facts: Facts {
                local_service: config.local_service_name,
                default_service: config.default_service_name,
                include_credential: config.include_credential,
                tags_header: config.tags_header,
                static_tags: config.static_tags.unwrap_or_default(),
                span_name: config.http_span_name,
                flavor: config.phase_duration_flavor,
                node_id: services.node_id.to_string(),
            },
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let (extracted, format) = self.propagation.extract(exchange);
        let place = self.place(&extracted);
        let told = Injected {
            trace_id: place.trace_id,
            came_with: came_with(&extracted),
            span_id: place.proxy_id,
            parent_id: Some(place.span_id),
            sampled: place.sampled,
            debug: extracted.debug,
        };
        self.propagation.inject(exchange, format, &told);
        exchange.state.put(place);
        Step::NEXT
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let place = exchange.state.get::<Place>().copied();
        let place = place.unwrap_or_else(|| {
            // Access has not run: no Route matched, or the request was refused before.
            let (extracted, _) = self.propagation.extract(exchange);
            let place = self.place(&extracted);
            exchange.state.put(place);
            place
        });
        if let Some(name) = &self.header {
            exchange.response.headers.set(name, place.trace_text());
        }
        Flow::Next
    }

    fn log(&self, exchange: &Exchange) {
        let Some(outbox) = &self.outbox else { return };
        let place = exchange.state.get::<Place>().copied().unwrap_or_else(|| self.place(&Extracted::default()));
        if place.sampled {
            for span in spans(exchange, &place, &self.facts) {
                outbox.push(span.to_string().into());
            }
        }
    }
}

impl Place {
    /// The trace's id in hexadecimal digits.
    pub(super) fn trace_text(&self) -> String {
        let hex = self.trace_id.to_string();
        if self.short { hex[16..].to_owned() } else { hex }
    }
}

impl Zipkin {
    fn place(&self, extracted: &Extracted) -> Place {
        let trace_id = extracted.trace_id.unwrap_or_else(|| fresh(self.trace_bytes));
        let short = if extracted.trace_id.is_some() { extracted.short } else { self.trace_bytes == 8 };
        // B3's callers make the span that the server takes over.
        let shared = extracted.shared;
        Place {
            trace_id,
            short,
            span_id: extracted.span_id.filter(|_| shared).unwrap_or_else(SpanId::fresh),
            parent_id: if shared { extracted.parent_id } else { extracted.span_id },
            proxy_id: SpanId::fresh(),
            sampled: extracted.sampled.unwrap_or_else(|| telemetry::Rate::new(self.ratio).takes(dice())),
        }
    }
}

/// A random number: ids of 8 bytes begin with zeros, so they decide nothing.
fn dice() -> u64 {
    u64::from_be_bytes(SpanId::fresh().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, entity, exchange, plugin};
    use exchange::{Consumer, Credential, TryError};
    use uuid::Uuid;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    /// The spans of a request, and the exchange.
    fn run(config: Value, headers: &[(&str, &str)], change: impl FnOnce(&mut Exchange)) -> (Vec<Value>, Exchange) {
        let shelf = Shelf::default();
        let Value::Object(mut config) = config else { panic!("an object") };
        config.entry("http_endpoint").or_insert("http://zipkin.test/in".into());
        config.entry("sample_ratio").or_insert(1.into());
        let plugin = plugin::<Zipkin>(config.into(), &shelf);
        let mut exchange = exchange("/a/b?c=d", headers);
        change(&mut exchange);
        assert!(matches!(Plugin::access(&plugin, &mut exchange), Step::Ready(Flow::Next)));
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        Plugin::log(&plugin, &exchange);
        (shelf.entries().iter().map(|span| serde_json::from_str(span).expect("JSON")).collect(), exchange)
    }

    #[test]
    fn a_request_is_three_spans() {
        let (spans, exchange) = run(json!({}), &[], |_| ());
        let names: Vec<_> = spans.iter().map(|span| (span["name"].clone(), span["kind"].clone())).collect();
        assert_eq!(
            names,
            [
                (json!("GET (balancer try 1)"), json!("CLIENT")),
                (json!("GET (proxy)"), json!("CLIENT")),
                (json!("GET"), json!("SERVER"))
            ]
        );
        let [balancer, proxy, request] = spans.as_slice() else { panic!("three") };
        assert_eq!((&balancer["parentId"], &proxy["parentId"]), (&request["id"], &request["id"]));
        assert!(request.get("parentId").is_none());
        assert_eq!(exchange.request.headers.get_str("x-b3-spanid"), proxy["id"].as_str());
        assert_eq!(request["timestamp"], json!(1_700_000_000_000_000_u64));
        assert_eq!(request["duration"], 12_000);
        assert_eq!(balancer["remoteEndpoint"], json!({ "serviceName": "main", "ipv4": "10.0.0.9", "port": 80 }));
        let tags = &request["tags"];
        assert_eq!(tags["http.path"], "/a/b");
        assert_eq!((&tags["http.protocol"], &tags["http.status_code"]), (&json!("HTTP/1.1"), &json!("200")));
        assert_eq!(proxy["tags"]["kong.route_name"], "r");
    }

    #[test]
    fn what_the_caller_says_is_continued() {
        let b3 = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
        let (spans, exchange) = run(json!({ "sample_ratio": 0 }), &b3, |_| ());
        assert_eq!((&spans[2]["traceId"], &spans[2]["id"]), (&json!(TRACE), &json!(SPAN)));
        assert_eq!(exchange.request.headers.get_str("x-b3-parentspanid"), Some(SPAN));
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let (spans, _) = run(json!({ "sample_ratio": 0 }), &[("traceparent", &parent)], |_| ());
        assert_eq!((&spans[2]["parentId"], spans[2]["id"] == SPAN), (&json!(SPAN), false));
        let (spans, _) = run(json!({}), &[("b3", "0")], |_| ());
        assert!(spans.is_empty());
    }

    #[test]
    fn failed_tries_are_marked_but_for_the_last() {
        let (spans, _) = run(json!({}), &[], |exchange| {
            let failed = exchange::Try { error: Some(TryError::Connect), ..exchange.timeline.tries[0] };
            exchange.timeline.tries.clear();
            exchange.timeline.tries.extend([failed, failed]);
        });
        let first = &spans[0]["tags"];
        assert_eq!((&first["error"], &first["kong.balancer.state"]), (&json!("true"), &json!("failed")));
        assert_eq!(first["http.status_code"], "502");
        assert!(spans[1]["tags"].get("error").is_none());
        assert_eq!(spans[1]["tags"]["kong.balancer.try"], "2");
    }

    #[test]
    fn tags_are_as_configured() {
        let config = json!({
            "http_span_name": "method_path", "static_tags": [{ "name": "env", "value": "test" }],
            "phase_duration_flavor": "tags", "local_service_name": "edge", "default_service_name": "someone",
        });
        let (spans, _) = run(config, &[("Zipkin-Tags", "fg=blue; bg = red")], |exchange| {
            exchange.service = Some(entity(json!({ "host": "h" })));
            exchange.identity.consumer = Some(Arc::new(Consumer { id: Uuid::from_u128(5), ..Consumer::default() }));
            let credential = Credential { id: Uuid::from_u128(6), ..Credential::default() };
            exchange.identity.credential = Some(Arc::new(credential));
        });
        let [_, proxy, request] = spans.as_slice() else { panic!("three") };
        assert_eq!((&request["name"], &proxy["name"]), (&json!("GET /a/b"), &json!("GET /a/b (proxy)")));
        let tags = &request["tags"];
        assert_eq!((&tags["env"], &tags["fg"], &tags["bg"]), (&json!("test"), &json!("blue"), &json!("red")));
        assert_eq!(tags["kong.credential"], json!(Uuid::from_u128(6)));
        assert_eq!(proxy["tags"]["kong.access.duration_ms"], "1.9");
        assert!(request.get("annotations").is_none() && proxy["tags"].get("env").is_none());
        assert_eq!(request["localEndpoint"]["serviceName"], "edge");
        assert_eq!(request["remoteEndpoint"]["serviceName"], "someone");
    }

    #[test]
    fn the_client_is_told_the_trace_even_without_access() {
        let plugin = plugin::<Zipkin>(json!({ "http_response_header_for_traceid": "X-Trace-Id" }), &Shelf::default());
        let mut exchange = exchange("/", &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)]);
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        assert_eq!(exchange.response.headers.get_str("x-trace-id"), Some(TRACE));
    }
}
