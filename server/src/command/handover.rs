//! Listening sockets on their way from one process to the next, over a pair of Unix sockets that keeps packets apart:
//! for each socket a packet with its name, then an empty name.

use proxy::listen::Sockets;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::sync::oneshot;

/// One end of the way between two processes.
pub(super) struct Link(OwnedFd);

/// Stands for the end of a list: no socket is called so.
const LAST: &[u8] = b".";
/// Longest name of a socket: a Unix path has 108 bytes.
const LONGEST: usize = 512;

impl Link {
    /// A way, and its other end for the process that is about to be started.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let (own, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(own), other))
    }

    /// The end that this process was started with, in place of its standard input.
    pub fn of_stdin() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// Sends sockets; whoever receives them has them as well as this process.
    pub fn send(&self, sockets: &Sockets) -> io::Result<()> {
        for (name, socket) in sockets {
            let sockets = [socket.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&sockets));
            sendmsg(&self.0, &[IoSlice::new(name.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        }
        let mut nothing = SendAncillaryBuffer::default();
        sendmsg(&self.0, &[IoSlice::new(LAST)], &mut nothing, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for sockets, for at most so long between two of them. The other end's end is an error.
    pub fn receive(&self, within: Duration) -> io::Result<Sockets> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(within))?;
        let mut sockets = Sockets::default();
        loop {
            let mut name = [0; LONGEST];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let length =
                match recvmsg(&self.0, &mut [IoSliceMut::new(&mut name)], &mut control, RecvFlags::CMSG_CLOEXEC) {
                    Ok(received) => received.bytes,
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing")),
                    Err(error) => return Err(error.into()),
                };
            let name = &name[..length];
            if name.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended"));
            }
            if name == LAST {
                return Ok(sockets);
            }
            let received = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
                _ => None,
            });
            if let Some(socket) = received {
                sockets.insert(String::from_utf8_lossy(name).into_owned(), socket);
            }
        }
    }

    /// Returns when the other process has ended.
    pub fn ended(&self) {
        // Nothing is said any more: whatever comes is the end.
        let _ = set_socket_timeout(&self.0, Timeout::Recv, None);
        while self.receive(Duration::from_secs(3600)).is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {}
    }
}

/// Runs what blocks on a thread of its own, which does not hold up the end of the process.
pub(super) fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || drop(done.send(work())));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn sockets_arrive_by_their_names_and_listen_on() {
        let (one, other) = Link::new().expect("a pair");
        let other = Link(other);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let spare = TcpListener::bind("127.0.0.1:0").expect("a port");
        let sockets = [("a".to_owned(), OwnedFd::from(listener)), ("b".to_owned(), OwnedFd::from(spare))];
        one.send(&sockets.into_iter().collect()).expect("sent");
        let mut received = other.receive(Duration::from_secs(5)).expect("received");
        assert_eq!(received.keys().collect::<Vec<_>>(), ["a", "b"]);
        let listener = TcpListener::from(received.remove("a").expect("is there"));
        let client = TcpStream::connect(address).expect("the first one's are closed, this one listens");
        assert_eq!(listener.accept().expect("accepted").1, client.local_addr().expect("an address"));
        let silence = one.receive(Duration::from_millis(20)).expect_err("nothing was sent");
        assert_eq!(silence.kind(), io::ErrorKind::TimedOut);
        drop(other);
        assert_eq!(one.receive(Duration::from_secs(5)).expect_err("ended").kind(), io::ErrorKind::UnexpectedEof);
        one.ended();
    }
}
