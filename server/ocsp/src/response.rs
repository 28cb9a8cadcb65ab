//! What a responder answered, checked before anybody is shown it (RFC 6960 §3.2, §4.2).

use crate::subject::{Subject, is_issuer, named};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::time::{Duration, SystemTime};
use x509_cert::der::asn1::{AnyRef, BitStringRef, ContextSpecific};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader, TagNumber};
use x509_cert::ext::pkix::CrlReason;
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus, ResponderId, ResponseData,
    SingleResponse,
};
use x509_parser::asn1_rs::{BitString, FromDer};
use x509_parser::prelude::X509Certificate;
use x509_parser::verify::verify_signature;
use x509_parser::x509::AlgorithmIdentifier;

/// By how much a responder's clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(300);
/// How long an answer is shown that does not tell when there is a newer one (RFC 6960 §4.2.2.1).
const UNTOLD: Duration = Duration::from_secs(86_400);

/// An answer that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staple {
    /// The whole `OCSPResponse`, DER.
    pub response: Vec<u8>,
    /// Until when it may be shown.
    pub until: SystemTime,
}

/// Why an answer is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no answer.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The responder does not tell.
    #[error("the responder refuses to tell: {0}")]
    Unsuccessful(&'static str),
    /// It is about something else.
    #[error("the answer is about other certificates")]
    Other,
    /// Nobody signed it who may.
    #[error(
        "the answer is signed by nobody who may: neither by the issuer nor by a responder that the issuer vouches for"
    )]
    Signer,
    /// Its signature is wrong, or of a kind that is unknown here.
    #[error("the signature of the answer is not right: {0}")]
    Signature(String),
    /// Its time has not come.
    #[error("the answer is from the future: the clock of the responder, or of this node, is wrong")]
    Early,
    /// Its time is over.
    #[error("the answer is out of date")]
    Late,
    /// The responder does not know the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// The certificate is revoked, for a reason that may be told.
    #[error("the certificate is revoked{}", .0.map(|reason| format!(": {reason}")).unwrap_or_default())]
    Revoked(Option<&'static str>),
}

impl From<der::Error> for Refused {
    fn from(error: der::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Checks an answer: that it is about this certificate, from who may tell, of now, and good.
pub fn check(subject: &Subject, answer: &[u8], now: SystemTime) -> Result<Staple, Refused> {
    let response = OcspResponse::from_der(answer)?;
    let bytes = match (response.response_status, response.response_bytes) {
        (OcspResponseStatus::Successful, Some(bytes)) if bytes.response_type == BasicOcspResponse::OID => bytes,
        (OcspResponseStatus::Successful, _) => return Err(Refused::Unreadable("it is of an unknown type".into())),
        (status, _) => return Err(Refused::Unsuccessful(words(status))),
    };
    let signed = Signed::read(bytes.response.as_bytes())?;
    let told = ResponseData::from_der(signed.data)?;
    let signer_until = signed.verify(subject, &told.responder_id, now)?;
    let about = |single: &&SingleResponse| subject.is(&single.cert_id);
    let newest = |single: &&SingleResponse| single.this_update.0.to_unix_duration();
    let single = told.responses.iter().filter(about).max_by_key(newest).ok_or(Refused::Other)?;
    let from = at(single.this_update);
    let next = single.next_update.map_or(now + UNTOLD, at);
    if from > now + SKEW {
        return Err(Refused::Early);
    }
    if next <= now || next <= from {
        return Err(Refused::Late);
    }
    match single.cert_status {
        CertStatus::Good(_) => Ok(Staple { response: answer.to_vec(), until: next.min(signer_until.unwrap_or(next)) }),
        CertStatus::Revoked(info) => Err(Refused::Revoked(info.revocation_reason.map(reason))),
        CertStatus::Unknown(_) => Err(Refused::Unknown),
    }
}

fn at(time: OcspGeneralizedTime) -> SystemTime {
    time.0.to_system_time()
}

fn words(status: OcspResponseStatus) -> &'static str {
    match status {
        OcspResponseStatus::Successful => "successful",
        OcspResponseStatus::MalformedRequest => "malformedRequest",
        OcspResponseStatus::InternalError => "internalError",
        OcspResponseStatus::TryLater => "tryLater",
        OcspResponseStatus::SigRequired => "sigRequired",
        OcspResponseStatus::Unauthorized => "unauthorized",
    }
}

/// As RFC 5280 §5.3.1 names it.
fn reason(reason: CrlReason) -> &'static str {
    match reason {
        CrlReason::Unspecified => "unspecified",
        CrlReason::KeyCompromise => "keyCompromise",
        CrlReason::CaCompromise => "cACompromise",
        CrlReason::AffiliationChanged => "affiliationChanged",
        CrlReason::Superseded => "superseded",
        CrlReason::CessationOfOperation => "cessationOfOperation",
        CrlReason::CertificateHold => "certificateHold",
        CrlReason::RemoveFromCRL => "removeFromCRL",
        CrlReason::PrivilegeWithdrawn => "privilegeWithdrawn",
        CrlReason::AaCompromise => "aACompromise",
    }
}

