//! The life of a session: a Route is found, plugins decide, and in the end it is logged.

use crate::engine::Engine;
use crate::life::{Collected, access, guard};
use crate::tls::Acceptor;
use crate::worker::{Ends, Observer, Worker};
use exchange::{Answer, AnswerBody, Exchange, Phases, Request, Scheme, Session, Source, Stamp, Timeline};
use router::NetProtocol;
use snapshot::{CompiledRoute, CompiledService, Snapshot};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How sessions are served.
#[derive(Clone)]
pub struct SessionSettings {
    /// Time for the PROXY protocol header, for the client's first words on a TLS listener, and for the handshake.
    pub handshake_timeout: Duration,
    /// Whether TCP upstreams are told the client's address by a PROXY protocol header, version 1.
    pub send_proxy_protocol: bool,
    /// Sessions that one UDP listener keeps at most; datagrams of further clients are dropped.
    pub udp_sessions: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { handshake_timeout: Duration::from_secs(60), send_proxy_protocol: false, udp_sessions: 16_384 }
    }
}

/// Serves sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(pub(super) Arc<Parts>);

pub(super) struct Parts {
    pub engine: Engine,
    pub observer: Option<Arc<dyn Observer>>,
    pub tls: Option<Acceptor>,
    pub settings: SessionSettings,
}

/// A listener, as sessions see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub ssl: bool,
    pub proxy_protocol: bool,
    /// After `port_maps`.
    pub port: u16,
}

/// The session that is being routed.
struct Asked<'e> {
    exchange: &'e Exchange,
    protocol: NetProtocol,
}

impl router::Request for Asked<'_> {
    fn net_protocol(&self) -> NetProtocol {
        self.protocol
    }
    fn sni(&self) -> Option<&[u8]> {
        self.exchange.session.as_ref()?.sni.as_deref().map(str::as_bytes)
    }
    fn source(&self) -> SocketAddr {
        router::Request::source(&self.exchange.request)
    }
    fn destination(&self) -> SocketAddr {
        router::Request::destination(&self.exchange.request)
    }
    fn header_values<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8]) -> bool) {}
}

impl Sessions {
    /// Over the same workers as the engine's. `tls` terminates TLS ([`Acceptor::for_sessions`]). `observer` is the access log.
    pub fn new(
        engine: Engine,
        tls: Option<Acceptor>,
        observer: Option<Arc<dyn Observer>>,
        settings: SessionSettings,
    ) -> Self {
        Self(Arc::new(Parts { engine, observer, tls, settings }))
    }

    /// An Exchange for a session that begins.
    pub(super) fn exchange(
        &self,
        ends: &Ends,
        door: Door,
        session: Session,
        snapshot: &Arc<Snapshot>,
        worker: &Worker,
    ) -> Box<Exchange> {
        // As in nginx, only those who are trusted may speak for others.
        let trusted = ends.peer.map_or(worker.settings.trust_unix, |peer| worker.settings.trusts(peer.ip()));
        let client = ends.proxied.filter(|_| trusted).or(ends.peer);
        let request = Request {
            scheme: if door.ssl { Scheme::Https } else { Scheme::Http },
            peer: ends.peer,
            client_ip: client.map(|client| client.ip()),
            client_port: client.map_or(0, |client| client.port()),
            local: ends.local,
            port: door.port,
            trusted,
            ..Request::default()
        };
        let mut timeline = Timeline::starting(Instant::now(), SystemTime::now());
        timeline.exact = true;
        let mut exchange = Box::new(Exchange::new(request, timeline, snapshot.clone()));
        exchange.session = Some(Box::new(session));
        exchange
    }

    /// Logs a session that is over.
    pub(super) fn finish(&self, exchange: &mut Exchange, collected: &Collected<'_>) {
        if let Some(session) = exchange.session.as_deref() {
            (exchange.request.body_bytes, exchange.response.body_sent) = (session.received, session.sent);
        }
        exchange.timeline.mark(Stamp::Finished);
        for instance in collected {
            if instance.phases().has(Phases::LOG) {
                let _ = guard::call(instance.name(), "log", || instance.log(exchange));
            }
        }
        if let Some(observer) = &self.0.observer {
            observer.finished(exchange);
        }
    }
}

