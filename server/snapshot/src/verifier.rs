//! Who an upstream, or a client, is believed to be.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

/// Believes everybody (`tls_verify` is off). The connection is encrypted, to whomever.
#[derive(Debug)]
pub(crate) struct Anybody(pub WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Believes whom a trusted authority vouches for, through at most `depth` intermediate authorities.
///
/// As OpenSSL does and Kong's users rely on: a certificate that is itself in the list of trusted ones is believed, also
/// where it calls itself an authority, and one without alternative names is known by its common name.
#[derive(Debug)]
pub struct Authorities {
    /// Who is trusted.
    pub roots: Arc<RootCertStore>,
    /// How many intermediate authorities there may be.
    pub depth: usize,
    /// Signatures that count.
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    /// Whether a client's certificate is to be believed; `intermediates`: what it showed besides.
    ///
    /// # Errors
    /// `Error::InvalidCertificate`: why it is not.
    pub fn client(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        self.believed(certificate, intermediates, now, KeyUsage::client_auth()).map(|_| ())
    }

    fn believed<'a>(
        &self,
        certificate: &'a CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<EndEntityCert<'a>, Error> {
        let parsed = EndEntityCert::try_from(certificate).map_err(refused)?;
        match self.vouched(&parsed, intermediates, now, usage) {
            Err(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer) if self.listed(certificate, now) => {}
            other => other.map_err(refused)?,
        }
        Ok(parsed)
    }

    fn vouched(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), webpki::Error> {
        let short = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() <= self.depth {
            true => Ok(()),
            false => Err(webpki::Error::MaximumPathDepthExceeded),
        };
        certificate
            .verify_for_usage(self.algorithms.all, &self.roots.roots, intermediates, now, usage, None, Some(&short))
            .map(|_| ())
    }

    /// Whether the certificate itself is in the list, and its time is now.
    fn listed(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let Ok(own) = webpki::anchor_from_trusted_cert(certificate) else { return false };
        let same = |root: &rustls_pki_types::TrustAnchor<'_>| {
            root.subject == own.subject && root.subject_public_key_info == own.subject_public_key_info
        };
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return false };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let valid = parsed.validity();
        self.roots.roots.iter().any(same) && (valid.not_before.timestamp()..=valid.not_after.timestamp()).contains(&now)
    }
}

/// Whether a certificate without alternative names has this common name.
fn has_common_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    if !matches!(parsed.subject_alternative_name(), Ok(None)) {
        return false;
    }
    let name = name.to_str();
    parsed.subject().iter_common_name().filter_map(|common| common.as_str().ok()).any(|common| {
        common.eq_ignore_ascii_case(&name)
            || match (common.strip_prefix("*."), name.split_once('.')) {
                (Some(pattern), Some((_, rest))) => pattern.contains('.') && pattern.eq_ignore_ascii_case(rest),
                _ => false,
            }
    })
}

