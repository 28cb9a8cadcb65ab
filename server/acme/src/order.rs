//! One order: from a host name to a certificate with its key.

use crate::account;
use crate::storage::{Storage, StorageError};
use exchange::HttpClient;
use instant_acme::{AuthorizationStatus, ChallengeType, Identifier, NewOrder, OrderStatus, RetryPolicy};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, RsaKeySize};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// For how long a challenge is answered.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(3600);

/// How long the authority may take to look at a challenge, and to issue.
const PATIENCE: Duration = Duration::from_secs(120);

/// Common names are no longer than this (RFC 5280, appendix A.1).
const COMMON_NAME: usize = 64;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority refused, or something on the way to it.
    #[error("the certificate authority: {0}")]
    Authority(#[from] instant_acme::Error),
    /// Nobody can be asked.
    #[error("the certificate authority cannot be asked: {0}")]
    Unreachable(String),
    /// The storage.
    #[error("the storage: {0}")]
    Storage(#[from] StorageError),
    /// Keys or requests cannot be made.
    #[error("a certificate cannot be requested: {0}")]
    Request(#[from] rcgen::Error),
    /// What is not possible.
    #[error("{0}")]
    Refused(&'static str),
    /// An order failed a while ago, and the host is left alone.
    #[error("the last order for {0} failed; it is not tried again yet")]
    BackOff(String),
}

/// A certificate authority, and as whom to ask it for what.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// URL of its directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// The account's mail address.
    pub email: String,
    /// Whether its terms of service are accepted.
    pub terms_accepted: bool,
    /// An external account to bind to: key identifier and base64url key (RFC 8555 §7.3.4).
    pub external: Option<(String, String)>,
    /// The account's key as PKCS#8; one is made where there is none.
    pub account_key: Option<Vec<u8>>,
    /// The keys of certificates.
    pub key: KeyKind,
}

impl fmt::Debug for Authority {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.directory, self.email)
    }
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048, 3072 or 4096 bits; another number is 4096.
    Rsa(u32),
    /// ECDSA on P-256.
    Ecc,
}

/// A certificate chain, the leaf first, with the leaf's private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct CertKey {
    /// The chain.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for CertKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of a chain", self.cert.len())
    }
}

/// The entry of a storage that answers a challenge, by the challenge's token.
pub(crate) fn challenge_entry(token: &str) -> String {
    format!("{token}#http-01")
}

fn pair(kind: KeyKind, known: Option<String>) -> Result<KeyPair, AcmeError> {
    let fits = |pair: &KeyPair| match kind {
        KeyKind::Rsa(_) => pair.is_compatible(&rcgen::PKCS_RSA_SHA256),
        KeyKind::Ecc => pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256),
    };
    if let Some(pair) = known.and_then(|pem| KeyPair::from_pem(&pem).ok()).filter(fits) {
        return Ok(pair);
    }
    Ok(match kind {
        KeyKind::Ecc => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?,
        KeyKind::Rsa(bits) => {
            let size = match bits {
                2048 => RsaKeySize::_2048,
                3072 => RsaKeySize::_3072,
                _ => RsaKeySize::_4096,
            };
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)?
        }
    })
}

/// Key and certificate request for a host.
fn request(host: &str, kind: KeyKind, known: Option<String>) -> Result<(String, Vec<u8>), AcmeError> {
    let pair = pair(kind, known)?;
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    if host.len() <= COMMON_NAME {
        params.distinguished_name.push(DnType::CommonName, host);
    }
    let request = params.serialize_request(&pair)?;
    Ok((pair.serialize_pem(), request.der().to_vec()))
}

/// Orders a certificate for a host; `known` is the key of the one before, which is used again where its kind fits.
pub(crate) async fn place(
    authority: &Authority,
    storage: &dyn Storage,
    http: &Arc<dyn HttpClient>,
    host: &str,
    known: Option<String>,
) -> Result<CertKey, AcmeError> {
    let account = account::open(authority, storage, http).await?;
    let identifier = host.parse::<IpAddr>().map_or_else(|_| Identifier::Dns(host.to_owned()), Identifier::Ip);
    let mut order = account.new_order(&NewOrder::new(&[identifier])).await?;
    let mut entries = Vec::new();
    let proven = prove(&mut order, storage, &mut entries).await;
    let policy = RetryPolicy::new().timeout(PATIENCE);
    let ready = match proven {
        Ok(()) => order.poll_ready(&policy).await.map_err(AcmeError::from),
        Err(error) => Err(error),
    };
    for entry in entries {
        // What stays is over in an hour.
        let _ = storage.remove(&entry).await;
    }
    if ready? != OrderStatus::Ready {
        return Err(AcmeError::Refused("the certificate authority did not accept the answer to its challenge"));
    }
    let (name, kind) = (host.to_owned(), authority.key);
    let made = tokio::task::spawn_blocking(move || request(&name, kind, known)).await;
    let (key, csr) = made.map_err(|_| AcmeError::Refused("making a key failed unexpectedly"))??;
    order.finalize_csr(&csr).await?;
    let cert = order.poll_certificate(&policy).await?;
    Ok(CertKey { cert, key })
}

/// Puts the answers to an order's challenges into the storage, and has the authority look.
async fn prove(
    order: &mut instant_acme::Order,
    storage: &dyn Storage,
    entries: &mut Vec<String>,
) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            _ => return Err(AcmeError::Refused("the certificate authority does not let the host be authorised")),
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            return Err(AcmeError::Refused("the certificate authority offers no HTTP-01 challenge"));
        };
        let entry = challenge_entry(&challenge.token);
        let answer = challenge.key_authorization().as_str().to_owned();
        storage.set(&entry, answer, Some(CHALLENGE_LIFETIME)).await?;
        entries.push(entry);
        challenge.set_ready().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_their_kind_and_stay() {
        let (key, first) = request("a.test", KeyKind::Ecc, None).unwrap();
        let (again, _) = request("a.test", KeyKind::Ecc, Some(key.clone())).unwrap();
        assert_eq!(key, again);
        let (rsa, _) = request("a.test", KeyKind::Rsa(2048), Some(key.clone())).unwrap();
        assert_ne!(key, rsa);
        assert!(KeyPair::from_pem(&rsa).unwrap().is_compatible(&rcgen::PKCS_RSA_SHA256));
        assert!(first.windows(6).any(|window| window == b"a.test"));
        assert!(request("not a host\u{e9}", KeyKind::Ecc, None).is_err());
    }
}
