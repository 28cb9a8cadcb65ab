//! Requests that are kept whole: what was asked, what came of it, and what took how long.

use crate::figures::Measure;
use exchange::mask::{MASK, Masks};
use exchange::{Exchange, Headers, Source, SpanId, Stamp, TraceContext, TraceId};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::UNIX_EPOCH;
use telemetry::Kinds;
use telemetry::trace::{Status, render};
use uuid::Uuid;

/// Header lines that are kept, the longest value, and the longest other text, in bytes.
const LINES: usize = 64;
const VALUE: usize = 256;
const TEXT: usize = 1024;
/// Spans that are kept.
const SPANS: usize = 128;

/// Why a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It failed.
    Failed,
    /// It took much longer than usual.
    Slow,
    /// It was taken blindly.
    Sampled,
}

impl Kept {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Sampled => "sampled",
        }
    }
}

/// A part of a request's time; µs after its start.
#[derive(Clone, Debug)]
struct Part {
    name: Box<str>,
    kind: &'static str,
    phase: Option<&'static str>,
    start: u32,
    duration: u32,
    parent: Option<u16>,
    error: Option<Box<str>>,
    attributes: Map<String, Value>,
}

/// A request that is over.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its id, 32 hexadecimal digits.
    pub id: Box<str>,
    /// The distributed trace it belongs to.
    pub trace_id: Option<Box<str>>,
    /// When it began, seconds since 1970.
    pub at: f64,
    /// What it took.
    pub measure: Measure,
    /// Why it is kept.
    pub kept: Kept,
    /// Its workspace.
    pub workspace: Uuid,
    /// The Route it matched.
    pub route: Option<Uuid>,
    /// The Service.
    pub service: Option<Uuid>,
    /// The Consumer.
    pub consumer: Option<Uuid>,
    /// Its method.
    pub method: Box<str>,
    /// Its path as received, without the query.
    pub path: Box<str>,
    /// The header lines, secrets masked.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The query, secrets masked.
    pub query: Option<Box<str>>,
    /// The host, as sent.
    pub host: Box<str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The port it came in by.
    pub port: u16,
    /// The server name of its TLS handshake.
    pub sni: Option<Box<str>>,
    /// The client.
    pub client: SocketAddr,
    upstream_status: u16,
    target: Option<SocketAddr>,
    tries: usize,
    version: &'static str,
    request_bytes: u64,
    response_bytes: u64,
    source: &'static str,
    response_headers: Vec<(Box<str>, Box<str>)>,
    detail: bool,
    parts: Vec<Part>,
}

impl Trace {
    pub(crate) fn of(exchange: &Exchange, measure: &Measure, kept: Kept, masks: &Masks) -> Self {
        let (request, response, timeline) = (&exchange.request, &exchange.response, &exchange.timeline);
        let question = request.target.iter().position(|byte| *byte == b'?').unwrap_or(request.target.len());
        let client = SocketAddr::new(request.client_ip.unwrap_or(IpAddr::from([0, 0, 0, 0])), request.client_port);
        let source = match response.source {
            Source::Service if measure.status >= 100 => "service",
            Source::Exit | Source::Error => "kong",
            Source::Service => "none",
        };
        Self {
            id: exchange.id.as_str().into(),
            trace_id: exchange.trace.as_ref().map(|trace| trace.trace_id.hex().into()),
            at: timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            measure: *measure,
            kept,
            workspace: exchange.workspace,
            route: exchange.route.as_ref().map(|route| route.id),
            service: exchange.service.as_ref().map(|service| service.id),
            consumer: exchange.identity.consumer.as_ref().map(|consumer| consumer.id),
            method: text(&request.method, TEXT),
            path: text(&request.target[..question], TEXT),
            headers: lines(&request.headers, masks),
            query: request.query.as_deref().map(|query| text(&masks.query(query), TEXT)),
            host: text(&request.host, VALUE),
            scheme: request.scheme.as_str(),
            port: request.port,
            sni: request.sni().map(|sni| text(sni.as_bytes(), VALUE)),
            client,
            upstream_status: response.upstream_status,
            target: exchange.upstream_address,
            tries: timeline.tries.len(),
            version: request.version.as_str(),
            request_bytes: request.body_bytes,
            response_bytes: response.body_sent,
            source,
            response_headers: lines(&response.headers, masks),
            detail: timeline.detail,
            parts: parts(exchange, measure),
        }
    }

