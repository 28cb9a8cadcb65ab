//! The node's own spans and its error log, in one subscriber.

mod common;

use common::{Collector, PATIENCE, attributes, tree};
use std::time::Duration;
use telemetry::{ErrorLog, ExportSettings, Exporter, Kinds, Level, NodeSpans, Rate, Sink, SinkTarget, admin_request};

const PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn spans_and_lines_have_filters_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("error.log");
    let sink = Sink::open(SinkTarget::File(path.clone())).unwrap();
    let collector = Collector::start(Vec::new());
    let settings = ExportSettings { delay: PATIENCE, ..ExportSettings::new(collector.endpoint()) };
    let exporter = Exporter::start(settings).unwrap();
    // No span by rate: only the caller's flag makes them.
    let spans = NodeSpans::new(Kinds::DB_QUERY, Rate::new(0.0), exporter.queue());
    telemetry::install(Some((sink.clone(), Level::Error)), Some(spans));

    admin_request("GET", "/routes", None).in_scope(|| tracing::error!("not sampled"));
    let request = admin_request("POST", "/services", Some(PARENT));
    request.in_scope(|| {
        let query = tracing::info_span!(
            target: "store_sql::read",
            "kong.database.query",
            otel.kind = "client",
            db.system = "sqlite",
            db.statement = "SELECT 1",
        );
        query.in_scope(|| tracing::warn!(target: "store_sql", "slow"));
        // Neither of these is ours to show.
        tracing::info_span!(target: "h2::proto", "recv").in_scope(|| {});
        tracing::info_span!(target: "awc", "send").in_scope(|| {});
        tracing::debug_span!(target: "admin", "detail").in_scope(|| {});
        tracing::error!(target: "store", "failed");
    });
    request.record("http.response.status_code", 201);
    drop(request);
    ErrorLog::set_level(Level::Warn);
    tracing::warn!("said after the level changed");
    tracing::info!("not said");
    sink.flush();

    assert!(exporter.shutdown(Duration::from_secs(20)));
    let spans = collector.next().spans();
    assert_eq!(spans.len(), 2, "{:?}", tree(&spans));
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (request, query) = (named("silverback.admin"), named("kong.database.query"));
    assert_eq!(query.parent_span_id, request.span_id);
    assert_eq!((request.kind, query.kind), (2, 3));
    assert_eq!(request.trace_id[..4], [0x0a, 0xf7, 0x65, 0x19]);
    assert_eq!(request.parent_span_id[..4], [0xb7, 0xad, 0x6b, 0x71]);
    assert_eq!(request.flags, 0x301);
    let found = attributes(&request.attributes);
    assert_eq!(found["http.request.method"], "POST");
    assert_eq!(found["url.path"], "/services");
    assert_eq!(found["http.response.status_code"], "201");
    assert_eq!(attributes(&query.attributes)["db.statement"], "SELECT 1");
    assert_eq!(query.events.len(), 1);

    let log = std::fs::read_to_string(path).unwrap();
    let said: Vec<_> = log.lines().filter_map(|line| line.split_once("#0: ")).map(|(_, message)| message).collect();
    assert_eq!(said, ["not sampled", "failed", "said after the level changed"], "{log}");
}
