//! Balance and send: tries, until an upstream has answered or no further try may be made.

use super::client::Client;
use super::gather::gather;
use super::multiplexed;
use super::peer::{Crowded, Peer, Peers};
use crate::h1::response_head::Answered;
use crate::h1::write::{self, Length};
use crate::sweep::Deadline;
use crate::upstream::call::{Call, Sent};
use crate::upstream::connect::{Endpoint, TlsTo, UpstreamIo, connect, name_of_host};
use crate::upstream::pool::{Connection, Key};
use crate::upstream::wire::{Blocked, UploadError, Wire, WireError};
use crate::worker::Worker;
use balancer::breaker::{Passage, Retry};
use balancer::{Active, Outcome};
use bytes::Bytes;
use exchange::{Answer, Body, BodyError, Exchange, Retarget, Scheme, Stamp, Try, TryError};
use snapshot::{CompiledRoute, CompiledService, Snapshot};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

/// Interim responses that one request may get: an upstream that sends them without end never answers.
const MAX_INTERIM: u32 = 64;

/// An upstream that has answered, up to the head.
pub(super) struct Upstream {
    pub wire: Call,
    pub answered: Answered,
    /// `Set-Cookie` for consistent hashing by cookie.
    pub cookie: Option<String>,
    /// Counts the request until it is dropped.
    pub _counted: Counted,
}

/// What an Upstream counts of a request for as long as it is there.
pub(super) struct Counted {
    _active: Option<Active>,
    _passage: Option<Box<Passage>>,
    _retry: Option<Retry>,
}

/// Why no upstream answers.
pub(super) enum Failure {
    /// The client gets this. `proxied`: an upstream was tried, and the headers say how long it took.
    Answer { answer: Box<Answer>, proxied: bool },
    /// There is nobody to answer to.
    Gone,
}

/// Why a try did not lead to an answer.
pub(super) enum TryFailure {
    /// The upstream.
    Upstream(TryError),
    /// The client went away.
    Gone,
    /// The client's body is no body.
    Body(BodyError),
    /// Too many requests wait for a connection there.
    Crowded,
}

impl From<Crowded> for TryFailure {
    fn from(_: Crowded) -> Self {
        Self::Crowded
    }
}

/// Finds an upstream that answers.
pub(super) async fn send<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    (route, service): (&CompiledRoute, &CompiledService),
    snapshot: &Snapshot,
    worker: &Worker,
) -> Result<Upstream, Failure> {
    // A gRPC method may answer before all of its messages have come.
    if matches!(exchange.request.body, Body::Stream(_)) && route.entity.request_buffering && !service.grpc {
        gather(&mut exchange.request, worker.settings.body_gather_limit).await.map_err(of_body)?;
        exchange.timeline.mark(Stamp::Balanced);
    }
    // Where nothing was waited for since access, its end is the beginning of this.
    match exchange.timeline.at(Stamp::Accessed) {
        Some(at) => exchange.timeline.mark_at(Stamp::Balanced, at),
        None => exchange.timeline.mark(Stamp::Balanced),
    }
    let mut cookie = None;
    let mut peers = Peers::find(exchange, service, snapshot, worker, &mut cookie).await.map_err(made)?;
    let mut retries = service.retries;
    let mut retry = None;
    let mut failed = None;
    'tries: loop {
        let mut peer = match peers.pick(exchange.forward.port) {
            Ok(peer) => peer,
            // Breakers leave nobody else: what has failed is the answer.
            Err(answer) => return Err(failed.filter(|_| peers.is_guarded()).map_or_else(|| made(answer), given_up)),
        };
        exchange.upstream_address = Some(peer.address);
        let active = peers.open(&peer);
        let mut pooled = true;
        let error = loop {
            match one(client, exchange, service, &peers, &peer, pooled, worker).await {
                Ok((wire, answered)) => {
                    let status = exchange.response.status;
                    peers.report(&peer, Outcome::Status(status));
                    peers.observe(&peer, || elapsed(exchange));
                    peers.note(&mut peer, status >= 500, || elapsed(exchange));
                    let counted = Counted { _active: active, _passage: peer.into_passage(), _retry: retry };
                    return Ok(Upstream { wire, answered, cookie, _counted: counted });
                }
                Err((TryFailure::Gone, _)) => {
                    peers.left(&mut peer, || elapsed(exchange));
                    return Err(Failure::Gone);
                }
                Err((TryFailure::Crowded, _)) => {
                    exchange.timeline.tries.pop();
                    match peers.pass_over(&peer) {
                        Ok(()) => continue 'tries,
                        Err(answer) => return Err(failed.map_or_else(|| made(answer), given_up)),
                    }
                }
                Err((TryFailure::Body(error), _)) => return Err(of_body(error)),
                // A connection that had been idle and turned out to be closed says nothing of the upstream; the same
                // peer gets the request again on a connection of its own.
                Err((TryFailure::Upstream(error), state)) if state.stale && may_repeat(exchange, state) => {
                    debug_assert!(!error.is_timeout());
                    exchange.timeline.tries.pop();
                    pooled = false;
                }
                Err((TryFailure::Upstream(error), state)) => break (error, state),
            }
        };
        let (error, state) = error;
        peers.failed(&mut peer, error);
        tracing::warn!(upstream = %peer.address, ?error, "a try failed");
        // Bytes that are no HTTP, or TLS that is not believed, would be the same the next time.
        if retries == 0 || error == TryError::Malformed || !may_repeat(exchange, state) {
            return Err(given_up(error));
        }
        retries -= 1;
        failed = Some(error);
        if retry.is_none() {
            retry = peers.retry().map_err(|()| given_up(error))?;
        }
        if let Some(retarget) = exchange.state.get::<Retarget>().cloned() {
            match (retarget.0)(exchange) {
                Ok((host, port)) => {
                    (exchange.forward.host, exchange.forward.port) = (host.into(), port);
                    peers = Peers::find(exchange, service, snapshot, worker, &mut cookie).await.map_err(made)?;
                }
                Err(error) => {
                    tracing::error!("failed to set a new target for the next try: {error}");
                    return Err(Failure::Answer { answer: Box::new(Answer::page(500)), proxied: true });
                }
            }
        }
    }
}

