//! One request at an upstream, whatever protocol is spoken there.

use super::pool::Pool;
use super::wire::{self, Blocked, UploadError, WireError};
use crate::h1::response_head::Answered;
use crate::h2;
use bytes::Bytes;
use exchange::{Body, Headers, Response};
use std::task::{Context, Poll};

/// A request on its way. Dropped before its end, it leaves the upstream without a reader.
pub enum Call {
    /// HTTP/1.1, on a connection of its own.
    H1(Box<wire::Wire>),
    /// HTTP/2, on a stream of a connection that is shared.
    H2(Box<h2::wire::Wire>),
}

/// What matters for sending a request again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// The connection was one from the pool, and nothing came back.
    pub stale: bool,
    /// Bytes of the request were written.
    pub began: bool,
    /// Bytes of the body were taken from the client that are not kept.
    pub pulled: bool,
}

impl Call {
    /// Whether the whole request has gone out.
    #[inline]
    pub fn is_uploaded(&self) -> bool {
        match self {
            Self::H1(wire) => wire.is_uploaded(),
            Self::H2(wire) => wire.is_uploaded(),
        }
    }

    /// Whether more of the request can go out.
    #[inline]
    pub fn is_uploading(&self) -> bool {
        match self {
            Self::H1(wire) => wire.is_uploading(),
            Self::H2(wire) => wire.is_uploading(),
        }
    }

    /// Whether bytes were written since this was asked last.
    pub fn progressed(&mut self) -> bool {
        match self {
            Self::H1(wire) => wire.progressed(),
            Self::H2(wire) => wire.progressed(),
        }
    }

    /// What [`Call::poll_upload`] waits for, when it does.
    pub fn blocked(&self) -> Blocked {
        match self {
            Self::H1(wire) => wire.blocked,
            Self::H2(wire) => wire.blocked,
        }
    }

    /// How far the request got.
    pub fn sent(&self) -> Sent {
        match self {
            Self::H1(wire) => Sent { stale: wire.reused && wire.received == 0, began: wire.began, pulled: wire.pulled },
            Self::H2(wire) => wire.sent(),
        }
    }

    /// Sends as much as goes; ready when all of the request has gone.
    #[inline]
    pub fn poll_upload(&mut self, context: &mut Context<'_>, body: &mut Body) -> Poll<Result<(), UploadError>> {
        match self {
            Self::H1(wire) => wire.poll_upload(context, body),
            Self::H2(wire) => wire.poll_upload(context, body),
        }
    }

    /// The next head: an interim one or the answer's. The body that follows is [`Call::poll_body`].
    #[inline]
    pub fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        head_request: bool,
        response: &mut Response,
    ) -> Poll<Result<Answered, WireError>> {
        match self {
            Self::H1(wire) => wire.poll_head(context, head_request, response),
            Self::H2(wire) => wire.poll_head(context, head_request, response),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    #[inline]
    pub fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        match self {
            Self::H1(wire) => wire.poll_body(context),
            Self::H2(wire) => wire.poll_body(context),
        }
    }

    /// The answer's trailers, after its end.
    pub fn take_trailers(&mut self) -> Option<Box<Headers>> {
        match self {
            Self::H1(wire) => wire.take_trailers(),
            Self::H2(wire) => wire.take_trailers().map(Box::new),
        }
    }

    /// The end of the exchange: the connection serves others where it can.
    pub fn finish(self, pool: &Pool, now: u64) {
        match self {
            Self::H1(wire) => wire.finish(pool, now),
            // Its connection is in the pool already.
            Self::H2(wire) => drop(wire),
        }
    }
}
