//! An OpenTelemetry collector: takes OTLP over HTTP as protobuf, and shows what came.

use crate::eventually;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A collector on a loopback port.
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
    complaints: Vec<String>,
}

impl Collector {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().expect("an address"))
    }

    /// Starts one where a gateway expects it.
    pub fn start_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&mut BufReader::new(stream), &shared));
            }
        });
        Self { address, received }
    }

    /// The URL for `tracing_endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// Every span of a trace (32 hex digits), oldest first, once one without a parent among them has come.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        eventually(&format!("the trace {id} is complete"), || {
            spans = self.spans(|span| hex(&span.trace_id) == id);
            spans.iter().any(|span| !spans.iter().any(|other| other.span_id == span.parent_span_id))
        });
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// The spans so far that fit.
    pub fn spans(&self, fits: impl Fn(&Span) -> bool) -> Vec<Span> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(received.complaints, Vec::<String>::new(), "every export is as OTLP has it");
        received.spans.iter().filter(|span| fits(span)).cloned().collect()
    }

    /// Attributes of the last resource.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).resource.clone()
    }
}

fn serve(stream: &mut BufReader<TcpStream>, shared: &Mutex<Received>) {
    while let Some((head, body)) = read(stream) {
        let mut received = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if !head[0].starts_with("POST /v1/traces ") || !head.iter().any(|l| l == "content-type: application/x-protobuf")
        {
            received.complaints.push(head.join("\n"));
        }
        match ExportTraceServiceRequest::decode(&body[..]) {
            Ok(message) => {
                for resource in message.resource_spans {
                    received.resource = resource.resource.map(|r| attributes(&r.attributes)).unwrap_or_default();
                    received.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
            }
            Err(error) => received.complaints.push(error.to_string()),
        }
        drop(received);
        if stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Lines of the head (names in lower case), and the body uncompressed.
fn read(stream: &mut BufReader<TcpStream>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => head.push(format!("{}: {value}", name.to_ascii_lowercase())),
            None if line.trim_end().is_empty() => break,
            None => head.push(line.trim_end().to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    if head.iter().any(|line| line == "content-encoding: gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut plain).ok()?;
        body = plain;
    }
    Some((head, body))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Attributes as text, integers in decimal.
pub fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

/// One line per span: its name, and `error` where it has failed; children indented below their parents.
pub fn tree(spans: &[Span]) -> Vec<String> {
    let mut lines = Vec::new();
    for root in spans.iter().filter(|span| !spans.iter().any(|other| other.span_id == span.parent_span_id)) {
        branch(root, spans, 0, &mut lines);
    }
    lines
}

fn branch(span: &Span, spans: &[Span], depth: usize, lines: &mut Vec<String>) {
    let failed = if span.status.as_ref().is_some_and(|status| status.code == 2) { " error" } else { "" };
    lines.push(format!("{}{}{failed}", "  ".repeat(depth), span.name));
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_id) {
        branch(child, spans, depth + 1, lines);
    }
}