/// Finds the Route and fills in what follows from it. Without one the status is 500, and the plugins that are attached
/// to nothing log the session.
pub(super) fn route<'s>(
    exchange: &mut Exchange,
    protocol: NetProtocol,
    snapshot: &'s Snapshot,
    collected: &mut Collected<'s>,
) -> Option<&'s CompiledRoute> {
    let Some(found) = snapshot.find_session(&Asked { exchange, protocol }) else {
        tracing::warn!(client = %exchange.request.client_ip(), port = exchange.request.port, "no Route found with those values");
        exchange.response.status = 500;
        access::collect(snapshot.global_sessions(), exchange, collected);
        return None;
    };
    exchange.timeline.mark(Stamp::Routed);
    exchange.route = Some(found.to_exchange());
    let route = found.route;
    exchange.workspace = route.workspace;
    if let Some(service) = &route.service {
        exchange.service = Some(service.entity.clone());
        exchange.forward.host.extend_from_slice(service.entity.host.as_bytes());
        exchange.forward.port = service.port;
    }
    Some(route)
}

/// Runs the plugins. The error is what the client is told instead of going on; the status says why.
pub(super) async fn admit<'s>(
    exchange: &mut Exchange,
    route: &'s CompiledRoute,
    collected: &mut Collected<'s>,
) -> Result<&'s CompiledService, String> {
    let refused = access::run(&route.chain, exchange, collected).await;
    exchange.timeline.mark(Stamp::Accessed);
    if let Some(answer) = refused {
        exchange.response.status = answer.status;
        return Err(said(&answer));
    }
    route.service.as_deref().ok_or_else(|| {
        tracing::warn!(route = %route.entity.id, "no Service found with those values");
        exchange.response.status = 503;
        String::new()
    })
}

/// What a plugin wants the client to read. Failures of the gateway's own are not told.
fn said(answer: &Answer) -> String {
    match &answer.body {
        AnswerBody::Error(text) if answer.source != Source::Error => text.clone().into_owned(),
        AnswerBody::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
        AnswerBody::Json(json) => json["message"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// The line by which an upstream is told who the client is (PROXY protocol, version 1).
pub(super) fn introduction(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let source = request.client_ip.map_or(unknown, |ip| ip.to_canonical());
    let (local, port) = request.local.map_or((unknown, 0), |local| (local.ip().to_canonical(), local.port()));
    match (source, local) {
        (IpAddr::V4(_), IpAddr::V4(_)) if request.client_ip.is_some() => {
            format!("PROXY TCP4 {source} {local} {} {port}\r\n", request.client_port)
        }
        (IpAddr::V6(_), IpAddr::V6(_)) => format!("PROXY TCP6 {source} {local} {} {port}\r\n", request.client_port),
        // One of each: there is no notation for it.
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use exchange::directory::Nobody;

    #[test]
    fn upstreams_are_told_the_client_where_there_is_a_notation_for_it() {
        for (client, local, expected) in [
            (Some("203.0.113.7:99"), Some("10.0.0.1:80"), "PROXY TCP4 203.0.113.7 10.0.0.1 99 80\r\n"),
            (Some("[2001:db8::7]:99"), Some("[::1]:80"), "PROXY TCP6 2001:db8::7 ::1 99 80\r\n"),
            (Some("[::ffff:10.0.0.7]:99"), Some("10.0.0.1:80"), "PROXY TCP4 10.0.0.7 10.0.0.1 99 80\r\n"),
            (Some("[2001:db8::7]:99"), Some("10.0.0.1:80"), "PROXY UNKNOWN\r\n"),
            (None, None, "PROXY UNKNOWN\r\n"),
        ] {
            let address = |text: &str| text.parse::<SocketAddr>().unwrap();
            let client = client.map(address);
            let request = Request {
                client_ip: client.map(|client| client.ip()),
                client_port: client.map_or(0, |client| client.port()),
                local: local.map(address),
                ..Request::default()
            };
            let exchange = Exchange::new(request, Timeline::default(), Arc::new(Nobody));
            assert_eq!(introduction(&exchange), expected);
        }
    }

    #[test]
    fn failures_of_the_gateway_are_not_told_to_clients() {
        assert_eq!(said(&Answer::error(403, "go away")), "go away");
        assert_eq!(said(&Answer::page(502)), "");
        assert_eq!(said(&Answer { source: Source::Error, ..Answer::error(500, "inside") }), "");
    }
}
