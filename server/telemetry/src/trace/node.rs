//! Spans of the node itself (Admin API, actors, store), from `tracing`.

use super::span::{Attributes, Event, Kind, Span, Status, Value};
use super::{Kinds, Rate, w3c};
use crate::export::Queue;
use exchange::{SpanId, TraceId};
use opentelemetry::trace::{
    SpanContext, SpanKind, Status as OtelStatus, TraceContextExt, TraceFlags, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanProcessor};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::{self, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Crates whose spans are ours to show; of others (HTTP libraries, the exporter's own among them) none is.
const OURS: &[&str] = &["admin", "declarative", "manager", "migration", "silverback", "snapshot", "store", "store_sql"];

/// The span of a statement.
const QUERY: &str = "kong.database.query";

/// Makes spans of `tracing` spans: what `install` takes.
pub struct NodeSpans {
    kinds: Kinds,
    provider: SdkTracerProvider,
}

impl NodeSpans {
    /// Spans of the node, sampled by the same rate as requests, for the queue of an exporter.
    pub fn new(kinds: Kinds, rate: Rate, queue: Queue) -> Self {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rate.share())));
        let provider = SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(Forward(queue)).build();
        Self { kinds, provider }
    }

    pub(crate) fn layer<S>(self) -> impl Layer<S> + Send + Sync
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("silverback"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Ours(self.kinds))
    }
}

/// Lets through the spans of our crates, and their warnings as events.
struct Ours(Kinds);

impl Ours {
    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target().split("::").next().unwrap_or_default();
        let level = if metadata.is_span() { tracing::Level::INFO } else { tracing::Level::WARN };
        let wanted = metadata.name() != QUERY || self.0.any(Kinds::DB_QUERY);
        *metadata.level() <= level && wanted && OURS.contains(&target)
    }
}

impl<S> Filter<S> for Ours {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        self.takes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }
}

/// Hands finished spans on.
#[derive(Debug)]
struct Forward(Queue);

impl SpanProcessor for Forward {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(vec![of(span)]);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn of(data: SpanData) -> Span {
    let parent = data.parent_span_id.to_bytes();
    Span {
        trace_id: TraceId(data.span_context.trace_id().to_bytes()),
        span_id: SpanId(data.span_context.span_id().to_bytes()),
        parent: (parent != [0; 8]).then_some(SpanId(parent)),
        remote_parent: data.parent_span_is_remote,
        name: data.name,
        kind: match data.span_kind {
            SpanKind::Server => Kind::Server,
            SpanKind::Client => Kind::Client,
            SpanKind::Producer => Kind::Producer,
            SpanKind::Consumer => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: nanos(data.start_time),
        end: nanos(data.end_time),
        attributes: attributes(data.attributes),
        events: data
            .events
            .events
            .into_iter()
            .map(|event| Event {
                name: event.name,
                at: nanos(event.timestamp),
                attributes: attributes(event.attributes),
            })
            .collect(),
        status: match data.status {
            OtelStatus::Unset => Status::Unset,
            OtelStatus::Ok => Status::Ok,
            OtelStatus::Error { description } => Status::Error(description),
        },
    }
}

/// ns since 1970.
pub fn nanos(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or_default()
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key.to_string().into(), value(pair.value))).collect()
}

fn value(value: opentelemetry::Value) -> Value {
    use opentelemetry::{Array, Value as Otel};
    match value {
        Otel::Bool(value) => Value::Bool(value),
        Otel::I64(value) => Value::Int(value),
        Otel::F64(value) => Value::Double(value),
        Otel::Array(Array::Bool(values)) => Value::List(values.into_iter().map(Value::Bool).collect()),
        Otel::Array(Array::I64(values)) => Value::List(values.into_iter().map(Value::Int).collect()),
        Otel::Array(Array::F64(values)) => Value::List(values.into_iter().map(Value::Double).collect()),
        Otel::Array(Array::String(values)) => {
            Value::List(values.into_iter().map(|text| Value::from(String::from(text))).collect())
        }
        other => Value::from(other.as_str().into_owned()),
    }
}

/// A span for a request to the Admin API, continuing the trace of the caller's `traceparent` where that is valid.
/// `path` is without its query. Record `http.response.status_code` before it ends; instrument the handler with it.
pub fn admin_request(method: &str, path: &str, traceparent: Option<&[u8]>) -> tracing::Span {
    let span = tracing::info_span!(
        target: "admin",
        "silverback.admin",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        url.path = path,
        http.response.status_code = tracing::field::Empty,
    );
    if let Some(parent) = traceparent.and_then(w3c::parse).filter(|_| !span.is_disabled()) {
        let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let context = SpanContext::new(
            opentelemetry::trace::TraceId::from_bytes(parent.trace_id.0),
            opentelemetry::trace::SpanId::from_bytes(parent.span_id.0),
            flags,
            true,
            TraceState::default(),
        );
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
    span
}
