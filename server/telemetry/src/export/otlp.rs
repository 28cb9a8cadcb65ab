//! Spans as OTLP protobuf messages.

use crate::trace::{self, Attributes, Span, Value};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Message, Status, span};
use prost::Message as _;

/// Flags of a span beyond those of the trace (`SpanFlags` of OTLP): whether it is known if the parent is remote.
const HAS_IS_REMOTE: u32 = 0x100;
/// Whether it is.
const IS_REMOTE: u32 = 0x200;
/// W3C's sampled flag.
const SAMPLED: u32 = 1;

/// The body of an export request.
pub(super) fn encode(resource: &[(String, String)], spans: Vec<Span>) -> Vec<u8> {
    let attributes =
        resource.iter().map(|(name, value)| pair(name.clone(), any_value::Value::StringValue(value.clone()))).collect();
    let scope = InstrumentationScope {
        name: "silverback".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(message).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }],
            schema_url: String::new(),
        }],
    };
    request.encode_to_vec()
}

/// How many spans a successful answer says were refused all the same, and why; an answer that is no message says none.
pub(super) fn refused(body: &[u8]) -> (usize, String) {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    (usize::try_from(partial.rejected_spans).unwrap_or(0), partial.error_message)
}

fn message(span: Span) -> Message {
    let remote = if span.remote_parent { IS_REMOTE } else { 0 };
    Message {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: SAMPLED | HAS_IS_REMOTE | remote,
        name: span.name.into_owned(),
        kind: match span.kind {
            trace::Kind::Internal => span::SpanKind::Internal,
            trace::Kind::Server => span::SpanKind::Server,
            trace::Kind::Client => span::SpanKind::Client,
            trace::Kind::Producer => span::SpanKind::Producer,
            trace::Kind::Consumer => span::SpanKind::Consumer,
        } as i32,
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes: pairs(span.attributes),
        events: span
            .events
            .into_iter()
            .map(|event| span::Event {
                time_unix_nano: event.at,
                name: event.name.into_owned(),
                attributes: pairs(event.attributes),
                dropped_attributes_count: 0,
            })
            .collect(),
        status: match span.status {
            trace::Status::Unset => None,
            trace::Status::Ok => Some(Status { message: String::new(), code: 1 }),
            trace::Status::Error(reason) => Some(Status { message: reason.into_owned(), code: 2 }),
        },
        ..Message::default()
    }
}

fn pairs(attributes: Attributes) -> Vec<KeyValue> {
    attributes.into_iter().map(|(name, given)| pair(name.into_owned(), value(given))).collect()
}

fn pair(key: String, value: any_value::Value) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn value(given: Value) -> any_value::Value {
    match given {
        Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
        Value::Int(number) => any_value::Value::IntValue(number),
        Value::Double(number) => any_value::Value::DoubleValue(number),
        Value::Bool(yes) => any_value::Value::BoolValue(yes),
        Value::List(values) => {
            let values = values.into_iter().map(|given| AnyValue { value: Some(value(given)) }).collect();
            any_value::Value::ArrayValue(ArrayValue { values })
        }
    }
}
