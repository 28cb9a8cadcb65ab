//! A try at an upstream that speaks HTTP/2: a stream on a connection that others use too.

use super::client::Client;
use super::forward::TryFailure;
use super::peer::Peer;
use crate::h2;
use crate::h2::lines::Lease;
use crate::upstream::call::Sent;
use crate::upstream::connect::{Endpoint, TlsTo};
use crate::upstream::pool::Key;
use crate::worker::Worker;
use bytes::Bytes;
use exchange::{Exchange, Try, TryError};
use snapshot::CompiledService;
use std::future::poll_fn;
use std::task::Poll;

/// What goes where.
pub(super) struct At<'a> {
    pub peer: &'a Peer,
    pub key: Key,
    /// The way of speaking TLS, with the server name.
    pub tls: Option<TlsTo>,
    /// `:authority`.
    pub host: &'a [u8],
    /// The head as HTTP/1 would write it.
    pub head: Vec<u8>,
    /// The body, or nothing.
    pub at_hand: Bytes,
    /// Whether the body comes from the client.
    pub pulls: bool,
}

/// Opens a stream, on a connection that is there where `pooled` allows it.
pub(super) async fn open<C: Client>(
    client: &mut C,
    exchange: &mut Exchange,
    service: &CompiledService,
    at: At<'_>,
    pooled: bool,
    worker: &Worker,
) -> Result<h2::wire::Wire, (TryFailure, Sent)> {
    let start = exchange.timeline.now();
    let address = at.key.address;
    let taken = worker.lines.take(&at.key, pooled);
    let open = taken.as_ref().is_some_and(Lease::is_open);
    exchange.timeline.tries.push(Try { address, start, connect: 0, tls: 0, pooled: open, error: None });
    let (forward, method) = (&exchange.forward, &exchange.request.method);
    let request =
        h2::wire::request(method, at.tls.is_some(), at.host, &forward.path, forward.query.as_deref(), &at.head);
    worker.buffers.give_text(at.head);
    let Some(request) = request else { return Err(failed(exchange, TryError::Malformed)) };
    let waiting = match open {
        true => None,
        false => at.peer.wait().map_err(|crowded| (crowded.into(), Sent::default()))?,
    };
    let lease = taken.unwrap_or_else(|| {
        let endpoint = Endpoint { address, tls: at.tls };
        worker.lines.dial(&at.key, endpoint, service.connect_timeout, worker)
    });
    if !lease.is_open() {
        let connected = wait(client, &lease, service).await;
        let now = exchange.timeline.now();
        if let Some(noted) = exchange.timeline.tries.last_mut() {
            noted.connect = now - start;
        }
        match connected {
            Ok(()) => {}
            Err(TryFailure::Upstream(error)) => return Err(failed(exchange, error)),
            Err(failure) => return Err((failure, Sent::default())),
        }
    }
    drop(waiting);
    let reused = lease.reused();
    h2::wire::Wire::open(lease, request, at.at_hand, at.pulls).map_err(|_| {
        let (failure, _) = failed(exchange, TryError::Closed);
        (failure, Sent { stale: reused, ..Sent::default() })
    })
}

/// Notes how a try failed before anything was sent.
fn failed(exchange: &mut Exchange, error: TryError) -> (TryFailure, Sent) {
    if let Some(noted) = exchange.timeline.tries.last_mut() {
        noted.error = Some(error);
    }
    (TryFailure::Upstream(error), Sent::default())
}

/// Waits for a connection, while the client is watched and the time limit kept.
async fn wait<C: Client>(client: &mut C, lease: &Lease, service: &CompiledService) -> Result<(), TryFailure> {
    client.deadline().arm(service.connect_timeout);
    let result = poll_fn(|context| {
        if let Poll::Ready(connected) = lease.poll_open(context) {
            return Poll::Ready(connected.map_err(TryFailure::Upstream));
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
