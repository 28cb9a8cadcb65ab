//! One connection to a plugin server: one call, or one frame, after the other.

use crate::wire::{self, LARGEST, WireError};
use rmpv::Value;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("there is no connection to the plugin server: {0}")]
    Unreachable(io::Error),
    /// The connection ended.
    #[error("the plugin server has closed the connection")]
    Closed,
    /// No answer in time.
    #[error("the plugin server has not answered within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// Too many requests are with the server.
    #[error("{0} requests are with the plugin server: no more are let in")]
    Crowded(usize),
    /// What came is no answer.
    #[error("the plugin server does not speak its protocol: {0}")]
    Garbage(#[from] WireError),
    /// What the server, or a plugin's kit, says.
    #[error("{0}")]
    Refused(String),
}

impl From<prost::DecodeError> for CallError {
    fn from(_: prost::DecodeError) -> Self {
        Self::Garbage(WireError::NoMessage)
    }
}

/// A connection.
pub struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    last: u64,
}

impl Connection {
    /// Connects to a socket.
    pub async fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(path).await?, received: Vec::new(), last: 0 })
    }

    /// Whether the other end is there and has nothing to say.
    pub fn is_idle(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// The process at the other end, where it can be known: whoever began to listen.
    pub fn process(&self) -> Option<i32> {
        self.stream.peer_cred().ok()?.pid()
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &[u8], limit: Duration) -> Result<(), CallError> {
        let length = u32::try_from(frame.len()).map_err(|_| WireError::TooLarge)?;
        let bytes = [&length.to_le_bytes(), frame].concat();
        let sent = timeout(limit, self.stream.write_all(&bytes)).await;
        sent.map_err(|_| CallError::Timeout(limit))?.map_err(|_| CallError::Closed)
    }

    /// The next frame; waits so long for it.
    pub async fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, CallError> {
        timeout(limit, self.frame()).await.unwrap_or(Err(CallError::Timeout(limit)))
    }

    async fn frame(&mut self) -> Result<Vec<u8>, CallError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.map_err(|_| CallError::Closed)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LARGEST {
            return Err(WireError::TooLarge.into());
        }
        // It grows as bytes come, whatever was announced.
        let mut frame = Vec::new();
        let read = (&mut self.stream).take(length as u64).read_to_end(&mut frame).await;
        match read {
            Ok(read) if read == length => Ok(frame),
            _ => Err(CallError::Closed),
        }
    }

    /// Calls a method; waits so long for its answer. After an error other than [`CallError::Refused`] the connection
    /// is good for nothing.
    pub async fn call(&mut self, method: &str, argument: Option<Value>, limit: Duration) -> Result<Value, CallError> {
        let answered = timeout(limit, self.exchange(method, argument)).await;
        answered.unwrap_or(Err(CallError::Timeout(limit)))
    }

    async fn exchange(&mut self, method: &str, argument: Option<Value>) -> Result<Value, CallError> {
        self.last += 1;
        let request = wire::request(self.last, method, argument);
        self.stream.write_all(&request).await.map_err(|_| CallError::Closed)?;
        loop {
            if let Some((reply, used)) = wire::reply(&self.received)? {
                self.received.drain(..used);
                if reply.id == self.last {
                    return reply.result.map_err(CallError::Refused);
                }
                continue;
            }
            self.received.reserve(self.received.len().max(4096));
            match self.stream.read_buf(&mut self.received).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(CallError::Closed),
            }
        }
    }
}
