//! Messages as datagrams.

use crate::ship::{Network, resolve};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::UdpSocket;

pub(in crate::ship) struct Udp {
    network: Arc<dyn Network>,
    host: String,
    port: u16,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Udp {
    pub fn new(network: Arc<dyn Network>, host: String, port: u16) -> Self {
        Self { network, host, port, v4: None, v6: None }
    }

    /// One datagram; one that is too long is an error.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), String> {
        let to = resolve(&*self.network, &self.host, self.port).await?;
        let (socket, any) = match to {
            SocketAddr::V4(_) => (&mut self.v4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            SocketAddr::V6(_) => (&mut self.v6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        };
        let bound = match socket.take() {
            Some(bound) => bound,
            None => UdpSocket::bind(any).await.map_err(|error| format!("failed to open a socket: {error}"))?,
        };
        socket.insert(bound).send_to(message, to).await.map_err(|error| format!("could not send data: {error}"))?;
        Ok(())
    }
}

pub(in crate::ship) struct Local {
    path: PathBuf,
    open: Option<UnixDatagram>,
}

impl Local {
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// One datagram. A server that was started anew has another socket.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), String> {
        if let Some(socket) = &self.open
            && socket.send(message).is_ok()
        {
            return Ok(());
        }
        self.open = None;
        let connect = || -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(&self.path)?;
            socket.send(message)?;
            Ok(socket)
        };
        self.open = Some(connect().map_err(|error| format!("could not send data: {error}"))?);
        Ok(())
    }
}
