//! Requests as trees of spans, from the decision to the collector.

mod common;

use common::{Collector, attributes, mark, request, tree, tried};
use exchange::timeline::{Asked, Look, PluginCall};
use exchange::{Exchange, MatchedRoute, Section, SpanId, Stamp, Tracer, TryError};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{ExportSettings, Exporter, Kinds, Rate, RequestTracer};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn exporter(collector: &Collector) -> Exporter {
    let settings = ExportSettings { delay: Duration::from_millis(1), ..ExportSettings::new(collector.endpoint()) };
    Exporter::start(settings.describe("0.1.0", "node-1")).unwrap()
}

/// Everything that can happen to a request.
fn eventful(exchange: &mut Exchange) {
    let route = json!({ "id": "0d6f1a0e-0000-4000-8000-000000000001", "name": "orders", "protocols": ["http"],
        "https_redirect_status_code": 426, "strip_path": true, "preserve_host": false, "request_buffering": true,
        "response_buffering": true, "path_handling": "v0", "regex_priority": 0, "paths": ["/orders", "/o"] });
    exchange.route = Some(MatchedRoute::from(Arc::new(serde_json::from_value(route).unwrap())));
    exchange.forward.host = b"upstream.test".as_slice().into();
    mark(
        exchange,
        &[
            (Stamp::Parsed, 10),
            (Stamp::Routed, 40),
            (Stamp::Accessed, 90),
            (Stamp::Balanced, 95),
            (Stamp::Sent, 700),
            (Stamp::Answered, 900),
            (Stamp::Headed, 910),
            (Stamp::Received, 1200),
            (Stamp::Finished, 1300),
        ],
    );
    let timeline = &mut exchange.timeline;
    for (plugin, phase, start, end) in [
        ("correlation-id", "rewrite", 12, 20),
        ("key-auth", "access", 41, 60),
        ("cors", "header_filter", 902, 905),
        ("file-log", "log", 1300, 1301),
    ] {
        timeline.calls.push(PluginCall { plugin, phase, start, end });
    }
    timeline.sections.push(Section {
        name: "measured".into(),
        id: SpanId([7; 8]),
        parent: None,
        kind: 3,
        start: 1_700_000_000_000_050_000,
        end: 1_700_000_000_000_060_000,
        attributes: [("of".to_owned(), json!(["a", 1])), ("left out".to_owned(), json!({}))].into_iter().collect(),
        events: vec![("seen".into(), 1_700_000_000_000_055_000, serde_json::Map::new())],
        status: 1,
    });
    timeline.looks.push(Look {
        name: "upstream.test".into(),
        port: 443,
        result: Ok([10, 0, 0, 1].into()),
        hit: false,
        start: 100,
        end: 200,
    });
    timeline.asked.push(Asked {
        method: "POST".into(),
        url: "http://policies.test/v1".into(),
        result: Ok(200),
        start: 45,
        end: 55,
    });
    timeline.tries.push(tried(1, 200, 100, 0, Some(TryError::Connect)));
    timeline.tries.push(tried(2, 310, 340, 300, None));
    exchange.response.status = 200;
    exchange.response.upstream_status = 200;
}

