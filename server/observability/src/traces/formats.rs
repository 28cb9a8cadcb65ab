//! The header formats of traces: reading and writing each.

use super::hex::{decimal, exact, number};
use exchange::{Headers, SpanId, TraceId};
use schema::Schema;
use serde::Deserialize;

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One header `b3`.
    B3Single,
    /// `uber-trace-id`
    Jaeger,
    /// `x-cloud-trace-context`
    Gcp,
    /// `ot-tracer-…`
    Ot,
    /// `traceparent`
    W3c,
    /// `x-datadog-…`
    Datadog,
    /// `x-b3-…`
    B3,
    /// `x-amzn-trace-id`
    Aws,
}

/// What headers say of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extracted {
    /// The trace.
    pub trace_id: Option<TraceId>,
    /// Whether its id came with 8 bytes.
    pub short: bool,
    /// The caller's span.
    pub span_id: Option<SpanId>,
    /// The span above it.
    pub parent_id: Option<SpanId>,
    /// Whether the caller records it.
    pub sampled: Option<bool>,
    /// Whether it is to be recorded for debugging (`b3`).
    pub debug: bool,
    /// Whether it came in one header `b3`.
    pub single: bool,
    /// Whether the caller made the span that the server takes over (B3).
    pub shared: bool,
}

/// What a look at headers found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No header of the format.
    Nothing,
    /// One that is wrong: it is to be ignored, and not passed on.
    Wrong,
    /// This.
    Found(Extracted),
}

/// What the upstream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The trace.
    pub trace_id: TraceId,
    /// How many bytes its id came with; `None` where it begins here.
    pub came_with: Option<u8>,
    /// The span that is to be the upstream's parent.
    pub span_id: SpanId,
    /// The span above that.
    pub parent_id: Option<SpanId>,
    /// Whether spans are recorded.
    pub sampled: bool,
    /// Whether for debugging.
    pub debug: bool,
}

fn trace(id: Option<u128>) -> Option<TraceId> {
    id.filter(|id| *id != 0).map(|id| TraceId(id.to_be_bytes()))
}

fn span(id: u128) -> Option<SpanId> {
    u64::try_from(id).ok().filter(|id| *id != 0).map(|id| SpanId(id.to_be_bytes()))
}

fn flag(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// A found context, or that it is wrong.
fn look(found: Option<Extracted>) -> Look {
    found.map_or(Look::Wrong, Look::Found)
}

impl Format {
    /// Its name, also in logs; the two of B3 have one.
    pub fn name(self) -> &'static str {
        match self {
            Self::B3 | Self::B3Single => "b3",
            Self::Jaeger => "jaeger",
            Self::Gcp => "gcp",
            Self::Ot => "ot",
            Self::W3c => "w3c",
            Self::Datadog => "datadog",
            Self::Aws => "aws",
        }
    }

    /// The headers that one reads.
    pub fn headers(self) -> &'static [&'static str] {
        match self {
            Self::B3 | Self::B3Single => {
                &["b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"]
            }
            Self::Jaeger => &["uber-trace-id"],
            Self::Gcp => &["x-cloud-trace-context"],
            Self::Ot => &["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"],
            Self::W3c => &["traceparent"],
            Self::Datadog => &["x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority"],
            Self::Aws => &["x-amzn-trace-id"],
        }
    }

    /// Looks for this format.
    pub fn extract(self, headers: &Headers) -> Look {
        match self {
            Self::B3 | Self::B3Single => b3(headers),
            Self::Jaeger => one(headers, "uber-trace-id", jaeger),
            Self::Gcp => one(headers, "x-cloud-trace-context", gcp),
            Self::Ot => ot(headers),
            Self::W3c => one(headers, "traceparent", w3c),
            Self::Datadog => datadog(headers),
            Self::Aws => one(headers, "x-amzn-trace-id", aws),
        }
    }

    /// Writes this format. What is told is the trace's id in it.
    pub fn inject(self, headers: &mut Headers, told: &Injected) -> String {
        let Injected { trace_id, span_id, parent_id, sampled, debug, came_with } = *told;
        let hex = trace_id.to_string();
        let digit = if sampled { "1" } else { "0" };
        let decimal_span = u64::from_be_bytes(span_id.0);
        match self {
            Self::W3c => {
                headers.set("traceparent", format!("00-{hex}-{span_id}-0{digit}"));
                hex
            }
            Self::B3 => {
                let id = sized(hex, came_with == Some(8));
                headers.set("x-b3-traceid", &id);
                headers.set("x-b3-spanid", span_id.to_string());
                match parent_id {
                    Some(parent) => drop(headers.set("x-b3-parentspanid", parent.to_string())),
                    None => drop(headers.remove("x-b3-parentspanid")),
                }
                let (said, unsaid) =
                    if debug { ("x-b3-flags", "x-b3-sampled") } else { ("x-b3-sampled", "x-b3-flags") };
                headers.set(said, if debug { "1" } else { digit });
                headers.remove(unsaid);
                id
            }
            Self::B3Single => {
                let id = sized(hex, came_with == Some(8));
                let parent = parent_id.map(|parent| format!("-{parent}")).unwrap_or_default();
                headers.set("b3", format!("{id}-{span_id}-{}{parent}", if debug { "d" } else { digit }));
                id
            }
            Self::Jaeger => {
                let id = sized(hex, came_with == Some(8));
                let parent = parent_id.map_or_else(|| "0".to_owned(), |parent| parent.to_string());
                headers.set("uber-trace-id", format!("{id}:{span_id}:{parent}:0{digit}"));
                id
            }
            Self::Ot => {
                let id = sized(hex, came_with != Some(16));
                headers.set("ot-tracer-traceid", &id);
                headers.set("ot-tracer-spanid", span_id.to_string());
                headers.set("ot-tracer-sampled", digit);
                id
            }
            Self::Datadog => {
                let id = (u128::from_be_bytes(trace_id.0) as u64).to_string();
                headers.set("x-datadog-trace-id", &id);
                headers.set("x-datadog-parent-id", decimal_span.to_string());
                headers.set("x-datadog-sampling-priority", digit);
                id
            }
            Self::Aws => {
                let id = format!("1-{}-{}", &hex[..8], &hex[8..]);
                headers.set("x-amzn-trace-id", format!("Root={id};Parent={span_id};Sampled={digit}"));
                id
            }
            Self::Gcp => {
                headers.set("x-cloud-trace-context", format!("{hex}/{decimal_span};o={digit}"));
                hex
            }
        }
    }
}

