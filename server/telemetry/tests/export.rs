//! The exporter, and collectors that are well, slow, wrong or gone.

mod common;

use common::{Collector, PATIENCE};
use exchange::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use telemetry::trace::{Kind, Span, Status};
use telemetry::{ExportError, ExportSettings, Exporter};

fn settings(endpoint: String) -> ExportSettings {
    ExportSettings { delay: Duration::from_millis(1), ..ExportSettings::new(endpoint) }
}

fn push(exporter: &Exporter, name: &'static str) {
    exporter.slow(name, Duration::from_millis(3), vec![("actor".into(), "RouteTable".into())]);
}

/// Waits, with a bound, until nothing waits.
fn settled(exporter: &Exporter) {
    let until = Instant::now() + PATIENCE;
    while exporter.counts().waiting > 0 {
        assert!(Instant::now() < until, "{:?}", exporter.counts());
        std::thread::yield_now();
    }
}

#[test]
fn batches_are_compressed_and_signed() {
    let collector = Collector::start(Vec::new());
    let settings = ExportSettings {
        gzip: true,
        headers: vec![("Api-Key".into(), "secret".into())],
        delay: PATIENCE,
        batch: 3,
        ..settings(collector.endpoint())
    };
    let exporter = Exporter::start(settings).unwrap();
    for _ in 0..3 {
        push(&exporter, "silverback.actor");
    }
    let received = collector.next();
    assert_eq!(received.target, "POST /v1/traces HTTP/1.1");
    for (name, expected) in
        [("content-type", "application/x-protobuf"), ("content-encoding", "gzip"), ("api-key", "secret")]
    {
        assert_eq!(received.headers.get(name).map(String::as_str), Some(expected));
    }
    let spans = received.spans();
    assert_eq!(spans.len(), 3);
    assert_eq!(spans[0].end_time_unix_nano - spans[0].start_time_unix_nano, 3_000_000);
    settled(&exporter);
    assert_eq!(exporter.counts().exported, 3);
    // What waits for its batch goes out with the end.
    push(&exporter, "last");
    assert!(exporter.shutdown(PATIENCE));
    assert_eq!(collector.next().spans()[0].name, "last");
}

#[test]
fn what_may_be_retried_is() {
    let collector = Collector::start(vec![("503 Service Unavailable\r\nRetry-After: 0\r\n", Vec::new())]);
    let exporter = Exporter::start(settings(collector.endpoint())).unwrap();
    push(&exporter, "a");
    assert_eq!(collector.next().spans(), collector.next().spans());
    settled(&exporter);
    assert_eq!((exporter.counts().exported, exporter.counts().failed), (1, 0));
}

#[test]
fn refusals_are_counted() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".into() }),
    };
    let lie = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess { rejected_spans: i64::MAX, error_message: String::new() }),
    };
    for (head, body, expected) in [
        ("400 Bad Request\r\n", Vec::new(), (0, 1)),
        ("302 Found\r\nLocation: /elsewhere\r\n", Vec::new(), (0, 1)),
        ("200 OK\r\n", partial.encode_to_vec(), (0, 1)),
        ("200 OK\r\n", lie.encode_to_vec(), (0, 1)),
        ("200 OK\r\n", b"\xff\xff no message".to_vec(), (1, 0)),
        ("202 Accepted\r\n", Vec::new(), (1, 0)),
    ] {
        let collector = Collector::start(vec![(head, body)]);
        let exporter = Exporter::start(settings(collector.endpoint())).unwrap();
        push(&exporter, "a");
        settled(&exporter);
        let counts = exporter.counts();
        assert_eq!((counts.exported, counts.failed, counts.dropped), (expected.0, expected.1, 0), "{head}");
    }
}

#[test]
fn a_collector_that_is_gone_costs_spans_only() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ExportSettings { queue_spans: 10, ..settings(format!("http://{gone}/v1/traces")) };
    let exporter = Exporter::start(settings).unwrap();
    for _ in 0..25 {
        push(&exporter, "a");
    }
    let counts = exporter.counts();
    assert_eq!((counts.waiting, counts.dropped, counts.exported), (10, 15, 0));
    let queue = exporter.queue();
    assert!(exporter.shutdown(PATIENCE));
    let counts = queue.counts();
    assert_eq!((counts.waiting, counts.failed, counts.dropped), (0, 10, 15));
    // Nobody takes what comes later.
    queue.push(vec![Span {
        trace_id: TraceId::fresh(),
        span_id: SpanId::fresh(),
        parent: None,
        remote_parent: false,
        name: "late".into(),
        kind: Kind::Internal,
        start: 1,
        end: 2,
        attributes: Vec::new(),
        events: Vec::new(),
        status: Status::Unset,
    }]);
    assert_eq!((queue.counts().waiting, queue.counts().dropped), (0, 16));
}

#[test]
fn memory_is_bounded_too() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ExportSettings { queue_bytes: 2000, ..settings(format!("http://{gone}/v1/traces")) };
    let exporter = Exporter::start(settings).unwrap();
    exporter.slow("a".repeat(3000), Duration::ZERO, Vec::new());
    assert_eq!(exporter.counts().dropped, 1);
    exporter.slow("b", Duration::ZERO, Vec::new());
    assert_eq!((exporter.counts().dropped, exporter.counts().waiting), (1, 1));
}

#[test]
fn a_collector_that_never_answers_does_not_hold_the_end_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let exporter = Exporter::start(settings(format!("http://{}/v1/traces", silent.local_addr().unwrap()))).unwrap();
    push(&exporter, "a");
    let (connection, _) = silent.accept().unwrap();
    let queue = exporter.queue();
    exporter.shutdown(Duration::from_millis(50));
    let until = Instant::now() + PATIENCE;
    while queue.counts().failed < 1 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    drop(connection);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for endpoint in ["", "127.0.0.1:4318", "ftp://a/v1/traces", "http://", "http:///x"] {
        let error = Exporter::start(ExportSettings::new(endpoint)).err();
        assert!(matches!(error, Some(ExportError::Endpoint(_))), "{endpoint}");
    }
    for (name, value) in [("a b", "1"), ("a", "1\n2")] {
        let mut settings = ExportSettings::new("http://127.0.0.1:1/v1/traces");
        settings.headers.push((name.into(), value.into()));
        let error = Exporter::start(settings).err().unwrap();
        assert!(matches!(&error, ExportError::Header(_)), "{error}");
    }
}
