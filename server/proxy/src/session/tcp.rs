//! Sessions over TCP: cleartext, TLS that ends here, TLS that is passed on as it is.

use super::dial;
use super::hello::{self, Hello};
use super::live::{Door, Sessions, admit, introduction, route};
use crate::h1::tunnel::Tunnel;
use crate::life::Collected;
use crate::listen::read_proxy_header;
use crate::stream::ClientStream;
use crate::tls::Caller;
use crate::traffic::WorkerTraffic;
use crate::worker::{Ends, Worker};
use bytes::BytesMut;
use exchange::{Exchange, Session};
use router::{NetProtocol, Protocol};
use rustls::server::Accepted;
use snapshot::{CompiledRoute, Snapshot};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_rustls::server::{StartHandshake, TlsStream};

/// A connection that is counted as long as it lasts.
struct Counted(Arc<WorkerTraffic>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a session needs from its Route on.
struct Way<'w, 's> {
    sessions: &'w Sessions,
    route: &'s CompiledRoute,
    snapshot: &'w Snapshot,
    worker: &'w Worker,
}

impl Sessions {
    /// Serves a connection to its end.
    pub(super) async fn tcp<Io>(self, door: Door, mut io: Io, mut ends: Ends)
    where
        Io: ClientStream,
        TlsStream<Io>: ClientStream,
    {
        let worker = self.0.engine.worker();
        worker.traffic.accept();
        let _counted = Counted(worker.traffic.clone());
        let patience = self.0.settings.handshake_timeout;
        if door.proxy_protocol {
            match tokio::time::timeout(patience, read_proxy_header(&mut io)).await {
                Ok(Ok(header)) => ends.proxied = header.source(),
                Ok(Err(error)) => return tracing::info!(peer = ?ends.peer, %error, "a connection was refused"),
                Err(_) => return,
            }
        }
        let hello = match door.ssl {
            false => None,
            // A client that says nothing has nothing to be routed by.
            true => match tokio::time::timeout(patience, hello::read(&mut io)).await {
                Ok(Ok(hello)) => Some(hello),
                _ => return,
            },
        };
        let snapshot = worker.snapshot();
        let sni = hello.as_ref().and_then(|hello| hello.sni.clone());
        let protocol = if sni.is_some() { NetProtocol::Tls } else { NetProtocol::Tcp };
        let session = Session { sni, ..Session::default() };
        let mut exchange = self.exchange(&ends, door, session, &snapshot, &worker);
        let mut collected = Collected::new();
        if let Some(route) = route(&mut exchange, protocol, &snapshot, &mut collected) {
            let way = Way { sessions: &self, route, snapshot: &snapshot, worker: &worker };
            way.enter(io, hello, &mut exchange, &mut collected).await;
        }
        self.finish(&mut exchange, &collected);
    }
}

impl<'s> Way<'_, 's> {
    /// What the client said first goes where the Route's protocol wants it.
    async fn enter<Io>(&self, io: Io, hello: Option<Hello>, exchange: &mut Exchange, collected: &mut Collected<'s>)
    where
        Io: ClientStream,
        TlsStream<Io>: ClientStream,
    {
        let protocols = self.route.protocols;
        match hello {
            None => self.pass(io, BytesMut::new(), exchange, collected).await,
            Some(Hello { accepted, .. }) if protocols.has(Protocol::Tls) => {
                if let Some(io) = self.shake_hands(io, accepted, exchange).await {
                    self.pass(io, BytesMut::new(), exchange, collected).await;
                }
            }
            Some(Hello { ahead, .. }) if protocols.has(Protocol::TlsPassthrough) => {
                self.pass(io, ahead, exchange, collected).await
            }
            Some(_) => {
                tracing::error!(route = %self.route.entity.id, "unexpected protocols in matched Route");
                exchange.response.status = 500;
            }
        }
    }

    /// TLS ends here. `None` where it does not come about.
    async fn shake_hands<Io>(
        &self,
        io: Io,
        accepted: Option<Accepted>,
        exchange: &mut Exchange,
    ) -> Option<TlsStream<Io>>
    where
        Io: ClientStream,
    {
        exchange.response.status = 400;
        let peer = exchange.request.peer;
        let (Some(accepted), Some(acceptor)) = (accepted, &self.sessions.0.tls) else {
            tracing::info!(?peer, "a client of a TLS listener speaks no TLS");
            return None;
        };
        let request = &exchange.request;
        let caller = Caller {
            peer,
            client: request.client_ip.map(|ip| (ip, request.client_port).into()),
            local: request.local,
            port: request.port,
            session: true,
        };
        let shaking = Box::pin(acceptor.lead(StartHandshake::from_parts(accepted, io), caller));
        match tokio::time::timeout(self.sessions.0.settings.handshake_timeout, shaking).await {
            Ok(Ok((io, session))) => {
                exchange.request.tls = Some(Arc::new(session));
                exchange.response.status = 0;
                Some(io)
            }
            Ok(Err(error)) => {
                tracing::info!(?peer, %error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }

    /// Plugins, the upstream, and then bytes both ways.
    async fn pass<Io: ClientStream>(
        &self,
        mut io: Io,
        ahead: BytesMut,
        exchange: &mut Exchange,
        collected: &mut Collected<'s>,
    ) {
        let service = match admit(exchange, self.route, collected).await {
            Ok(service) => service,
            Err(text) => {
                let sent = tell(&mut io, &text).await;
                if let Some(session) = exchange.session.as_deref_mut() {
                    session.sent = sent;
                }
                return;
            }
        };
        let line = match self.sessions.0.settings.send_proxy_protocol {
            true => introduction(exchange),
            false => String::new(),
        };
        let reached = Box::pin(dial::tcp(exchange, service, &line, self.snapshot, self.worker)).await;
        let mut reached = match reached {
            Ok(reached) => reached,
            Err(answer) => {
                tracing::error!(status = answer.status, body = ?answer.body, "unable to proxy stream connection");
                exchange.response.status = answer.status;
                return;
            }
        };
        reached.well();
        exchange.response.status = 200;
        let deadline = poll_fn(|context| Poll::Ready(self.worker.deadlines.register(context.waker()))).await;
        let idle = service.read_timeout.max(service.write_timeout);
        deadline.arm(idle);
        let mut tunnel = Tunnel::new(ahead, BytesMut::new());
        let well = poll_fn(|context| tunnel.poll(context, &mut io, &mut reached.io, &deadline, idle)).await;
        if !well {
            // Neither side may take a part for the whole.
            io.reset_on_drop();
            reached.io.reset_on_drop();
        }
        if let Some(session) = exchange.session.as_deref_mut() {
            let moved = tunnel.moved();
            session.received = moved.from_client;
            session.upstream_sent = moved.to_upstream + line.len() as u64;
            session.upstream_received = moved.from_upstream;
            session.sent = moved.to_client;
        }
    }
}

/// How long a client may take to read why it is refused.
const FAREWELL: Duration = Duration::from_secs(5);

/// Tells a client why it is refused, and ends; returns how many bytes went.
async fn tell(io: &mut impl ClientStream, text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let telling = async {
        io.write_all(text.as_bytes()).await?;
        io.shutdown().await
    };
    match tokio::time::timeout(FAREWELL, telling).await {
        Ok(Ok::<(), std::io::Error>(())) => text.len() as u64,
        _ => 0,
    }
}
