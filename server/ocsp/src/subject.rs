//! What a certificate asks of whom shows it, and what is asked about it.

use aws_lc_rs::digest::{self, digest};
use rustls_pki_types::CertificateDer;
use x509_cert::der::asn1::{Null, OctetString};
use x509_cert::der::{self, Encode};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier};
use x509_ocsp::{CertId, OcspRequest, Request, TbsRequest};
use x509_parser::asn1_rs::{FromDer, Oid, oid};
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_OCSP;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Name;

/// The extension `TLS Feature` (RFC 7633 §4.1).
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);
/// The TLS extension `status_request` (RFC 6066 §8).
const STATUS_REQUEST: u16 = 5;
/// What names and keys are hashed by. Every responder knows the first, SHA-1 (RFC 5019 §2.1.1, RFC 9654 keeps it).
const HASHES: [(ObjectIdentifier, &digest::Algorithm); 4] = [
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.26"), &digest::SHA1_FOR_LEGACY_USE_ONLY),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), &digest::SHA256),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), &digest::SHA384),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), &digest::SHA512),
];

/// Why nobody can be asked about a certificate. Asking again helps only where the configuration changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It names nobody to ask.
    #[error(
        "its Authority Information Access names no OCSP responder with an http or https URL; have it issued with one, or \
         without the TLS feature status_request"
    )]
    NoResponder,
    /// The certificate of its issuer is nowhere.
    #[error(
        "the certificate of its issuer '{0}' is not known; it should follow in the same chain, or be among the \
         CA certificates"
    )]
    NoIssuer(String),
}

/// A certificate whose status is asked for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// URL of its responder, `http` or `https`.
    pub responder: String,
    /// The question, an `OCSPRequest` of DER (RFC 6960 §4.1.1). It has no nonce, so that responders may keep answers.
    pub request: Vec<u8>,
    pub(crate) serial: SerialNumber,
    pub(crate) issuer: CertificateDer<'static>,
}

/// Whether a certificate, DER, asks to be shown with its status only (RFC 7633 §4.2.3.1). What cannot be read does not.
pub fn must_be_stapled(certificate: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let Ok(Some(extension)) = certificate.get_extension_unique(&TLS_FEATURE) else { return false };
    Vec::<u16>::from_der(extension.value).is_ok_and(|(_, features)| features.contains(&STATUS_REQUEST))
}

/// A certificate as a log names it: `CN=a.test (serial 04:d2)`.
pub(crate) fn named(certificate: &[u8]) -> String {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => {
            format!("{} (serial {})", line(certificate.subject()), certificate.raw_serial_as_string())
        }
        Err(_) => "that cannot be read".to_owned(),
    }
}

/// A name in one line, whatever stands in it.
fn line(name: &X509Name<'_>) -> String {
    name.to_string().replace(char::is_control, " ")
}

impl Subject {
    /// Of a chain, its first certificate before the others. The issuer is looked for in the chain, then among
    /// `authorities`, DER.
    pub fn of<'a>(
        chain: &'a [CertificateDer<'a>],
        authorities: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, SubjectError> {
        let unreadable = |error: &dyn std::fmt::Display| SubjectError::Unreadable(error.to_string());
        let leaf = chain.first().ok_or_else(|| unreadable(&"the chain is empty"))?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| unreadable(&error))?;
        let responder = responder(&leaf).ok_or(SubjectError::NoResponder)?;
        let mut candidates = chain.iter().map(AsRef::as_ref).chain(authorities);
        let issuer = candidates.find(|candidate| is_issuer(candidate, &leaf));
        let issuer = issuer.ok_or_else(|| SubjectError::NoIssuer(line(leaf.issuer())))?;
        let serial = SerialNumber::new(leaf.raw_serial()).map_err(|error| unreadable(&error))?;
        let issuer = CertificateDer::from(issuer.to_vec());
        let request = request(&issuer, &serial).map_err(|error| unreadable(&error))?;
        Ok(Self { responder, request, serial, issuer })
    }
}

/// The first URL that HTTP is spoken at.
fn responder(certificate: &X509Certificate<'_>) -> Option<String> {
    certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(access.iter()),
            _ => None,
        })
        .flatten()
        .filter(|description| description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP)
        .find_map(|description| match description.access_location {
            GeneralName::URI(url) => {
                let scheme = url.split_once("://")?.0.to_ascii_lowercase();
                let written = url.bytes().all(|byte| byte.is_ascii_graphic());
                (written && matches!(scheme.as_str(), "http" | "https")).then(|| url.to_owned())
            }
            _ => None,
        })
}

/// Whether a certificate has the name and the key that `issued` was signed by. Where the kind of signature is unknown here,
/// the name has to do: nothing it signs can be stapled then.
pub(crate) fn is_issuer(candidate: &[u8], issued: &X509Certificate<'_>) -> bool {
    let Ok((_, candidate)) = X509Certificate::from_der(candidate) else { return false };
    candidate.subject().as_raw() == issued.issuer().as_raw()
        && match issued.verify_signature(Some(candidate.public_key())) {
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
            Err(_) => false,
        }
}

