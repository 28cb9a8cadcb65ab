//! The byte stream under a client's HTTP/2 connection: what was read before its protocol was known comes first, and
//! whoever watches over it sees whether bytes move.

use super::gathered::Gathered;
use crate::buffers::Buffers;
use crate::stream::ClientStream;
use bytes::{Buf, BytesMut};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct Metered<S> {
    io: Gathered<S>,
    ahead: BytesMut,
    /// Bytes that have gone out so far.
    written: Rc<Cell<u64>>,
}

impl<S: ClientStream> Metered<S> {
    pub fn new(io: S, ahead: BytesMut, buffers: Rc<Buffers>, written: Rc<Cell<u64>>) -> Self {
        Self { io: Gathered::new(io, buffers), ahead, written }
    }

    /// Does something with the stream, and shows what of it has gone out.
    fn count<T>(&mut self, act: impl FnOnce(Pin<&mut Gathered<S>>) -> T) -> T {
        let done = act(Pin::new(&mut self.io));
        self.written.set(self.io.sent);
        done
    }
}

impl<S: ClientStream> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.io).poll_read(context, buffer);
        }
        let count = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead[..count]);
        this.ahead.advance(count);
        if this.ahead.is_empty() {
            this.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: ClientStream> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().count(|io| io.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().count(|io| io.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().count(|io| io.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().count(|io| io.poll_shutdown(context))
    }
}
