//! A collector that decodes what it gets, and Exchanges to trace.

#![allow(dead_code)]

use exchange::{Exchange, Request, Stamp, Timeline, Try, TryError};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One request to the collector.
pub struct Received {
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub message: ExportTraceServiceRequest,
}

impl Received {
    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

/// An OTLP/HTTP collector on loopback.
pub struct Collector {
    pub address: SocketAddr,
    pub received: Receiver<Received>,
}

impl Collector {
    /// Gives the answers in turn (status line with headers, body), then 200 for good.
    pub fn start(answers: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = channel();
        let mut answers = answers.into_iter();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(request) = read(&mut stream) {
                    let (head, body) = answers.next().unwrap_or(("200 OK\r\n", Vec::new()));
                    let head = format!("HTTP/1.1 {head}Content-Length: {}\r\n\r\n", body.len());
                    stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
                    if sender.send(request).is_err() {
                        return;
                    }
                }
            }
        });
        Self { address, received }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    pub fn next(&self) -> Received {
        self.received.recv_timeout(PATIENCE).expect("the collector gets a request")
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: BTreeMap<_, _> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
        body = plain;
    }
    let message = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    Some(Received { target: lines[0].clone(), headers, message })
}

/// Attributes as text.
pub fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| {
            let value = match pair.value.clone().and_then(|value| value.value) {
                Some(any_value::Value::StringValue(text)) => text,
                Some(any_value::Value::IntValue(number)) => number.to_string(),
                other => format!("{other:?}"),
            };
            (pair.key.clone(), value)
        })
        .collect()
}

/// Name, parent's name, and µs from the start of the first span: one line per span, children below their parents.
pub fn tree(spans: &[Span]) -> Vec<String> {
    let origin = spans.iter().map(|span| span.start_time_unix_nano).min().unwrap_or(0);
    let mut out = Vec::new();
    let known = |id: &[u8]| spans.iter().any(|span| span.span_id == id);
    let roots: Vec<_> = spans.iter().filter(|span| !known(&span.parent_span_id)).collect();
    for root in roots {
        branch(root, spans, origin, 0, &mut out);
    }
    out
}

fn branch(span: &Span, spans: &[Span], origin: u64, depth: usize, out: &mut Vec<String>) {
    let at = |time: u64| (time - origin) / 1000;
    let status = span.status.as_ref().map_or(0, |status| status.code);
    let error = if status == 2 { " error" } else { "" };
    let (start, end) = (at(span.start_time_unix_nano), at(span.end_time_unix_nano));
    out.push(format!("{}{} {start}-{end} kind={}{error}", "  ".repeat(depth), span.name, span.kind));
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_id) {
        branch(child, spans, origin, depth + 1, out);
    }
}

/// A request as the engine reads it.
pub fn request(headers: &[(&str, &str)]) -> Exchange {
    let request = Request {
        method: b"GET".as_slice().into(),
        target: b"/orders/1?full=1".as_slice().into(),
        path: b"/orders/1".as_slice().into(),
        query: Some(b"full=1".as_slice().into()),
        host: b"api.test".as_slice().into(),
        host_port: Some(8000),
        client_ip: Some([203, 0, 113, 9].into()),
        peer: Some(([127, 0, 0, 1], 40_000).into()),
        port: 8000,
        headers: headers.iter().copied().collect(),
        ..Request::default()
    };
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let nobody = Arc::new(exchange::directory::Nobody);
    let mut exchange = Exchange::new(request, Timeline::default(), nobody);
    exchange.timeline = Timeline::starting(Instant::now(), wall);
    exchange
}

/// A try.
pub fn tried(port: u16, start: u32, connect: u32, tls: u32, error: Option<TryError>) -> Try {
    Try { address: ([10, 0, 0, 1], port).into(), start, connect, tls, pooled: connect == 0, error }
}

/// Notes moments.
pub fn mark(exchange: &mut Exchange, stamps: &[(Stamp, u32)]) {
    for (stamp, at) in stamps {
        exchange.timeline.mark_at(*stamp, *at);
    }
}
