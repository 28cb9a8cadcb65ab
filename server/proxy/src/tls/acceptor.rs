//! Handshakes with clients.

use super::asking::Anyone;
use super::clients::{Clients, verdict};
use super::leading::{self, Caller, Recipe};
use super::sessions::Aging;
use super::settings::{TlsSettings, iana_name};
use exchange::{TlsSession, Unwelcome};
use ocsp_client::Staples;
use rustls::crypto::aws_lc_rs;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, ProtocolVersion, ServerConfig, ServerConnection};
use snapshot::{Pair, Published};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::{StartHandshake, TlsStream};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

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
    staples: Arc<Staples>,
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
        Some(self.staples.show(pair.choose(hello.signature_schemes())))
    }
}

/// Handshakes of clients of whom no plugin wants a certificate (they may be asked all the same), and of the others. What
/// is resumed of one is nothing to the other.
#[derive(Clone)]
struct Ways {
    silent: TlsAcceptor,
    asking: Arc<ServerConfig>,
}

/// Shakes hands with the clients of TLS listeners. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    plain: Ways,
    with_http2: Ways,
    /// What is not HTTP: without ALPN, and without a check of clients.
    sessions: Ways,
    published: Published,
    recipe: Arc<Recipe>,
    clients: Option<Arc<Clients>>,
}

