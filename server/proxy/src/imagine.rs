//! What would become of a request, told by what would serve it: the parser of heads, the router of a Snapshot, and what
//! follows from the Route. Nothing is sent.

use crate::h1::head;
use crate::h1::target;
use crate::life::routed;
use crate::targets::Targets;
use exchange::answer::default_message;
use exchange::{Answer, AnswerBody, Exchange, Request, Scheme, Timeline, TlsSession, Version};
use router::explain::{Criterion, explain};
use snapshot::{CompiledRoute, CompiledUpstream, Snapshot};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A request that nobody has sent.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// Its method.
    pub method: String,
    /// Whether it comes over TLS.
    pub scheme: Scheme,
    /// Whether it is gRPC over HTTP/2.
    pub grpc: bool,
    /// Its `Host`; without one it is of HTTP/1.0.
    pub host: Option<String>,
    /// Path and query, as in a request line.
    pub target: String,
    /// Header lines beside `Host`.
    pub headers: Vec<(String, String)>,
    /// The server name of its TLS handshake.
    pub sni: Option<String>,
    /// The client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
}

/// Why a request cannot even be imagined: what is wrong with it, as the parser of heads says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRequest(String);

/// A Route that is not the one, with its criteria.
pub struct Near {
    /// Its place among the Snapshot's Routes.
    pub route: usize,
    /// Its fields, held against the request.
    pub criteria: Vec<Criterion>,
}

impl Near {
    /// The first criterion for which it was not taken; `None` where the order of Routes decided.
    pub fn failed(&self) -> Option<&Criterion> {
        self.criteria.iter().find(|criterion| criterion.decides && !criterion.held)
    }
}

/// Where a request would go on to.
pub struct Onward {
    /// Scheme, host, port, path and query.
    pub url: String,
    /// The `Host` it would carry; `None` where the chosen Target's name says it.
    pub host_header: Option<String>,
    /// The Upstream its host names.
    pub upstream: Option<Arc<CompiledUpstream>>,
    /// Addresses that would be asked, as far as they are known.
    pub targets: Vec<SocketAddr>,
}

impl Imagined {
    /// The request, read as if it had been received.
    ///
    /// # Errors
    /// Where it would be refused before it is routed.
    pub fn exchange(&self, snapshot: &Arc<Snapshot>) -> Result<Exchange, NoRequest> {
        let clean = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
        let lines = self.headers.iter().flat_map(|(name, value)| [name, value]);
        if ![&self.method, &self.target].into_iter().chain(&self.host).chain(lines).all(|text| clean(text)) {
            return Err(NoRequest("there are control characters in it".into()));
        }
        let version = if self.host.is_some() { "HTTP/1.1" } else { "HTTP/1.0" };
        let mut text = format!("{} {} {version}\r\n", self.method, self.target);
        if let Some(host) = &self.host {
            text.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let typed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if self.grpc && !typed {
            text.push_str("Content-Type: application/grpc\r\n");
        }
        text.push_str("\r\n");
        let mut request = Request::default();
        let refused = |refusal: crate::h1::refusal::Refusal| NoRequest(refusal.to_string());
        head::parse(text.as_bytes(), &mut request).map_err(refused)?;
        target::normalize(&mut request).map_err(refused)?;
        if self.grpc {
            request.version = Version::Http2;
        }
        request.scheme = self.scheme;
        request.peer = Some(self.source);
        request.client_ip = Some(self.source.ip());
        request.client_port = self.source.port();
        request.local = Some(self.destination);
        request.port = self.destination.port();
        if self.scheme == Scheme::Https {
            let sni = self.sni.as_deref().map(Arc::from);
            request.tls = Some(Arc::new(TlsSession { sni, ..TlsSession::default() }));
        }
        Ok(Exchange::new(request, Timeline::default(), snapshot.clone()))
    }
}

/// Routes a request: fills in what follows from the Route, and tells what is answered without asking an upstream (plugins
/// apart).
pub fn route<'s>(exchange: &mut Exchange, snapshot: &'s Snapshot) -> (Option<&'s CompiledRoute>, Option<Answer>) {
    let Some(found) = routed::find(exchange, snapshot) else {
        return (None, Some(routed::nothing()));
    };
    let answer = routed::refuse(found, exchange).or_else(|| found.service.is_none().then(routed::no_service));
    (Some(found), answer)
}

