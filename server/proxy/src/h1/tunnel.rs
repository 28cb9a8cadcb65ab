//! Bytes both ways after a change of protocol (RFC 9110 §7.8): the engine no longer looks at them.

use super::link::Link;
use crate::buffers::BUFFER_SIZE;
use crate::stream::ClientStream;
use crate::sweep::Deadline;
use crate::upstream::wire::Wire;
use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Bytes that went through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub from_client: u64,
    pub to_upstream: u64,
    pub from_upstream: u64,
    pub to_client: u64,
}

/// Bytes both ways between a client and an upstream.
pub(crate) struct Tunnel {
    up: Direction,
    down: Direction,
    seen: u64,
}

impl Tunnel {
    /// What was read ahead of either side goes first.
    pub fn new(of_client: BytesMut, of_upstream: BytesMut) -> Self {
        Self { up: Direction::new(of_client), down: Direction::new(of_upstream), seen: 0 }
    }

    /// Bytes written to the client.
    pub fn sent(&self) -> u64 {
        self.down.moved
    }

    /// Bytes so far.
    pub fn moved(&self) -> Moved {
        Moved {
            from_client: self.up.moved + self.up.buffer.len() as u64,
            to_upstream: self.up.moved,
            from_upstream: self.down.moved + self.down.buffer.len() as u64,
            to_client: self.down.moved,
        }
    }

    /// Passes bytes; ready when both sides have ended, one has failed, or nothing moved for `idle`. Tells whether neither
    /// side has failed.
    pub fn poll<C, U>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        upstream: &mut U,
        deadline: &Deadline,
        idle: Duration,
    ) -> Poll<bool>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let up = self.up.poll(context, client, upstream);
        let down = self.down.poll(context, upstream, client);
        if matches!(up, Poll::Ready(Err(_))) || matches!(down, Poll::Ready(Err(_))) {
            return Poll::Ready(false);
        }
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(true);
        }
        let moved = self.up.moved + self.down.moved;
        if moved != self.seen {
            self.seen = moved;
            deadline.arm(idle);
        } else if deadline.expired() {
            return Poll::Ready(true);
        }
        Poll::Pending
    }
}

/// One direction: what was read waits in `buffer` until it is written; then more is read.
struct Direction {
    buffer: BytesMut,
    ended: bool,
    shut: bool,
    moved: u64,
}

impl Direction {
    fn new(buffer: BytesMut) -> Self {
        Self { buffer, ended: false, shut: false, moved: 0 }
    }

    /// Moves what can be moved; ready when the source has ended and the other side knows it.
    fn poll<R, W>(&mut self, context: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.buffer.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(context, &self.buffer))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.buffer.advance(written);
                self.moved += written as u64;
            }
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(context))?;
                self.shut = true;
                return Poll::Ready(Ok(()));
            }
            self.buffer.reserve(BUFFER_SIZE / 4);
            match pin!(from.read_buf(&mut self.buffer)).poll(context) {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(context))?;
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Passes bytes until both sides have ended, one has failed, or nothing moved for `idle`. The head of the 101 response
/// is still queued in the link.
pub(super) async fn tunnel<S: ClientStream>(
    link: &Rc<RefCell<Link<S>>>,
    wire: Wire,
    deadline: &Deadline,
    idle: Duration,
) {
    let (mut connection, ahead) = wire.into_parts();
    deadline.arm(idle);
    if poll_fn(|context| match link.borrow_mut().poll_flush(context) {
        Poll::Pending if deadline.expired() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        flushed => flushed,
    })
    .await
    .is_err()
    {
        return;
    }
    let mut tunnel = Tunnel::new(std::mem::take(&mut link.borrow_mut().input), ahead);
    poll_fn(|context| {
        let io = &mut link.borrow_mut().io;
        tunnel.poll(context, io, &mut connection.io, deadline, idle)
    })
    .await;
    link.borrow_mut().sent += tunnel.sent();
}
