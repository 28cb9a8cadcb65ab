//! The client against servers that speak as much LDAP as it asks for.

use exchange::ldap::{Binding, Ldap, LdapError, LdapSecurity, LdapServer};
use ldap_client::{Client, Network, Resolving};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The one entry and its password.
const DN: &str = "cn=hazel,dc=grove,dc=test";
const PASSWORD: &str = "nut-brown";

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    questions: AtomicUsize,
}

/// Every name is 127.0.0.1; trusts one certificate.
struct Loopback(Arc<ClientConfig>, Arc<ClientConfig>);

impl Network for Loopback {
    fn resolve(&self, _: &str, port: u16) -> Resolving {
        Box::pin(std::future::ready(Ok(SocketAddr::from(([127, 0, 0, 1], port)))))
    }
    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        Ok(if verify { self.0.clone() } else { self.1.clone() })
    }
}

struct Grove {
    client: Client,
    port: u16,
    counts: Arc<Counts>,
}

impl Grove {
    /// A server whose certificate is for `grove.test`; each connection answers so many questions, then closes.
    async fn start(security: LdapSecurity, questions: usize) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let made = rcgen::generate_simple_self_signed(["grove.test".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(provider.clone().into())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.clone()], key))
            .expect("a server");
        let client = |trusted: bool| {
            let mut roots = RootCertStore::empty();
            if trusted {
                roots.add(certificate.clone()).expect("a root");
            }
            let builder = ClientConfig::builder_with_provider(provider.clone().into());
            let builder = builder.with_safe_default_protocol_versions().expect("versions");
            Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let counts = Arc::new(Counts::default());
        let (acceptor, shared) = (TlsAcceptor::from(Arc::new(server)), counts.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, security, acceptor.clone(), questions, shared.clone()));
            }
        });
        let network = Loopback(client(true), client(false));
        Self { client: Client::new(Arc::new(network)), port, counts }
    }

    fn server(&self, security: LdapSecurity) -> LdapServer {
        LdapServer {
            host: "grove.test".into(),
            port: self.port,
            security,
            verify: security != LdapSecurity::None,
            timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(60),
        }
    }

    async fn bind(&self, server: &LdapServer, password: &str, keep: Duration) -> Result<bool, LdapError> {
        match self.client.bind(server, DN, password, keep) {
            Binding::Known(said) => Ok(said),
            Binding::Wait(future) => future.await,
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    security: LdapSecurity,
    acceptor: TlsAcceptor,
    questions: usize,
    counts: Arc<Counts>,
) {
    if security == LdapSecurity::StartTls {
        let Some(message) = read(&mut stream).await else { return };
        assert!(message.windows(22).any(|window| window == b"1.3.6.1.4.1.1466.20037"));
        reply(&mut stream, message[4], 0x78, 0).await;
    }
    if security == LdapSecurity::None {
        answer(stream, questions, &counts).await;
    } else if let Ok(stream) = acceptor.accept(stream).await {
        answer(stream, questions, &counts).await;
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, questions: usize, counts: &Counts) {
    for _ in 0..questions {
        let Some(message) = read(&mut stream).await else { return };
        counts.questions.fetch_add(1, Ordering::Relaxed);
        let known =
            [DN, PASSWORD].iter().all(|text| message.windows(text.len()).any(|window| window == text.as_bytes()));
        reply(&mut stream, message[4], 0x61, if known { 0 } else { 49 }).await;
    }
}

/// A message shorter than 128 bytes: tag, length, then id and operation.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Vec<u8>> {
    let mut message = vec![0; 2];
    stream.read_exact(&mut message).await.ok()?;
    message.resize(2 + usize::from(message[1]), 0);
    stream.read_exact(&mut message[2..]).await.ok()?;
    Some(message)
}

async fn reply<S: AsyncWrite + Unpin>(stream: &mut S, id: u8, operation: u8, code: u8) {
    let message = [0x30, 12, 2, 1, id, operation, 7, 10, 1, code, 4, 0, 4, 0];
    stream.write_all(&message).await.expect("written");
    stream.flush().await.expect("flushed");
}

#[tokio::test]
async fn names_and_passwords_are_asked_over_every_kind_of_connection() {
    for security in [LdapSecurity::None, LdapSecurity::StartTls, LdapSecurity::Tls] {
        let grove = Grove::start(security, 10).await;
        let server = grove.server(security);
        assert_eq!(grove.bind(&server, PASSWORD, Duration::ZERO).await, Ok(true), "{security:?}");
        assert_eq!(grove.bind(&server, "wrong", Duration::ZERO).await, Ok(false), "{security:?}");
        assert_eq!(grove.bind(&server, "", Duration::ZERO).await, Ok(false), "{security:?}");
        let counts = [&grove.counts.connections, &grove.counts.questions].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [1, 2], "{security:?}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_says_nothing() {
    for security in [LdapSecurity::StartTls, LdapSecurity::Tls] {
        let grove = Grove::start(security, 10).await;
        let unknown = LdapServer { verify: false, ..grove.server(security) };
        assert!(grove.bind(&unknown, PASSWORD, Duration::ZERO).await.is_err(), "{security:?}");
        let other = LdapServer { host: "other.test".into(), ..grove.server(security) };
        assert!(grove.bind(&other, PASSWORD, Duration::ZERO).await.is_err(), "{security:?}");
        assert_eq!(grove.counts.questions.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn answers_are_kept_and_closed_connections_replaced() {
    let grove = Grove::start(LdapSecurity::None, 1).await;
    let server = grove.server(LdapSecurity::None);
    for _ in 0..3 {
        assert_eq!(grove.bind(&server, PASSWORD, Duration::from_secs(60)).await, Ok(true));
    }
    assert_eq!(grove.counts.questions.load(Ordering::Relaxed), 1);
    for _ in 0..3 {
        assert_eq!(grove.bind(&server, "wrong", Duration::ZERO).await, Ok(false));
    }
    assert_eq!(grove.counts.questions.load(Ordering::Relaxed), 4);
    assert_eq!(grove.counts.connections.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_directory_that_is_gone_or_silent_is_an_error() {
    let grove = Grove::start(LdapSecurity::None, 0).await;
    let gone = LdapServer { port: 1, ..grove.server(LdapSecurity::None) };
    assert!(grove.bind(&gone, PASSWORD, Duration::from_secs(60)).await.is_err());
    assert!(grove.bind(&grove.server(LdapSecurity::None), PASSWORD, Duration::from_secs(60)).await.is_err());
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let server = LdapServer { port, timeout: Duration::from_millis(50), ..grove.server(LdapSecurity::None) };
    let error = grove.bind(&server, PASSWORD, Duration::ZERO).await.expect_err("nothing was said");
    assert_eq!(error.to_string(), "no answer within 50 ms");
}
