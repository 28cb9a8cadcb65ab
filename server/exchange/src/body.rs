//! The body of a request: absent, still on the connection, or in memory because a plugin asked to see it whole.

use crate::Headers;
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than `client_max_body_size` or than the reader's own limit; answered with 413.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Broken framing (RFC 9112 §7.1); answered with 400.
    #[error("the body's framing is broken: {0}")]
    Malformed(&'static str),
    /// The client closed the connection before the end.
    #[error("the client closed the connection before the end of the body")]
    Closed,
    /// The client sent nothing for too long; answered with 408.
    #[error("the client sent no part of the body for too long")]
    Timeout,
}

/// A body as it comes from a connection, chunk by chunk, its framing removed.
pub trait BodySource {
    /// The next chunk, or `None` after the last one. Not called again after `None` or an error.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// Trailer lines (RFC 9110 §6.5), known after the last chunk.
    fn trailers(&mut self) -> Option<Headers> {
        None
    }
}

/// A request's body.
#[derive(Default)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// Still on the connection.
    Stream(Box<dyn BodySource>),
    /// Read whole, or set by a plugin. Sent with `Content-Length`.
    Buffered(Bytes),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Buffered(bytes) => write!(f, "Buffered({})", bytes.len()),
        }
    }
}

impl Body {
    /// Reads the body into memory, at most `limit` bytes, and keeps it for the upstream.
    pub async fn read(&mut self, limit: u64) -> Result<Bytes, BodyError> {
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Buffered(bytes) => Ok(bytes.clone()),
            Self::Stream(source) => {
                let mut first: Option<Bytes> = None;
                let mut rest = BytesMut::new();
                while let Some(chunk) = poll_fn(|context| source.poll_chunk(context)).await {
                    let chunk = chunk?;
                    if (first.as_ref().map_or(0, Bytes::len) + rest.len() + chunk.len()) as u64 > limit {
                        return Err(BodyError::TooLarge { limit });
                    }
                    match &first {
                        None => first = Some(chunk),
                        Some(begin) => {
                            if rest.is_empty() {
                                rest.extend_from_slice(begin);
                                first = Some(Bytes::new());
                            }
                            rest.extend_from_slice(&chunk);
                        }
                    }
                }
                let bytes = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
                *self = Self::Buffered(bytes.clone());
                Ok(bytes)
            }
        }
    }
}
