//! One request on an upstream connection, in HTTP/1.1: it goes out, its answer comes in. Everything is polled.

use super::pool::{Connection, Pool};
use crate::buffers::{BUFFER_SIZE, Buffers};
use crate::h1::chunked::{Decoder, Piece, write_end, write_size};
use crate::h1::response_head::{self, Answered, Framing, HeadError};
use crate::outgoing::Outgoing;
use bytes::{Bytes, BytesMut};
use exchange::{Body, BodyError, Headers, Response};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;

/// How far the request has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// Only what is queued is left.
    Queued,
    /// The body is pulled from the client, `left` bytes more of it (`None` = in chunks).
    Pulling { left: Option<u64> },
    /// All of it has gone.
    Done,
    /// The upstream takes no more.
    Broken,
}

/// Why a request could not go out.
#[derive(Debug)]
pub enum UploadError {
    /// The client's side of the body.
    Client(BodyError),
    /// The upstream's connection.
    Upstream(io::Error),
}

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed.
    #[error("reading from the upstream failed: {0}")]
    Io(#[from] io::Error),
    /// The connection ended before the answer.
    #[error("the upstream closed the connection before its answer was whole")]
    Closed,
    /// The head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body's framing.
    #[error("the upstream's body is malformed: {0}")]
    Chunk(#[from] crate::h1::chunked::ChunkError),
}

#[derive(Debug)]
enum Inbound {
    Length(u64),
    Chunked(Decoder),
    Close,
    Done,
}

/// What waits for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// More of the body from the client.
    Client,
    /// Room to write to the upstream.
    Upstream,
}

/// A request on its way, with its connection. Dropped before its end, it closes the connection.
pub struct Wire {
    connection: Connection,
    buffers: Rc<Buffers>,
    /// Whether the connection served a request before this one.
    pub reused: bool,
    outgoing: Outgoing,
    owes_line_end: bool,
    upload: Upload,
    /// Whether any byte was written.
    pub began: bool,
    /// Whether bytes of the body were taken from the client.
    pub pulled: bool,
    wrote: bool,
    /// What [`Wire::poll_upload`] waits for, when it does.
    pub blocked: Blocked,
    input: BytesMut,
    scanned: usize,
    inbound: Inbound,
    keep: bool,
    trailers: Option<Box<Headers>>,
    /// Bytes of the answer read so far, in all.
    pub received: u64,
}

impl Wire {
    /// A request whose head is `head`. Its body is `at_hand`, or (`pulled`) what the client's body source gives: so
    /// many bytes (`Some(Some(n))`) or in chunks (`Some(None)`).
    pub fn new(
        mut connection: Connection,
        buffers: Rc<Buffers>,
        head: Vec<u8>,
        at_hand: Bytes,
        pulled: Option<Option<u64>>,
    ) -> Self {
        let reused = connection.requests > 0;
        connection.requests += 1;
        let mut wire = Self {
            connection,
            buffers,
            reused,
            outgoing: Outgoing::of(head),
            owes_line_end: false,
            upload: match pulled {
                Some(left) => Upload::Pulling { left },
                None => Upload::Queued,
            },
            began: false,
            pulled: false,
            wrote: false,
            blocked: Blocked::Upstream,
            input: BytesMut::new(),
            scanned: 0,
            inbound: Inbound::Done,
            keep: false,
            trailers: None,
            received: 0,
        };
        wire.queue(at_hand);
        wire
    }

    /// Whether the whole request has gone out.
    pub fn is_uploaded(&self) -> bool {
        self.upload == Upload::Done
    }

    /// Whether more of the request can go out.
    pub fn is_uploading(&self) -> bool {
        matches!(self.upload, Upload::Queued | Upload::Pulling { .. })
    }

    /// Whether bytes were written since this was asked last.
    pub fn progressed(&mut self) -> bool {
        std::mem::take(&mut self.wrote)
    }

