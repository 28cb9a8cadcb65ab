//! From sockets to connections that are served.

use super::bind::{Bind, Bound};
use super::fence::{self, Fence};
use super::proxy_protocol;
use crate::session::{self, Sessions};
use crate::stream::ClientStream;
use crate::tls::{Acceptor, Caller};
use crate::worker::{Ends, ListenerContext};
use actix_rt::Arbiter;
use actix_server::{Server, ServerHandle};
use actix_service::fn_service;
use exchange::Scheme;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Serves one connection after the other, on the worker it came to.
pub trait Serve: Clone + Send + 'static {
    /// A worker begins, on this thread; once for each listener.
    fn begin(&self) {}

    /// Serves a connection to its end. On a TLS listener, a connection without TLS session speaks in cleartext: it is
    /// answered with 400.
    fn serve<S: ClientStream>(&self, io: S, ends: Ends, listener: Arc<ListenerContext>) -> impl Future<Output = ()>;
}

/// How listeners are served.
#[derive(Clone)]
pub struct Options {
    /// Threads, each with an arbiter of its own; 1..=512.
    pub workers: usize,
    /// TLS of the listeners that have it.
    pub tls: Option<Acceptor>,
    /// Time for the PROXY protocol header, and again for the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long a graceful stop waits for what is in flight.
    pub patience: Duration,
}

/// Connections per worker; beyond that they wait in the listener's queue.
const MOST_CONNECTIONS: usize = 1 << 20;

/// Listeners that are served.
pub struct Listening {
    handle: Option<ServerHandle>,
    fence: Fence,
    /// The thread of UDP listeners.
    udp: Option<Arbiter>,
}

/// Listeners of the stream subsystem, and what serves them.
pub struct Streams {
    /// Their sockets.
    pub bound: Vec<Bound>,
    /// Serves them.
    pub sessions: Sessions,
}

impl Listening {
    /// Takes no more connections. Gracefully: waits for those there are, as long as [`Options::patience`] (whoever
    /// serves them must end the idle ones). Else drops them.
    pub async fn stop(&self, gracefully: bool) {
        // Datagrams belong to whoever reads them: another process on the same sockets is not to miss any.
        if let Some(udp) = &self.udp {
            udp.stop();
        }
        if let Some(handle) = &self.handle {
            if gracefully {
                // A server that stops drops the connections that are on their way to a worker: let them arrive.
                handle.pause().await;
                self.fence.passed().await;
            }
            handle.stop(gracefully).await;
        }
    }
}

/// Begins to serve. The second value ends when everything has stopped; someone must await it. Nothing to listen on is
/// an error.
pub fn start<S: Serve>(bound: Vec<Bound>, options: &Options, serve: S) -> io::Result<(Listening, Server)> {
    let (listening, server) = start_with(bound, None, options, serve)?;
    match server {
        Some(server) => Ok((listening, server)),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no listener")),
    }
}

/// The same, with listeners of the stream subsystem beside, on the same workers. UDP has a thread of its own; the second
/// value is `None` where there is nothing else.
pub fn start_with<S: Serve>(
    bound: Vec<Bound>,
    streams: Option<Streams>,
    options: &Options,
    serve: S,
) -> io::Result<(Listening, Option<Server>)> {
    let connects = |bound: &[Bound]| bound.iter().any(|bound| !bound.listener.udp);
    let fence = Fence::default();
    let any = connects(&bound) || streams.as_ref().is_some_and(|streams| connects(&streams.bound));
    let mut server = Server::build()
        .workers(options.workers.clamp(1, 512))
        .max_concurrent_connections(MOST_CONNECTIONS)
        // One is enough: nothing on a worker blocks.
        .worker_max_blocking_threads(1)
        .shutdown_timeout(options.patience.as_secs())
        .disable_signals();
    for Bound { listener, socket } in bound {
        let name = listener.place.to_string();
        let port = match &socket {
            Bind::Tcp(socket) => socket.local_addr()?.port(),
            Bind::Udp(_) | Bind::Unix(_) => 0,
        };
        let scheme = if listener.ssl { Scheme::Https } else { Scheme::Http };
        let door = Door {
            context: Arc::new(ListenerContext {
                scheme,
                port: listener.shown_port.unwrap_or(port),
                http2: listener.http2,
            }),
            proxy_protocol: listener.proxy_protocol,
            acceptor: options.tls.clone().filter(|_| listener.ssl).map(|tls| tls.for_listener(listener.http2)),
            patience: options.handshake_timeout,
            serve: serve.clone(),
        };
        let fence = fence.clone();
        server = match socket {
            Bind::Tcp(socket) => server.listen(name, socket, move || {
                fence.stand();
                door.serve.begin();
                let door = door.clone();
                fn_service(move |io: TcpStream| {
                    fence::taken();
                    let door = door.clone();
                    async move {
                        door.tcp(io).await;
                        Ok::<_, Infallible>(())
                    }
                })
            })?,
            Bind::Udp(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "HTTP is not served over datagrams"));
            }
            Bind::Unix(socket) => server.listen_uds(name, socket, move || {
                fence.stand();
                door.serve.begin();
                let door = door.clone();
                fn_service(move |io: UnixStream| {
                    fence::taken();
                    let door = door.clone();
                    async move {
                        door.unix(io).await;
                        Ok::<_, Infallible>(())
                    }
                })
            })?,
        };
    }
    let mut udp = None;
    if let Some(Streams { bound, sessions }) = streams {
        let (datagrams, connections): (Vec<_>, Vec<_>) = bound.into_iter().partition(|bound| bound.listener.udp);
        server = session::add(server, connections, &sessions, &fence)?;
        udp = session::begin_udp(datagrams, &sessions);
    }
    let server = any.then(|| server.run());
    Ok((Listening { handle: server.as_ref().map(Server::handle), fence, udp }, server))
}