/// The last 16 digits, or all.
fn sized(hex: String, short: bool) -> String {
    if short { hex[16..].to_owned() } else { hex }
}

/// A format of one header; several lines of it are wrong.
fn one(headers: &Headers, name: &str, read: fn(&[u8]) -> Option<Extracted>) -> Look {
    let mut lines = headers.get_all(name);
    match (lines.next(), lines.next()) {
        (None, _) => Look::Nothing,
        (Some(line), None) => look(read(line)),
        (Some(_), Some(_)) => Look::Wrong,
    }
}

/// W3C Trace Context §3.2, version 00 alone.
fn w3c(line: &[u8]) -> Option<Extracted> {
    let parts: Vec<_> = line.split(|byte| *byte == b'-').collect();
    let [version, trace_id, span_id, flags] = parts.as_slice() else { return None };
    if *version != b"00" {
        return None;
    }
    let trace_id = trace(exact(trace_id, &[32]))?;
    let span_id = span(exact(span_id, &[16])?)?;
    let flags = exact(flags, &[2])?;
    Some(Extracted {
        trace_id: Some(trace_id),
        span_id: Some(span_id),
        sampled: Some(flags & 1 == 1),
        ..Extracted::default()
    })
}

fn b3(headers: &Headers) -> Look {
    if headers.contains("b3") {
        return one(headers, "b3", b3_single);
    }
    let state = headers.get_all("tracestate").flat_map(|line| line.split(|byte| *byte == b','));
    if let Some(member) = state.map(<[u8]>::trim_ascii).find_map(|member| member.strip_prefix(b"b3=")) {
        return look(b3_single(member));
    }
    let get = |name| headers.get(name);
    let (trace_id, span_id) = (get("x-b3-traceid"), get("x-b3-spanid"));
    let (parent_id, sampled, flags) = (get("x-b3-parentspanid"), get("x-b3-sampled"), get("x-b3-flags"));
    if [trace_id, span_id, parent_id, sampled, flags].iter().all(Option::is_none) {
        return Look::Nothing;
    }
    let debug = flags == Some(b"1");
    let mut found = Extracted {
        sampled: if debug { Some(true) } else { sampled.and_then(flag) },
        debug,
        shared: true,
        ..Extracted::default()
    };
    let id = |text: Option<&[u8]>| match text {
        None => Some(None),
        Some(text) => exact(text, &[16]).and_then(span).map(Some),
    };
    match (trace_id.map(|text| (trace(exact(text, &[16, 32])), text.len() == 16)), id(span_id), id(parent_id)) {
        (None, Some(None), Some(_)) if found.sampled.is_some() => {}
        (Some((Some(trace_id), short)), Some(span_id), Some(parent_id)) => {
            found = Extracted { trace_id: Some(trace_id), short, span_id, parent_id, ..found };
        }
        _ => return Look::Wrong,
    }
    Look::Found(found)
}

