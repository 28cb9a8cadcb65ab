//! From sockets to sessions.

use super::live::{Door, Sessions};
use super::udp;
use crate::listen::{Bind, Bound, Fence, Serve, taken};
use crate::worker::{Ends, Purpose};
use actix_rt::Arbiter;
use actix_server::ServerBuilder;
use actix_service::fn_service;
use std::convert::Infallible;
use std::io;
use tokio::net::{TcpStream, UnixStream};

fn door(bound: &Bound) -> Door {
    let listener = bound.listener();
    let port = listener.shown_port.or_else(|| bound.address().map(|address| address.port()));
    Door { ssl: listener.ssl, proxy_protocol: listener.proxy_protocol, port: port.unwrap_or(0) }
}

/// Adds listeners for connections to a server.
pub(crate) fn add(
    mut server: ServerBuilder,
    bound: Vec<Bound>,
    sessions: &Sessions,
    fence: &Fence,
) -> io::Result<ServerBuilder> {
    for bound in bound {
        let (door, sessions, fence) = (door(&bound), sessions.clone(), fence.clone());
        let name = bound.listener.place.to_string();
        server = match bound.socket {
            Bind::Tcp(socket) => server.listen(name, socket, move || {
                fence.stand();
                sessions.0.engine.begin();
                let sessions = sessions.clone();
                fn_service(move |io: TcpStream| {
                    taken();
                    let sessions = sessions.clone();
                    async move {
                        // A connection that is gone already has no peer.
                        if let Ok(peer) = io.peer_addr() {
                            let _ = io.set_nodelay(true);
                            let ends = Ends { peer: Some(peer), local: io.local_addr().ok(), ..Ends::default() };
                            sessions.tcp(door, io, ends).await;
                        }
                        Ok::<_, Infallible>(())
                    }
                })
            })?,
            Bind::Unix(socket) => server.listen_uds(name, socket, move || {
                fence.stand();
                sessions.0.engine.begin();
                let sessions = sessions.clone();
                fn_service(move |io: UnixStream| {
                    taken();
                    let sessions = sessions.clone();
                    async move {
                        sessions.tcp(door, io, Ends::default()).await;
                        Ok::<_, Infallible>(())
                    }
                })
            })?,
            Bind::Udp(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "datagrams have no connections")),
        };
    }
    Ok(server)
}

/// Serves UDP listeners on a thread of their own, since actix's servers know connections only; `None` where there are
/// none.
pub(crate) fn begin_udp(bound: Vec<Bound>, sessions: &Sessions) -> Option<Arbiter> {
    if bound.is_empty() {
        return None;
    }
    let arbiter = Arbiter::new();
    for bound in bound {
        let (door, sessions) = (door(&bound), sessions.clone());
        let Bind::Udp(socket) = bound.socket else { continue };
        arbiter.spawn_fn(move || {
            sessions.0.engine.begin_for(Purpose::Datagrams);
            actix_rt::spawn(udp::serve(socket, door, sessions));
        });
    }
    Some(arbiter)
}
