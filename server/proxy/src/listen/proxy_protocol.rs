//! The PROXY protocol, versions 1 and 2: what a load balancer in front of us says about the client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The balancer itself opened the connection, or it does not know for whom: the socket's own ends count.
    Local,
    /// On behalf of someone.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
}

impl ProxyHeader {
    /// The client.
    pub fn source(&self) -> Option<SocketAddr> {
        match self {
            Self::Local => None,
            Self::Proxied { source, .. } => Some(*source),
        }
    }
}

/// Why a connection does not begin with a header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It begins with something else.
    #[error("broken PROXY protocol header: {0}")]
    Malformed(&'static str),
    /// It ended, or failed.
    #[error("the connection ended before its PROXY protocol header: {0}")]
    Ended(#[from] io::Error),
}

/// First bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;
/// Additions beyond this are not ours to keep in memory.
const LONGEST_BODY: u16 = 4096;

/// Reads the header, and not a byte more.
pub async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<ProxyHeader, ProxyError> {
    let mut line = [0; LONGEST_LINE];
    io.read_exact(&mut line[..SIGNATURE.len()]).await?;
    if line.starts_with(SIGNATURE) {
        let mut head = [0; 4];
        io.read_exact(&mut head).await?;
        let length = u16::from_be_bytes([head[2], head[3]]);
        if length > LONGEST_BODY {
            return Err(ProxyError::Malformed("too long"));
        }
        let mut body = vec![0; usize::from(length)];
        io.read_exact(&mut body).await?;
        return version_2(head[0], head[1], &body).map_err(ProxyError::Malformed);
    }
    if !line.starts_with(b"PROXY ") {
        return Err(ProxyError::Malformed("it begins with something else"));
    }
    // Byte by byte, since what follows belongs to TLS or HTTP.
    let mut length = SIGNATURE.len();
    while !line[..length].ends_with(b"\r\n") {
        let Some(byte) = line.get_mut(length) else { return Err(ProxyError::Malformed("the line is too long")) };
        *byte = io.read_u8().await?;
        length += 1;
    }
    version_1(&line[..length - 2]).map_err(ProxyError::Malformed)
}

/// A line of version 1 without its end.
fn version_1(line: &[u8]) -> Result<ProxyHeader, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "the line is no text")?;
    let mut words = line.split(' ');
    let family = match (words.next(), words.next()) {
        (Some("PROXY"), Some(family)) => family,
        _ => return Err("no protocol"),
    };
    if family == "UNKNOWN" {
        return Ok(ProxyHeader::Local);
    }
    let mut ip = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = ip().zip(ip()).ok_or("unknown protocol, or no addresses")?;
    let mut port = || words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u16>().ok();
    let ports = port().zip(port()).ok_or("no ports")?;
    if words.next().is_some() {
        return Err("more words than there should be");
    }
    Ok(ProxyHeader::Proxied {
        source: SocketAddr::new(source, ports.0),
        destination: SocketAddr::new(destination, ports.1),
    })
}

/// Command and family bytes of version 2, and what follows the length.
fn version_2(command: u8, family: u8, body: &[u8]) -> Result<ProxyHeader, &'static str> {
    match command {
        0x20 => return Ok(ProxyHeader::Local),
        0x21 => {}
        _ => return Err("unknown version or command"),
    }
    let port = |at: usize| body.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let size = match family {
        0x11 => 4,
        0x21 => 16,
        // Unix sockets and what is not specified.
        0x00 | 0x31 | 0x32 => return Ok(ProxyHeader::Local),
        _ => return Err("unknown family"),
    };
    let end = |at: usize, port_at: usize| {
        let bytes = body.get(at..at + size)?;
        let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let ip = <[u8; 16]>::try_from(bytes).map(IpAddr::from).or_else(|_| four()).ok()?;
        Some(SocketAddr::new(ip, port(port_at)?))
    };
    let source = end(0, size * 2).ok_or("too short")?;
    let destination = end(size, size * 2 + 2).ok_or("too short")?;
    Ok(ProxyHeader::Proxied { source, destination })
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Reads from memory, which never has to wait.
    fn parse(mut bytes: &[u8]) -> (Result<ProxyHeader, String>, usize) {
        let before = bytes.len();
        let found = match pin!(read(&mut bytes)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => found.map_err(|error| error.to_string()),
            Poll::Pending => Err("waits".into()),
        };
        (found, before - bytes.len())
    }

    fn second(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, body].concat()
    }

    #[test]
    fn headers_are_read_to_their_end_and_no_further() {
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187];
        let mut six = [0; 36];
        six[15] = 1;
        six[31] = 2;
        (six[33], six[35]) = (7, 8);
        let long = second(0x21, 0x11, &[four.as_slice(), &[4; 300]].concat());
        for (bytes, expected) in [
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n".to_vec(), Some("1.2.3.4:80 5.6.7.8:443")),
            (b"PROXY TCP6 ::1 ::2 7 8\r\n".to_vec(), Some("[::1]:7 [::2]:8")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Some("local")),
            (b"PROXY UNKNOWN what ever it says\r\n".to_vec(), Some("local")),
            (b"PROXY TCP4 ::1 ::2 7 8\r\n".to_vec(), None),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n".to_vec(), None),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 +443\r\n".to_vec(), None),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 70000\r\n".to_vec(), None),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443 9\r\n".to_vec(), None),
            (b"PROXY UDP4 1.2.3.4 5.6.7.8 80 443\r\n".to_vec(), None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), None),
            ([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), None),
            (second(0x21, 0x11, &four), Some("1.2.3.4:80 5.6.7.8:443")),
            (long, Some("1.2.3.4:80 5.6.7.8:443")),
            (second(0x21, 0x21, &six), Some("[::1]:7 [::2]:8")),
            (second(0x20, 0x00, &[]), Some("local")),
            (second(0x21, 0x31, &[0; 216]), Some("local")),
            (second(0x21, 0x11, &four[..11]), None),
            (second(0x21, 0x12, &four), None),
            (second(0x11, 0x11, &four), None),
            (second(0x21, 0x11, &[0; 5000]), None),
        ] {
            let (found, used) = parse(&[bytes.as_slice(), b"rest"].concat());
            let shown = found.as_ref().ok().map(|header| match header {
                ProxyHeader::Local => "local".to_owned(),
                ProxyHeader::Proxied { source, destination } => format!("{source} {destination}"),
            });
            assert_eq!(shown.as_deref(), expected, "{}", String::from_utf8_lossy(&bytes));
            assert!(expected.is_none() || used == bytes.len(), "{}", String::from_utf8_lossy(&bytes));
            assert!(parse(&bytes[..bytes.len() - 1]).0.is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(source: SocketAddr, port: u16, rest: Vec<u8>) {
            let destination = SocketAddr::new(source.ip(), port);
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            // Scope ids and flow labels have no place in the line.
            let source = SocketAddr::new(source.ip(), source.port());
            let line = format!("PROXY {family} {} {} {} {port}\r\n", source.ip(), destination.ip(), source.port());
            let (found, used) = parse(&[line.as_bytes(), &rest].concat());
            prop_assert_eq!(found, Ok(ProxyHeader::Proxied { source, destination }));
            prop_assert_eq!(used, line.len());
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, command: u8, family: u8, old: bool) {
            let _ = parse(&bytes);
            let _ = parse(&[if old { b"PROXY TCP4 ".as_slice() } else { SIGNATURE }, &bytes].concat());
            let _ = version_2(command, family, &bytes);
        }
    }
}
