//! What is said of clients' certificates, and whom a listener lets in (nginx's `ssl_verify_client`).

use exchange::Unwelcome;
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, DistinguishedName, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};
use snapshot::Authorities;
use std::sync::Arc;

/// What a listener asks of its clients.
#[derive(Clone, Debug)]
pub struct ClientCheck {
    /// Whose requests are served.
    pub demand: Demand,
    /// Who vouches for clients (`ssl_client_certificate`).
    pub authorities: Vec<CertificateDer<'static>>,
    /// How many intermediate authorities there may be between (`ssl_verify_depth`).
    pub depth: usize,
}

/// Whose requests a listener serves. Everyone is asked for a certificate, and handshakes go on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// `on`: who has shown a certificate that an authority vouches for.
    Required,
    /// `optional`: who has shown such a one, or none.
    Optional,
    /// `optional_no_ca`: who has shown none, or one whose time is now, whoever vouches for it.
    AnyAuthority,
}

/// A `ClientCheck` at work.
pub(super) struct Clients {
    demand: Demand,
    authorities: Authorities,
}

impl Clients {
    pub fn new(check: &ClientCheck, provider: &CryptoProvider) -> Self {
        Self {
            demand: check.demand,
            authorities: authorities(check.authorities.iter().cloned(), check.depth, provider),
        }
    }

    /// Names of the authorities, which clients are told.
    pub fn subjects(&self) -> Vec<DistinguishedName> {
        self.authorities.roots.subjects()
    }

    /// What is said of a client, and why its requests are refused.
    pub fn judge(&self, certificates: &[CertificateDer<'_>]) -> (Option<Box<str>>, Option<Unwelcome>) {
        let judged = judged(&self.authorities, certificates);
        let unwelcome = match (&judged, self.demand) {
            (None, Demand::Required) => Some(Unwelcome::NoCertificate),
            (Some(Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))), Demand::AnyAuthority)
            | (None | Some(Ok(())), _) => None,
            (Some(Err(_)), _) => Some(Unwelcome::Certificate),
        };
        (judged.map(told), unwelcome)
    }
}

/// What is to be said of a client's certificates: whether one of the authorities (DER) vouches for them. `None` where
/// there are none.
pub(super) fn verdict(vouching: &[Vec<u8>], certificates: &[Arc<[u8]>], provider: &CryptoProvider) -> Option<Box<str>> {
    let vouching = vouching.iter().map(|der| CertificateDer::from(der.as_slice()));
    let certificates: Vec<CertificateDer<'_>> = certificates.iter().map(|der| CertificateDer::from(&**der)).collect();
    judged(&authorities(vouching, usize::MAX, provider), &certificates).map(told)
}

/// Authorities that can be read; the others vouch for nobody.
pub(super) fn roots<'a>(authorities: impl Iterator<Item = CertificateDer<'a>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    roots
}

fn authorities<'a>(
    vouching: impl Iterator<Item = CertificateDer<'a>>,
    depth: usize,
    provider: &CryptoProvider,
) -> Authorities {
    let algorithms = provider.signature_verification_algorithms;
    Authorities { roots: Arc::new(roots(vouching)), depth, algorithms }
}

fn judged(authorities: &Authorities, certificates: &[CertificateDer<'_>]) -> Option<Result<(), Error>> {
    let (leaf, between) = certificates.split_first()?;
    Some(authorities.client(leaf, between, UnixTime::now()))
}

/// In the words of `$ssl_client_verify`.
fn told(judged: Result<(), Error>) -> Box<str> {
    match judged {
        Ok(()) => "SUCCESS".into(),
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "FAILED:unable to get local issuer certificate".into()
        }
        Err(error) => format!("FAILED:{error}").into(),
    }
}