#[test]
fn a_request_is_one_tree() {
    let collector = Collector::start(Vec::new());
    let exporter = exporter(&collector);
    let tracer = RequestTracer::new(Kinds::ALL, Rate::new(0.0), exporter.queue());
    let mut exchange = request(&[("traceparent", PARENT), ("tracestate", "a=1"), ("User-Agent", "curl/8")]);
    tracer.begin(&mut exchange);
    assert!(exchange.timeline.detail);
    eventful(&mut exchange);
    tracer.inject(&mut exchange);
    tracer.finished(&exchange);

    let received = collector.next();
    let spans = received.spans();
    assert_eq!(
        tree(&spans),
        [
            "kong 0-1300 kind=2",
            "  kong.router 20-40 kind=1",
            "  kong.rewrite.plugin.correlation-id 12-20 kind=1",
            "  kong.access.plugin.key-auth 41-60 kind=1",
            "  kong.header_filter.plugin.cors 902-905 kind=1",
            "  measured 50-60 kind=3",
            "  kong.dns 100-200 kind=3",
            "  kong.internal.request 45-55 kind=3",
            "  kong.balancer 200-310 kind=3 error",
            "    silverback.connect 200-300 kind=1 error",
            "  kong.balancer 310-1200 kind=3",
            "    silverback.connect 310-350 kind=1",
            "    silverback.tls 350-650 kind=1",
            "    silverback.send 650-700 kind=1",
            "    silverback.wait 700-900 kind=1",
            "    silverback.receive 900-1200 kind=1",
        ]
    );
    let root = &spans[0];
    assert_eq!(root.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(root.flags, 0x301);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(hex(&root.parent_span_id), "b7ad6b7169203331");
    let found = attributes(&root.attributes);
    for (name, expected) in [
        ("http.method", "GET"),
        ("http.url", "http://api.test/orders/1?full=1"),
        ("http.host", "api.test"),
        ("http.scheme", "http"),
        ("http.flavor", "1.1"),
        ("http.client_ip", "203.0.113.9"),
        ("net.peer.ip", "127.0.0.1"),
        ("http.status_code", "200"),
        ("http.route", "/orders"),
        ("kong.request.id", exchange.id.as_str()),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/orders/1"),
        ("url.query", "full=1"),
        ("server.port", "8000"),
        ("user_agent.original", "curl/8"),
        ("kong.route_name", "orders"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(expected), "{name}");
    }
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let measured = named("measured")[0];
    assert_eq!(
        (measured.span_id.as_slice(), measured.attributes.len(), measured.events.len()),
        ([7; 8].as_slice(), 1, 1)
    );
    let dns = attributes(&named("kong.dns")[0].attributes);
    assert_eq!((dns["dns.record.domain"].as_str(), dns["dns.record.ip"].as_str()), ("upstream.test", "10.0.0.1"));
    let asked = attributes(&named("kong.internal.request")[0].attributes);
    assert_eq!((asked["http.method"].as_str(), asked["http.status_code"].as_str()), ("POST", "200"));
    assert_eq!(asked["http.url"], "http://policies.test/v1");
    let tries = named("kong.balancer");
    let failed = attributes(&tries[0].attributes);
    assert_eq!((failed["try_count"].as_str(), failed["http.status_code"].as_str()), ("1", "502"));
    assert_eq!(attributes(&tries[0].events[0].attributes)["exception.message"], "no connection");
    assert_eq!(attributes(&tries[1].attributes)["net.peer.name"], "upstream.test");
    // The upstream was told the last try as its parent.
    let sent = exchange.request.headers.get_str("traceparent").unwrap();
    assert_eq!(sent, format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", hex(&tries[1].span_id)));
    assert_eq!(exchange.request.headers.get_str("tracestate"), Some("a=1"));

    let resource = attributes(&received.message.resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "silverback");
    assert_eq!(resource["service.version"], "0.1.0");
    assert_eq!(resource["service.instance.id"], "node-1");
    assert!(exporter.shutdown(common::PATIENCE));
}

#[test]
fn only_the_kinds_asked_for_are_made() {
    let collector = Collector::start(Vec::new());
    let exporter = exporter(&collector);
    for (kinds, expected) in [
        // What a plugin measured itself is always there.
        (Kinds::REQUEST, &["kong", "measured"][..]),
        (Kinds::ROUTER, &["kong", "kong.router", "measured"]),
        (Kinds::PLUGIN_ACCESS, &["kong", "kong.access.plugin.key-auth", "measured"]),
        (Kinds::DNS_QUERY.and(Kinds::DB_QUERY), &["kong", "measured", "kong.dns"]),
        (Kinds::HTTP_CLIENT, &["kong", "measured", "kong.internal.request"]),
    ] {
        let tracer = RequestTracer::new(kinds, Rate::new(1.0), exporter.queue());
        let mut exchange = request(&[]);
        tracer.begin(&mut exchange);
        assert_eq!(exchange.timeline.detail, kinds != Kinds::REQUEST && kinds != Kinds::ROUTER);
        eventful(&mut exchange);
        tracer.inject(&mut exchange);
        tracer.finished(&exchange);
        let spans = collector.next().spans();
        assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), expected);
        // Without a span for the try, the request's own is the upstream's parent.
        let trace = exchange.trace.unwrap();
        assert_eq!(trace.upstream, trace.span_id);
        assert!(spans[0].parent_span_id.is_empty());
        assert_eq!(spans[0].flags, 0x101);
    }
}

#[test]
fn what_fails_is_marked() {
    let collector = Collector::start(Vec::new());
    let exporter = exporter(&collector);
    let tracer = RequestTracer::new(Kinds::ALL, Rate::new(1.0), exporter.queue());
    let mut lost = request(&[]);
    tracer.begin(&mut lost);
    mark(&mut lost, &[(Stamp::Parsed, 1), (Stamp::Routed, 2), (Stamp::Headed, 3), (Stamp::Finished, 4)]);
    lost.response.status = 404;
    tracer.finished(&lost);
    assert_eq!(tree(&collector.next().spans()), ["kong 0-4 kind=2", "  kong.router 1-2 kind=1 error"]);

    let mut late = request(&[]);
    tracer.begin(&mut late);
    late.timeline.tries.push(tried(1, 10, 0, 0, Some(TryError::ReadTimeout)));
    mark(&mut late, &[(Stamp::Sent, 12), (Stamp::Headed, 99), (Stamp::Finished, 100)]);
    late.response.status = 504;
    tracer.finished(&late);
    let spans = collector.next().spans();
    assert_eq!(tree(&spans), ["kong 0-100 kind=2 error", "  kong.balancer 10-99 kind=3 error"]);
    assert_eq!(attributes(&spans[1].attributes)["http.status_code"], "504");
}

