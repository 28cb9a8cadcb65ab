//! `opentelemetry`: spans of requests, and the node's error log, for an OTLP collector; trace headers for the upstream.

use super::formats::{Extracted, Injected};
use super::propagation::{Options, Propagation, came_with, fresh};
use crate::endpoint::Endpoint;
use crate::queue::{Legacy, Queue};
use bytes::Bytes;
use entities::PluginSchema;
use exchange::{
    About, Destination, Exchange, Flow, Outbox, Pack, Phases, Plugin, QueueLimits, Services, Shipment, SpanId, Step,
    TraceContext,
};
use indexmap::IndexMap;
use schema::{Check, Field, Map, Schema, Shorthand, Value, json};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use telemetry::export::otlp;
use telemetry::trace::{self, Attributes};
use telemetry::{Kinds, LogTap, Rate};

/// Options of `opentelemetry`.
#[derive(Debug, Deserialize, Schema)]
#[schema(check = Check::at_least_one_of(["traces_endpoint", "logs_endpoint"]), shorthand = endpoint())]
pub struct Config {
    /// URL that spans are posted to.
    #[field(is = url, referenceable)]
    pub traces_endpoint: Option<String>,
    /// URL that log records are posted to.
    #[field(is = url, referenceable)]
    pub logs_endpoint: Option<String>,
    /// Further header lines of the requests.
    #[field(keys(is = header_name), values(referenceable))]
    pub headers: Option<IndexMap<String, String>>,
    /// What spans and log records are of, beside `service.name`, `service.version` and `service.instance.id`.
    #[field(keys(required = true), values(required = true))]
    pub resource_attributes: Option<IndexMap<String, String>>,
    /// How spans and log records wait and are sent.
    #[field(default = json!({ "max_batch_size": 200 }))]
    pub queue: Queue,
    /// The old name of `queue.max_batch_size`.
    #[field(deprecated_since_default(
        "opentelemetry: config.batch_span_count is deprecated, please use config.queue.max_batch_size instead",
        200
    ))]
    pub batch_span_count: Option<i64>,
    /// The old name of `queue.max_coalescing_delay`.
    #[field(deprecated_since_default(
        "opentelemetry: config.batch_flush_delay is deprecated, please use config.queue.max_coalescing_delay instead",
        3
    ))]
    pub batch_flush_delay: Option<i64>,
    /// Time-out for connecting, in ms.
    #[field(default = 1000, between(0, 2_147_483_646))]
    pub connect_timeout: Option<u32>,
    /// Time-out for sending, in ms.
    #[field(default = 5000, between(0, 2_147_483_646))]
    pub send_timeout: Option<u32>,
    /// Time-out for the answer, in ms.
    #[field(default = 5000, between(0, 2_147_483_646))]
    pub read_timeout: Option<u32>,
    /// The response header that tells the client the trace's id.
    pub http_response_header_for_traceid: Option<String>,
    /// What is done with trace headers, before there was `propagation`.
    #[field(
        required = false,
        default = "preserve",
        one_of("preserve", "ignore", "b3", "b3-single", "w3c", "jaeger", "ot", "aws", "gcp", "datadog"),
        deprecated_since_default(
            "opentelemetry: config.header_type is deprecated, please use config.propagation options instead",
            "preserve"
        )
    )]
    pub header_type: Option<String>,
    /// Share of the traces that are recorded where the caller does not decide; the node's setting without it.
    #[field(required = false, between(0, 1))]
    pub sampling_rate: Option<f64>,
    /// Which trace headers are read and written.
    #[field(default = json!({ "default_format": "w3c" }))]
    pub propagation: Options,
}

/// The old name of `traces_endpoint`; the new one goes before.
fn endpoint() -> Shorthand {
    let field = schema::typedefs::url(Field::string("endpoint")).referenceable(true).deprecation(schema::Deprecation {
        message: "OpenTelemetry: config.endpoint is deprecated, please use config.traces_endpoint instead".to_owned(),
        removal_in_version: "4.0".to_owned(),
        old_default: None,
        replaced_with: Vec::new(),
    });
    Shorthand::computed(field, |value, data| {
        let mut fields = Map::new();
        if data.get("traces_endpoint").is_none_or(Value::is_null) {
            fields.insert("traces_endpoint".to_owned(), value.clone());
        }
        Ok(fields)
    })
}

/// Who is speaking, in every message.
const SCOPE: (&str, &str) = ("kong-internal", "0.1.0");

/// `opentelemetry`, configured.
pub struct OpenTelemetry {
    spans: Option<Arc<dyn Outbox>>,
    /// Hears the error log for as long as this lives.
    _logs: Option<LogTap>,
    propagation: Propagation,
    rate: Rate,
    kinds: Kinds,
    header: Option<String>,
}

