//! New connections to upstreams.

use crate::stream::{ClientStream, Socket};
use exchange::TryError;
use rustls_pki_types::{DnsName, ServerName};
use snapshot::UpstreamTls;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection to an upstream.
#[derive(Debug)]
pub enum UpstreamIo {
    /// Cleartext.
    Plain(TcpStream),
    /// TLS. What is written is on its way only after a flush.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A way of speaking TLS, and the name of the server.
pub type TlsTo = (Arc<UpstreamTls>, Vec<u8>);

/// Where to connect to, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    /// The way of speaking TLS, with the server name: sent as SNI, and what the certificate must be for. A whole `Host`
    /// header will do.
    pub tls: Option<TlsTo>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No answer in time.
    #[error("connecting took too long")]
    Timeout,
    /// Any other failure below TLS.
    #[error("not reachable: {0}")]
    Unreachable(#[source] io::Error),
    /// The handshake failed, or the certificate is not believed.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
}

impl ConnectError {
    /// As the failure of a try.
    pub fn of_try(&self) -> TryError {
        match self {
            Self::Timeout => TryError::ConnectTimeout,
            Self::Tls(_) => TryError::Tls,
            Self::Refused | Self::Unreachable(_) => TryError::Connect,
        }
    }
}

/// Connects, TLS included. Has no time limit but the system's: whoever calls it keeps one.
pub async fn connect(endpoint: &Endpoint) -> Result<UpstreamIo, ConnectError> {
    secure(open(endpoint.address).await?, endpoint).await
}

/// The same; `first` is said before anything else, TLS included (PROXY protocol).
pub async fn connect_saying(endpoint: &Endpoint, first: &[u8]) -> Result<UpstreamIo, ConnectError> {
    let mut io = open(endpoint.address).await?;
    io.write_all(first).await.map_err(ConnectError::Unreachable)?;
    secure(io, endpoint).await
}

async fn secure(io: TcpStream, endpoint: &Endpoint) -> Result<UpstreamIo, ConnectError> {
    let Some((tls, host)) = &endpoint.tls else { return Ok(UpstreamIo::Plain(io)) };
    let connector = TlsConnector::from(tls.config().clone());
    connector
        .connect(name_of(host, endpoint.address), io)
        .await
        .map(|io| UpstreamIo::Tls(Box::new(io)))
        .map_err(ConnectError::Tls)
}

/// Connects to an upstream that speaks HTTP/2: over TLS it is asked for by ALPN, and an upstream that chooses something
/// else is refused; one that chooses nothing is believed to know.
pub async fn connect_http2(endpoint: &Endpoint) -> Result<UpstreamIo, ConnectError> {
    let io = open(endpoint.address).await?;
    let Some((tls, host)) = &endpoint.tls else { return Ok(UpstreamIo::Plain(io)) };
    let connector = TlsConnector::from(tls.config().clone());
    let shaken = connector.with_alpn(vec![b"h2".to_vec()]).connect(name_of(host, endpoint.address), io).await;
    let io = shaken.map_err(ConnectError::Tls)?;
    match io.get_ref().1.alpn_protocol() {
        None | Some(b"h2") => Ok(UpstreamIo::Tls(Box::new(io))),
        Some(_) => Err(ConnectError::Tls(io::Error::other("the upstream does not speak HTTP/2"))),
    }
}

async fn open(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let io = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused,
        io::ErrorKind::TimedOut => ConnectError::Timeout,
        _ => ConnectError::Unreachable(error),
    })?;
    // Heads and pieces of bodies must not wait for acknowledgements.
    let _ = io.set_nodelay(true);
    Ok(io)
}

/// The name a server must show, as `Host` says; the address where that is no name.
fn name_of(host: &[u8], address: SocketAddr) -> ServerName<'static> {
    server_name(host).unwrap_or_else(|| ServerName::from(address.ip()))
}

/// Connects within a time limit, at the price of a timer of its own.
pub async fn connect_within(endpoint: &Endpoint, limit: Duration) -> Result<UpstreamIo, ConnectError> {
    tokio::time::timeout(limit, connect(endpoint)).await.unwrap_or(Err(ConnectError::Timeout))
}

/// The part of a `Host` header that names the server: without port, and without the brackets of an IPv6 address.
pub fn name_of_host(host: &[u8]) -> &[u8] {
    if let Some(inside) = host.strip_prefix(b"[") {
        return inside.split(|byte| *byte == b']').next().unwrap_or_default();
    }
    match host.iter().position(|byte| *byte == b':') {
        // More than one colon: an IPv6 address without brackets.
        Some(at) if !host[at + 1..].contains(&b':') => &host[..at],
        _ => host,
    }
}

/// The server name of a `Host` header; `None` where it is no name TLS can carry. Addresses are never sent as SNI
/// (RFC 6066 §3), but certificates are compared with them.
pub fn server_name(host: &[u8]) -> Option<ServerName<'static>> {
    let name = std::str::from_utf8(name_of_host(host)).ok()?;
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Some(ServerName::from(ip));
    }
    DnsName::try_from(name.trim_end_matches('.').to_owned()).ok().map(ServerName::DnsName)
}

impl UpstreamIo {
    /// Makes the connection end with a reset when it is dropped.
    pub fn reset_on_drop(&self) {
        match self {
            Self::Plain(io) => io.reset_on_drop(),
            Self::Tls(io) => io.get_ref().0.reset_on_drop(),
        }
    }
}

impl Socket for UpstreamIo {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(io) => io.socket(),
            Self::Tls(_) => None,
        }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(context, parts),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Tls(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_host_header_names_the_server() {
        for (host, expected) in [
            ("a.test", Some("a.test")),
            ("a.test:8443", Some("a.test")),
            ("a.test.", Some("a.test")),
            ("under_score.test", Some("under_score.test")),
            ("10.0.0.1:443", Some("10.0.0.1")),
            ("[::1]:443", Some("::1")),
            ("::1", Some("::1")),
            ("", None),
            ("not a name", None),
            ("\u{fc}.test", None),
        ] {
            let found = server_name(host.as_bytes());
            assert_eq!(found.as_ref().map(|name| name.to_str()).as_deref(), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn refusal_and_silence_are_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tls = snapshot::Trust::default().probe(None, false).unwrap();
        let limit = Duration::from_secs(20);
        let plain = Endpoint { address, tls: None };
        let secure = Endpoint { address, tls: Some((tls, b"a.test".to_vec())) };
        assert!(matches!(connect(&plain).await, Ok(UpstreamIo::Plain(_))));
        // The system accepts, and nobody answers the handshake.
        let silent = connect_within(&secure, Duration::from_millis(50)).await;
        assert!(matches!(silent, Err(ConnectError::Timeout)), "{silent:?}");
        drop(listener);
        let refused = connect_within(&secure, limit).await;
        assert!(matches!(refused, Err(ConnectError::Refused)), "{refused:?}");
    }
}