fn refused(error: webpki::Error) -> Error {
    use webpki::Error as Found;
    Error::InvalidCertificate(match error {
        Found::CertExpired { .. } => CertificateError::Expired,
        Found::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Found::CertNotValidForName(_) => CertificateError::NotValidForName,
        Found::UnknownIssuer | Found::MaximumPathDepthExceeded => CertificateError::UnknownIssuer,
        Found::BadDer | Found::BadDerTime => CertificateError::BadEncoding,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    })
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = self.believed(end_entity, intermediates, now, KeyUsage::server_auth())?;
        match certificate.verify_is_valid_for_subject_name(server_name) {
            Err(webpki::Error::CertNotValidForName(_)) if has_common_name(end_entity, server_name) => {}
            other => other.map_err(refused)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

    fn authority(name: &str) -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().unwrap())
    }

    fn leaf(names: &[&str], common: Option<&str>, days: i64) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = params.not_before + std::time::Duration::from_secs(days as u64 * 86_400);
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params
    }

    /// A root, an intermediate authority under it, and one under that.
    struct House {
        root: Certificate,
        middle: Certificate,
        lower: Certificate,
        issuers: [Issuer<'static, KeyPair>; 3],
    }

    fn house() -> House {
        let [(root, root_key), (middle, middle_key), (lower, lower_key)] = ["root", "middle", "lower"].map(authority);
        let own = root.self_signed(&root_key).unwrap();
        let root = Issuer::new(root, root_key);
        let under_root = middle.signed_by(&middle_key, &root).unwrap();
        let middle = Issuer::new(middle, middle_key);
        let under_middle = lower.signed_by(&lower_key, &middle).unwrap();
        House {
            root: own,
            middle: under_root,
            lower: under_middle,
            issuers: [root, middle, Issuer::new(lower, lower_key)],
        }
    }

    fn check(
        trusted: &[&Certificate],
        depth: usize,
        shown: &Certificate,
        between: &[&Certificate],
        name: &str,
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        for certificate in trusted {
            roots.add(certificate.der().clone()).unwrap();
        }
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let between: Vec<_> = between.iter().map(|certificate| certificate.der().clone()).collect();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_600_000_000));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let verifier = Authorities { roots: Arc::new(roots), depth, algorithms };
        verifier.verify_server_cert(shown.der(), &between, &name, &[], now).map(|_| ())
    }

    #[test]
    fn chains_are_followed_as_far_as_is_allowed() {
        let house = house();
        let key = KeyPair::generate().unwrap();
        let under: Vec<Certificate> =
            house.issuers.iter().map(|issuer| leaf(&["a.test"], None, 3650).signed_by(&key, issuer).unwrap()).collect();
        let expired = leaf(&["a.test"], None, 10).signed_by(&key, &house.issuers[0]).unwrap();
        let (root, middle, lower) = (&house.root, &house.middle, &house.lower);
        for (trusted, depth, shown, between, name, believed) in [
            (vec![root], 0, &under[0], vec![], "a.test", true),
            (vec![root], 0, &under[0], vec![], "b.test", false),
            (vec![], 1, &under[0], vec![], "a.test", false),
            (vec![middle], 1, &under[0], vec![], "a.test", false),
            (vec![root], 0, &under[1], vec![middle], "a.test", false),
            (vec![root], 1, &under[1], vec![middle], "a.test", true),
            (vec![root], 1, &under[1], vec![], "a.test", false),
            (vec![middle], 0, &under[1], vec![], "a.test", true),
            (vec![root], 1, &under[2], vec![lower, middle], "a.test", false),
            (vec![root], 2, &under[2], vec![lower, middle], "a.test", true),
            (vec![root], 1, &expired, vec![], "a.test", false),
            (vec![root, &expired], 1, &expired, vec![], "a.test", false),
        ] {
            let found = check(&trusted, depth, shown, &between, name);
            assert_eq!(found.is_ok(), believed, "{depth} {} {name}: {found:?}", between.len());
        }
    }

    #[test]
    fn a_listed_certificate_is_believed_and_a_common_name_will_do() {
        let (key, house) = (KeyPair::generate().unwrap(), house());
        let signed = |params: CertificateParams| params.signed_by(&key, &house.issuers[0]).unwrap();
        let mut own = leaf(&["own.test"], Some("own"), 3650);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = own.self_signed(&key).unwrap();
        let stranger = leaf(&["own.test"], Some("own"), 3650).self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (plain, wild) = (signed(leaf(&[], Some("cn.test"), 3650)), signed(leaf(&[], Some("*.cn.test"), 3650)));
        let both = signed(leaf(&["san.test"], Some("cn.test"), 3650));
        for (trusted, shown, name, believed) in [
            (&own, &own, "own.test", true),
            (&own, &own, "other.test", false),
            (&own, &stranger, "own.test", false),
            (&house.root, &plain, "CN.test", true),
            (&house.root, &plain, "x.cn.test", false),
            (&house.root, &wild, "x.cn.test", true),
            (&house.root, &wild, "cn.test", false),
            (&house.root, &wild, "y.x.cn.test", false),
            (&house.root, &both, "san.test", true),
            (&house.root, &both, "cn.test", false),
        ] {
            let found = check(&[trusted], 1, shown, &[], name);
            assert_eq!(found.is_ok(), believed, "{name}: {found:?}");
        }
    }
}