impl Plugin for OpenTelemetry {
    const NAME: &'static str = "opentelemetry";
    const PRIORITY: i32 = 14;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::LOG);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY)
    }

    fn new(config: Config, _: &About, services: &Services) -> Result<Self, String> {
        let limits = config.queue.limits(&Legacy {
            batch: config.batch_span_count.map(|size| (size, 200)),
            delay: config.batch_flush_delay.map(|delay| (delay as f64, 3.0)),
        });
        let resource = resource(&config, services);
        let kinds = Kinds::of(&services.tracing.instrumentations);
        // Without instrumentation there is nothing to send.
        let traced = config.traces_endpoint.as_deref().filter(|_| kinds != Kinds::default());
        let spans = traced.map(|url| services.shipping.open(shipment(&config, url, "traces", &limits, &resource)));
        let logs = config.logs_endpoint.as_deref().map(|url| {
            let outbox = services.shipping.open(shipment(&config, url, "logs", &limits, &resource));
            telemetry::tap_log(move |record| outbox.push(otlp::log_part(record).into()))
        });
        Ok(Self {
            spans,
            _logs: logs,
            propagation: Propagation::new(
                &config.propagation,
                config.header_type.as_deref().unwrap_or("preserve"),
                None,
            ),
            rate: Rate::new(config.sampling_rate.unwrap_or(services.tracing.sampling_rate)),
            kinds,
            header: config.http_response_header_for_traceid,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let (extracted, format) = self.propagation.extract(exchange);
        let trace = self.context(&extracted);
        exchange.trace = Some(trace);
        let told = Injected {
            trace_id: trace.trace_id,
            came_with: came_with(&extracted),
            span_id: trace.upstream,
            parent_id: Some(trace.span_id).filter(|root| *root != trace.upstream).or(trace.parent),
            sampled: trace.sampled,
            debug: extracted.debug && trace.sampled,
        };
        self.propagation.inject(exchange, format, &told);
        exchange.state.put(Ours(trace));
        Step::NEXT
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        if let Some(name) = &self.header
            && let Some(Ours(trace)) = exchange.state.get::<Ours>()
        {
            let id = trace.trace_id.to_string();
            exchange.response.headers.set(name, id);
        }
        Flow::Next
    }

    fn log(&self, exchange: &Exchange) {
        let Some(outbox) = &self.spans else { return };
        let trace = match exchange.state.get::<Ours>() {
            Some(Ours(trace)) => *trace,
            // Access has not run: no Route matched, or the request was refused before.
            None => self.context(&Extracted::default()),
        };
        if trace.sampled {
            for mut span in trace::render(exchange, &trace, self.kinds) {
                span.attributes.iter_mut().for_each(as_kong);
                outbox.push(otlp::part(span).into());
            }
        }
    }
}

/// The context that this plugin made.
struct Ours(TraceContext);

impl OpenTelemetry {
    fn context(&self, extracted: &Extracted) -> TraceContext {
        let trace_id = extracted.trace_id.unwrap_or_else(|| fresh(16));
        let span_id = SpanId::fresh();
        let traced = self.kinds != Kinds::default();
        TraceContext {
            trace_id,
            span_id,
            parent: extracted.span_id,
            upstream: if self.kinds.any(Kinds::BALANCER) { SpanId::fresh() } else { span_id },
            // Headers are passed on without instrumentation too; then nothing is recorded.
            sampled: traced && extracted.sampled.unwrap_or_else(|| self.rate.takes(trace_id.high())),
            propagated: true,
        }
    }
}

/// Numbers are doubles, but for the status.
fn as_kong((name, value): &mut (std::borrow::Cow<'static, str>, trace::Value)) {
    if let trace::Value::Int(number) = value
        && name != "http.status_code"
    {
        *value = trace::Value::Double(*number as f64);
    }
}

fn resource(config: &Config, services: &Services) -> Attributes {
    let mut attributes: Attributes = vec![
        ("service.name".into(), "kong".into()),
        ("service.version".into(), schema::KONG_VERSION.into()),
        ("service.instance.id".into(), services.node_id.to_string().into()),
    ];
    for (name, value) in config.resource_attributes.iter().flatten() {
        let value: trace::Value = value.clone().into();
        match attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => attributes.push((name.clone().into(), value)),
        }
    }
    attributes
}

fn shipment(config: &Config, url: &str, what: &str, limits: &QueueLimits, resource: &Attributes) -> Shipment {
    let endpoint = Endpoint::of(url);
    let mut headers = vec![("Content-Type".to_owned(), "application/x-protobuf".to_owned())];
    headers.extend(endpoint.authorization().map(|value| ("Authorization".to_owned(), value)));
    for (name, value) in config.headers.iter().flatten() {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value.clone()));
    }
    let ms = |given: Option<u32>, usual: u32| u64::from(given.unwrap_or(usual));
    let timeout = ms(config.connect_timeout, 1000) + ms(config.send_timeout, 5000) + ms(config.read_timeout, 5000);
    let of = resource.clone();
    Shipment {
        plugin: OpenTelemetry::NAME,
        name: format!("opentelemetry:{what} {url} {timeout} {limits:?} {headers:?} {resource:?}"),
        limits: limits.clone(),
        pack: Pack::With(Arc::new(move |parts: Vec<Bytes>| vec![otlp::envelope(of.clone(), SCOPE, &parts).into()])),
        destination: Destination::Http {
            method: "POST".to_owned(),
            url: endpoint.url(),
            headers,
            timeout: Duration::from_millis(timeout.max(1)),
            verify: true,
            failure_from: 201,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shelf, exchange, plugin_with, services};
    use exchange::TracingDefaults;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    /// What is sent of a request, and the exchange.
    fn run(config: Value, on: bool, headers: &[(&str, &str)]) -> (Option<ExportTraceServiceRequest>, Exchange) {
        let shelf = Shelf::default();
        let instrumentations = if on { Kinds::ALL.names() } else { Vec::new() };
        let tracing = TracingDefaults { instrumentations, sampling_rate: 1.0 };
        let services = Services { tracing, ..services(&shelf) };
        let Value::Object(mut config) = config else { panic!("an object") };
        config.insert("traces_endpoint".into(), "http://otel.test/v1/traces".into());
        let plugin = plugin_with::<OpenTelemetry>(config.into(), &services);
        let mut exchange = exchange("/a", headers);
        assert!(matches!(Plugin::access(&plugin, &mut exchange), Step::Ready(Flow::Next)));
        assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
        Plugin::log(&plugin, &exchange);
        let message = shelf.shipments().first().map(|shipment| shipment.pack.messages(shelf.raw()));
        let message = message.filter(|_| !shelf.raw().is_empty());
        let decode = |message: Vec<Bytes>| ExportTraceServiceRequest::decode(message[0].clone()).expect("a request");
        (message.map(decode), exchange)
    }

    fn spans(request: &ExportTraceServiceRequest) -> &[Span] {
        &request.resource_spans[0].scope_spans[0].spans
    }

    #[test]
    fn a_request_is_a_tree_of_spans() {
        let config = json!({ "resource_attributes": { "service.name": "edge", "zone": "a" } });
        let (request, exchange) = run(config, true, &[]);
        let request = request.expect("spans");
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        let text = |name: &str| {
            let found = resource.attributes.iter().find(|pair| pair.key == name)?;
            match found.value.as_ref()?.value.as_ref()? {
                any_value::Value::StringValue(text) => Some(text.clone()),
                _ => None,
            }
        };
        assert_eq!(text("service.name").as_deref(), Some("edge"));
        assert_eq!(
            (text("zone").as_deref(), text("service.version").as_deref()),
            (Some("a"), Some(schema::KONG_VERSION))
        );
        assert_eq!(request.resource_spans[0].scope_spans[0].scope.as_ref().unwrap().name, "kong-internal");
        let spans = spans(&request);
        let root = &spans[0];
        assert_eq!((root.name.as_str(), root.parent_span_id.len()), ("kong", 0));
        let balancer = spans.iter().find(|span| span.name == "kong.balancer").expect("a try");
        assert_eq!(balancer.parent_span_id, root.span_id);
        let told = exchange.request.headers.get_str("traceparent").unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(told, format!("00-{}-{}-01", hex(&root.trace_id), hex(&balancer.span_id)));
        for pair in spans.iter().flat_map(|span| &span.attributes) {
            let value = pair.value.as_ref().unwrap().value.as_ref().unwrap();
            let is_int = matches!(value, any_value::Value::IntValue(_));
            assert_eq!(is_int, pair.key == "http.status_code", "{}", pair.key);
        }
    }

    #[test]
    fn the_callers_decision_is_followed() {
        for (flags, sent) in [("01", true), ("00", false)] {
            let parent = format!("00-{TRACE}-{SPAN}-{flags}");
            let (request, exchange) = run(json!({ "sampling_rate": 1 }), true, &[("traceparent", &parent)]);
            assert_eq!(request.is_some(), sent);
            let told = exchange.request.headers.get_str("traceparent").unwrap();
            assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with(&format!("-{flags}")), "{told}");
            assert!(!told.contains(SPAN));
        }
    }

    #[test]
    fn without_instrumentation_headers_are_passed_on_and_nothing_is_sent() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let config = json!({ "http_response_header_for_traceid": "X-Trace-Id" });
        let (request, exchange) = run(config, false, &[("traceparent", &parent)]);
        assert!(request.is_none());
        let told = exchange.request.headers.get_str("traceparent").unwrap();
        assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-00"), "{told}");
        assert_eq!(exchange.response.headers.get_str("x-trace-id"), Some(TRACE));
    }
}
