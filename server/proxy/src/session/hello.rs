//! The beginning of a TLS connection: whom the client asks for, read before anybody decides who answers.

use bytes::BytesMut;
use rustls::server::{Accepted, Acceptor};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client says first.
pub(super) struct Hello {
    /// Every byte that was read.
    pub ahead: BytesMut,
    /// The server name it asks for (RFC 6066 §3).
    pub sni: Option<Box<str>>,
    /// The handshake, to be gone on with here; `None` where it is none that can be.
    pub accepted: Option<Accepted>,
}

/// A ClientHello longer than this is none.
const LONGEST: usize = 32 * 1024;

/// Reads until the ClientHello is whole, or can be none. The error is that the client ended before.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut ahead = BytesMut::with_capacity(2048);
    while ahead.len() < LONGEST {
        let known = ahead.len();
        ahead.reserve(1024);
        if io.read_buf(&mut ahead).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut fresh = &ahead[known..];
        while !fresh.is_empty() {
            if acceptor.read_tls(&mut fresh).is_err() {
                return Ok(Hello { ahead, sni: None, accepted: None });
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let sni = accepted.client_hello().server_name().map(Box::from);
                    // Who says more before it is answered cannot be answered: the rest is not in `accepted`.
                    let accepted = fresh.is_empty().then_some(accepted);
                    return Ok(Hello { ahead, sni, accepted });
                }
                Err(_) => return Ok(Hello { ahead, sni: None, accepted: None }),
            }
        }
    }
    Ok(Hello { ahead, sni: None, accepted: None })
}

#[cfg(test)]
mod unit {
    use super::*;
    use rustls_pki_types::ServerName;
    use std::sync::Arc;

    /// The first bytes of a client of this crate's TLS library.
    fn hello(name: &str) -> Vec<u8> {
        let tls = snapshot::Trust::default().probe(None, false).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::clone(tls.config()), name).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    async fn parse(pieces: &[&[u8]]) -> io::Result<Hello> {
        let mut builder = pieces.iter().rev();
        let mut io: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        for piece in &mut builder {
            io = Box::new(std::io::Cursor::new(piece.to_vec()).chain(io));
        }
        read(&mut io).await
    }

    #[actix_rt::test]
    async fn the_server_name_is_found_wherever_packets_end() {
        let bytes = hello("a.test");
        for at in [1, 5, 6, 40, bytes.len() - 1] {
            let found = parse(&[&bytes[..at], &bytes[at..]]).await.unwrap();
            assert_eq!(found.sni.as_deref(), Some("a.test"), "{at}");
            assert_eq!(found.ahead, bytes);
            assert!(found.accepted.is_some());
        }
        assert!(parse(&[&hello("10.0.0.1")]).await.unwrap().sni.is_none());
    }

    #[actix_rt::test]
    async fn what_is_no_tls_is_kept_and_has_no_name() {
        for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"SSH-2.0-x\r\n", &[22, 3, 1, 0, 4, 1, 0, 0, 0]] {
            let found = parse(&[bytes]).await.unwrap();
            assert!(found.sni.is_none() && found.accepted.is_none());
            assert_eq!(found.ahead, bytes);
        }
        assert!(parse(&[&hello("a.test")[..20]]).await.is_err());
        // A record that announces more and more is given up.
        let endless = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff], vec![0; 0x4000 - 4].as_slice()].concat();
        let more = [&[22, 3, 1, 0x40, 0], vec![0; 0x4000].as_slice()].concat();
        let found = parse(&[&endless, &more, &more, &more]).await.unwrap();
        assert!(found.accepted.is_none());
    }
}
