//! Zipkin's spans of a request, rendered from its timeline.

use super::zipkin::{Flavor, Place, SpanName, StaticTag};
use exchange::{Exchange, SpanId, Stamp, Version};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::UNIX_EPOCH;

/// What options say of spans.
pub(super) struct Facts {
    pub local_service: String,
    pub default_service: Option<String>,
    pub include_credential: bool,
    pub tags_header: String,
    pub static_tags: Vec<StaticTag>,
    pub span_name: SpanName,
    pub flavor: Flavor,
    pub node_id: String,
}

/// A phase: its letter in annotations, its name in tags, µs of begin and end.
type Phase = (char, &'static str, Option<(u32, u32)>);

struct Render<'a> {
    exchange: &'a Exchange,
    place: &'a Place,
    facts: &'a Facts,
    /// µs since 1970 of the timeline's start.
    origin: u64,
}

/// The spans, children first: one per try of the balancer, one of proxying, the request's own.
pub(super) fn spans(exchange: &Exchange, place: &Place, facts: &Facts) -> Vec<Value> {
    let since = exchange.timeline.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let origin = u64::try_from(since.as_micros()).unwrap_or_default();
    Render { exchange, place, facts, origin }.all()
}

impl Render<'_> {
    fn all(&self) -> Vec<Value> {
        let mut spans = Vec::with_capacity(self.exchange.timeline.tries.len() + 2);
        self.tries(&mut spans);
        spans.push(self.proxy());
        spans.push(self.request());
        spans
    }

    fn end(&self) -> u32 {
        self.exchange.timeline.at(Stamp::Finished).unwrap_or_else(|| self.exchange.timeline.now())
    }

    fn name(&self) -> String {
        let method = self.exchange.request.method_str();
        match self.facts.span_name {
            SpanName::Method => method.to_owned(),
            SpanName::MethodPath => format!("{method} {}", self.path()),
        }
    }

    /// The path as it was asked for.
    fn path(&self) -> String {
        let target = &self.exchange.request.target;
        let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        String::from_utf8_lossy(&target[..end]).into_owned()
    }

    /// What all spans have.
    fn span(
        &self,
        name: String,
        kind: &str,
        id: SpanId,
        parent: Option<SpanId>,
        (start, end): (u32, u32),
    ) -> Map<String, Value> {
        let mut span = Map::new();
        span.insert("traceId".into(), self.place.trace_text().into());
        span.insert("id".into(), id.to_string().into());
        if let Some(parent) = parent {
            span.insert("parentId".into(), parent.to_string().into());
        }
        span.insert("name".into(), name.into());
        span.insert("kind".into(), kind.into());
        span.insert("timestamp".into(), (self.origin + u64::from(start)).into());
        span.insert("duration".into(), end.saturating_sub(start).into());
        span.insert("localEndpoint".into(), json!({ "serviceName": self.facts.local_service }));
        span
    }

    fn service_name(&self) -> Option<&str> {
        let service = self.exchange.service.as_deref();
        service.and_then(|service| service.name.as_deref()).or(self.facts.default_service.as_deref())
    }

    /// Service and Route.
    fn entity_tags(&self, tags: &mut Map<String, Value>) {
        if let Some(service) = &self.exchange.service {
            tags.insert("kong.service".into(), service.id.to_string().into());
            if let Some(name) = &service.name {
                tags.insert("kong.service_name".into(), name.as_str().into());
            }
        }
        if let Some(route) = self.exchange.route_entity() {
            tags.insert("kong.route".into(), route.id.to_string().into());
            if let Some(name) = &route.name {
                tags.insert("kong.route_name".into(), name.as_str().into());
            }
        }
    }

    fn peer(&self) -> String {
        String::from_utf8_lossy(&self.exchange.forward.host).into_owned()
    }

    /// Times of phases, as the flavour has them.
    fn phases(&self, span: &mut Map<String, Value>, tags: &mut Map<String, Value>, phases: &[Phase]) {
        let mut annotations = Vec::new();
        for (letter, name, times) in phases {
            let Some((start, end)) = *times else { continue };
            match self.facts.flavor {
                Flavor::Annotations => {
                    for (at, edge) in [(start, 's'), (end, 'f')] {
                        let at = self.origin + u64::from(at);
                        annotations.push(json!({ "value": format!("k{letter}{edge}"), "timestamp": at }));
                    }
                }
                Flavor::Tags => {
                    let ms = f64::from(end.saturating_sub(start)) / 1000.0;
                    tags.insert(format!("kong.{name}.duration_ms"), ms.to_string().into());
                }
            }
        }
        if !annotations.is_empty() {
            span.insert("annotations".into(), annotations.into());
        }
    }

    fn tries(&self, spans: &mut Vec<Value>) {
        let tries = &self.exchange.timeline.tries;
        for (index, tried) in tries.iter().enumerate() {
            let next = tries.get(index + 1);
            let end = next.map_or_else(|| self.end_of_proxying(), |next| next.start);
            let name = format!("{} (balancer try {})", self.name(), index + 1);
            let times = (tried.start, end);
            let mut span = self.span(name, "CLIENT", SpanId::fresh(), Some(self.place.span_id), times);
            let mut tags = Map::new();
            tags.insert("kong.balancer.try".into(), (index + 1).to_string().into());
            // That the last one failed is known to the request's own span.
            if let Some(error) = tried.error.filter(|_| next.is_some()) {
                tags.insert("error".into(), "true".into());
                tags.insert("kong.balancer.state".into(), "failed".into());
                tags.insert("http.status_code".into(), if error.is_timeout() { "504" } else { "502" }.into());
            }
            tags.insert("peer.hostname".into(), self.peer().into());
            self.entity_tags(&mut tags);
            span.insert("remoteEndpoint".into(), remote(self.service_name(), Some(tried.address)));
            span.insert("tags".into(), tags.into());
            spans.push(span.into());
        }
    }

    fn end_of_proxying(&self) -> u32 {
        self.exchange.timeline.at(Stamp::Received).unwrap_or_else(|| self.end())
    }

    fn proxy(&self) -> Value {
        let timeline = &self.exchange.timeline;
        let (routed, accessed, headed) =
            (timeline.at(Stamp::Routed), timeline.at(Stamp::Accessed), timeline.at(Stamp::Headed));
        let start = routed.unwrap_or(0);
        let name = format!("{} (proxy)", self.name());
        let times = (start, self.end_of_proxying());
        let mut span = self.span(name, "CLIENT", self.place.proxy_id, Some(self.place.span_id), times);
        let mut tags = Map::new();
        let answered = timeline.at(Stamp::Answered).or(accessed).or(routed);
        let phases: [Phase; 3] = [
            ('a', "access", routed.zip(accessed)),
            ('h', "header_filter", answered.zip(headed)),
            ('b', "body_filter", headed.map(|headed| (headed, self.end()))),
        ];
        self.phases(&mut span, &mut tags, &phases);
        self.entity_tags(&mut tags);
        if self.exchange.upstream_address.is_some() {
            tags.insert("peer.hostname".into(), self.peer().into());
        }
        let address = self.exchange.upstream_address;
        if self.service_name().is_some() || address.is_some() {
            span.insert("remoteEndpoint".into(), remote(self.service_name(), address));
        }
        span.insert("tags".into(), tags.into());
        span.into()
    }

    fn request(&self) -> Value {
        let (exchange, facts) = (self.exchange, self.facts);
        let request = &exchange.request;
        let times = (0, self.end());
        let mut span = self.span(self.name(), "SERVER", self.place.span_id, self.place.parent_id, times);
        let mut tags = Map::new();
        let version = match request.version {
            Version::Http2 => "2",
            other => other.as_str(),
        };
        for (name, value) in [
            ("lc", "kong".to_owned()),
            ("http.method", request.method_str().to_owned()),
            ("http.host", String::from_utf8_lossy(&request.host).into_owned()),
            ("http.path", self.path()),
            ("http.protocol", format!("HTTP/{version}")),
            ("http.status_code", exchange.response.status.to_string()),
            ("kong.node.id", facts.node_id.clone()),
        ] {
            tags.insert(name.into(), value.into());
        }
        if let Some(consumer) = &exchange.identity.consumer {
            tags.insert("kong.consumer".into(), consumer.id.to_string().into());
        }
        if let Some(credential) = exchange.identity.credential.as_ref().filter(|_| facts.include_credential) {
            tags.insert("kong.credential".into(), credential.id.to_string().into());
        }
        for tag in &facts.static_tags {
            tags.insert(tag.name.clone(), tag.value.as_str().into());
        }
        let given = request.headers.get(&facts.tags_header).map(String::from_utf8_lossy);
        for pair in given.as_deref().unwrap_or_default().split(';') {
            if let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.trim().is_empty()) {
                tags.insert(name.trim().to_owned(), value.trim().into());
            }
        }
        let routed = exchange.timeline.at(Stamp::Routed);
        self.phases(&mut span, &mut tags, &[('r', "rewrite", Some((0, routed.unwrap_or(0))))]);
        let client = request.client_ip.map(|ip| SocketAddr::new(ip, request.client_port));
        span.insert("remoteEndpoint".into(), remote(facts.default_service.as_deref(), client));
        span.insert("tags".into(), tags.into());
        span.into()
    }
}

fn remote(name: Option<&str>, address: Option<SocketAddr>) -> Value {
    let mut endpoint = Map::new();
    if let Some(name) = name {
        endpoint.insert("serviceName".into(), name.into());
    }
    if let Some(address) = address {
        let key = match address.ip() {
            IpAddr::V4(_) => "ipv4",
            IpAddr::V6(_) => "ipv6",
        };
        endpoint.insert(key.into(), address.ip().to_string().into());
        endpoint.insert("port".into(), address.port().into());
    }
    endpoint.into()
}