impl Acceptor {
    /// Certificates come from `issued`, else from the Snapshot in use, else from `default`; the latter two with the
    /// `staples` they must have. `http2` tells whether `h2` can be offered by ALPN at all; a listener must want it too.
    pub fn new(
        settings: &TlsSettings,
        published: Published,
        default: DefaultCertificate,
        (issued, staples): (Option<Arc<dyn Issued>>, Arc<Staples>),
        http2: bool,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(settings.provider(aws_lc_rs::default_provider()));
        let versions = settings.versions();
        let never = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()))
            .ticketer;
        let algorithms = provider.signature_verification_algorithms;
        let resolver = Arc::new(Resolver { published: published.clone(), default: Arc::new(default), issued, staples });
        let built = |asked: Option<Vec<DistinguishedName>>| {
            let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions)?;
            let builder = match asked {
                None => builder.with_no_client_auth(),
                Some(subjects) => builder.with_client_cert_verifier(Arc::new(Anyone { algorithms, subjects })),
            };
            let mut config = builder.with_cert_resolver(resolver.clone());
            config.ignore_client_order = settings.prefer_server_ciphers;
            if settings.session_tickets {
                config.ticketer =
                    Arc::new(Aging::<dyn ProducesTickets>::new(aws_lc_rs::Ticketer::new()?, settings.session_timeout));
                config.session_storage = Arc::new(NoServerSessionStorage {});
            } else {
                let cache = ServerSessionMemoryCache::new(settings.sessions);
                config.session_storage = Arc::new(Aging::new(cache, settings.session_timeout));
            }
            Ok::<_, rustls::Error>(config)
        };
        let clients = settings.clients.as_ref().map(|check| Clients::new(check, &provider));
        let asking = built(Some(Vec::new()))?;
        let silent = built(clients.as_ref().map(Clients::subjects))?;
        let unchecked = if clients.is_some() { built(None)? } else { silent.clone() };
        let ways = |silent: &ServerConfig, protocols: &[&[u8]]| {
            let speaking = |config: &ServerConfig| {
                let mut config = config.clone();
                config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
                Arc::new(config)
            };
            Ways { silent: TlsAcceptor::from(speaking(silent)), asking: speaking(&asking) }
        };
        let plain = ways(&silent, &[b"http/1.1"]);
        let with_http2 = if http2 { ways(&silent, &[b"h2", b"http/1.1"]) } else { plain.clone() };
        // A client that asks for a protocol is not refused.
        let sessions = ways(&unchecked, &[]);
        let recipe = Arc::new(Recipe { provider: provider.clone(), versions: versions.clone(), never });
        Ok(Self { plain, with_http2, sessions, published, recipe, clients: clients.map(Arc::new) })
    }

    /// One for a listener that wants HTTP/2, or not.
    pub fn for_listener(&self, http2: bool) -> Self {
        let chosen = if http2 { &self.with_http2 } else { &self.plain };
        Self { plain: chosen.clone(), with_http2: chosen.clone(), ..self.clone() }
    }

    /// The configuration, for servers that do their own handshakes (Admin API).
    pub fn config(&self) -> &Arc<ServerConfig> {
        self.plain.silent.config()
    }

    /// One for what is not HTTP: without ALPN, and without a check of clients.
    pub fn for_sessions(&self) -> Self {
        let ways = &self.sessions;
        Self { plain: ways.clone(), with_http2: ways.clone(), clients: None, ..self.clone() }
    }

    /// Why requests of a session are refused, for servers that do their own handshakes.
    pub fn unwelcome(&self, connection: &ServerConnection) -> Option<Unwelcome> {
        self.clients.as_ref()?.judge(connection.peer_certificates().unwrap_or_default()).1
    }

    /// What is known of a session, once hands are shaken.
    fn session(&self, connection: &ServerConnection) -> TlsSession {
        let certificates = connection.peer_certificates().unwrap_or_default();
        let (client_verify, unwelcome) =
            self.clients.as_ref().map(|clients| clients.judge(certificates)).unwrap_or_default();
        TlsSession {
            sni: connection.server_name().map(Arc::from),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: connection.negotiated_cipher_suite().map(|suite| iana_name(suite.suite())).unwrap_or_default(),
            client_certificates: certificates.iter().map(|certificate| Arc::from(certificate.as_ref())).collect(),
            client_verify,
            unwelcome,
        }
    }

    /// Shakes hands, and asks for a certificate where a plugin needs one. No time limit of its own.
    pub async fn accept<Io>(&self, io: Io, caller: Caller) -> io::Result<(TlsStream<Io>, TlsSession)>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let lazily = {
            let snapshot = self.published.load();
            snapshot.asks_anyone_for_certificate() || !snapshot.global_chain().certificate().is_empty()
        };
        if lazily {
            let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
            return self.lead(begun, caller).await;
        }
        let stream = self.plain.silent.accept(io).await?;
        let session = self.session(stream.get_ref().1);
        Ok((stream, session))
    }

    /// Goes on with a handshake whose first message is there, as plugins want it.
    pub(crate) async fn lead<Io>(
        &self,
        begun: StartHandshake<Io>,
        caller: Caller,
    ) -> io::Result<(TlsStream<Io>, TlsSession)>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let snapshot = self.published.load_full();
        let (silent, asking) = (self.config(), &self.plain.asking);
        let asks = !caller.session && snapshot.asks_for_certificate(begun.client_hello().server_name());
        let chain = if caller.session { snapshot.global_sessions() } else { snapshot.global_chain() };
        if chain.certificate().is_empty() {
            let stream = begun.into_stream(if asks { asking } else { silent }.clone()).await?;
            let session = self.session(stream.get_ref().1);
            return Ok((stream, session));
        }
        let name = begun.client_hello().server_name().map(Arc::from);
        let wishes = leading::wishes(chain.certificate(), &caller, name, &snapshot).await;
        let configured = wishes.and_then(|wishes| Ok((self.recipe.config((silent, asking), asks, &wishes)?, wishes)));
        let (config, wishes) = match configured {
            Ok(configured) => configured,
            Err(error) => {
                leading::refuse(begun.io).await;
                return Err(error);
            }
        };
        let stream = begun.into_stream(config).await?;
        let mut session = self.session(stream.get_ref().1);
        if let Some(authorities) = &wishes.authorities {
            session.client_verify = verdict(authorities, &session.client_certificates, &self.recipe.provider);
        }
        Ok((stream, session))
    }
}