/// ms since the last try began.
fn elapsed(exchange: &Exchange) -> f64 {
    let start = exchange.timeline.tries.last().map_or(0, |tried| tried.start);
    f64::from(exchange.timeline.now().saturating_sub(start)) / 1000.0
}

/// No further try after one that failed like this.
fn given_up(error: TryError) -> Failure {
    let answer = Box::new(Answer::page(if error.is_timeout() { 504 } else { 502 }));
    Failure::Answer { answer, proxied: true }
}

/// A request may be sent again where all of it is still there, and where doing so twice does no harm or the first time
/// did not happen (RFC 9110 §9.2.2; the methods are nginx's `non_idempotent`).
fn may_repeat(exchange: &Exchange, state: Sent) -> bool {
    let harmless = !matches!(exchange.request.method.as_slice(), b"POST" | b"LOCK" | b"PATCH");
    !state.pulled && (harmless || !state.began)
}

/// One try on one peer, with a connection from the pool where there is one and `pooled` allows it.
async fn one<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    service: &CompiledService,
    peers: &Peers,
    peer: &Peer,
    pooled: bool,
    worker: &Worker,
) -> Result<(Call, Answered), (TryFailure, Sent)> {
    let mut host = worker.buffers.take_text();
    host_value(&mut host, exchange, peers, peer);
    let tls = match exchange.forward.scheme {
        Scheme::Http => None,
        Scheme::Https => match peers.tls(service) {
            Some(tls) => Some((tls.clone(), name_of_host(&host).to_ascii_lowercase())),
            None => return Err((TryFailure::Upstream(TryError::Tls), Sent::default())),
        },
    };
    let key = Key { address: peer.address, tls: tls.as_ref().map(|(tls, name)| (tls.id(), name.as_slice().into())) };
    let (at_hand, pulled) = match &exchange.request.body {
        Body::Empty => (Bytes::new(), None),
        Body::Buffered(bytes) => (bytes.clone(), None),
        Body::Stream(_) => (Bytes::new(), Some(exchange.request.content_length)),
    };
    let length = match (pulled, &exchange.request.body) {
        (Some(Some(length)), _) => Length::Known(length),
        (Some(None), _) => Length::Chunked,
        (None, Body::Buffered(bytes)) => Length::Known(bytes.len() as u64),
        // A length the client gave goes on, also where it is none (a POST without content).
        (None, _) if exchange.request.content_length.is_some() => Length::Known(0),
        _ => Length::None,
    };
    let mut head = worker.buffers.take_text();
    write::request_head(&mut head, exchange, &host, length, &worker.settings);
    let mut wire = match service.grpc {
        false => {
            worker.buffers.give_text(host);
            let connection = connection(client, exchange, service, (peer, key, tls), pooled, worker).await?;
            Call::H1(Box::new(Wire::new(connection, worker.buffers.clone(), head, at_hand, pulled)))
        }
        true => {
            let at = multiplexed::At { peer, key, tls, host: &host, head, at_hand, pulls: pulled.is_some() };
            Call::H2(Box::new(Box::pin(multiplexed::open(client, exchange, service, at, pooled, worker)).await?))
        }
    };
    // Taking a connection from the pool has asked it for bytes in this very poll: there are none yet, and this task
    // wakes when some come.
    let asked = matches!(&wire, Call::H1(wire) if wire.reused);
    let mut exchanging = Exchanging { interim: 0, writing: false, asked };
    let result = poll_fn(|context| exchanging.poll(context, client, exchange, &mut wire, service)).await;
    client.deadline().disarm();
    match result {
        Ok(answered) => Ok((wire, answered)),
        Err(failure) => {
            let mut state = Sent { stale: false, ..wire.sent() };
            if let TryFailure::Upstream(error) = failure {
                if let Some(noted) = exchange.timeline.tries.last_mut() {
                    noted.error = Some(error);
                }
                state.stale = wire.sent().stale && !error.is_timeout();
            }
            exchange.response.status = 0;
            Err((failure, state))
        }
    }
}

