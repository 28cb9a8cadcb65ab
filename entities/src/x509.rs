//! What a certificate says of itself, in texts and numbers.

use crate::crypto::{certificates, sha256_hex};
use serde::Serialize;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

/// What is shown of a certificate: of the first of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Whom it is for (RFC 4514: the last part first).
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Hexadecimal digits in pairs: `04:d2`.
    pub serial_number: String,
    /// Begin of its validity, in seconds since 1970.
    pub not_before: i64,
    /// End of its validity, in seconds since 1970.
    pub expiry: i64,
    /// Its alternative names: host names, addresses, mail addresses, URIs.
    pub san_names: Vec<String>,
    /// `RSA`, `EC`, `Ed25519`, `Ed448`, or the OID of another.
    pub key_type: String,
    /// Bits of the key; none where its kind is not known.
    pub key_size: Option<usize>,
    /// What the key may be used for, as RFC 5280 §4.2.1.3 and §4.2.1.12 name it; OIDs where they name none.
    pub key_usages: Vec<String>,
    /// Whether it may sign others.
    pub ca: bool,
    /// SHA-256 of its DER, in lower-case hexadecimal.
    pub sha256_fingerprint: String,
    /// Certificates in the text, this one included.
    pub chain_length: usize,
}

impl CertificateFacts {
    /// Of a PEM text; none where there is no certificate in it that can be read.
    pub fn of(pem: &str) -> Option<Self> {
        let chain = certificates(pem).ok()?;
        let der = chain.first()?;
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (key_type, key_size) = key(certificate.public_key());
        Some(Self {
            subject: distinguished_name(certificate.subject()),
            issuer: distinguished_name(certificate.issuer()),
            serial_number: certificate.raw_serial_as_string(),
            not_before: certificate.validity().not_before.timestamp(),
            expiry: certificate.validity().not_after.timestamp(),
            san_names: alternative_names(&certificate).ok().flatten().unwrap_or_default(),
            key_type,
            key_size,
            key_usages: usages(&certificate),
            ca: certificate.is_ca(),
            sha256_fingerprint: sha256_hex(der),
            chain_length: chain.len(),
        })
    }
}

fn key(info: &SubjectPublicKeyInfo<'_>) -> (String, Option<usize>) {
    let algorithm = info.algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            ("RSA".to_owned(), info.parsed().ok().map(|key| key.key_size()))
        }
        "1.2.840.10045.2.1" => {
            let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            let size = match curve.map(|curve| curve.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7" | "1.3.132.0.10") => Some(256),
                Some("1.3.132.0.34") => Some(384),
                Some("1.3.132.0.35") => Some(521),
                _ => None,
            };
            ("EC".to_owned(), size)
        }
        "1.3.101.112" => ("Ed25519".to_owned(), Some(256)),
        "1.3.101.113" => ("Ed448".to_owned(), Some(456)),
        _ => (algorithm, None),
    }
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut named: Vec<(bool, &str)> = Vec::new();
    if let Ok(Some(usage)) = certificate.key_usage() {
        let usage = usage.value;
        named.extend([
            (usage.digital_signature(), "digitalSignature"),
            (usage.non_repudiation(), "nonRepudiation"),
            (usage.key_encipherment(), "keyEncipherment"),
            (usage.data_encipherment(), "dataEncipherment"),
            (usage.key_agreement(), "keyAgreement"),
            (usage.key_cert_sign(), "keyCertSign"),
            (usage.crl_sign(), "cRLSign"),
            (usage.encipher_only(), "encipherOnly"),
            (usage.decipher_only(), "decipherOnly"),
        ]);
    }
    let mut others = Vec::new();
    if let Ok(Some(usage)) = certificate.extended_key_usage() {
        let usage = usage.value;
        named.extend([
            (usage.any, "anyExtendedKeyUsage"),
            (usage.server_auth, "serverAuth"),
            (usage.client_auth, "clientAuth"),
            (usage.code_signing, "codeSigning"),
            (usage.email_protection, "emailProtection"),
            (usage.time_stamping, "timeStamping"),
            (usage.ocsp_signing, "OCSPSigning"),
        ]);
        others.extend(usage.other.iter().map(|oid| oid.to_id_string()));
    }
    let named = named.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
    named.chain(others).collect()
}

/// The alternative names that are texts or addresses, without those that hold control characters; `None` where the
/// certificate has no such extension.
pub fn alternative_names(certificate: &X509Certificate<'_>) -> Result<Option<Vec<String>>, String> {
    let Some(extension) = certificate.subject_alternative_name().map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    Ok(Some(extension.value.general_names.iter().filter_map(name).filter(|name| is_plain(name)).collect()))
}

/// Whether a name has no control characters, so that it can stand in a header.
pub fn is_plain(name: &str) -> bool {
    !name.chars().any(char::is_control)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// `CN=ann,O=house`: what the certificate has last comes first.
pub fn distinguished_name(name: &X509Name<'_>) -> String {
    let registry = oid_registry();
    let attribute = |attribute: &AttributeTypeAndValue<'_>| {
        let kind = oid2abbrev(attribute.attr_type(), registry)
            .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
        let value = attribute.as_str().unwrap_or_default();
        format!("{kind}={}", escaped(value))
    };
    let parts = name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"));
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

/// A value as RFC 4514 §2.4 writes it. What no header can carry is left out.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, letter) in value.char_indices().filter(|(_, letter)| !letter.is_control()) {
        let at_rim = (index == 0 && matches!(letter, ' ' | '#')) || (index + 1 == value.len() && letter == ' ');
        if at_rim || matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