    /// Bytes it holds, near enough.
    pub fn bytes(&self) -> usize {
        let lines = self.headers.iter().chain(&self.response_headers);
        let texts = [&self.id, &self.method, &self.path, &self.host].iter().map(|text| text.len()).sum::<usize>();
        let optional = self.query.iter().chain(&self.sni).chain(&self.trace_id).map(|text| text.len()).sum::<usize>();
        let parts = self.parts.iter().map(|part| {
            let error = part.error.as_ref().map_or(0, |error| error.len());
            size_of::<Part>() + part.name.len() + error + part.attributes.len() * 128
        });
        size_of::<Self>()
            + texts
            + optional
            + lines.map(|(name, value)| 32 + name.len() + value.len()).sum::<usize>()
            + parts.sum::<usize>()
    }

    /// What lists show. `named` tells how a Route, a Service or a Consumer is shown.
    pub fn summary(&self, named: &dyn Fn(&'static str, Uuid) -> Value) -> Map<String, Value> {
        let entity = |kind: &'static str, id: Option<Uuid>| id.map_or(Value::Null, |id| named(kind, id));
        let Value::Object(members) = json!({
            "id": self.id,
            "trace_id": self.trace_id,
            "at": (self.at * 1000.0).round() / 1000.0,
            "duration": ms(self.measure.total.into()),
            "upstream": self.measure.upstream.map(|upstream| ms(upstream.into())),
            "gateway": ms(self.measure.gateway.into()),
            "status": self.measure.status,
            "upstream_status": Some(self.upstream_status).filter(|status| *status != 0),
            "method": self.method,
            "scheme": self.scheme,
            "host": self.host,
            "path": self.path,
            "client_ip": self.client.ip().to_string(),
            "route": entity("routes", self.route),
            "service": entity("services", self.service),
            "consumer": entity("consumers", self.consumer),
            "target": self.target.map(|target| target.to_string()),
            "tries": self.tries,
            "kept": self.kept.as_str(),
        }) else {
            return Map::new();
        };
        members
    }

    /// All of it, but the explanation of its Route.
    pub fn whole(&self, named: &dyn Fn(&'static str, Uuid) -> Value) -> Map<String, Value> {
        let mut members = self.summary(named);
        let spans: Vec<Value> = self
            .parts
            .iter()
            .map(|part| {
                let mut span = json!({
                    "name": part.name,
                    "kind": part.kind,
                    "start": ms(part.start.into()),
                    "duration": ms(part.duration.into()),
                    "parent": part.parent,
                    "error": part.error,
                    "attributes": part.attributes,
                });
                if let Some(phase) = part.phase {
                    span["phase"] = phase.into();
                }
                span
            })
            .collect();
        members.insert(
            "request".into(),
            json!({
                "version": self.version,
                "port": self.port,
                "sni": self.sni,
                "query": self.query,
                "headers": self.headers,
                "body_bytes": self.request_bytes,
            }),
        );
        members.insert(
            "response".into(),
            json!({"source": self.source, "headers": self.response_headers, "body_bytes": self.response_bytes}),
        );
        members.insert("detail".into(), self.detail.into());
        members.insert("spans".into(), spans.into());
        members
    }
}

/// µs as ms.
pub(crate) fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn text(bytes: &[u8], most: usize) -> Box<str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into()
}

fn lines(headers: &Headers, masks: &Masks) -> Vec<(Box<str>, Box<str>)> {
    let shown = |(name, value): (&[u8], &[u8])| {
        let hidden = masks.hides_header(name);
        // Addresses of pages may carry a query of their own.
        let is_address = name.eq_ignore_ascii_case(b"referer") || name.eq_ignore_ascii_case(b"location");
        let value = match (hidden, is_address) {
            (true, _) => MASK.into(),
            (false, true) => text(&masks.target(value), VALUE),
            (false, false) => text(value, VALUE),
        };
        (text(&name.to_ascii_lowercase(), VALUE), value)
    };
    headers.iter().take(LINES).map(shown).collect()
}

/// What took how long: the spans that an export would show, and what the stamps tell beside them.
fn parts(exchange: &Exchange, measure: &Measure) -> Vec<Part> {
    let timeline = &exchange.timeline;
    let own = TraceContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId::fresh(),
        parent: None,
        upstream: SpanId::fresh(),
        sampled: true,
        propagated: false,
    };
    let context = exchange.trace.unwrap_or(own);
    let wall = timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let origin = u64::try_from(wall.as_nanos()).unwrap_or_default();
    let micros = |nanos: u64| u32::try_from(nanos.saturating_sub(origin) / 1000).unwrap_or(u32::MAX);
    let spans = render(exchange, &context, Kinds::ALL);
    let mut parts: Vec<(SpanId, Option<SpanId>, Part)> = spans
        .iter()
        .take(SPANS)
        .map(|span| {
            let (kind, phase, name) = kind_of(&span.name);
            let attributes = match kind {
                // What the request is, is told beside; what plugins note may be secret.
                "request" | "section" => Map::new(),
                _ => span.attributes.iter().map(|(name, value)| (short(name).to_owned(), shown(value))).collect(),
            };
            let error = match &span.status {
                Status::Error(reason) if reason.is_empty() => Some("failed".into()),
                Status::Error(reason) => Some(reason.as_ref().into()),
                _ => None,
            };
            let (start, end) = (micros(span.start), micros(span.end));
            let part = Part {
                name: name.into(),
                kind,
                phase,
                start,
                duration: end.saturating_sub(start),
                parent: None,
                error,
                attributes,
            };
            (span.span_id, span.parent.filter(|_| kind != "request"), part)
        })
        .collect();
    let mut add = |name: &str, kind: &'static str, from: Option<u32>, to: Option<u32>| {
        let (Some(from), Some(to)) = (from, to) else { return };
        let part = Part {
            name: name.into(),
            kind,
            phase: None,
            start: from,
            duration: to.saturating_sub(from),
            parent: None,
            error: None,
            attributes: Map::new(),
        };
        parts.push((SpanId::fresh(), Some(context.span_id), part));
    };
    add("read the head", "read", Some(0), timeline.at(Stamp::Parsed));
    if timeline.calls.is_empty() {
        add("plugins", "plugins", timeline.at(Stamp::Routed), timeline.at(Stamp::Accessed));
    }
    if let Some((_, _, first)) = parts.first_mut() {
        first.duration = measure.total;
    }
    // A parent begins with its first part, and lasts longer.
    parts.sort_by_key(|(_, parent, part)| (part.start, parent.is_some(), u32::MAX - part.duration));
    let places: Vec<SpanId> = parts.iter().map(|(id, ..)| *id).collect();
    let place = |id: SpanId| places.iter().position(|known| *known == id).and_then(|at| u16::try_from(at).ok());
    parts.into_iter().map(|(_, parent, part)| Part { parent: parent.and_then(place), ..part }).collect()
}

