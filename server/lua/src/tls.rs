//! Certificates, keys and lists of authorities as Lua holds them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mlua::{AnyUserData, UserData, Value};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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
