//! One client connection: bytes in, bytes out, and where in the stream the current request's body is. Everything here
//! is polled; nothing waits.

use super::chunked::{Piece, write_end, write_size};
use super::head::{BodyFraming, Search};
use super::write::Length;
use crate::buffers::BUFFER_SIZE;
use crate::outgoing::Outgoing;
use crate::stream::ClientStream;
use crate::sweep::Deadline;
use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use exchange::{BodyError, BodySource, Headers};
use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncReadExt, ReadBuf};

/// What a client may send ahead (pipelining) while its request is worked on, in bytes.
const AHEAD_LIMIT: usize = 16 * 1024;

/// The body of the request that is worked on.
#[derive(Default)]
pub(super) struct Inbound {
    framing: BodyFraming,
    /// The client still waits for `100 Continue`.
    pub expects_continue: bool,
    /// An error was found: what follows on the connection cannot be told from content.
    broken: bool,
    received: u64,
    limit: u64,
    trailers: Option<Box<Headers>>,
    armed: bool,
}

impl Inbound {
    pub fn is_done(&self) -> bool {
        matches!(self.framing, BodyFraming::None) && !self.broken
    }

    /// Bytes still to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self.framing {
            _ if self.broken => None,
            BodyFraming::None => Some(0),
            BodyFraming::Length(left) => Some(left),
            BodyFraming::Chunked(_) => None,
        }
    }
}

pub(super) struct Link<S> {
    pub io: S,
    worker: Rc<Worker>,
    pub deadline: Rc<Deadline>,
    pub input: BytesMut,
    pub search: Search,
    pub body: Inbound,
    /// When the first byte of the next request was read.
    pub begin: Option<Instant>,
    /// Whether its head took more than one read.
    pub waited: bool,
    /// Whether the head of the current request lets the connection be used on.
    pub keep_alive: bool,
    /// Whether a request was refused before its end: the client may still be sending it.
    pub refused: bool,
    ended: bool,
    outgoing: Outgoing,
    length: Length,
    /// Bytes that `Length::Known` still promises.
    promised: u64,
    owes_line_end: bool,
    /// Bytes written to the client, in all.
    pub sent: u64,
}

impl<S: ClientStream> Link<S> {
    pub fn new(io: S, worker: Rc<Worker>, deadline: Rc<Deadline>) -> Self {
        Self {
            io,
            worker,
            deadline,
            input: BytesMut::new(),
            search: Search::default(),
            body: Inbound::default(),
            begin: None,
            waited: false,
            keep_alive: false,
            refused: false,
            ended: false,
            outgoing: Outgoing::default(),
            length: Length::None,
            promised: 0,
            owes_line_end: false,
            sent: 0,
        }
    }

    /// Reads more into `input`; 0 at the end of the stream.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let borrowed = self.input.capacity() == 0;
        if borrowed {
            self.input = self.worker.buffers.take();
        } else if self.input.capacity() - self.input.len() < BUFFER_SIZE / 16 {
            self.input.reserve(BUFFER_SIZE);
        }
        let read = pin!(self.io.read_buf(&mut self.input)).poll(context);
        match read {
            Poll::Pending => {
                if borrowed {
                    self.rest();
                }
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => {
                self.ended = true;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Ok(count)) => Poll::Ready(Ok(count)),
            Poll::Ready(Err(error)) => {
                self.ended = true;
                Poll::Ready(Err(error))
            }
        }
    }