/// A connection for a try: from the pool where there is one and `pooled` allows it, else a new one.
async fn connection<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    service: &CompiledService,
    (peer, key, tls): (&Peer, Key, Option<TlsTo>),
    pooled: bool,
    worker: &Worker,
) -> Result<Connection, (TryFailure, Sent)> {
    let start = match exchange.timeline.at(Stamp::Balanced) {
        Some(at) if exchange.timeline.tries.is_empty() => at,
        _ => exchange.timeline.now(),
    };
    let mut taken = None;
    if pooled {
        taken = poll_fn(|context| Poll::Ready(worker.pool.take(&key, context))).await;
    }
    let index = exchange.timeline.tries.len();
    let address = key.address;
    exchange.timeline.tries.push(Try { address, start, connect: 0, tls: 0, pooled: taken.is_some(), error: None });
    if let Some(connection) = taken {
        return Ok(connection);
    }
    let _waiting = peer.wait().map_err(|crowded| (crowded.into(), Sent::default()))?;
    // Boxed, like all that is rare and large: every connection's task has room for what is not.
    let connected = Box::pin(dial(client, &Endpoint { address, tls }, service)).await;
    let now = exchange.timeline.now();
    let noted = &mut exchange.timeline.tries[index];
    noted.connect = now - start;
    match connected {
        Ok(io) => Ok(Connection { io, key, requests: 0 }),
        Err(failure) => {
            if let TryFailure::Upstream(error) = failure {
                noted.error = Some(error);
            }
            Err((failure, Sent::default()))
        }
    }
}

/// Connects, while the client is watched and the time limit kept.
async fn dial<C: Client>(
    client: &mut C,
    endpoint: &Endpoint,
    service: &CompiledService,
) -> Result<UpstreamIo, TryFailure> {
    client.deadline().arm(service.connect_timeout);
    let mut connecting = pin!(connect(endpoint));
    let result = poll_fn(|context| {
        if let Poll::Ready(result) = connecting.as_mut().poll(context) {
            return Poll::Ready(result.map_err(|error| TryFailure::Upstream(error.of_try())));
        }
        if client.is_body_done() && client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(TryFailure::Gone));
        }
        if client.deadline().expired() {
            return Poll::Ready(Err(TryFailure::Upstream(TryError::ConnectTimeout)));
        }
        Poll::Pending
    })
    .await;
    client.deadline().disarm();
    result
}

/// The request goes out, the head of the answer comes in.
struct Exchanging {
    interim: u32,
    /// The deadline is that of a write.
    writing: bool,
    /// This poll need not ask for an answer: it was asked for already.
    asked: bool,
}

