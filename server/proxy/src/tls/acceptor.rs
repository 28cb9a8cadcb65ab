//! Handshakes with clients.

use super::settings::{TlsSettings, iana_name};
use exchange::TlsSession;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use snapshot::{Pair, Published};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The certificate for names that no SNI knows: `ssl_cert`, or the node's own.
pub type DefaultCertificate = Pair;

/// Certificates that the configuration does not hold. Asked in the handshake: it answers without waiting.
pub trait Issued: Send + Sync {
    /// The certificate to show in place of the configuration's, for a server name in lower case; `configured` tells
    /// whether the configuration has one for exactly this name.
    fn certificate(&self, name: &str, configured: bool) -> Option<Arc<CertifiedKey>>;
}

/// Chooses the certificate by the Snapshot of the moment.
#[derive(Clone)]
struct Resolver {
    published: Published,
    default: Arc<DefaultCertificate>,
    issued: Option<Arc<dyn Issued>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.published.load();
        if let (Some(issued), Some(name)) = (&self.issued, hello.server_name())
            && let Some(found) = issued.certificate(name, snapshot.certificates().names(name))
        {
            return Some(found);
        }
        let pair = snapshot.certificates().resolve(hello.server_name()).unwrap_or(&self.default);
        Some(pair.choose(hello.signature_schemes()).clone())
    }
}

/// Shakes hands with the clients of TLS listeners. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    plain: TlsAcceptor,
    with_http2: TlsAcceptor,
}

impl Acceptor {
    /// Certificates come from `issued`, else from the Snapshot in use, else from `default`. `http2` tells whether `h2` can be offered by
    /// ALPN at all; a listener must want it too.
    pub fn new(
        settings: &TlsSettings,
        published: Published,
        default: DefaultCertificate,
        issued: Option<Arc<dyn Issued>>,
        http2: bool,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(settings.provider(aws_lc_rs::default_provider()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&settings.versions())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver { published, default: Arc::new(default), issued }));
        config.ignore_client_order = settings.prefer_server_ciphers;
        if settings.session_tickets {
            config.ticketer = aws_lc_rs::Ticketer::new()?;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            config.session_storage = ServerSessionMemoryCache::new(settings.sessions);
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let plain = TlsAcceptor::from(Arc::new(config.clone()));
        let with_http2 = match http2 {
            false => plain.clone(),
            true => {
                config.alpn_protocols.insert(0, b"h2".to_vec());
                TlsAcceptor::from(Arc::new(config))
            }
        };
        Ok(Self { plain, with_http2 })
    }

    /// One for a listener that wants HTTP/2, or not.
    pub fn for_listener(&self, http2: bool) -> Self {
        let chosen = if http2 { &self.with_http2 } else { &self.plain };
        Self { plain: chosen.clone(), with_http2: chosen.clone() }
    }

    /// The configuration, for servers that do their own handshakes (Admin API).
    pub fn config(&self) -> &Arc<ServerConfig> {
        self.plain.config()
    }

    /// Shakes hands. No time limit of its own.
    pub async fn accept<Io>(&self, io: Io) -> io::Result<(TlsStream<Io>, TlsSession)>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.plain.accept(io).await?;
        let session = session_of(stream.get_ref().1);
        Ok((stream, session))
    }
}

fn session_of(connection: &ServerConnection) -> TlsSession {
    TlsSession {
        sni: connection.server_name().map(Arc::from),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher: connection.negotiated_cipher_suite().map(|suite| iana_name(suite.suite())).unwrap_or_default(),
        client_certificates: connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| Arc::from(certificate.as_ref()))
            .collect(),
        client_verify: None,
    }
}