    /// Gives the read buffer back where nothing is in it: an idle connection holds none.
    pub fn rest(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            self.worker.buffers.give(std::mem::take(&mut self.input));
        }
    }

    /// Ready when the client has gone away. What it sends ahead meanwhile is kept, up to a limit.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Most often nothing comes, so no buffer is borrowed for it.
        let mut ahead = [MaybeUninit::uninit(); 1024];
        while self.input.len() < AHEAD_LIMIT && !self.ended {
            let mut ahead = ReadBuf::uninit(&mut ahead);
            match ready!(Pin::new(&mut self.io).poll_read(context, &mut ahead)) {
                Ok(()) if !ahead.filled().is_empty() => {
                    if self.input.capacity() == 0 {
                        self.input = self.worker.buffers.take();
                    }
                    self.input.extend_from_slice(ahead.filled());
                }
                Ok(()) | Err(_) => self.ended = true,
            }
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The next request's body is delimited so; `limit` bytes are taken at most (0 = any number).
    pub fn begin_body(&mut self, framing: BodyFraming, expects_continue: bool, limit: u64) {
        self.body = Inbound { framing, expects_continue, limit, ..Inbound::default() };
    }

    /// The body, where all of it has been read with the head.
    pub fn body_at_hand(&mut self) -> Option<Bytes> {
        match self.body.framing {
            BodyFraming::Length(length) if length <= self.input.len() as u64 => {
                self.body.framing = BodyFraming::None;
                self.body.received = length;
                Some(self.input.split_to(length as usize).freeze())
            }
            _ => None,
        }
    }

    pub fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.body.broken {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        loop {
            match &mut self.body.framing {
                BodyFraming::None => return Poll::Ready(None),
                BodyFraming::Length(left) if !self.input.is_empty() => {
                    let count = (*left).min(self.input.len() as u64);
                    *left -= count;
                    if *left == 0 {
                        self.body.framing = BodyFraming::None;
                    }
                    self.body.armed = false;
                    self.body.received += count;
                    return Poll::Ready(Some(Ok(self.input.split_to(count as usize).freeze())));
                }
                BodyFraming::Length(_) => {}
                BodyFraming::Chunked(decoder) => match decoder.next(&mut self.input) {
                    Ok(None) => {}
                    Ok(Some(Piece::Data(data))) => {
                        self.body.armed = false;
                        self.body.received += data.len() as u64;
                        let limit = self.body.limit;
                        if limit > 0 && self.body.received > limit {
                            return self.break_off(BodyError::TooLarge { limit });
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                    Ok(Some(Piece::End(trailers))) => {
                        self.body.trailers = trailers;
                        self.body.framing = BodyFraming::None;
                        return Poll::Ready(None);
                    }
                    Err(error) => return self.break_off(BodyError::Malformed(error.text())),
                },
            }
            if self.body.expects_continue {
                self.body.expects_continue = false;
                self.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            // Only `100 Continue` can be waiting here. The body cannot come before it has gone.
            if self.outgoing.is_waiting() {
                match self.poll_flush(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return self.break_off(BodyError::Closed),
                    Poll::Pending => return self.wait(),
                }
            }
            match self.poll_fill(context) {
                Poll::Ready(Ok(0) | Err(_)) => return self.break_off(BodyError::Closed),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return self.wait(),
            }
        }
    }

    fn wait(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        if !self.body.armed {
            self.body.armed = true;
            self.deadline.arm(self.worker.settings.client_body_timeout);
        } else if self.deadline.expired() {
            return self.break_off(BodyError::Timeout);
        }
        Poll::Pending
    }

    fn break_off(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.body.broken = true;
        self.body.framing = BodyFraming::None;
        Poll::Ready(Some(Err(error)))
    }

    /// Where heads are written to.
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.outgoing.text(&self.worker.buffers)
    }

    /// What [`Link::push`] is given from now on is framed so.
    pub fn begin_response(&mut self, length: Length) {
        self.length = length;
        self.promised = if let Length::Known(length) = length { length } else { 0 };
        self.owes_line_end = false;
    }

    /// Whether the client takes the end of the connection for the end of the response.
    pub fn ends_with_connection(&self) -> bool {
        self.length == Length::Close
    }

    /// Whether [`Link::push`] must wait for [`Link::poll_flush`].
    pub fn is_full(&self) -> bool {
        self.outgoing.is_full()
    }

    /// Queues content. Not called while [`Link::is_full`]. False where it is more than was promised.
    #[must_use]
    pub fn push(&mut self, data: Bytes) -> bool {
        if data.is_empty() {
            return true;
        }
        let chunked = match self.length {
            Length::None => return false,
            Length::Known(_) => {
                let Some(left) = self.promised.checked_sub(data.len() as u64) else { return false };
                self.promised = left;
                false
            }
            Length::Chunked => true,
            Length::Close => false,
        };
        let owed = std::mem::take(&mut self.owes_line_end);
        let out = self.out();
        if owed {
            out.extend_from_slice(b"\r\n");
        }
        if chunked {
            write_size(out, data.len());
        }
        let copied = self.outgoing.push(data, &self.worker.buffers);
        if chunked && copied {
            self.out().extend_from_slice(b"\r\n");
        }
        self.owes_line_end = chunked && !copied;
        true
    }

    /// Queues the end of the content. False where less came than was promised.
    #[must_use]
    pub fn finish(&mut self, trailers: Option<&Headers>) -> bool {
        if self.length == Length::Chunked {
            // A piece goes out first: text is written before it otherwise.
            let owed = std::mem::take(&mut self.owes_line_end);
            self.outgoing.level(&self.worker.buffers);
            let out = self.out();
            if owed {
                out.extend_from_slice(b"\r\n");
            }
            write_end(out, trailers);
        }
        self.promised == 0
    }

    /// Writes what is queued; ready when all of it has gone.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match ready!(self.outgoing.poll_write(&mut self.io, &self.worker.buffers, context))? {
                0 => return Poll::Ready(Ok(())),
                written => self.sent += written as u64,
            }
        }
    }

    /// What is queued goes out by the next [`Link::poll_flush`], as far as it does, or not at all.
    pub fn hurry(&mut self) {
        self.outgoing.hurry();
    }

    /// Closes our half of the connection.
    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// The request's body, as plugins and the upstream's side see it.
pub(super) struct Source<S>(pub Rc<RefCell<Link<S>>>);

impl<S: ClientStream> BodySource for Source<S> {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.0.borrow_mut().poll_body(context)
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.0.borrow_mut().body.trailers.take().map(|trailers| *trailers)
    }
}
