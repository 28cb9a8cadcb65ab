//! The byte stream under an HTTP/2 connection whose frames go out together: what is written is gathered until it is flushed,
//! and left in the worker's outbox then. Where there is none, or a stream cannot use it (TLS), nothing is gathered.

use crate::buffers::{Buffers, COPY_LIMIT};
use crate::outgoing::Outgoing;
use crate::stream::Socket;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct Gathered<Io> {
    io: Io,
    buffers: Rc<Buffers>,
    outgoing: Outgoing,
    /// Whether frames are gathered.
    gathers: bool,
    /// Bytes that the socket has taken.
    pub sent: u64,
}

impl<Io: Socket> Gathered<Io> {
    pub fn new(io: Io, buffers: Rc<Buffers>) -> Self {
        let gathers = buffers.outbox.is_some() && io.socket().is_some();
        Self { io, buffers, outgoing: Outgoing::default(), gathers, sent: 0 }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match ready!(self.outgoing.poll_write(&mut self.io, &self.buffers, context))? {
                0 => return Poll::Ready(Ok(())),
                sent => self.sent += sent as u64,
            }
        }
    }

    /// Whether so many bytes more can be gathered, now or never; what is there goes out before what is too much.
    fn poll_room(&mut self, more: usize, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let fits = self.gathers && more <= COPY_LIMIT;
        if !fits || self.outgoing.is_full() {
            ready!(self.poll_send(context))?;
        }
        Poll::Ready(Ok(fits))
    }
}

impl<Io: Socket> AsyncRead for Gathered<Io> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(context, buffer)
    }
}

impl<Io: Socket> AsyncWrite for Gathered<Io> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = parts.iter().map(|part| part.len()).sum();
        if ready!(this.poll_room(length, context))? {
            let text = this.outgoing.text(&this.buffers);
            parts.iter().for_each(|part| text.extend_from_slice(part));
            return Poll::Ready(Ok(length));
        }
        let io = Pin::new(&mut this.io);
        let sent = match parts {
            [part] => ready!(io.poll_write(context, part))?,
            parts => ready!(io.poll_write_vectored(context, parts))?,
        };
        this.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.gathers || self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.io).poll_shutdown(context)
    }
}
