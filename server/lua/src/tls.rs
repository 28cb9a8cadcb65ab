//! Certificates, keys and lists of authorities as Lua holds them.

use crate::{current, error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::Handshake;
use mlua::{AnyUserData, UserData, Value};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A chain of certificates, leaf first, DER (`ngx.ssl.parse_pem_cert`).
pub struct Chain(pub Vec<Vec<u8>>);

impl UserData for Chain {}

/// A private key, PEM (`ngx.ssl.parse_pem_priv_key`).
pub struct Key(pub String);

impl UserData for Key {}

/// Authorities, DER (`resty.openssl.x509.store`).
#[derive(Default)]
pub struct Store(pub Vec<Vec<u8>>);

/// PEM of a block of bytes (RFC 7468 §2).
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out + &format!("-----END {label}-----\n")
}

impl Chain {
    /// Every certificate of a PEM text; there must be one.
    pub fn of_pem(text: &[u8]) -> Result<Self, String> {
        let found = CertificateDer::pem_slice_iter(text).map(|der| der.map(|der| der.to_vec()));
        let chain = found.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        if chain.is_empty() { Err("PEM_read_bio_X509_AUX() failed".to_owned()) } else { Ok(Self(chain)) }
    }

    /// Certificates one after the other, DER.
    pub fn of_der(mut rest: &[u8]) -> Result<Self, String> {
        let mut chain = Vec::new();
        while !rest.is_empty() || chain.is_empty() {
            let (after, _) = X509Certificate::from_der(rest).map_err(|_| "d2i_X509_bio() failed".to_owned())?;
            let (one, _) = rest.split_at(rest.len() - after.len());
            chain.push(one.to_vec());
            rest = after;
        }
        Ok(Self(chain))
    }

    /// PEM of all.
    pub fn pem(&self) -> String {
        self.0.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }
}

impl Key {
    /// The first key of a PEM text.
    pub fn of_pem(text: &[u8]) -> Result<Self, String> {
        PrivateKeyDer::from_pem_slice(text).map_err(|_| "PEM_read_bio_PrivateKey() failed".to_owned())?;
        Ok(Self(String::from_utf8_lossy(text).into_owned()))
    }

    /// PEM of a key in DER: PKCS #8, PKCS #1 or SEC 1.
    pub fn of_der(der: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::try_from(der).map_err(|_| "d2i_PrivateKey_bio() failed".to_owned())?;
        let label = match key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        Ok(Self(pem(label, der)))
    }
}

/// The object of a type that a value is, where it is one.
pub fn object<T: 'static>(value: &Value) -> Option<&AnyUserData> {
    match value {
        Value::UserData(object) if object.is::<T>() => Some(object),
        _ => None,
    }
}

/// Authorities as a function is given them, DER: none for nil.
pub fn authorities(given: &Value) -> mlua::Result<Vec<Vec<u8>>> {
    if let Some(chain) = object::<Chain>(given) {
        return Ok(chain.borrow::<Chain>()?.0.clone());
    }
    if let Some(store) = object::<Store>(given) {
        return Ok(store.borrow::<Store>()?.0.clone());
    }
    match given {
        Value::Nil => Ok(Vec::new()),
        other => Err(error::of(format!(
            "expected certificates (ngx.ssl.parse_pem_cert) or a store (resty.openssl.x509.store), got a {}",
            other.type_name()
        ))),
    }
}

/// Changes what is wanted of the handshake that goes on.
pub fn lead(change: impl FnOnce(&mut Handshake)) -> mlua::Result<()> {
    match current::with(|exchange| exchange.state.get_mut::<Handshake>().map(change))? {
        Some(()) => Ok(()),
        None => Err(error::of(format!("API disabled in the context of {}_by_lua*", current::phase().name()))),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn chains_are_read_one_certificate_after_the_other() {
        let made = |name: &str| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
            params.self_signed(&key).expect("a certificate").der().to_vec()
        };
        let (one, two) = (made("a.test"), made("b.test"));
        assert_eq!(Chain::of_der(&[&one[..], &two].concat()).expect("two").0, [one.clone(), two]);
        for wrong in [&b""[..], b"x", &one[..one.len() - 1], &[&one[..], b"x"].concat()] {
            assert!(Chain::of_der(wrong).is_err());
        }
    }
}
