//! Connections of sessions to upstreams, with Kong's retries: another Target for each, `retries` times.

use crate::life::peer::{Peer, Peers};
use crate::upstream::connect::{ConnectError, Endpoint, UpstreamIo, connect_saying, name_of_host};
use crate::worker::Worker;
use balancer::breaker::Retry;
use balancer::{Active, Outcome};
use exchange::{Answer, Exchange, Stamp, Try, TryError};
use snapshot::{CompiledService, Snapshot};
use std::future::Future;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// An upstream that was reached.
pub(super) struct Reached<Io> {
    pub io: Io,
    pub peers: Peers,
    pub peer: Peer,
    /// Counts the session as active until it is dropped.
    pub _active: Option<Active>,
    _retry: Option<Retry>,
}

/// Connects over TCP, with TLS where the Service's protocol is `tls` and no plugin wants none; `introduction` is said
/// first, in cleartext. The error is a status and why, for the log.
pub(super) async fn tcp(
    exchange: &mut Exchange,
    service: &CompiledService,
    introduction: &str,
    snapshot: &Snapshot,
    worker: &Worker,
) -> Result<Reached<UpstreamIo>, Box<Answer>> {
    let cleartext = exchange.forward.instead.as_deref().is_some_and(|instead| instead.cleartext);
    let encrypted = service.entity.protocol == "tls" && !cleartext;
    reach(
        exchange,
        service,
        snapshot,
        worker,
        async |endpoint: Endpoint| connect_saying(&endpoint, introduction.as_bytes()).await,
        encrypted,
    )
    .await
}

/// A socket from and to one upstream.
pub(super) async fn udp(
    exchange: &mut Exchange,
    service: &CompiledService,
    snapshot: &Snapshot,
    worker: &Worker,
) -> Result<Reached<UdpSocket>, Box<Answer>> {
    reach(exchange, service, snapshot, worker, async |endpoint: Endpoint| open(endpoint.address).await, false).await
}

async fn open(address: SocketAddr) -> Result<UdpSocket, ConnectError> {
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(ConnectError::Unreachable)?;
    socket.connect(address).await.map_err(ConnectError::Unreachable)?;
    Ok(socket)
}

async fn reach<Io>(
    exchange: &mut Exchange,
    service: &CompiledService,
    snapshot: &Snapshot,
    worker: &Worker,
    connect: impl AsyncFn(Endpoint) -> Result<Io, ConnectError>,
    encrypted: bool,
) -> Result<Reached<Io>, Box<Answer>> {
    exchange.timeline.mark(Stamp::Balanced);
    let mut peers = Peers::find(exchange, service, snapshot, worker, &mut None).await?;
    let mut retries = service.retries;
    let mut retry = None;
    loop {
        let mut peer = peers.pick(exchange.forward.port)?;
        let Ok(waiting) = peer.wait() else {
            peers.pass_over(&peer)?;
            continue;
        };
        let active = peers.open(&peer);
        exchange.upstream_address = Some(peer.address);
        let tls = peers
            .tls(service)
            .filter(|_| encrypted)
            .map(|tls| (tls.clone(), name_of_host(peers.hostname(&peer, exchange)).to_ascii_lowercase()));
        let start = exchange.timeline.now();
        let connecting = connect(Endpoint { address: peer.address, tls });
        let found = within(service, connecting).await;
        drop(waiting);
        let error = found.as_ref().err().map(ConnectError::of_try);
        let connect = exchange.timeline.now() - start;
        exchange.timeline.tries.push(Try { address: peer.address, start, connect, tls: 0, pooled: false, error });
        match found {
            Ok(io) => return Ok(Reached { io, peers, peer, _active: active, _retry: retry }),
            Err(error) => {
                tracing::warn!(upstream = %peer.address, %error, "a try failed");
                peers.failed(&mut peer, error.of_try());
            }
        }
        let given_up = || Box::new(Answer::error(502, "no upstream could be connected to"));
        if retries == 0 {
            return Err(given_up());
        }
        retries -= 1;
        if retry.is_none() {
            retry = peers.retry().map_err(|()| given_up())?;
        }
    }
}

/// Within the Service's time for connecting.
async fn within<Io>(
    service: &CompiledService,
    connecting: impl Future<Output = Result<Io, ConnectError>>,
) -> Result<Io, ConnectError> {
    match service.connect_timeout.is_zero() {
        true => connecting.await,
        false => tokio::time::timeout(service.connect_timeout, connecting).await.unwrap_or(Err(ConnectError::Timeout)),
    }
}

impl<Io> Reached<Io> {
    /// The upstream is there: what passive health checks want to know.
    pub fn well(&mut self) {
        self.peers.report(&self.peer, Outcome::Connected);
        self.peers.note(&mut self.peer, false, || 0.0);
    }

    /// It turned out not to be.
    pub fn failed(&mut self) {
        self.peers.failed(&mut self.peer, TryError::Closed);
    }
}