/// Header lines and rate; whether spans are made, and whether the caller's trace goes on.
type Case<'a> = (&'a [(&'a str, &'a str)], f64, bool, bool);

#[test]
fn the_caller_decides_else_the_rate() {
    let collector = Collector::start(Vec::new());
    let (taking, idle) = (exporter(&collector), exporter(&collector));
    let later = format!("01{}-more", &PARENT[2..]);
    let upper = PARENT.to_uppercase();
    let cases: &[Case] = &[
        (&[], 0.0, false, false),
        (&[], 1.0, true, false),
        (&[("traceparent", PARENT)], 0.0, true, true),
        (&[("traceparent", PARENT)], 1.0, true, true),
        (&[("Traceparent", UNSAMPLED)], 1.0, false, true),
        (&[("traceparent", UNSAMPLED)], 0.0, false, true),
        (&[("traceparent", &later)], 0.0, true, true),
        (&[("traceparent", &upper)], 0.0, false, false),
        (&[("traceparent", "nonsense")], 1.0, true, false),
        (&[("traceparent", PARENT), ("traceparent", PARENT)], 0.0, false, false),
        (&[("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")], 0.0, false, false),
    ];
    for (headers, rate, sampled, continued) in cases {
        let exporter = if *sampled { &taking } else { &idle };
        let tracer = RequestTracer::new(Kinds::ALL, Rate::new(*rate), exporter.queue());
        let mut exchange = request(headers);
        exchange.request.headers.append("tracestate", "a=1");
        tracer.begin(&mut exchange);
        let trace = exchange.trace.unwrap();
        assert_eq!((trace.sampled, trace.parent.is_some()), (*sampled, *continued), "{headers:?} {rate}");
        assert_eq!(exchange.timeline.detail, *sampled);
        tracer.inject(&mut exchange);
        assert_eq!(exchange.request.headers.get_all("traceparent").count(), 1, "{headers:?}");
        let sent = exchange.request.headers.get_str("traceparent").unwrap().to_owned();
        match (*sampled, *continued) {
            (false, true) => assert_eq!(sent, UNSAMPLED),
            _ => {
                let flag = u8::from(*sampled);
                assert_eq!(sent, format!("00-{}-{}-0{flag}", trace.trace_id, trace.upstream));
            }
        }
        assert_eq!(sent.contains("0af7651916cd43dd"), *continued);
        // A state without its parent is nobody's.
        assert_eq!(exchange.request.headers.contains("tracestate"), *continued, "{headers:?}");
        tracer.finished(&exchange);
        match sampled {
            true => assert_eq!(collector.next().spans()[0].trace_id, trace.trace_id.0),
            false => assert_eq!(idle.counts(), telemetry::Counts::default()),
        }
    }
}

#[test]
fn headers_of_a_plugin_stay() {
    let collector = Collector::start(Vec::new());
    let exporter = exporter(&collector);
    let tracer = RequestTracer::new(Kinds::ALL, Rate::new(1.0), exporter.queue());
    let mut exchange = request(&[("traceparent", "malformed"), ("tracestate", "not a list")]);
    tracer.begin(&mut exchange);
    exchange.trace.as_mut().unwrap().propagated = true;
    exchange.request.headers.set("b3", "0");
    tracer.inject(&mut exchange);
    assert_eq!(exchange.request.headers.get_str("traceparent"), Some("malformed"));

    let mut exchange = request(&[("traceparent", PARENT), ("tracestate", "not a list")]);
    tracer.begin(&mut exchange);
    tracer.inject(&mut exchange);
    assert!(!exchange.request.headers.contains("tracestate"));
}

#[test]
fn error_answers_name_their_trace() {
    let collector = Collector::start(Vec::new());
    let exporter = exporter(&collector);
    for (rate, named) in [(1.0, true), (0.0, false)] {
        let tracer = RequestTracer::new(Kinds::REQUEST, Rate::new(rate), exporter.queue());
        let mut exchange = request(&[]);
        tracer.begin(&mut exchange);
        exchange.answer(exchange::Answer::error(404, "no Route matched"), &exchange::ErrorTemplates::default());
        let header = exchange.response.headers.get_str(exchange::TRACE_ID).map(str::to_owned);
        assert_eq!(header, named.then(|| exchange.trace.unwrap().trace_id.hex()));
    }
}
