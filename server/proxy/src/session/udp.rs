//! Sessions over UDP: one per client address, until nothing has come or gone for the Service's time.

use super::dial::{self, Reached};
use super::live::{Door, Sessions, admit, route};
use crate::life::Collected;
use crate::worker::{Ends, Worker};
use bytes::Bytes;
use exchange::{Exchange, Session, Transport};
use router::NetProtocol;
use snapshot::{CompiledService, Snapshot};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};

/// No datagram is longer (RFC 768: the length field has 16 bits).
const LONGEST: usize = 65_535;
/// Datagrams of one client that wait for their session; further ones are dropped, as a network may.
const WAITING: usize = 64;

/// The sessions of one listener, by their clients.
type Table = Rc<RefCell<HashMap<SocketAddr, Sender<Bytes>, foldhash::fast::RandomState>>>;

/// Serves a listener for as long as its thread lives.
pub(super) async fn serve(socket: std::net::UdpSocket, door: Door, sessions: Sessions) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => Rc::new(socket),
        Err(error) => return tracing::error!(%error, port = door.port, "a UDP listener cannot be served"),
    };
    let worker = sessions.0.engine.worker();
    let local = socket.local_addr().ok();
    let table = Table::default();
    let mut buffer = vec![0; LONGEST];
    let mut full = false;
    loop {
        // What the network tells of datagrams sent before concerns their sessions, which notice by themselves.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = Bytes::copy_from_slice(&buffer[..length]);
        let mut known = table.borrow_mut();
        if let Some(session) = known.get(&client) {
            let _ = session.try_send(datagram);
            continue;
        }
        let crowded = known.len() >= sessions.0.settings.udp_sessions;
        if crowded != full {
            full = crowded;
            match full {
                true => tracing::warn!(port = door.port, "a UDP listener has all the sessions it may have"),
                false => tracing::info!(port = door.port, "a UDP listener has room for sessions again"),
            }
        }
        if crowded || worker.is_stopping() {
            continue;
        }
        let (sender, datagrams) = channel(WAITING);
        let _ = sender.try_send(datagram);
        known.insert(client, sender);
        let ends = Ends { peer: Some(client), local, ..Ends::default() };
        let one = One { sessions: sessions.clone(), worker: worker.clone(), socket: socket.clone(), client, datagrams };
        let table = table.clone();
        actix_rt::spawn(async move {
            one.live(door, ends).await;
            table.borrow_mut().remove(&client);
        });
    }
}

struct One {
    sessions: Sessions,
    worker: Rc<Worker>,
    socket: Rc<UdpSocket>,
    client: SocketAddr,
    datagrams: Receiver<Bytes>,
}

impl One {
    async fn live(mut self, door: Door, ends: Ends) {
        let snapshot = self.worker.snapshot();
        let session = Session { transport: Transport::Udp, ..Session::default() };
        let mut exchange = self.sessions.exchange(&ends, door, session, &snapshot, &self.worker);
        let mut collected = Collected::new();
        self.proxy(&mut exchange, &snapshot, &mut collected).await;
        self.sessions.finish(&mut exchange, &collected);
    }

    async fn proxy<'s>(&mut self, exchange: &mut Exchange, snapshot: &'s Arc<Snapshot>, collected: &mut Collected<'s>) {
        let Some(route) = route(exchange, NetProtocol::Udp, snapshot, collected) else { return };
        // A client that is refused is not told: its address may be somebody else's.
        let Ok(service) = admit(exchange, route, collected).await else { return };
        let mut reached = match dial::udp(exchange, service, snapshot, &self.worker).await {
            Ok(reached) => reached,
            Err(answer) => {
                tracing::error!(status = answer.status, body = ?answer.body, "unable to proxy stream connection");
                exchange.response.status = answer.status;
                return;
            }
        };
        let mut session = exchange.session.take().unwrap_or_default();
        let ended = self.pass(&mut session, service, &mut reached).await;
        exchange.response.status = 200;
        if let Err(error) = ended {
            tracing::warn!(upstream = ?exchange.upstream_address, %error, "a session failed");
            reached.failed();
            if session.upstream_received == 0 {
                exchange.response.status = 502;
            }
        }
        exchange.session = Some(session);
    }

    /// Passes datagrams both ways until none has passed for the Service's time. The error is the upstream's.
    async fn pass(
        &mut self,
        session: &mut Session,
        service: &CompiledService,
        reached: &mut Reached<UdpSocket>,
    ) -> io::Result<()> {
        let idle = match service.read_timeout.max(service.write_timeout) {
            Duration::ZERO => Duration::from_secs(600),
            idle => idle,
        };
        let mut buffer = vec![0; LONGEST];
        let mut until = Instant::now() + idle;
        let wait = sleep_until(until);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                datagram = self.datagrams.recv() => {
                    // The table keeps the sender as long as this lives.
                    let Some(datagram) = datagram else { return Ok(()) };
                    session.received += datagram.len() as u64;
                    session.upstream_sent += reached.io.send(&datagram).await? as u64;
                }
                received = reached.io.recv(&mut buffer) => {
                    let length = received?;
                    if session.upstream_received == 0 {
                        reached.well();
                    }
                    session.upstream_received += length as u64;
                    // A client that is gone is no failure of the upstream.
                    session.sent += self.socket.send_to(&buffer[..length], self.client).await.unwrap_or(0) as u64;
                }
                () = &mut wait => {
                    if until <= Instant::now() {
                        return Ok(());
                    }
                    wait.as_mut().reset(until);
                    continue;
                }
            }
            until = Instant::now() + idle;
        }
    }
}
