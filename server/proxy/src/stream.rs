//! The byte streams that connections run over.

use std::os::fd::{AsFd, BorrowedFd};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A byte stream over a socket.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The socket, where what is written to the stream is what goes out there, at once and as it is; `None` otherwise (TLS).
    fn socket(&self) -> Option<BorrowedFd<'_>>;
}

impl Socket for TcpStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Socket for UnixStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl<Io: ClientStream> Socket for tokio_rustls::server::TlsStream<Io> {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A connection from a client, cleartext or TLS.
pub trait ClientStream: Socket + 'static {
    /// Makes the connection end with a reset when it is dropped, so that the client cannot take what it got for a
    /// whole answer.
    fn reset_on_drop(&self);
}

impl ClientStream for TcpStream {
    fn reset_on_drop(&self) {
        // Where the option cannot be set the connection just closes, as it would have.
        let _ = socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO));
    }
}

impl ClientStream for UnixStream {
    fn reset_on_drop(&self) {
        // Unix sockets know no reset; the client sees the end.
    }
}

impl<Io: ClientStream> ClientStream for tokio_rustls::server::TlsStream<Io> {
    fn reset_on_drop(&self) {
        // Without a close_notify alert the end is no end; the reset says so to those who do not look.
        self.get_ref().0.reset_on_drop();
    }
}