impl Exchanging {
    fn poll<C: Client>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        exchange: &mut Exchange,
        wire: &mut Call,
        service: &CompiledService,
    ) -> Poll<Result<Answered, TryFailure>> {
        if wire.is_uploading() {
            match wire.poll_upload(context, &mut exchange.request.body) {
                Poll::Ready(Ok(())) => {
                    exchange.timeline.mark_near(Stamp::Sent, Stamp::Balanced);
                    client.deadline().arm(service.read_timeout);
                }
                Poll::Ready(Err(UploadError::Client(error))) => return Poll::Ready(Err(TryFailure::Body(error))),
                // It may have answered before it closed (413, for instance): that is read first.
                Poll::Ready(Err(UploadError::Upstream(_))) => client.deadline().arm(service.read_timeout),
                Poll::Pending if wire.blocked() == Blocked::Upstream => {
                    if wire.progressed() || !self.writing {
                        client.deadline().arm(service.write_timeout);
                    }
                    self.writing = true;
                }
                // The source of the body keeps its own time.
                Poll::Pending => self.writing = false,
            }
        }
        while !std::mem::take(&mut self.asked) {
            let head_request = exchange.request.method.as_slice() == b"HEAD";
            match wire.poll_head(context, head_request, &mut exchange.response) {
                Poll::Ready(Ok(answered)) => match exchange.response.status {
                    101 => {
                        let asked = write::upgrade(&exchange.request).is_some();
                        exchange.timeline.mark(Stamp::Answered);
                        let failed = Err(TryFailure::Upstream(TryError::Malformed));
                        return Poll::Ready(if asked && wire.is_uploaded() { Ok(answered) } else { failed });
                    }
                    100..=199 => {
                        self.interim += 1;
                        if self.interim > MAX_INTERIM {
                            return Poll::Ready(Err(TryFailure::Upstream(TryError::Malformed)));
                        }
                        // Nobody asked the upstream to wait with the body, so 100 means nothing to anyone.
                        if exchange.response.status != 100 {
                            client.informational(&exchange.response);
                            if let Poll::Ready(Err(_)) = client.poll_flush(context) {
                                return Poll::Ready(Err(TryFailure::Gone));
                            }
                        }
                    }
                    _ => {
                        exchange.timeline.mark(Stamp::Answered);
                        return Poll::Ready(Ok(answered));
                    }
                },
                Poll::Ready(Err(error)) => {
                    let error = match error {
                        WireError::Io(_) | WireError::Closed if wire.is_uploaded() => TryError::Closed,
                        WireError::Io(_) | WireError::Closed => TryError::Send,
                        WireError::Head(_) | WireError::Chunk(_) => TryError::Malformed,
                    };
                    return Poll::Ready(Err(TryFailure::Upstream(error)));
                }
                Poll::Pending => break,
            }
        }
        if client.is_body_done() && client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(TryFailure::Gone));
        }
        if expired(client.deadline(), wire) {
            return Poll::Ready(Err(TryFailure::Upstream(TryError::ReadTimeout)));
        }
        Poll::Pending
    }
}

fn expired(deadline: &Deadline, wire: &Call) -> bool {
    let waits_for_client = wire.is_uploading() && wire.blocked() == Blocked::Client;
    deadline.expired() && !waits_for_client
}

/// The value of `Host`: what the Route or a plugin fixed, else the peer's name, with a port that is not the default.
fn host_value(out: &mut Vec<u8>, exchange: &Exchange, peers: &Peers, peer: &Peer) {
    match &exchange.forward.host_header {
        Some(host) => out.extend_from_slice(host),
        None => {
            let host = peers.hostname(peer, exchange);
            write::host_value(out, host, peer.address.port(), exchange.forward.scheme);
        }
    }
}

fn made(answer: Box<Answer>) -> Failure {
    Failure::Answer { answer, proxied: false }
}

/// What a client gets whose body cannot be read.
pub(super) fn of_body(error: BodyError) -> Failure {
    let status = match error {
        BodyError::TooLarge { .. } => 413,
        BodyError::Malformed(_) => 400,
        BodyError::Timeout => 408,
        BodyError::Closed => return Failure::Gone,
    };
    Failure::Answer { answer: Box::new(Answer::page(status)), proxied: false }
}
