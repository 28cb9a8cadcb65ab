//! Clients' certificates: who vouches for one, and which names it has.

use entities::x509::{alternative_names, distinguished_name, is_plain};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::sync::Arc;
use uuid::Uuid;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// A CA certificate: its primary key, and its DER.
pub(super) type Authority = (Uuid, Arc<[u8]>);

/// What of a certificate that is vouched for counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its alternative names, or the common name where it has none.
    pub names: Vec<String>,
    /// The alternative names alone.
    pub alternative: Vec<String>,
    /// The first common name.
    pub common_name: Option<String>,
    /// The subject (RFC 4514: the last part first).
    pub subject: String,
    /// The configured authorities between the certificate and the root, that one included.
    pub authorities: Vec<Uuid>,
    /// Seconds of the Unix epoch at which the certificate ends.
    pub until: i64,
}

/// The holder of a chain (DER, leaf first) for which one of the authorities vouches at a time; the sentence says why none
/// does. A root is an authority that issued itself; `partial`: any of them is one.
pub(super) fn holder(
    chain: &[Arc<[u8]>],
    authorities: &[Authority],
    partial: bool,
    now: UnixTime,
) -> Result<Holder, String> {
    let (leaf, rest) = chain.split_first().ok_or("there is no certificate")?;
    let mut holder = read(leaf)?;
    let leaf = CertificateDer::from_slice(leaf);
    let certificate = EndEntityCert::try_from(&leaf).map_err(|error| error.to_string())?;
    let listed: Vec<(Uuid, CertificateDer<'_>)> =
        authorities.iter().map(|(id, der)| (*id, CertificateDer::from_slice(der))).collect();
    let (roots, between): (Vec<_>, Vec<_>) = listed.iter().partition(|(_, der)| partial || is_self_issued(der));
    let anchors: Vec<(Uuid, TrustAnchor<'_>)> =
        roots.into_iter().filter_map(|(id, der)| Some((*id, anchor_from_trusted_cert(der).ok()?))).collect();
    let trusted: Vec<TrustAnchor<'_>> = anchors.iter().map(|(_, anchor)| anchor.clone()).collect();
    let sent = rest.iter().map(|der| CertificateDer::from_slice(der));
    let intermediates: Vec<CertificateDer<'_>> = sent.chain(between.iter().map(|(_, der)| der.clone())).collect();
    let usage = KeyUsage::client_auth();
    let path = certificate
        .verify_for_usage(ALL_VERIFICATION_ALGS, &trusted, &intermediates, now, usage, None, None)
        .map_err(|error| error.to_string())?;
    let anchor = path.anchor();
    let is_anchor = |one: &TrustAnchor<'_>| {
        one.subject == anchor.subject && one.subject_public_key_info == anchor.subject_public_key_info
    };
    let passed: Vec<CertificateDer<'_>> = path.intermediate_certificates().map(|between| between.der()).collect();
    let on_the_way = between.iter().filter(|(_, der)| passed.contains(der)).map(|(id, _)| *id);
    holder.authorities =
        on_the_way.chain(anchors.iter().filter(|(_, one)| is_anchor(one)).map(|(id, _)| *id)).collect();
    Ok(holder)
}

fn is_self_issued(der: &[u8]) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else { return false };
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

fn read(der: &[u8]) -> Result<Holder, String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    let common_name = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let common_name = common_name.filter(|name| is_plain(name)).map(str::to_owned);
    let alternative = alternative_names(&certificate)?;
    let names = match &alternative {
        Some(names) => names.clone(),
        None => common_name.iter().cloned().collect(),
    };
    Ok(Holder {
        names,
        alternative: alternative.unwrap_or_default(),
        common_name,
        subject: distinguished_name(certificate.subject()),
        authorities: Vec::new(),
        until: certificate.validity().not_after.timestamp(),
    })
}
