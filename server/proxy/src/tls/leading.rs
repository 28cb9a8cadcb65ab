//! Handshakes that plugins lead (Kong's phase `certificate`): whether the client is asked for a certificate, whether its
//! session may be resumed, which certificate it is shown.

use super::asking::Anyone;
use super::clients::roots;
use super::settings::Versions;
use crate::life::guard;
use exchange::{Exchange, Flow, Handshake, Instance, Request, Scheme, Timeline, TlsSession};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use snapshot::Snapshot;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// A fatal alert `internal_error`, in cleartext (RFC 8446 §5.1, §6.2): what a client gets where a plugin fails.
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// Who shakes hands, and where.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The other end of the connection; `None` on Unix sockets.
    pub peer: Option<SocketAddr>,
    /// The client, where the PROXY protocol tells it; else the other end.
    pub client: Option<SocketAddr>,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// Port of the listener, after `port_maps`.
    pub port: u16,
    /// Whether it is a session of the stream subsystem.
    pub session: bool,
}

/// What configurations of single handshakes are made of.
pub(super) struct Recipe {
    pub provider: Arc<CryptoProvider>,
    pub versions: Versions,
    /// Tickets of sessions that are never resumed.
    pub never: Arc<dyn ProducesTickets>,
}

/// Shows one certificate, or none, whatever the client asks for.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

/// Asks plugins how to go on. The error is that one of them has ended the handshake.
pub(super) async fn wishes(
    plugins: &[Arc<dyn Instance>],
    caller: &Caller,
    name: Option<Arc<str>>,
    snapshot: &Arc<Snapshot>,
) -> io::Result<Handshake> {
    let request = Request {
        scheme: Scheme::Https,
        peer: caller.peer,
        client_ip: caller.client.map(|client| client.ip()),
        client_port: caller.client.map_or(0, |client| client.port()),
        local: caller.local,
        port: caller.port,
        tls: Some(Arc::new(TlsSession { sni: name, ..TlsSession::default() })),
        ..Request::default()
    };
    let timeline = Timeline::starting(Instant::now(), SystemTime::now());
    let mut exchange = Box::new(Exchange::new(request, timeline, snapshot.clone()));
    exchange.state.put(Handshake::default());
    for instance in plugins {
        let flow = guard::step(instance.name(), "certificate", || instance.certificate(&mut exchange)).await;
        if let Flow::Answer(_) = flow {
            return Err(io::Error::other(format!("the plugin {} has ended it", instance.name())));
        }
    }
    Ok(exchange.state.take().unwrap_or_default())
}

/// Tells a client that there will be no session.
pub(super) async fn refuse(mut io: impl AsyncWrite + Unpin) {
    // It may have gone.
    let _ = io.write_all(&INTERNAL_ERROR).await;
    let _ = io.shutdown().await;
}

impl Recipe {
    /// The configuration of one handshake: as plugins want it, else that of the listener, which `asks` for a
    /// certificate or not.
    pub fn config(
        &self,
        (silent, asking): (&Arc<ServerConfig>, &Arc<ServerConfig>),
        asks: bool,
        wishes: &Handshake,
    ) -> io::Result<Arc<ServerConfig>> {
        let mut config = match wishes.authorities.as_deref() {
            Some(authorities @ [_, ..]) => Arc::new(self.naming(asking, authorities).map_err(io::Error::other)?),
            authorities if authorities.is_some() || asks => asking.clone(),
            _ => silent.clone(),
        };
        if wishes.once {
            let config = Arc::make_mut(&mut config);
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ticketer = self.never.clone();
            config.send_tls13_tickets = 0;
        }
        if wishes.cleared || !wishes.chain.is_empty() || wishes.key.is_some() {
            Arc::make_mut(&mut config).cert_resolver = Arc::new(Shown(self.shown(wishes)?));
        }
        Ok(config)
    }

    /// A configuration that asks for a certificate and names authorities.
    fn naming(&self, asking: &ServerConfig, authorities: &[Vec<u8>]) -> Result<ServerConfig, rustls::Error> {
        let anyone = Anyone {
            algorithms: self.provider.signature_verification_algorithms,
            subjects: roots(authorities.iter().map(|der| CertificateDer::from(der.as_slice()))).subjects(),
        };
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)?
            .with_client_cert_verifier(Arc::new(anyone))
            .with_cert_resolver(asking.cert_resolver.clone());
        config.ignore_client_order = asking.ignore_client_order;
        config.session_storage = asking.session_storage.clone();
        config.ticketer = asking.ticketer.clone();
        config.alpn_protocols = asking.alpn_protocols.clone();
        Ok(config)
    }

    /// The certificate that plugins have given; none where they only took away the configuration's.
    fn shown(&self, wishes: &Handshake) -> io::Result<Option<Arc<CertifiedKey>>> {
        let key = match (&wishes.key, wishes.chain.is_empty()) {
            (None, true) => return Ok(None),
            (Some(key), false) => key,
            _ => return Err(io::Error::other("a plugin has set a certificate without its key, or a key alone")),
        };
        let chain = wishes.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
        let certified = CertifiedKey::from_der(chain, key, &self.provider).map_err(io::Error::other)?;
        Ok(Some(Arc::new(certified)))
    }
}
