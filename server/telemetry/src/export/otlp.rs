//! Spans as OTLP protobuf messages.

use crate::trace::{self, Attributes, Span, Value};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
pub use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::logs::v1::ScopeLogs;
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

/// A span as a part of a message; see [`envelope`].
pub fn part(span: Span) -> Vec<u8> {
    ScopeSpans { scope: None, spans: vec![message(span)], schema_url: String::new() }.encode_to_vec()
}

/// A log record as a part of a message; see [`envelope`].
pub fn log_part(record: LogRecord) -> Vec<u8> {
    ScopeLogs { scope: None, log_records: vec![record], schema_url: String::new() }.encode_to_vec()
}

/// The body of an export request of parts (spans, or log records) that are of one resource: requests for either have
/// the same shape. Attributes are given in full.
pub fn envelope(resource: Attributes, (name, version): (&str, &str), parts: &[bytes::Bytes]) -> Vec<u8> {
    let scope = InstrumentationScope { name: name.into(), version: version.into(), ..InstrumentationScope::default() };
    let scope = ScopeSpans { scope: Some(scope), spans: Vec::new(), schema_url: String::new() }.encode_to_vec();
    let resource = Resource { attributes: pairs(resource), ..Resource::default() };
    let resource = ResourceSpans { resource: Some(resource), ..ResourceSpans::default() }.encode_to_vec();
    let spans: usize = parts.iter().map(bytes::Bytes::len).sum();
    let mut inner = scope;
    inner.reserve(spans);
    parts.iter().for_each(|part| inner.extend_from_slice(part));
    let mut middle = resource;
    field(&mut middle, 2, &inner);
    let mut out = Vec::with_capacity(middle.len() + 8);
    field(&mut out, 1, &middle);
    out
}

/// A member that has a length.
fn field(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    out.push(number << 3 | 2);
    let mut rest = content.len();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(content);
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

/// Attributes as a message has them.
pub(crate) fn pairs(attributes: Attributes) -> Vec<KeyValue> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::{SpanId, TraceId};

    #[test]
    fn an_envelope_of_parts_is_one_message() {
        let span = |name: &'static str| Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            parent: None,
            remote_parent: false,
            name: name.into(),
            kind: trace::Kind::Server,
            start: 1,
            end: 2,
            attributes: vec![("a".into(), "x".repeat(300).into())],
            events: Vec::new(),
            status: trace::Status::Unset,
        };
        let parts = [part(span("one")).into(), part(span("two")).into()];
        let body = envelope(vec![("service.name".into(), "kong".into())], ("scope", "1"), &parts);
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("a request");
        let [resource] = request.resource_spans.as_slice() else { panic!("one resource") };
        assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
        let [scope] = resource.scope_spans.as_slice() else { panic!("one scope") };
        assert_eq!(scope.scope.as_ref().unwrap().name, "scope");
        assert_eq!(scope.spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    }
}
