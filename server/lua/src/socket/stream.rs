//! A connection, in cleartext or TLS, with what was read ahead.

use super::{SocketError, network};
use bytes::{Buf, BytesMut};
use rustls_pki_types::ServerName;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;
/// Bytes of one line, or of everything up to the end, that are held at most.
const MOST: usize = 64 << 20;

enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An open connection.
pub struct Stream {
    io: Io,
    ahead: BytesMut,
}

/// Waits no longer than so.
async fn within<T, E: Into<SocketError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, SocketError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(SocketError::Timeout),
    }
}

impl Stream {
    /// Connects to a name or address, or to `unix:/path`.
    pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Self, SocketError> {
        let io = match host.strip_prefix("unix:") {
            Some(path) => Io::Unix(within(limit, UnixStream::connect(path)).await?),
            None => {
                let resolving = network().map_err(SocketError::Other)?.resolve(host, port);
                let unresolved = |error| SocketError::Unresolved(host.to_owned(), error);
                let connecting = async {
                    let address = resolving.await.map_err(unresolved)?;
                    Ok::<_, SocketError>(TcpStream::connect(address).await?)
                };
                let stream = within(limit, connecting).await?;
                let _ = stream.set_nodelay(true);
                Io::Tcp(stream)
            }
        };
        Ok(Self { io, ahead: BytesMut::new() })
    }

    /// Speaks TLS from now on. Does nothing where that is so already.
    pub async fn handshake(self, name: &str, verify: bool, limit: Duration) -> Result<Self, SocketError> {
        let stream = match self.io {
            Io::Tcp(stream) => stream,
            Io::Tls(_) => return Ok(self),
            Io::Unix(_) => return Err(SocketError::Tls("there is no TLS over a Unix socket".to_owned())),
        };
        let config = network().and_then(|network| network.tls(verify)).map_err(SocketError::Tls)?;
        let name = ServerName::try_from(name.to_owned())?;
        let secured = within(limit, TlsConnector::from(config).connect(name, stream)).await;
        let secured = secured.map_err(|error| match error {
            SocketError::Other(text) => SocketError::Tls(text),
            other => other,
        })?;
        Ok(Self { io: Io::Tls(Box::new(secured)), ahead: BytesMut::new() })
    }

    /// Whether nothing has happened on it that would make it useless for someone else.
    pub fn is_idle(&self) -> bool {
        let mut byte = [0];
        let read = match &self.io {
            Io::Tcp(stream) => stream.try_read(&mut byte),
            Io::Unix(stream) => stream.try_read(&mut byte),
            Io::Tls(stream) => stream.get_ref().0.try_read(&mut byte),
        };
        self.ahead.is_empty() && read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Sends all of it.
    pub async fn send(&mut self, data: &[u8], limit: Duration) -> Result<(), SocketError> {
        let io = &mut self.io;
        within(limit, async {
            match io {
                Io::Tcp(stream) => stream.write_all(data).await,
                Io::Unix(stream) => stream.write_all(data).await,
                Io::Tls(stream) => {
                    stream.write_all(data).await?;
                    stream.flush().await
                }
            }
        })
        .await
    }

    /// Reads on; false at the end.
    async fn more(&mut self, limit: Duration) -> Result<bool, SocketError> {
        if self.ahead.len() > MOST {
            return Err(SocketError::Other("too much to hold".to_owned()));
        }
        self.ahead.reserve(PIECE);
        let (io, ahead) = (&mut self.io, &mut self.ahead);
        let read = within(limit, async {
            match io {
                Io::Tcp(stream) => stream.read_buf(ahead).await,
                Io::Unix(stream) => stream.read_buf(ahead).await,
                Io::Tls(stream) => stream.read_buf(ahead).await,
            }
        })
        .await?;
        Ok(read > 0)
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, count: usize, limit: Duration) -> Result<Vec<u8>, SocketError> {
        while self.ahead.len() < count {
            if !self.more(limit).await? {
                return Err(SocketError::Closed);
            }
        }
        Ok(self.ahead.split_to(count).to_vec())
    }

    /// What there is, at most so many bytes; waits for the first.
    pub async fn any(&mut self, most: usize, limit: Duration) -> Result<Vec<u8>, SocketError> {
        if self.ahead.is_empty() && !self.more(limit).await? {
            return Err(SocketError::Closed);
        }
        let count = self.ahead.len().min(most);
        Ok(self.ahead.split_to(count).to_vec())
    }

    /// Everything to the end.
    pub async fn all(&mut self, limit: Duration) -> Result<Vec<u8>, SocketError> {
        while self.more(limit).await? {}
        Ok(self.rest())
    }

    /// Everything before a text, which is read, too.
    pub async fn until(&mut self, text: &[u8], limit: Duration) -> Result<Vec<u8>, SocketError> {
        let mut seen = 0;
        loop {
            let found = self.ahead[seen..].windows(text.len().max(1)).position(|window| window == text);
            if let Some(at) = found {
                let found = self.ahead.split_to(seen + at).to_vec();
                self.ahead.advance(text.len());
                return Ok(found);
            }
            seen = self.ahead.len().saturating_sub(text.len());
            if !self.more(limit).await? {
                return Err(SocketError::Closed);
            }
        }
    }

    /// What was read ahead: what a read that failed gives as its third value.
    pub fn rest(&mut self) -> Vec<u8> {
        self.ahead.split().to_vec()
    }
}