    /// Sends as much as goes; ready when all of the request has gone.
    pub fn poll_upload(&mut self, context: &mut Context<'_>, body: &mut Body) -> Poll<Result<(), UploadError>> {
        loop {
            self.blocked = Blocked::Upstream;
            match self.poll_write(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.upload = Upload::Broken;
                    return Poll::Ready(Err(UploadError::Upstream(error)));
                }
            }
            match self.upload {
                Upload::Done | Upload::Broken => return Poll::Ready(Ok(())),
                Upload::Queued => {
                    self.upload = Upload::Done;
                    return Poll::Ready(Ok(()));
                }
                Upload::Pulling { left } => {
                    self.blocked = Blocked::Client;
                    self.pull(ready!(poll_body(body, context)), left, body)?;
                }
            }
        }
    }

    fn pull(
        &mut self,
        next: Option<Result<Bytes, BodyError>>,
        left: Option<u64>,
        body: &mut Body,
    ) -> Result<(), UploadError> {
        match next {
            Some(Ok(data)) => {
                self.pulled = true;
                let left = match left {
                    Some(left) => Some(left.checked_sub(data.len() as u64).ok_or(UploadError::Client(
                        BodyError::Malformed("the body is longer than its Content-Length"),
                    ))?),
                    None => None,
                };
                self.upload = Upload::Pulling { left };
                if left.is_none() && !data.is_empty() {
                    self.settle_line();
                    write_size(self.outgoing.text(&self.buffers), data.len());
                    self.queue(data);
                    self.owes_line_end = true;
                } else {
                    self.queue(data);
                }
                Ok(())
            }
            Some(Err(error)) => {
                self.upload = Upload::Broken;
                Err(UploadError::Client(error))
            }
            None => {
                match left {
                    Some(0) => {}
                    Some(_) => return Err(UploadError::Client(BodyError::Closed)),
                    None => {
                        self.settle_line();
                        let trailers = if let Body::Stream(source) = body { source.trailers() } else { None };
                        write_end(self.outgoing.text(&self.buffers), trailers.as_ref());
                    }
                }
                self.upload = Upload::Queued;
                Ok(())
            }
        }
    }

    fn settle_line(&mut self) {
        if std::mem::take(&mut self.owes_line_end) {
            self.outgoing.text(&self.buffers).extend_from_slice(b"\r\n");
        }
    }

    fn queue(&mut self, data: Bytes) {
        self.outgoing.push(data, &self.buffers);
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while ready!(self.outgoing.poll_write(&mut self.connection.io, &self.buffers, context))? > 0 {
            self.began = true;
            self.wrote = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more; 0 at the end of the stream.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() == 0 {
            self.input = self.buffers.take();
        } else if self.input.capacity() - self.input.len() < BUFFER_SIZE / 8 {
            self.input.reserve(BUFFER_SIZE);
        }
        let Poll::Ready(read) = pin!(self.connection.io.read_buf(&mut self.input)).poll(context) else {
            // While one waits, others use the buffer: one that is passed around stays in the processor's cache.
            if self.input.is_empty() {
                self.buffers.give(std::mem::take(&mut self.input));
            }
            return Poll::Pending;
        };
        let count = read?;
        self.received += count as u64;
        Poll::Ready(Ok(count))
    }

    /// The next head: an interim one or the answer's. The body that follows is [`Wire::poll_body`].
    pub fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        head_request: bool,
        response: &mut Response,
    ) -> Poll<Result<Answered, WireError>> {
        loop {
            if !self.input.is_empty()
                && let Some(answered) = response_head::take(&mut self.input, &mut self.scanned, head_request, response)?
            {
                if response.status >= 200 {
                    self.keep = answered.keep_alive;
                    self.inbound = match answered.framing {
                        Framing::None | Framing::Length(0) => Inbound::Done,
                        Framing::Length(length) => Inbound::Length(length),
                        Framing::Chunked => Inbound::Chunked(Decoder::default()),
                        Framing::Close => Inbound::Close,
                    };
                }
                return Poll::Ready(Ok(answered));
            }
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Err(WireError::Closed));
            }
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            match &mut self.inbound {
                Inbound::Done => return Poll::Ready(None),
                Inbound::Length(left) if !self.input.is_empty() => {
                    let count = (*left).min(self.input.len() as u64);
                    *left -= count;
                    if *left == 0 {
                        self.inbound = Inbound::Done;
                    }
                    return Poll::Ready(Some(Ok(self.input.split_to(count as usize).freeze())));
                }
                Inbound::Close if !self.input.is_empty() => return Poll::Ready(Some(Ok(self.input.split().freeze()))),
                Inbound::Chunked(decoder) => match decoder.next(&mut self.input) {
                    Ok(None) => {}
                    Ok(Some(Piece::Data(data))) => return Poll::Ready(Some(Ok(data))),
                    Ok(Some(Piece::End(trailers))) => {
                        self.trailers = trailers;
                        self.inbound = Inbound::Done;
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                },
                Inbound::Length(_) | Inbound::Close => {}
            }
            let end = match ready!(self.poll_fill(context)) {
                Ok(0) => true,
                Ok(_) => false,
                // Many servers end TLS without saying so; where the end of the connection is the end of the body
                // there is nothing better to go by.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            };
            if end {
                if matches!(self.inbound, Inbound::Close) {
                    self.inbound = Inbound::Done;
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(Err(WireError::Closed)));
            }
        }
    }

    /// Whether the body is at its end without reading on.
    pub fn is_received(&self) -> bool {
        matches!(self.inbound, Inbound::Done)
    }

    /// The answer's trailers, after its end.
    pub fn take_trailers(&mut self) -> Option<Box<Headers>> {
        self.trailers.take()
    }

    /// The end of the exchange: the connection goes back to the pool where it can serve another request.
    pub fn finish(self, pool: &Pool, now: u64) {
        let whole = self.upload == Upload::Done && matches!(self.inbound, Inbound::Done) && self.input.is_empty();
        let Self { connection, buffers, input, mut outgoing, keep, .. } = self;
        if input.capacity() > 0 {
            buffers.give(input);
        }
        outgoing.release(&buffers);
        if whole && keep {
            pool.give(connection, now);
        }
    }

    /// Connection and what was read ahead, for a tunnel.
    pub fn into_parts(self) -> (Connection, BytesMut) {
        (self.connection, self.input)
    }
}

/// The next piece of a body to send, wherever it is.
pub(crate) fn poll_body(body: &mut Body, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
    match body {
        Body::Empty => Poll::Ready(None),
        Body::Buffered(bytes) if bytes.is_empty() => Poll::Ready(None),
        Body::Buffered(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
        Body::Stream(source) => source.poll_chunk(context),
    }
}
