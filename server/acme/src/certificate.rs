//! What a certificate says of itself.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::macros::format_description;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

/// Why a certificate cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct CertificateError(String);

/// What is shown of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-1 of its DER, `AB:CD:…`.
    pub digest: String,
    /// Its common name, else its first alternative name.
    pub host: String,
    /// The issuer's common name.
    pub issuer: String,
    /// Begin of its validity, in seconds of the Unix epoch.
    pub not_before: i64,
    /// End of its validity, in seconds of the Unix epoch.
    pub not_after: i64,
    /// Its serial number, `AB:CD:…`.
    pub serial: String,
    /// `rsaEncryption`, `id-ecPublicKey`, or the dotted OID of another.
    pub key_type: String,
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned)
}

impl Facts {
    /// Of the first certificate of a PEM text.
    pub fn of(pem: &str) -> Result<Self, CertificateError> {
        let explain = |error: &dyn std::fmt::Display| CertificateError(error.to_string());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| explain(&error))?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| explain(&error))?;
        let alternative = || {
            let names = certificate.subject_alternative_name().ok().flatten()?;
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                    Ok(octets) => Some(std::net::Ipv4Addr::from(octets).to_string()),
                    Err(_) => None,
                },
                _ => None,
            })
        };
        let algorithm = certificate.public_key().algorithm.algorithm.to_id_string();
        Ok(Self {
            digest: colons(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref()),
            host: common_name(certificate.subject()).or_else(alternative).unwrap_or_default(),
            issuer: common_name(certificate.issuer()).unwrap_or_default(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            serial: colons(certificate.raw_serial()),
            key_type: match algorithm.as_str() {
                "1.2.840.113549.1.1.1" => "rsaEncryption".to_owned(),
                "1.2.840.10045.2.1" => "id-ecPublicKey".to_owned(),
                _ => algorithm,
            },
        })
    }

    /// Whether it is valid at a moment.
    pub fn is_valid(&self, at: SystemTime) -> bool {
        let at = seconds(at);
        self.not_before <= at && at < self.not_after
    }

    /// Whether it is valid for less than `threshold` from a moment on.
    pub fn is_due(&self, at: SystemTime, threshold: Duration) -> bool {
        let threshold = i64::try_from(threshold.as_secs()).unwrap_or(i64::MAX);
        self.not_after.saturating_sub(threshold) < seconds(at)
    }

    /// As the Admin API shows it.
    pub fn shown(&self, at: SystemTime) -> serde_json::Value {
        serde_json::json!({
            "digest": self.digest,
            "host": self.host,
            "issuer_cn": self.issuer,
            "not_before": date(self.not_before),
            "not_after": date(self.not_after),
            "valid": self.is_valid(at),
            "serial_number": self.serial,
            "pubkey_type": self.key_type,
        })
    }
}

fn seconds(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

fn date(at: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::from_unix_timestamp(at).ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_and_dates() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serial_number = Some(vec![0x1f, 0xa0].into());
        params.not_before = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(1_700_864_000).unwrap();
        let facts = Facts::of(&params.self_signed(&key).unwrap().pem()).unwrap();
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let shown = facts.shown(at(1_700_000_001));
        assert_eq!(shown["host"], "a.test");
        assert_eq!(shown["issuer_cn"], "");
        assert_eq!(shown["not_before"], "2023-11-14 22:13:20");
        assert_eq!(shown["valid"], true);
        assert_eq!(shown["serial_number"], "1F:A0");
        assert_eq!(shown["pubkey_type"], "id-ecPublicKey");
        assert_eq!(shown["digest"].as_str().map(str::len), Some(59));
        assert!(!facts.is_valid(at(1_700_864_000)));
        for (second, days, due) in
            [(1_700_000_001, 9, false), (1_700_000_001, 10, true), (1_700_000_001, 0, false), (1_700_864_001, 0, true)]
        {
            assert_eq!(facts.is_due(at(second), Duration::from_secs(days * 86_400)), due, "{second} {days}");
        }
        assert!(Facts::of("nothing").is_err());
    }
}