/// The parts of a `BasicOCSPResponse` as they came: the signature is over exactly these bytes.
struct Signed<'a> {
    data: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificates: Vec<Vec<u8>>,
}

impl<'a> Signed<'a> {
    fn read(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let signed = reader.sequence(|parts| {
            let (data, algorithm) = (parts.tlv_bytes()?, parts.tlv_bytes()?);
            let signature = BitStringRef::decode(parts)?.as_bytes().ok_or(der::ErrorKind::Failed)?;
            let certificates = ContextSpecific::<Vec<AnyRef<'a>>>::decode_explicit(parts, TagNumber::N0)?;
            let certificates = certificates.map(|found| found.value).unwrap_or_default();
            let certificates = certificates.iter().map(Encode::to_der).collect::<der::Result<_>>()?;
            Ok(Self { data, algorithm, signature, certificates })
        })?;
        reader.finish(signed)
    }

    /// Checks the signature. Tells until when the signer may sign, where the issuer delegated it (RFC 6960 §4.2.2.2).
    fn verify(&self, subject: &Subject, id: &ResponderId, now: SystemTime) -> Result<Option<SystemTime>, Refused> {
        let (_, issuer) = X509Certificate::from_der(&subject.issuer).map_err(|error| unreadable(&error))?;
        if is_named(&issuer, id) {
            return self.is_by(&issuer).map(|()| None);
        }
        let sent = self.certificates.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        let delegate = sent.map(|(_, certificate)| certificate).find(|certificate| {
            let usage = certificate.extended_key_usage().ok().flatten();
            is_named(certificate, id)
                && usage.is_some_and(|usage| usage.value.ocsp_signing)
                && is_issuer(&subject.issuer, certificate)
        });
        let delegate = delegate.ok_or(Refused::Signer)?;
        let second = |at: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap_or_default());
        let validity = delegate.validity();
        let until = second(validity.not_after.timestamp());
        if second(validity.not_before.timestamp()) > now + SKEW || until <= now {
            return Err(Refused::Signature(format!(
                "the certificate of the responder, {}, is not valid now",
                named(delegate.as_raw())
            )));
        }
        self.is_by(&delegate).map(|()| Some(until))
    }

    fn is_by(&self, signer: &X509Certificate<'_>) -> Result<(), Refused> {
        let (_, algorithm) = AlgorithmIdentifier::from_der(self.algorithm).map_err(|error| unreadable(&error))?;
        verify_signature(signer.public_key(), &algorithm, &BitString::new(0, self.signature), self.data)
            .map_err(|error| Refused::Signature(error.to_string()))
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Refused {
    Refused::Unreadable(error.to_string())
}

/// Whether a certificate is the one a responder calls itself by.
fn is_named(certificate: &X509Certificate<'_>, id: &ResponderId) -> bool {
    match id {
        ResponderId::ByName(name) => name.to_der().is_ok_and(|name| name == certificate.subject().as_raw()),
        ResponderId::ByKey(hash) => {
            let key = &certificate.public_key().subject_public_key.data;
            digest(&SHA1_FOR_LEGACY_USE_ONLY, key).as_ref() == hash.as_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Authority, Leaf, Signer, Status, now};

    /// What an answer, changed by `change`, comes to.
    fn judged(change: impl FnOnce(&mut Answer)) -> Result<Duration, Refused> {
        let authority = Authority::new("CA");
        let chain = [Leaf::default().of(&authority), authority.der()];
        let subject = Subject::of(&chain, []).unwrap();
        let mut answer = Answer::default();
        change(&mut answer);
        let der = answer.der(&subject, &authority);
        let staple = check(&subject, &der, now())?;
        assert_eq!(staple.response, der);
        Ok(staple.until.duration_since(now()).unwrap())
    }

    /// Its name, what is changed in the answer, and for how long it may be shown.
    type Case = (&'static str, fn(&mut Answer), Result<Duration, Refused>);

    #[test]
    fn only_what_is_good_and_of_now_is_shown() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let cases: [Case; 15] = [
            ("good", |_| {}, Ok(hours(2))),
            ("no end", |answer| answer.next = None, Ok(UNTOLD)),
            ("a little ahead", |answer| answer.this = 299, Ok(hours(2))),
            ("early", |answer| answer.this = 301, Err(Refused::Early)),
            ("over", |answer| answer.next = Some(0), Err(Refused::Late)),
            ("long over", |answer| (answer.this, answer.next) = (-9000, Some(-10)), Err(Refused::Late)),
            ("ends before it begins", |answer| (answer.this, answer.next) = (200, Some(100)), Err(Refused::Late)),
            ("revoked", |answer| answer.status = Status::Revoked(None), Err(Refused::Revoked(None))),
            (
                "revoked for a reason",
                |answer| answer.status = Status::Revoked(Some(CrlReason::KeyCompromise)),
                Err(Refused::Revoked(Some("keyCompromise"))),
            ),
            ("unknown", |answer| answer.status = Status::Unknown, Err(Refused::Unknown)),
            ("another serial number", |answer| answer.serial = Some(77), Err(Refused::Other)),
            ("another issuer", |answer| answer.other_issuer = true, Err(Refused::Other)),
            ("nothing", |answer| answer.empty = true, Err(Refused::Other)),
            (
                "tryLater",
                |answer| answer.refused = Some(OcspResponseStatus::TryLater),
                Err(Refused::Unsuccessful("tryLater")),
            ),
            ("by key", |answer| answer.by_key = true, Ok(hours(2))),
        ];
        for (name, change, expected) in cases {
            assert_eq!(judged(change), expected, "{name}");
        }
    }

    #[test]
    fn only_the_issuer_and_whom_it_delegates_sign() {
        let hour = Duration::from_secs(3600);
        let signature = |found: &Result<Duration, Refused>| matches!(found, Err(Refused::Signature(_)));
        for by_key in [false, true] {
            let signed = |signer: Signer| judged(|answer| (answer.signer, answer.by_key) = (signer, by_key));
            assert_eq!(signed(Signer::Issuer), Ok(2 * hour));
            assert_eq!(signed(Signer::Delegate), Ok(2 * hour));
            assert_eq!(signed(Signer::ShortDelegate), Ok(hour));
            assert_eq!(signed(Signer::Unmarked), Err(Refused::Signer));
            assert_eq!(signed(Signer::Stranger), Err(Refused::Signer));
            assert_eq!(signed(Signer::Absent), Err(Refused::Signer));
            assert!(signature(&signed(Signer::Former)), "{:?}", signed(Signer::Former));
            assert!(signature(&signed(Signer::Liar)), "{:?}", signed(Signer::Liar));
        }
    }

    #[test]
    fn garbage_is_refused() {
        let authority = Authority::new("CA");
        let subject = Subject::of(&[Leaf::default().of(&authority), authority.der()], []).unwrap();
        let good = Answer::default().der(&subject, &authority);
        for text in [&b""[..], b"<html>", &[0x30, 0x80], &[0x30, 3, 10, 1, 0], &[0xff; 200]] {
            assert!(matches!(check(&subject, text, now()), Err(Refused::Unreadable(_))), "{text:?}");
        }
        for length in 0..good.len() {
            assert!(check(&subject, &good[..length], now()).is_err());
        }
        for (position, byte) in good.iter().enumerate() {
            for changed in [byte ^ 1, byte ^ 0x80, 0, 0xff] {
                let mut answer = good.clone();
                answer[position] = changed;
                // Bits that mean nothing may change: what comes out as good is still what the issuer signed.
                if let Ok(staple) = check(&subject, &answer, now()) {
                    assert_eq!(staple.until, now() + Duration::from_secs(7200), "{position}");
                }
            }
        }
    }
}
