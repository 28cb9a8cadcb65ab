//! HTTP/2 by prior knowledge (RFC 9113 §3.3): the first bytes of a cleartext connection tell.

use crate::stream::ClientStream;
use crate::worker::{FIRST_REQUEST, Worker};
use bytes::BytesMut;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use tokio::io::AsyncReadExt;

/// What a client that speaks HTTP/2 sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1, or nonsense, which the HTTP/1 parser refuses.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What they say; `None` where there are too few to tell.
pub fn tell(bytes: &[u8]) -> Option<Speaks> {
    let length = bytes.len().min(PREFACE.len());
    match bytes[..length] == PREFACE[..length] {
        false => Some(Speaks::Http1),
        true => (length == PREFACE.len()).then_some(Speaks::Http2),
    }
}

/// Reads until it is known; what was read goes into `ahead`. `None`: the connection ended, or nothing came in time.
pub async fn listen<S: ClientStream>(io: &mut S, ahead: &mut BytesMut, worker: &Worker) -> Option<Speaks> {
    let deadline = poll_fn(|context| Poll::Ready(worker.deadlines.register(context.waker()))).await;
    deadline.arm(worker.settings.client_header_timeout);
    poll_fn(|context| {
        loop {
            // An idle connection holds no buffer.
            let borrowed = ahead.capacity() == 0;
            if borrowed {
                *ahead = worker.buffers.take();
            }
            match pin!(io.read_buf(ahead)).poll(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {
                    if let Some(speaks) = tell(ahead) {
                        return Poll::Ready(Some(speaks));
                    }
                }
                Poll::Pending => {
                    if ahead.is_empty() && worker.is_stopping() {
                        deadline.hasten(FIRST_REQUEST);
                    }
                    if deadline.expired() {
                        return Poll::Ready(None);
                    }
                    if borrowed && ahead.is_empty() {
                        worker.buffers.give(std::mem::take(ahead));
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (bytes, expected) in [
            (b"".as_slice(), None),
            (b"P", None),
            (b"PRI * HTTP/2.0\r\n\r\n", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Speaks::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00", Some(Speaks::Http2)),
            (b"PRI * HTTP/1.1\r\n", Some(Speaks::Http1)),
            (b"PUT", Some(Speaks::Http1)),
            (b"GET / HTTP/1.1\r\n", Some(Speaks::Http1)),
        ] {
            assert_eq!(tell(bytes), expected, "{bytes:?}");
        }
    }
}
