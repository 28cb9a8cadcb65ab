//! Messages in a connection that is kept open.

use crate::ship::{Network, resolve};
use bytes::Bytes;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

pub(in crate::ship) struct Tcp {
    network: Arc<dyn Network>,
    host: String,
    port: u16,
    timeout: Duration,
    keepalive: Duration,
    tls: Option<Option<String>>,
    open: Option<(Box<dyn Stream>, Instant)>,
}

impl Tcp {
    pub fn new(
        network: Arc<dyn Network>,
        (host, port): (String, u16),
        timeout: Duration,
        keepalive: Duration,
        tls: Option<Option<String>>,
    ) -> Self {
        Self { network, host, port, timeout, keepalive, tls, open: None }
    }

    /// Writes messages. A connection that had been idle may turn out to be closed: then there is another one.
    pub async fn send(&mut self, messages: &[Bytes]) -> Result<(), String> {
        let bytes = messages.concat();
        let limit = self.timeout;
        if let Some((mut stream, used)) = self.open.take()
            && used.elapsed() < self.keepalive
            && is_open(&mut *stream)
            && let Ok(Ok(())) = timeout(limit, write(&mut *stream, &bytes)).await
        {
            self.open = Some((stream, Instant::now()));
            return Ok(());
        }
        let sent = timeout(limit, async {
            let mut stream = self.connect().await?;
            write(&mut *stream, &bytes).await.map_err(|error| format!("failed to send data: {error}"))?;
            Ok::<_, String>(stream)
        });
        let stream = sent.await.map_err(|_| "failed to connect or send in time".to_owned())??;
        self.open = Some((stream, Instant::now()));
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let explain = |error: io::Error| format!("failed to connect: {error}");
        let address = resolve(&*self.network, &self.host, self.port).await?;
        let stream = TcpStream::connect(address).await.map_err(explain)?;
        let _ = stream.set_nodelay(true);
        let Some(name) = &self.tls else { return Ok(Box::new(stream)) };
        let name = name.as_deref().unwrap_or(&self.host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| format!("no name for TLS: {error}"))?;
        let connector = tokio_rustls::TlsConnector::from(self.network.tls(false)?);
        let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS handshake failed: {error}"))?;
        Ok(Box::new(stream))
    }
}

async fn write(stream: &mut dyn Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Whether the other end has not closed. What it says is read by nobody.
fn is_open(stream: &mut dyn Stream) -> bool {
    let mut bytes = [0; 512];
    loop {
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut *stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Pending => return true,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
            Poll::Ready(_) => return false,
        }
    }
}