/// What a connection passes before it is served.
#[derive(Clone)]
struct Door<S> {
    context: Arc<ListenerContext>,
    proxy_protocol: bool,
    acceptor: Option<Acceptor>,
    patience: Duration,
    serve: S,
}

/// First byte of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

impl<S: Serve> Door<S> {
    async fn tcp(self, mut io: TcpStream) {
        // A connection that is gone already has no peer.
        let Ok(peer) = io.peer_addr() else { return };
        let _ = io.set_nodelay(true);
        let ends = Ends { peer: Some(peer), local: io.local_addr().ok(), ..Ends::default() };
        let Some(ends) = self.header(&mut io, ends).await else { return };
        if self.acceptor.is_none() {
            return self.serve.serve(io, ends, self.context).await;
        }
        let mut first = [0; 1];
        match tokio::time::timeout(self.patience, io.peek(&mut first)).await {
            // Boxed, so that cleartext connections have no room for it in their tasks.
            Ok(Ok(1)) if first[0] == HANDSHAKE => Box::pin(self.tls(io, ends)).await,
            Ok(Ok(1)) => self.serve.serve(io, ends, self.context).await,
            _ => {}
        }
    }

    async fn unix(self, mut io: UnixStream) {
        let Some(ends) = self.header(&mut io, Ends::default()).await else { return };
        match self.acceptor {
            Some(_) => Box::pin(self.tls(io, ends)).await,
            None => self.serve.serve(io, ends, self.context).await,
        }
    }

    /// Reads the PROXY protocol header where there must be one; `None` where there is none.
    async fn header<Io>(&self, io: &mut Io, mut ends: Ends) -> Option<Ends>
    where
        Io: tokio::io::AsyncRead + Unpin,
    {
        if !self.proxy_protocol {
            return Some(ends);
        }
        match tokio::time::timeout(self.patience, proxy_protocol::read(io)).await {
            Ok(Ok(header)) => {
                ends.proxied = header.source();
                Some(ends)
            }
            Ok(Err(error)) => {
                tracing::info!(peer = ?ends.peer, %error, "a connection was refused");
                None
            }
            Err(_) => None,
        }
    }

    async fn tls<Io>(self, io: Io, mut ends: Ends)
    where
        Io: ClientStream,
        tokio_rustls::server::TlsStream<Io>: ClientStream,
    {
        let Some(acceptor) = &self.acceptor else { return };
        let caller = Caller {
            peer: ends.peer,
            client: ends.proxied.or(ends.peer),
            local: ends.local,
            port: self.context.port,
            session: false,
        };
        match tokio::time::timeout(self.patience, Box::pin(acceptor.accept(io, caller))).await {
            Ok(Ok((io, session))) => {
                ends.http2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
                ends.tls = Some(Arc::new(session));
                Box::pin(self.serve.serve(io, ends, self.context)).await;
            }
            Ok(Err(error)) => tracing::info!(peer = ?ends.peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::info!(peer = ?ends.peer, "a TLS handshake took too long"),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::Engine;

    fn size_of_task<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of these.
    #[test]
    fn the_task_of_a_connection_is_small() {
        let size = size_of_task(Door::<Engine>::tcp);
        assert!(size < 4096, "{size} bytes");
    }
}
