//! Authorities, certificates and answers of responders, for tests.

use crate::subject::Subject;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SigningKey,
};
use rustls_pki_types::CertificateDer;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use x509_cert::der::asn1::{BitString, Ia5String, Null, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, CrlReason};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier};
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, OcspResponseStatus, ResponderId,
    ResponseData, RevokedInfo, SingleResponse, Version,
};

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ID_AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// The moment that tests take place at.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from(now()) + time::Duration::seconds(seconds)
}

pub struct Authority {
    pub issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

fn called(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

/// A certificate for `a.test`.
pub struct Leaf {
    pub features: Option<&'static [u8]>,
    pub urls: &'static [&'static str],
    pub serial: &'static [u8],
}

impl Default for Leaf {
    fn default() -> Self {
        Self { features: Some(&[0x30, 3, 2, 1, 5]), urls: &["http://ocsp.test/a"], serial: &[4, 210] }
    }
}

impl Leaf {
    pub fn of(self, authority: &Authority) -> CertificateDer<'static> {
        self.with_key(authority).0
    }

    pub fn with_key(self, authority: &Authority) -> (CertificateDer<'static>, KeyPair) {
        let mut params = called("a.test");
        params.serial_number = Some(self.serial.to_vec().into());
        if let Some(features) = self.features {
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], features.to_vec()));
        }
        let described = |url: &&str| AccessDescription {
            access_method: ID_AD_OCSP,
            access_location: GeneralName::UniformResourceIdentifier(Ia5String::new(*url).unwrap()),
        };
        if !self.urls.is_empty() {
            let access = AuthorityInfoAccessSyntax(self.urls.iter().map(described).collect()).to_der().unwrap();
            params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access));
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &authority.issuer).unwrap().der().clone(), key)
    }
}

/// Who signs.
#[derive(Clone, Copy, PartialEq)]
pub enum Signer {
    Issuer,
    /// Somebody the issuer delegates.
    Delegate,
    /// One whose certificate ends in an hour.
    ShortDelegate,
    /// One whose certificate has ended.
    Former,
    /// One whose certificate is not for this.
    Unmarked,
    /// One delegated by somebody else of the issuer's name.
    Stranger,
    /// One whose certificate is not sent.
    Absent,
    /// Somebody who only says to be the issuer.
    Liar,
}

pub enum Status {
    Good,
    Revoked(Option<CrlReason>),
    Unknown,
}

/// An answer; times in seconds from now.
pub struct Answer {
    pub status: Status,
    pub this: i64,
    pub next: Option<i64>,
    pub serial: Option<u8>,
    pub other_issuer: bool,
    pub empty: bool,
    pub by_key: bool,
    pub signer: Signer,
    pub refused: Option<OcspResponseStatus>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            status: Status::Good,
            this: -60,
            next: Some(7200),
            serial: None,
            other_issuer: false,
            empty: false,
            by_key: false,
            signer: Signer::Issuer,
            refused: None,
        }
    }
}

fn time(seconds: i64) -> OcspGeneralizedTime {
    OcspGeneralizedTime::try_from(SystemTime::from(moment(seconds))).unwrap()
}

impl Answer {
    pub fn der(&self, subject: &Subject, authority: &Authority) -> Vec<u8> {
        if let Some(response_status) = self.refused {
            return OcspResponse { response_status, response_bytes: None }.to_der().unwrap();
        }
        let asked = OcspRequest::from_der(&subject.request).unwrap();
        let mut cert_id = asked.tbs_request.request_list[0].req_cert.clone();
        if let Some(serial) = self.serial {
            cert_id.serial_number = SerialNumber::from(serial);
        }
        if self.other_issuer {
            cert_id.issuer_key_hash = OctetString::new([7; 20]).unwrap();
        }
        let single = SingleResponse {
            cert_id,
            cert_status: match self.status {
                Status::Good => CertStatus::Good(Null),
                Status::Unknown => CertStatus::Unknown(Null),
                Status::Revoked(revocation_reason) => {
                    CertStatus::Revoked(RevokedInfo { revocation_time: time(-9000), revocation_reason })
                }
            },
            this_update: time(self.this),
            next_update: self.next.map(time),
            single_extensions: None,
        };
        let (key, certificate) = self.signer(authority);
        let key: &KeyPair = key.as_ref().unwrap_or(authority.issuer.key());
        let named = match &certificate {
            Some(certificate) => x509_cert::Certificate::from_der(certificate).unwrap(),
            None => x509_cert::Certificate::from_der(&authority.der).unwrap(),
        };
        let public = match (self.signer, &certificate) {
            (Signer::Liar, _) | (_, None) => x509_cert::Certificate::from_der(&authority.der).unwrap(),
            _ => named.clone(),
        };
        let bits = public.tbs_certificate.subject_public_key_info.subject_public_key;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bits.raw_bytes());
        let responder_id = match self.by_key {
            false => ResponderId::ByName(named.tbs_certificate.subject.clone()),
            true => ResponderId::ByKey(OctetString::new(hash.as_ref()).unwrap()),
        };
        let tbs_response_data = ResponseData {
            version: Version::V1,
            responder_id,
            produced_at: time(self.this),
            responses: if self.empty { Vec::new() } else { vec![single] },
            response_extensions: None,
        };
        let signature = SigningKey::sign(key, &tbs_response_data.to_der().unwrap()).unwrap();
        let sent = certificate.filter(|_| !matches!(self.signer, Signer::Absent | Signer::Liar)).map(|_| vec![named]);
        let basic = BasicOcspResponse {
            tbs_response_data,
            signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
            signature: BitString::from_bytes(&signature).unwrap(),
            certs: sent,
        };
        OcspResponse::successful(basic).unwrap().to_der().unwrap()
    }

    /// The key and the certificate of who signs; the issuer's own where there is none.
    fn signer(&self, authority: &Authority) -> (Option<KeyPair>, Option<CertificateDer<'static>>) {
        let key = KeyPair::generate().unwrap();
        let mut params = called("Responder");
        (params.not_before, params.not_after) = (moment(-86_400), moment(86_400));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        let stranger = Authority::new("CA");
        let mut issuer = &authority.issuer;
        match self.signer {
            Signer::Issuer => return (None, None),
            Signer::Liar => return (Some(key), None),
            Signer::Delegate | Signer::Absent => {}
            Signer::ShortDelegate => params.not_after = moment(3600),
            Signer::Former => params.not_after = moment(-1),
            Signer::Unmarked => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Signer::Stranger => issuer = &stranger.issuer,
        }
        let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
        (Some(key), Some(certificate))
    }
}
