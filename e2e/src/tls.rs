//! Certificates made for a test, and TLS clients that show them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A certificate and its key.
pub struct Identity {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The same as PEM.
    pub pem: String,
    /// Its key.
    pub key: KeyPair,
    /// Authorities between it and a known one.
    pub between: Vec<CertificateDer<'static>>,
}

impl Identity {
    /// Signed by itself.
    pub fn for_names(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        Self { der: certificate.der().clone(), pem: certificate.pem(), key, between: Vec::new() }
    }

    /// In files of a folder: the certificate, and its key.
    pub fn files(&self, folder: &Path) -> (String, String) {
        (file(folder, "own.pem", &self.pem), file(folder, "own.key", &self.key.serialize_pem()))
    }

    /// Its key.
    pub fn secret(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }
}

/// A file of a folder, with this text.
pub fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    (params, KeyPair::generate().expect("a key"))
}

/// An authority (PEM), and somebody it vouches for, through as many others.
pub fn vouched(through: usize) -> (String, Identity) {
    let (params, key) = authority("an authority");
    let root = params.self_signed(&key).expect("an authority").pem();
    let mut issuer = Issuer::new(params, key);
    let mut between = Vec::new();
    for number in 0..through {
        let (params, key) = authority(&format!("authority {number}"));
        between.insert(0, params.signed_by(&key, &issuer).expect("an authority").der().clone());
        issuer = Issuer::new(params, key);
    }
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["client.test".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    (root, Identity { der: certificate.der().clone(), pem: certificate.pem(), key, between })
}

/// A client that trusts these, and shows its own certificate where it is asked.
pub fn client(trusted: &[&Identity], own: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|identity| roots.add(identity.der.clone()).expect("an authority"));
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = std::iter::once(&own.der).chain(&own.between).cloned().collect();
            builder.with_client_auth_cert(chain, own.secret()).expect("a certificate")
        }
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// A client's connection.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects; hands are shaken with the first byte.
pub fn open(config: &Arc<ClientConfig>, address: SocketAddr, name: &str) -> Tls {
    let io = TcpStream::connect(address).expect("connects");
    io.set_read_timeout(Some(LIMIT)).expect("a limit");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    StreamOwned::new(ClientConnection::new(config.clone(), name).expect("a connection"), io)
}
