//! From a timeline to a tree of spans.

use super::Kinds;
use super::span::{Attributes, Event, Kind, Span, Status, Value};
use exchange::{Exchange, SpanId, Stamp, TraceContext, Try, TryError, Version};
use std::borrow::Cow;
use std::time::UNIX_EPOCH;

/// Turns µs of a timeline into spans of its trace.
struct Tree<'a> {
    exchange: &'a Exchange,
    trace: &'a TraceContext,
    /// ns since 1970 at which the timeline starts.
    origin: u64,
    spans: Vec<Span>,
}

/// The spans of a finished Exchange: the request's own first, then its parts.
pub fn render(exchange: &Exchange, trace: &TraceContext, kinds: Kinds) -> Vec<Span> {
    let since = exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let origin = u64::try_from(since.as_nanos()).unwrap_or_default();
    let parts = 2
        + exchange.timeline.tries.len() * 4
        + exchange.timeline.calls.len()
        + exchange.timeline.looks.len()
        + exchange.timeline.asked.len();
    let mut tree = Tree { exchange, trace, origin, spans: Vec::with_capacity(parts) };
    tree.request();
    if kinds.any(Kinds::ROUTER) {
        tree.routing();
    }
    tree.plugins(kinds);
    tree.sections();
    if kinds.any(Kinds::DNS_QUERY) {
        tree.looks();
    }
    if kinds.any(Kinds::HTTP_CLIENT) {
        tree.asked();
    }
    if kinds.any(Kinds::BALANCER) {
        tree.tries();
    }
    tree.spans
}

