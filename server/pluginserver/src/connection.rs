//! One connection to a plugin server: one call after the other.

use crate::wire::{self, WireError};
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