fn b3_single(line: &[u8]) -> Option<Extracted> {
    let decision = |text: &[u8]| match text {
        b"0" => Some((false, false)),
        b"1" => Some((true, false)),
        b"d" => Some((true, true)),
        _ => None,
    };
    let base = Extracted { single: true, shared: true, ..Extracted::default() };
    if let Some((sampled, debug)) = decision(line) {
        return Some(Extracted { sampled: Some(sampled), debug, ..base });
    }
    let mut parts = line.split(|byte| *byte == b'-');
    let text = parts.next()?;
    let trace_id = trace(exact(text, &[16, 32]))?;
    let span_id = span(exact(parts.next()?, &[16])?)?;
    let decided = parts.next().map(decision);
    let parent_id = parts.next().map(|text| exact(text, &[16]).and_then(span));
    if decided == Some(None) || parent_id == Some(None) || parts.next().is_some() {
        return None;
    }
    let decided = decided.flatten();
    Some(Extracted {
        trace_id: Some(trace_id),
        short: text.len() == 16,
        span_id: Some(span_id),
        parent_id: parent_id.flatten(),
        sampled: decided.map(|(sampled, _)| sampled),
        debug: decided.is_some_and(|(_, debug)| debug),
        ..base
    })
}

fn jaeger(line: &[u8]) -> Option<Extracted> {
    let line = exchange::form::decoded(line);
    let parts: Vec<_> = line.split(|byte| *byte == b':').collect();
    let [trace_id, span_id, parent_id, flags] = parts.as_slice() else { return None };
    let flags = number(flags, 2)?;
    Some(Extracted {
        trace_id: Some(trace(number(trace_id, 32))?),
        short: trace_id.len() <= 16,
        span_id: Some(span(number(span_id, 16)?)?),
        parent_id: span(number(parent_id, 16)?),
        sampled: Some(flags & 1 == 1),
        ..Extracted::default()
    })
}

fn ot(headers: &Headers) -> Look {
    let (trace_id, span_id) = (headers.get("ot-tracer-traceid"), headers.get("ot-tracer-spanid"));
    let sampled = headers.get("ot-tracer-sampled").and_then(flag);
    match (trace_id, span_id) {
        (None, None) if sampled.is_some() => Look::Found(Extracted { sampled, ..Extracted::default() }),
        (None, None) => Look::Nothing,
        (Some(trace_text), span_text) => {
            let span_id = span_text.map(|text| exact(text, &[16]).and_then(span));
            match (trace(exact(trace_text, &[16, 32])), span_id) {
                (None, _) | (_, Some(None)) => Look::Wrong,
                (trace_id, span_id) => Look::Found(Extracted {
                    trace_id,
                    short: trace_text.len() == 16,
                    span_id: span_id.flatten(),
                    sampled,
                    ..Extracted::default()
                }),
            }
        }
        (None, Some(_)) => Look::Wrong,
    }
}

fn datadog(headers: &Headers) -> Look {
    let trace_text = headers.get("x-datadog-trace-id");
    let span_text = headers.get("x-datadog-parent-id");
    let priority = headers.get_str("x-datadog-sampling-priority").and_then(|text| text.trim().parse::<i32>().ok());
    let sampled = priority.map(|priority| priority > 0);
    match (trace_text, span_text) {
        (None, None) if sampled.is_none() => Look::Nothing,
        (None, _) => match sampled {
            Some(_) => Look::Found(Extracted { sampled, ..Extracted::default() }),
            None => Look::Wrong,
        },
        (Some(text), span_text) => {
            let span_id = span_text.map(|text| decimal(text).and_then(|id| span(id.into())));
            match (trace(decimal(text).map(u128::from)), span_id) {
                (None, _) | (_, Some(None)) => Look::Wrong,
                (trace_id, span_id) => Look::Found(Extracted {
                    trace_id,
                    short: true,
                    span_id: span_id.flatten(),
                    sampled,
                    ..Extracted::default()
                }),
            }
        }
    }
}

fn aws(line: &[u8]) -> Option<Extracted> {
    let mut found = Extracted::default();
    for part in line.split(|byte| *byte == b';') {
        let (name, value) = part.split_at(part.iter().position(|byte| *byte == b'=')?);
        let value = value[1..].trim_ascii();
        match name.trim_ascii() {
            b"Root" => {
                let (begin, rest) = value.strip_prefix(b"1-")?.split_at_checked(8)?;
                let rest = rest.strip_prefix(b"-")?;
                let (begin, rest) = (exact(begin, &[8])?, exact(rest, &[24])?);
                found.trace_id = Some(trace(Some(begin << 96 | rest))?);
            }
            b"Parent" => found.span_id = Some(span(exact(value, &[16])?)?),
            b"Sampled" => found.sampled = Some(flag(value)?),
            _ => {}
        }
    }
    found.trace_id.is_some().then_some(found)
}

fn gcp(line: &[u8]) -> Option<Extracted> {
    let slash = line.iter().position(|byte| *byte == b'/')?;
    let rest = &line[slash + 1..];
    let (span_text, options) = match rest.iter().position(|byte| *byte == b';') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let sampled = match options {
        Some(options) => Some(flag(options.strip_prefix(b"o=")?)?),
        None => None,
    };
    Some(Extracted {
        trace_id: Some(trace(exact(&line[..slash], &[32]))?),
        span_id: Some(span(decimal(span_text)?.into())?),
        sampled,
        ..Extracted::default()
    })
}