/// The fields of a Route of a Snapshot, held against a request.
pub fn criteria(snapshot: &Snapshot, route: &CompiledRoute, request: &Request) -> Vec<Criterion> {
    explain(snapshot.router().flavor(), &route.entity.definition(), request)
}

/// The Routes that were nearest to a request, nearest first: those that fail by the least, and of these those that hold by
/// the most. Routes of which nothing holds are near only where their path begins like the request's.
pub fn near(
    snapshot: &Snapshot,
    matched: Option<&CompiledRoute>,
    request: &Request,
    most: usize,
    shown: impl Fn(&CompiledRoute) -> bool,
) -> Vec<Near> {
    let mut found: Vec<((usize, usize, usize), Near)> = Vec::new();
    for (number, route) in snapshot.routes().iter().enumerate() {
        if matched.is_some_and(|matched| matched.entity.id == route.entity.id) || !shown(route) || most == 0 {
            continue;
        }
        let criteria = criteria(snapshot, route, request);
        let failed = criteria.iter().filter(|criterion| criterion.decides && !criterion.held).count();
        let held = criteria.iter().skip(1).filter(|criterion| criterion.held).count();
        let alike = alike(route, request);
        if held == 0 && alike < 2 {
            continue;
        }
        found.push(((failed, usize::MAX - held, usize::MAX - alike), Near { route: number, criteria }));
        // What is kept is bounded, however many Routes there are.
        if found.len() >= most * 4 + 64 {
            found.sort_by_key(|(rank, _)| *rank);
            found.truncate(most);
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.truncate(most);
    found.into_iter().map(|(_, near)| near).collect()
}

/// How many bytes of a Route's paths a request's path begins with, at most.
fn alike(route: &CompiledRoute, request: &Request) -> usize {
    let common = |path: &String| path.bytes().zip(&request.path).take_while(|(one, other)| one == *other).count();
    route.entity.paths.iter().flatten().map(common).max().unwrap_or(0)
}

/// Where an Exchange that was routed would be sent.
pub fn onward(exchange: &Exchange, snapshot: &Snapshot, targets: &Targets) -> Onward {
    let forward = &exchange.forward;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = text(&forward.host);
    let upstream = snapshot.upstream(exchange.workspace, &host).cloned();
    let query = forward.query.as_deref().map(|query| format!("?{}", text(query))).unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let shown = match ip {
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.clone(),
    };
    let url = format!("{}://{shown}:{}{}{query}", forward.scheme.as_str(), forward.port, text(&forward.path));
    let known = match (&upstream, ip) {
        (Some(upstream), _) => targets
            .get(upstream.entity.id)
            .map_or_else(Vec::new, |peers| peers.balancer().addresses().iter().map(|address| address.socket).collect()),
        (None, Some(ip)) => vec![SocketAddr::new(ip, forward.port)],
        (None, None) => Vec::new(),
    };
    let fixed = forward.host_header.as_deref().map(text);
    let host_header = fixed.or_else(|| match &upstream {
        Some(upstream) => upstream.entity.host_header.clone(),
        None if forward.port == forward.scheme.default_port() => Some(shown.clone()),
        None => Some(format!("{shown}:{}", forward.port)),
    });
    Onward { url, host_header, upstream, targets: known }
}

/// The message of an answer, in words.
pub fn message(answer: &Answer) -> String {
    match &answer.body {
        AnswerBody::Error(text) if text.is_empty() => default_message(answer.status).into_owned(),
        AnswerBody::Error(text) => text.to_string(),
        AnswerBody::Json(value) => value["message"].as_str().unwrap_or_default().to_owned(),
        AnswerBody::Empty | AnswerBody::Bytes(_) => {
            let told = answer.headers.iter().find(|(name, _)| name == "grpc-message");
            told.map_or_else(
                || default_message(answer.status).into_owned(),
                |(_, text)| String::from_utf8_lossy(text).into_owned(),
            )
        }
    }
}
