//! A WebSocket over HTTP/2 (RFC 8441): the stream's DATA is what an HTTP/1 connection would carry after 101.

use super::stream::Link;
use crate::h1::tunnel::Tunnel;
use crate::sweep::Deadline;
use crate::upstream::wire::Wire;
use bytes::{Buf, Bytes, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes bytes until both sides have ended, one has failed, or nothing moved for `idle`. The head that opens the tunnel
/// is still queued in the link. Returns the bytes sent to the client.
pub(super) async fn tunnel(link: &RefCell<Link>, wire: Wire, deadline: &Deadline, idle: Duration) -> u64 {
    if !matches!(poll_fn(|context| Poll::Ready(link.borrow_mut().poll_flush(context))).await, Poll::Ready(Ok(()))) {
        return 0;
    }
    let (mut connection, ahead) = wire.into_parts();
    let mut client = Duplex { link, unread: Bytes::new() };
    let mut tunnel = Tunnel::new(BytesMut::new(), ahead);
    deadline.arm(idle);
    poll_fn(|context| tunnel.poll(context, &mut client, &mut connection.io, deadline, idle)).await;
    tunnel.sent()
}

/// A stream as a byte stream.
struct Duplex<'a> {
    link: &'a RefCell<Link>,
    unread: Bytes,
}

impl AsyncRead for Duplex<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            let recv = &mut this.link.borrow_mut().recv;
            match ready!(recv.poll_data(context)) {
                Some(Ok(data)) => {
                    let _ = recv.flow_control().release_capacity(data.len());
                    this.unread = data;
                }
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread[..count]);
        this.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut link = self.link.borrow_mut();
        let Some(send) = &mut link.send else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        send.reserve_capacity(bytes.len());
        let room = match send.capacity() {
            0 => match ready!(send.poll_capacity(context)) {
                Some(room) => room.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
            room => room,
        };
        let count = room.min(bytes.len());
        send.send_data(Bytes::copy_from_slice(&bytes[..count]), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(send) = &mut self.link.borrow_mut().send {
            let _ = send.send_data(Bytes::new(), true);
        }
        Poll::Ready(Ok(()))
    }
}