impl Tree<'_> {
    fn open(&mut self, name: impl Into<Cow<'static, str>>, kind: Kind, start: u32, end: u32) -> &mut Span {
        self.child(name, kind, self.trace.span_id, start, end)
    }

    fn child(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        parent: SpanId,
        start: u32,
        end: u32,
    ) -> &mut Span {
        self.spans.push(Span {
            trace_id: self.trace.trace_id,
            span_id: SpanId::fresh(),
            parent: Some(parent),
            remote_parent: false,
            name: name.into(),
            kind,
            start: self.origin + u64::from(start) * 1000,
            end: self.origin + u64::from(end.max(start)) * 1000,
            attributes: Vec::new(),
            events: Vec::new(),
            status: Status::Unset,
        });
        let last = self.spans.len() - 1;
        &mut self.spans[last]
    }

    fn end(&self) -> u32 {
        self.exchange.timeline.at(Stamp::Finished).unwrap_or_else(|| self.exchange.timeline.now())
    }

    /// The root, with Kong's attributes and those of the HTTP semantic conventions.
    fn request(&mut self) {
        let exchange = self.exchange;
        let (request, trace, end) = (&exchange.request, self.trace, self.end());
        let span = self.open("kong", Kind::Server, 0, end);
        span.span_id = trace.span_id;
        span.parent = trace.parent;
        span.remote_parent = trace.parent.is_some();
        span.attributes.reserve(32);
        let scheme = request.scheme.as_str();
        let method = Value::lossy(&request.method);
        let host = Value::lossy(&request.host);
        let flavor = flavor(request.version);
        let mut url = Vec::with_capacity(scheme.len() + 3 + request.host.len() + request.target.len());
        url.extend_from_slice(scheme.as_bytes());
        url.extend_from_slice(b"://");
        url.extend_from_slice(&request.host);
        url.extend_from_slice(&request.target);
        let client = request.client_ip().to_string();
        span.set("http.method", method.clone());
        span.set("http.url", Value::lossy(&url));
        span.set("http.host", host.clone());
        span.set("http.scheme", scheme);
        span.set("http.flavor", flavor);
        span.set("http.client_ip", client.clone());
        if let Some(peer) = request.peer {
            span.set("net.peer.ip", peer.ip().to_string());
        }
        span.set("kong.request.id", exchange.id.as_str().to_owned());
        let status = exchange.response.status;
        span.set("http.status_code", status);
        let route = exchange.route_entity();
        let path = route.and_then(|route| route.paths.as_ref()?.iter().next().cloned()).unwrap_or_default();
        span.set("http.route", path);
        span.set("http.request.method", method);
        span.set("url.scheme", scheme);
        let target = &request.target;
        let question = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        span.set("url.path", Value::lossy(&target[..question]));
        if let Some(query) = &request.query {
            span.set("url.query", Value::lossy(query));
        }
        span.set("server.address", host);
        span.set("server.port", request.host_port.unwrap_or(request.port));
        span.set("client.address", client);
        span.set("network.protocol.version", if flavor == "2.0" { "2" } else { flavor });
        if let Some(agent) = request.headers.get("user-agent") {
            span.set("user_agent.original", Value::lossy(agent));
        }
        if status != 0 {
            span.set("http.response.status_code", status);
        }
        if let Some(route) = route {
            span.set("kong.route", route.id.to_string());
            if let Some(name) = &route.name {
                span.set("kong.route_name", name.clone());
            }
        }
        if let Some(service) = &exchange.service {
            span.set("kong.service", service.id.to_string());
            if let Some(name) = &service.name {
                span.set("kong.service_name", name.clone());
            }
        }
        if let Some(consumer) = &exchange.identity.consumer {
            span.set("kong.consumer", consumer.id.to_string());
            if let Some(name) = &consumer.username {
                span.set("kong.consumer_name", name.to_string());
            }
        }
        if status >= 500 {
            span.status = Status::Error(Cow::Borrowed(""));
            span.set("error.type", status.to_string());
        }
    }

    fn routing(&mut self) {
        let timeline = &self.exchange.timeline;
        let Some(end) = timeline.at(Stamp::Routed) else { return };
        let rewritten = timeline.calls.iter().filter(|call| call.phase == "rewrite").map(|call| call.end).max();
        let start = timeline.at(Stamp::Parsed).max(rewritten).unwrap_or(0).min(end);
        let found = self.exchange.route.is_some();
        let span = self.open("kong.router", Kind::Internal, start, end);
        if !found {
            span.status = Status::Error(Cow::Borrowed("no Route matched"));
        }
    }

    fn plugins(&mut self, kinds: Kinds) {
        let exchange = self.exchange;
        for call in &exchange.timeline.calls {
            let kind = match call.phase {
                "rewrite" => Kinds::PLUGIN_REWRITE,
                "access" => Kinds::PLUGIN_ACCESS,
                "header_filter" => Kinds::PLUGIN_HEADER_FILTER,
                _ => continue,
            };
            if kinds.any(kind) {
                let name = format!("kong.{}.plugin.{}", call.phase, call.plugin);
                self.open(name, Kind::Internal, call.start, call.end);
            }
        }
    }

    /// What plugins measured themselves.
    fn sections(&mut self) {
        for section in &self.exchange.timeline.sections {
            let values = |of: &serde_json::Map<String, serde_json::Value>| -> Attributes {
                of.iter().filter_map(|(name, value)| Some((name.clone().into(), Value::of_json(value)?))).collect()
            };
            let events = section.events.iter();
            self.spans.push(Span {
                trace_id: self.trace.trace_id,
                span_id: section.id,
                parent: Some(section.parent.unwrap_or(self.trace.span_id)),
                remote_parent: false,
                name: section.name.to_string().into(),
                kind: Kind::of_number(section.kind),
                start: section.start,
                end: section.end.max(section.start),
                attributes: values(&section.attributes),
                events: events
                    .map(|(name, at, known)| Event {
                        name: name.to_string().into(),
                        at: *at,
                        attributes: values(known),
                    })
                    .collect(),
                status: match section.status {
                    1 => Status::Ok,
                    2 => Status::Error(Cow::Borrowed("")),
                    _ => Status::Unset,
                },
            });
        }
    }

    fn looks(&mut self) {
        let exchange = self.exchange;
        for look in &exchange.timeline.looks {
            let span = self.open("kong.dns", Kind::Client, look.start, look.end);
            span.set("dns.record.domain", look.name.to_string());
            span.set("dns.record.port", look.port);
            match &look.result {
                Ok(ip) => span.set("dns.record.ip", ip.to_string()),
                Err(reason) => span.record_error(reason.to_string()),
            }
        }
    }

    fn asked(&mut self) {
        let exchange = self.exchange;
        for asked in &exchange.timeline.asked {
            let span = self.open("kong.internal.request", Kind::Client, asked.start, asked.end);
            span.set("http.method", asked.method.to_string());
            span.set("http.request.method", asked.method.to_string());
            span.set("http.url", asked.url.to_string());
            span.set("url.full", asked.url.to_string());
            match &asked.result {
                Ok(status) => {
                    span.set("http.status_code", *status);
                    span.set("http.response.status_code", *status);
                }
                Err(reason) => span.record_error(reason.to_string()),
            }
        }
    }

    fn tries(&mut self) {
        let exchange = self.exchange;
        let tries = &exchange.timeline.tries;
        for (index, tried) in tries.iter().enumerate() {
            let next = tries.get(index + 1);
            let end = match next {
                Some(next) => next.start,
                None => self.end_of_last(tried),
            };
            let name = Value::lossy(&exchange.forward.host);
            let id = if next.is_none() { self.trace.upstream } else { SpanId::fresh() };
            let upstream_status = exchange.response.upstream_status;
            let span = self.open("kong.balancer", Kind::Client, tried.start, end);
            span.span_id = id;
            span.set("try_count", index as i64 + 1);
            span.set("net.peer.ip", tried.address.ip().to_string());
            span.set("net.peer.port", tried.address.port());
            span.set("net.peer.name", name);
            if let Some(error) = tried.error {
                span.set("http.status_code", if error.is_timeout() { 504u16 } else { 502 });
                span.record_error(reason(error));
            } else if upstream_status != 0 {
                span.set("http.status_code", upstream_status);
            }
            self.parts(tried, id, next.is_none());
        }
    }

    /// The last try ends with the upstream's last byte; where it failed, when the failure was known.
    fn end_of_last(&self, tried: &Try) -> u32 {
        let timeline = &self.exchange.timeline;
        let connecting = matches!(tried.error, Some(TryError::Connect | TryError::ConnectTimeout | TryError::Tls));
        if connecting {
            return tried.start + tried.connect;
        }
        let stamps: &[Stamp] =
            if tried.error.is_some() { &[Stamp::Answered, Stamp::Headed] } else { &[Stamp::Received, Stamp::Headed] };
        stamps.iter().find_map(|stamp| timeline.at(*stamp)).unwrap_or_else(|| self.end())
    }

    /// What a try consists of: connecting, TLS, sending, waiting, receiving.
    fn parts(&mut self, tried: &Try, parent: SpanId, last: bool) {
        let timeline = &self.exchange.timeline;
        let connected = tried.start + tried.connect;
        let secured = connected - tried.tls.min(tried.connect);
        let (sent, answered, received) =
            (timeline.at(Stamp::Sent), timeline.at(Stamp::Answered), timeline.at(Stamp::Received));
        if !tried.pooled {
            let failed = matches!(tried.error, Some(TryError::Connect | TryError::ConnectTimeout));
            let span = self.child("silverback.connect", Kind::Internal, parent, tried.start, secured);
            if failed {
                span.status = Status::Error(Cow::Borrowed(""));
            }
        }
        if tried.tls > 0 {
            let failed = tried.error == Some(TryError::Tls);
            let span = self.child("silverback.tls", Kind::Internal, parent, secured, connected);
            if failed {
                span.status = Status::Error(Cow::Borrowed(""));
            }
        }
        // The stamps are those of the first time; after a retry they may belong to a try before this one.
        let Some(answered) = answered.filter(|answered| last && *answered >= connected) else { return };
        let sent = sent.filter(|sent| (connected..=answered).contains(sent));
        if let Some(sent) = sent {
            self.child("silverback.send", Kind::Internal, parent, connected, sent);
        }
        self.child("silverback.wait", Kind::Internal, parent, sent.unwrap_or(connected), answered);
        if let Some(received) = received.filter(|received| *received >= answered) {
            self.child("silverback.receive", Kind::Internal, parent, answered, received);
        }
    }
}

fn flavor(version: Version) -> &'static str {
    match version {
        Version::Http2 => "2.0",
        other => other.as_str(),
    }
}

fn reason(error: TryError) -> &'static str {
    match error {
        TryError::Connect => "no connection",
        TryError::ConnectTimeout => "no connection in time",
        TryError::Tls => "the TLS handshake failed",
        TryError::Send => "sending failed",
        TryError::Closed => "the connection ended before a whole head",
        TryError::ReadTimeout => "no head in time",
        TryError::Malformed => "what came is no HTTP",
    }
}
