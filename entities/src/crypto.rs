//! Certificates and keys: what can be said of them without talking to anyone.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer, x509::SubjectPublicKeyInfo};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// Elliptic curve.
    Ec,
    /// Ed25519.
    Ed25519,
    /// Something else.
    Other,
}

/// A public key: its kind and the bits that stand in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its kind.
    pub kind: KeyKind,
    /// `subjectPublicKey` of RFC 5280 §4.1.2.7.
    pub bits: Vec<u8>,
}

impl PublicKey {
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Self {
        let kind = match info.algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => KeyKind::Rsa,
            "1.2.840.10045.2.1" => KeyKind::Ec,
            "1.3.101.112" => KeyKind::Ed25519,
            _ => KeyKind::Other,
        };
        Self { kind, bits: info.subject_public_key.data.to_vec() }
    }
}

/// The DER of each certificate in a PEM text. At least one; the first must parse.
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(text.as_bytes()) {
        let block = block.map_err(|error| error.to_string())?;
        if matches!(block.label.as_str(), "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE") {
            found.push(block.contents);
        }
    }
    let first = found.first().ok_or("no certificate in PEM form")?;
    X509Certificate::from_der(first).map_err(|error| error.to_string())?;
    Ok(found)
}

/// The public key of the first certificate of a PEM text.
pub fn certificate_key(text: &str) -> Option<PublicKey> {
    let all = certificates(text).ok()?;
    let (_, certificate) = X509Certificate::from_der(all.first()?).ok()?;
    Some(PublicKey::of(certificate.public_key()))
}

/// The public part of a private key in PEM form (PKCS #8, PKCS #1 or SEC 1).
pub fn private_key(text: &str) -> Result<PublicKey, String> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string())?;
    let der = key.secret_der();
    let rsa = match &key {
        PrivateKeyDer::Pkcs1(_) => aws_lc_rs::rsa::KeyPair::from_der(der),
        _ => aws_lc_rs::rsa::KeyPair::from_pkcs8(der),
    };
    if let Ok(pair) = rsa {
        return Ok(PublicKey { kind: KeyKind::Rsa, bits: pair.public_key().as_ref().to_vec() });
    }
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
        &ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ];
    for curve in curves {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return Ok(PublicKey { kind: KeyKind::Ec, bits: pair.public_key().as_ref().to_vec() });
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Ok(PublicKey { kind: KeyKind::Ed25519, bits: pair.public_key().as_ref().to_vec() });
    }
    Err("unsupported private key".to_owned())
}

/// A public key in PEM form (`PUBLIC KEY`, `RSA PUBLIC KEY`, or a certificate's).
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    let block =
        Pem::iter_from_buffer(text.as_bytes()).next().ok_or("no PEM block")?.map_err(|error| error.to_string())?;
    match block.label.as_str() {
        "PUBLIC KEY" => {
            let (_, info) = SubjectPublicKeyInfo::from_der(&block.contents).map_err(|error| error.to_string())?;
            info.parsed().map_err(|error| error.to_string())?;
            Ok(PublicKey::of(&info))
        }
        "RSA PUBLIC KEY" => {
            x509_parser::public_key::RSAPublicKey::from_der(&block.contents).map_err(|error| error.to_string())?;
            Ok(PublicKey { kind: KeyKind::Rsa, bits: block.contents })
        }
        "CERTIFICATE" => certificate_key(text).ok_or_else(|| "not a certificate".to_owned()),
        label => Err(format!("unexpected PEM block {label}")),
    }
}

/// Whether a certificate's time is over at `now` (seconds since 1970), and whether it is a CA.
pub fn expired_and_ca(der: &[u8], now: i64) -> Result<(bool, bool), String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    Ok((certificate.validity().not_after.timestamp() < now, certificate.is_ca()))
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal SHA-1.
pub fn sha1_hex(bytes: &[u8]) -> String {
    use sha1::Digest;
    hex(&sha1::Sha1::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
