use super::formats::*;
use exchange::{Headers, SpanId, TraceId};
use proptest::prelude::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const ALL: [Format; 8] =
    [Format::B3Single, Format::Jaeger, Format::Gcp, Format::Ot, Format::W3c, Format::Datadog, Format::B3, Format::Aws];

fn read(format: Format, lines: &[(&str, &str)]) -> Look {
    format.extract(&lines.iter().copied().collect())
}

#[test]
fn what_is_malformed_is_wrong_and_what_is_absent_is_nothing() {
    for format in ALL {
        assert_eq!(read(format, &[("x-other", "1")]), Look::Nothing, "{format:?}");
    }
    let zero = "0".repeat(32);
    for (format, name, value) in [
        (Format::W3c, "traceparent", format!("01-{TRACE}-{SPAN}-01")),
        (Format::W3c, "traceparent", format!("00-{zero}-{SPAN}-01")),
        (Format::W3c, "traceparent", format!("00-{TRACE}-0000000000000000-01")),
        (Format::W3c, "traceparent", format!("00-abc-{SPAN}-01")),
        (Format::W3c, "traceparent", format!("00-{TRACE}-{SPAN}-01-x")),
        (Format::B3, "x-b3-traceid", "nothex".into()),
        (Format::B3, "b3", format!("{TRACE}-{SPAN}-x")),
        (Format::B3, "b3", format!("{TRACE}-{SPAN}-1-{SPAN}-x")),
        (Format::Jaeger, "uber-trace-id", format!("{TRACE}:{SPAN}:0")),
        (Format::Jaeger, "uber-trace-id", format!("{TRACE}:{SPAN}:0:001")),
        (Format::Ot, "ot-tracer-traceid", "12".into()),
        (Format::Datadog, "x-datadog-trace-id", "abc".into()),
        (Format::Datadog, "x-datadog-trace-id", "99999999999999999999999".into()),
        (Format::Aws, "x-amzn-trace-id", "Root=1-4bf92f35".into()),
        (Format::Gcp, "x-cloud-trace-context", format!("{TRACE}/x;o=1")),
    ] {
        assert_eq!(read(format, &[(name, &value)]), Look::Wrong, "{value}");
    }
    assert_eq!(read(Format::W3c, &[("traceparent", "a"), ("traceparent", "b")]), Look::Wrong);
}

#[test]
fn decisions_come_alone_too() {
    for (lines, sampled, debug) in [
        (&[("b3", "0")][..], false, false),
        (&[("b3", "d")], true, true),
        (&[("x-b3-sampled", "true")], true, false),
        (&[("x-b3-flags", "1")], true, true),
        (&[("tracestate", "a=1, b3=1")], true, false),
    ] {
        let Look::Found(found) = read(Format::B3, lines) else { panic!("{lines:?}") };
        assert_eq!((found.trace_id, found.sampled, found.debug), (None, Some(sampled), debug), "{lines:?}");
    }
}

#[test]
fn headers_are_written_as_their_formats_say() {
    let told = Injected {
        trace_id: TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()),
        came_with: Some(16),
        span_id: SpanId(0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()),
        parent_id: Some(SpanId([1; 8])),
        sampled: true,
        debug: false,
    };
    let shown = |format: Format, told: &Injected| {
        let mut headers = Headers::default();
        let id = format.inject(&mut headers, told);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        (lines.join(" "), id)
    };
    let above = "0101010101010101";
    for (format, expected, id) in [
        (Format::W3c, format!("traceparent=00-{TRACE}-{SPAN}-01"), TRACE),
        (
            Format::B3,
            format!("x-b3-traceid={TRACE} x-b3-spanid={SPAN} x-b3-parentspanid={above} x-b3-sampled=1"),
            TRACE,
        ),
        (Format::B3Single, format!("b3={TRACE}-{SPAN}-1-{above}"), TRACE),
        (Format::Jaeger, format!("uber-trace-id={TRACE}:{SPAN}:{above}:01"), TRACE),
        (Format::Ot, format!("ot-tracer-traceid={TRACE} ot-tracer-spanid={SPAN} ot-tracer-sampled=1"), TRACE),
        (
            Format::Datadog,
            "x-datadog-trace-id=11803532876627986230 x-datadog-parent-id=67667974448284343 \
             x-datadog-sampling-priority=1"
                .into(),
            "11803532876627986230",
        ),
        (
            Format::Aws,
            format!("x-amzn-trace-id=Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent={SPAN};Sampled=1"),
            "1-4bf92f35-77b34da6a3ce929d0e0e4736",
        ),
        (Format::Gcp, format!("x-cloud-trace-context={TRACE}/67667974448284343;o=1"), TRACE),
    ] {
        assert_eq!(shown(format, &told), (expected, id.to_owned()), "{format:?}");
    }
    let short = Injected { came_with: Some(8), debug: true, ..told };
    assert!(shown(Format::B3, &short).0.starts_with("x-b3-traceid=a3ce929d0e0e4736 "));
    assert!(shown(Format::B3, &short).0.ends_with("x-b3-flags=1"));
    let begun = Injected { came_with: None, ..told };
    assert_eq!(shown(Format::Ot, &begun).1, "a3ce929d0e0e4736");
}

proptest! {
    #[test]
    fn what_is_written_is_read(trace in 1u128.., span in 1u64.., sampled: bool, at in 0usize..8) {
        let format = ALL[at];
        let told = Injected {
            trace_id: TraceId(trace.to_be_bytes()), came_with: Some(16), span_id: SpanId(span.to_be_bytes()),
            parent_id: None, sampled, debug: false,
        };
        let mut headers = Headers::default();
        format.inject(&mut headers, &told);
        match format.extract(&headers) {
            Look::Found(found) => {
                let expected = if format == Format::Datadog { u128::from(trace as u64) } else { trace };
                prop_assert_eq!(found.trace_id, Some(TraceId(expected.to_be_bytes())));
                prop_assert_eq!((found.span_id, found.sampled), (Some(told.span_id), Some(sampled)));
            }
            // Half an id may be zero.
            other => prop_assert!(format == Format::Datadog && trace as u64 == 0, "{:?}", other),
        }
    }

    #[test]
    fn any_line_is_survived(value in "[ -~]{0,70}", at in 0usize..8) {
        let format = ALL[at];
        for name in format.headers() {
            let _ = format.extract(&[(*name, value.as_str())].into_iter().collect());
        }
    }
}
