//! Who an upstream is believed to be.

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
pub(crate) struct Authorities {
    pub roots: Arc<RootCertStore>,
    pub depth: usize,
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    fn vouched(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let short = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() <= self.depth {
            true => Ok(()),
            false => Err(webpki::Error::MaximumPathDepthExceeded),
        };
        let usage = KeyUsage::server_auth();
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
        let certificate = EndEntityCert::try_from(end_entity).map_err(refused)?;
        match self.vouched(&certificate, intermediates, now) {
            Err(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer) if self.listed(end_entity, now) => {}
            other => other.map_err(refused)?,
        }
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