fn request(issuer: &[u8], serial: &SerialNumber) -> der::Result<Vec<u8>> {
    let [(oid, algorithm), ..] = HASHES;
    let (name, key) = hashes(issuer, algorithm).ok_or(der::ErrorKind::Failed)?;
    let asked = CertId {
        hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: Some(Null.into()) },
        issuer_name_hash: OctetString::new(name)?,
        issuer_key_hash: OctetString::new(key)?,
        serial_number: serial.clone(),
    };
    let asked = Request { req_cert: asked, single_request_extensions: None };
    let tbs_request = TbsRequest { request_list: vec![asked], ..TbsRequest::default() };
    OcspRequest { tbs_request, optional_signature: None }.to_der()
}

/// Hashes of an issuer's name and of its key, the bits without their tag (RFC 6960 §4.1.1).
fn hashes(issuer: &[u8], algorithm: &'static digest::Algorithm) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, issuer) = X509Certificate::from_der(issuer).ok()?;
    let hash = |bytes: &[u8]| digest(algorithm, bytes).as_ref().to_vec();
    Some((hash(issuer.subject().as_raw()), hash(&issuer.public_key().subject_public_key.data)))
}

impl Subject {
    /// Whether an answer is about this certificate; responders may use other hashes than the question.
    pub(crate) fn is(&self, id: &CertId) -> bool {
        let Some((_, algorithm)) = HASHES.into_iter().find(|(oid, _)| *oid == id.hash_algorithm.oid) else {
            return false;
        };
        id.serial_number == self.serial
            && hashes(&self.issuer, algorithm).is_some_and(|(name, key)| {
                name == id.issuer_name_hash.as_bytes() && key == id.issuer_key_hash.as_bytes()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, Leaf};
    use x509_cert::der::Decode;

    #[test]
    fn only_the_feature_status_request_asks() {
        let authority = Authority::new("CA");
        for (features, expected) in [
            (None, false),
            (Some(&[0x30, 3, 2, 1, 5][..]), true),
            (Some(&[0x30, 6, 2, 1, 17, 2, 1, 5]), true),
            (Some(&[0x30, 3, 2, 1, 17]), false),
            (Some(&[0x30, 0]), false),
            (Some(&[0x30, 9, 2]), false),
            (Some(b"garbage"), false),
        ] {
            let leaf = Leaf { features, ..Leaf::default() }.of(&authority);
            assert_eq!(must_be_stapled(&leaf), expected, "{features:?}");
        }
        assert!(!must_be_stapled(b"garbage"));
    }

    #[test]
    fn the_issuer_is_in_the_chain_or_among_authorities() {
        let (authority, namesake) = (Authority::new("CA"), Authority::new("CA"));
        let (other, elsewhere) = (Authority::new("Other"), "http://ocsp.test/a");
        let leaf = Leaf::default().of(&authority);
        let (own, false_one, third) = (authority.der(), namesake.der(), other.der());
        let unknown = || Err(SubjectError::NoIssuer("CN=CA".into()));
        for (chain, authorities, expected) in [
            (vec![&leaf, &own], vec![], Ok(())),
            (vec![&leaf, &third, &own], vec![], Ok(())),
            (vec![&leaf], vec![&third, &own], Ok(())),
            (vec![&leaf, &false_one], vec![&own], Ok(())),
            (vec![&leaf], vec![], unknown()),
            (vec![&leaf, &false_one], vec![&third], unknown()),
        ] {
            let chain: Vec<_> = chain.into_iter().cloned().collect();
            let found = Subject::of(&chain, authorities.into_iter().map(AsRef::as_ref));
            let told =
                found.map(|subject| assert_eq!((subject.responder.as_str(), &subject.issuer), (elsewhere, &own)));
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_responder_is_asked_over_http() {
        let authority = Authority::new("CA");
        for (urls, expected) in [
            (&["http://a.test/"][..], Ok("http://a.test/")),
            (&["ldap://a.test/", "HTTPS://b.test/"], Ok("HTTPS://b.test/")),
            (&["ldap://a.test/", "http", "http://a.test/\nb"], Err(SubjectError::NoResponder)),
            (&[], Err(SubjectError::NoResponder)),
        ] {
            let chain = [Leaf { urls, ..Leaf::default() }.of(&authority), authority.der()];
            let found = Subject::of(&chain, []).map(|subject| subject.responder);
            assert_eq!(found, expected.map(str::to_owned), "{urls:?}");
        }
        let broken = Subject::of(&[CertificateDer::from(b"garbage".to_vec())], []);
        assert!(broken.unwrap_err().to_string().starts_with("it cannot be read: "));
        assert!(Subject::of(&[], []).is_err());
    }

    #[test]
    fn a_question_is_about_its_certificate() {
        let (authority, other) = (Authority::new("CA"), Authority::new("CA"));
        for serial in [&[1_u8][..], &[0x80, 0], &[0x7f; 20]] {
            let chain = [Leaf { serial, ..Leaf::default() }.of(&authority), authority.der()];
            let subject = Subject::of(&chain, []).unwrap();
            let asked = OcspRequest::from_der(&subject.request).unwrap().tbs_request.request_list.remove(0).req_cert;
            assert!(subject.is(&asked));
            let chain = [Leaf { serial, ..Leaf::default() }.of(&other), other.der()];
            assert!(!Subject::of(&chain, []).unwrap().is(&asked));
            let chain = [Leaf { serial: &[9], ..Leaf::default() }.of(&authority), authority.der()];
            assert!(!Subject::of(&chain, []).unwrap().is(&asked));
        }
    }
}
