//! Accounts at certificate authorities, and the keys they are known by.

use crate::order::{AcmeError, Authority};
use crate::storage::Storage;
use crate::transport::Transport;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use exchange::{HttpClient, HttpRequest};
use instant_acme::{Account, AccountBuilder, AccountCredentials, ExternalAccountKey, Key, NewAccount};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Where an authority without a key identifier of its own gives one out for a mail address.
const ZEROSSL: (&str, &str) = ("https://acme.zerossl.com/", "https://api.zerossl.com/acme/eab-credentials-email");

/// Why a key cannot be an account's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is none, or of another kind.
    #[error("the account's key must be an ECDSA key on P-256")]
    Kind,
    /// Its text cannot be read.
    #[error("the account's key cannot be read: {0}")]
    Unreadable(String),
}

/// A P-256 private key from PEM (PKCS#8 or SEC 1), as PKCS#8.
pub fn account_key_of_pem(pem: &str) -> Result<Vec<u8>, KeyError> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| KeyError::Unreadable(error.to_string()))?;
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
        }
        _ => return Err(KeyError::Kind),
    };
    pkcs8(&pair.map_err(|_| KeyError::Kind)?)
}

/// A P-256 private key from a JSON Web Key (RFC 7517), as PKCS#8.
pub fn account_key_of_jwk(jwk: &str) -> Result<Vec<u8>, KeyError> {
    let jwk: Value = serde_json::from_str(jwk).map_err(|error| KeyError::Unreadable(error.to_string()))?;
    if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
        return Err(KeyError::Kind);
    }
    let part = |name: &str| {
        let text = jwk[name].as_str().unwrap_or_default();
        URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32).ok_or(KeyError::Kind)
    };
    let public = [vec![4], part("x")?, part("y")?].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &part("d")?, &public);
    pkcs8(&pair.map_err(|_| KeyError::Kind)?)
}

fn pkcs8(pair: &EcdsaKeyPair) -> Result<Vec<u8>, KeyError> {
    Ok(pair.to_pkcs8v1().map_err(|_| KeyError::Kind)?.as_ref().to_vec())
}

/// The key of a storage under which an account is kept.
fn entry(authority: &Authority) -> String {
    format!("silverback_acme:account:{}:{}", authority.directory, STANDARD.encode(&authority.email))
}

fn builder(http: &Arc<dyn HttpClient>) -> AccountBuilder {
    Account::builder_with_http(Box::new(Transport(http.clone())))
}

/// The account: with the given key, else the one in the storage, else a new one that is put there.
pub(crate) async fn open(
    authority: &Authority,
    storage: &dyn Storage,
    http: &Arc<dyn HttpClient>,
) -> Result<Account, AcmeError> {
    let directory = authority.directory.clone();
    let contact = format!("mailto:{}", authority.email);
    if let Some(key) = &authority.account_key {
        if authority.external.is_some() {
            return Err(AcmeError::Refused("an account with a key of its own cannot be bound to an external account"));
        }
        let der = PrivatePkcs8KeyDer::from(key.clone());
        let pair = (Key::from_pkcs8_der(der.clone_key())?, PrivateKeyDer::Pkcs8(der));
        let (account, _) = builder(http).create_from_key(pair, directory).await?;
        account.update_contacts(&[&contact]).await?;
        return Ok(account);
    }
    let entry = entry(authority);
    if let Some(kept) = storage.get(&entry).await? {
        match serde_json::from_str::<AccountCredentials>(&kept) {
            Ok(credentials) => return Ok(builder(http).from_credentials(credentials).await?),
            Err(error) => tracing::warn!("the account at {directory} cannot be read, another is made: {error}"),
        }
    }
    let external = match &authority.external {
        Some((id, key)) => Some((id.clone(), key.clone())),
        None if directory.starts_with(ZEROSSL.0) => Some(zerossl(&authority.email, http).await?),
        None => None,
    };
    let external = match external {
        Some((id, key)) => {
            let key = URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).or_else(|_| URL_SAFE.decode(&key));
            let key = key.map_err(|_| AcmeError::Refused("the external account's key is not base64url"))?;
            Some(ExternalAccountKey::new(id, &key))
        }
        None => None,
    };
    let account = NewAccount {
        contact: &[&contact],
        terms_of_service_agreed: authority.terms_accepted,
        only_return_existing: false,
    };
    let (account, credentials) = builder(http).create(&account, directory, external.as_ref()).await?;
    let kept = serde_json::to_string(&credentials).map_err(instant_acme::Error::from)?;
    storage.set(&entry, kept, None).await?;
    Ok(account)
}

/// ZeroSSL binds accounts to a mail address by itself.
async fn zerossl(email: &str, http: &Arc<dyn HttpClient>) -> Result<(String, String), AcmeError> {
    let escaped: String = email
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let mut request = HttpRequest::new("POST", ZEROSSL.1, format!("email={escaped}"))
        .header("Content-Type", "application/x-www-form-urlencoded");
    request.timeout = Duration::from_secs(30);
    let answer = http.send(request).await.map_err(|error| AcmeError::Unreachable(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (answer["eab_kid"].as_str(), answer["eab_hmac_key"].as_str()) {
        (Some(id), Some(key)) => Ok((id.to_owned(), key.to_owned())),
        _ => Err(AcmeError::Refused("ZeroSSL gave out no external account")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_p256_are_read_and_others_refused() {
        let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let read = account_key_of_pem(&own.serialize_pem()).unwrap();
        assert!(Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(read)).is_ok());
        // The key of RFC 7515, appendix A.3.
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
        assert!(Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(account_key_of_jwk(jwk).unwrap())).is_ok());
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(account_key_of_pem(&other.serialize_pem()), Err(KeyError::Kind));
        assert!(matches!(account_key_of_pem("nothing"), Err(KeyError::Unreadable(_))));
        assert_eq!(account_key_of_jwk(r#"{"kty":"RSA","n":"AQ"}"#), Err(KeyError::Kind));
        assert_eq!(account_key_of_jwk(r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"AQ"}"#), Err(KeyError::Kind));
    }
}
