//! Sockets that listen.

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and port, of TCP or UDP; port 0 takes any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// TCP's keep-alive probes with their times; those left out are the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Until the first probe.
    pub idle: Option<Duration>,
    /// Between probes.
    pub interval: Option<Duration>,
    /// How many.
    pub probes: Option<u32>,
}

/// One listener with its flags.
///
/// `reuseport` and `deferred` tune nginx: here one socket feeds all workers, and a second process on the same port is
/// an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it is bound.
    pub place: Place,
    /// TLS.
    pub ssl: bool,
    /// Whether HTTP/2 is wanted.
    pub http2: bool,
    /// Each connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Length of the queue of connections not yet accepted.
    pub backlog: Option<u32>,
    /// Whether an IPv6 wildcard leaves IPv4 alone; nginx's default is that it does.
    pub ipv6only: Option<bool>,
    /// `so_keepalive`
    pub keep_alive: Option<KeepAlive>,
    /// Datagrams instead of connections.
    pub udp: bool,
    /// Port that requests are told (`port_maps`); `None` = the socket's own.
    pub shown_port: Option<u16>,
}

impl Listener {
    /// A listener without flags.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            ssl: false,
            http2: false,
            proxy_protocol: false,
            backlog: None,
            ipv6only: None,
            keep_alive: None,
            udp: false,
            shown_port: None,
        }
    }
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {}", reason(.error))]
pub struct BindError {
    /// Where.
    pub place: Place,
    /// Why.
    #[source]
    pub error: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use by another process".into(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need a privilege)".into(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".into(),
        _ => error.to_string(),
    }
}

/// A listener with its socket, which takes connections into its queue already.
#[derive(Debug)]
pub struct Bound {
    pub(crate) listener: Listener,
    pub(crate) socket: Bind,
}

#[derive(Debug)]
pub(crate) enum Bind {
    Tcp(std::net::TcpListener),
    Udp(std::net::UdpSocket),
    Unix(UnixListener),
}

impl Bound {
    /// Where it is bound; tells the port where 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Bind::Tcp(socket) => socket.local_addr().ok(),
            Bind::Udp(socket) => socket.local_addr().ok(),
            Bind::Unix(_) => None,
        }
    }

    /// The socket, where it is TCP: for listeners that something else than the engine serves.
    pub fn into_tcp(self) -> Option<std::net::TcpListener> {
        match self.socket {
            Bind::Tcp(socket) => Some(socket),
            Bind::Udp(_) | Bind::Unix(_) => None,
        }
    }

    /// Its description.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }
}

/// Length of the queue where the listener does not say (nginx's).
const BACKLOG: u32 = 511;

/// Opens a socket for each listener, or none at all.
pub fn bind(listeners: &[Listener]) -> Result<Vec<Bound>, BindError> {
    let one = |listener: &Listener| {
        let socket = match &listener.place {
            Place::Tcp(address) if listener.udp => udp(*address, listener).map(Bind::Udp),
            Place::Tcp(address) => tcp(*address, listener).map(Bind::Tcp),
            Place::Unix(path) => unix(path).map(Bind::Unix),
        };
        match socket {
            Ok(socket) => Ok(Bound { listener: listener.clone(), socket }),
            Err(error) => Err(BindError { place: listener.place.clone(), error }),
        }
    };
    listeners.iter().map(one).collect()
}

fn tcp(address: SocketAddr, listener: &Listener) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(listener.ipv6only.unwrap_or(true))?;
    }
    if let Some(times) = listener.keep_alive {
        // Connections inherit it.
        keep_alive(&SockRef::from(&socket), times)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(i32::try_from(listener.backlog.unwrap_or(BACKLOG)).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr, listener: &Listener) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(listener.ipv6only.unwrap_or(true))?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn keep_alive(socket: &SockRef<'_>, times: KeepAlive) -> io::Result<()> {
    let mut wanted = TcpKeepalive::new();
    if let Some(idle) = times.idle {
        wanted = wanted.with_time(idle);
    }
    if let Some(interval) = times.interval {
        wanted = wanted.with_interval(interval);
    }
    if let Some(probes) = times.probes {
        wanted = wanted.with_retries(probes);
    }
    socket.set_tcp_keepalive(&wanted)
}

fn unix(path: &Path) -> io::Result<UnixListener> {
    // A socket that nobody answers on was left behind by a process that died.
    let stale = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if stale {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_taken_address_is_named() {
        let first = bind(&[Listener::at(Place::Tcp(([127, 0, 0, 1], 0).into()))]).unwrap();
        let address = first[0].address().unwrap();
        let error = bind(&[Listener::at(Place::Tcp(address))]).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on {address}: the address is in use by another process"));
        let elsewhere = bind(&[Listener::at(Place::Tcp(([192, 0, 2, 1], 0).into()))]).unwrap_err().to_string();
        assert!(elsewhere.starts_with("cannot listen on 192.0.2.1:0: "), "{elsewhere}");
    }

    #[test]
    fn sockets_left_behind_are_replaced_and_those_in_use_are_not() {
        let path = std::env::temp_dir().join(format!("listen-{}.sock", uuid::Uuid::new_v4()));
        let listener = Listener::at(Place::Unix(path.clone()));
        let first = bind(std::slice::from_ref(&listener)).unwrap();
        assert!(bind(std::slice::from_ref(&listener)).unwrap_err().to_string().contains("in use"));
        drop(first);
        assert!(bind(std::slice::from_ref(&listener)).is_ok());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert!(bind(&[listener]).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn flags_are_applied() {
        let listener = Listener {
            ipv6only: Some(false),
            backlog: Some(16_384),
            keep_alive: Some(KeepAlive { idle: Some(Duration::from_secs(60)), interval: None, probes: Some(3) }),
            ..Listener::at(Place::Tcp("[::]:0".parse().unwrap()))
        };
        let bound = bind(&[listener]).unwrap();
        let Bind::Tcp(socket) = &bound[0].socket else { panic!("not TCP") };
        assert!(!SockRef::from(socket).only_v6().unwrap());
        assert!(SockRef::from(socket).keepalive().unwrap());
    }
}