/// Kind, phase and name of a span by the name it is exported with.
fn kind_of(name: &str) -> (&'static str, Option<&'static str>, &str) {
    let plain = match name {
        "kong" => Some("request"),
        "kong.router" => Some("route"),
        "kong.dns" => Some("dns"),
        "kong.balancer" => Some("try"),
        "silverback.connect" => Some("connect"),
        "silverback.tls" => Some("tls"),
        "silverback.send" => Some("send"),
        "silverback.wait" => Some("wait"),
        "silverback.receive" => Some("receive"),
        _ => None,
    };
    if let Some(kind) = plain {
        return (kind, None, kind);
    }
    for phase in ["rewrite", "access", "header_filter", "body_filter"] {
        let plugin = name.strip_prefix("kong.").and_then(|rest| rest.strip_prefix(phase)?.strip_prefix(".plugin."));
        if let Some(plugin) = plugin {
            return ("plugin", Some(phase), plugin);
        }
    }
    ("section", None, name)
}

/// Names of attributes without what they have in common.
fn short(name: &str) -> &str {
    match name {
        "try_count" => "try",
        "net.peer.ip" => "address",
        "net.peer.port" => "port",
        "net.peer.name" => "name",
        "http.status_code" => "status",
        other => other,
    }
}

fn shown(value: &telemetry::trace::Value) -> Value {
    use telemetry::trace::Value as Given;
    match value {
        Given::Text(text) => Value::from(&**text),
        Given::Int(number) => (*number).into(),
        Given::Double(number) => (*number).into(),
        Given::Bool(is) => (*is).into(),
        Given::List(items) => items.iter().map(shown).collect(),
    }
}
