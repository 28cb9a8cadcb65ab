//! Certificates by server name.

use crate::build::BuildError;
use ocsp_client::Shown;
use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::sync::Arc;
use store::View;
use uuid::Uuid;

/// Why a certificate and its key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM block of a certificate, or a broken one.
    #[error("invalid certificate: {0}")]
    Certificate(String),
    /// No PEM block of a private key, a broken one, or one of an unknown kind.
    #[error("invalid key: {0}")]
    Key(String),
    /// Both are fine, but do not belong together.
    #[error("certificate does not match key")]
    Mismatch,
}

/// The certificates of a PEM text, in order; none where it holds none.
pub fn certificates_in(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Certificate(error.to_string()))
}

/// Reads a PEM chain (leaf first) and its PEM private key (PKCS#8, PKCS#1 or SEC1).
pub fn certified_key(certificate: &str, key: &str) -> Result<CertifiedKey, CertificateError> {
    let chain = certificates_in(certificate)?;
    if chain.is_empty() {
        return Err(CertificateError::Certificate("no PEM block of a certificate".into()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| CertificateError::Key(error.to_string()))?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error| CertificateError::Key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key whose public half cannot be derived is taken at its word.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
        Err(error) => Err(CertificateError::Certificate(error.to_string())),
    }
}

/// A certificate with, where there is one, its alternative of another key type.
#[derive(Debug, Clone)]
pub struct Pair {
    main: Shown,
    alternative: Option<Shown>,
}

impl Pair {
    /// A certificate, and the one of another key type that goes with it.
    pub fn new(main: Arc<CertifiedKey>, alternative: Option<Arc<CertifiedKey>>) -> Self {
        Self { main: Shown::new(main), alternative: alternative.map(Shown::new) }
    }

    /// The one to show to a client with these signature schemes: ECDSA before RSA where the client takes both, and
    /// `cert` where it takes none.
    pub fn choose(&self, schemes: &[SignatureScheme]) -> &Shown {
        let Some(alternative) = &self.alternative else { return &self.main };
        let rsa = |shown: &Shown| shown.key.key.algorithm() == rustls::SignatureAlgorithm::RSA;
        let ordered = if rsa(&self.main) { [alternative, &self.main] } else { [&self.main, alternative] };
        ordered.into_iter().find(|shown| shown.key.key.choose_scheme(schemes).is_some()).unwrap_or(&self.main)
    }

    /// Those of the two that must be stapled.
    pub fn to_be_stapled(&self) -> impl Iterator<Item = &Shown> {
        [&self.main].into_iter().chain(&self.alternative).filter(|shown| shown.must_be_stapled())
    }
}

/// PEM texts of one certificate and the names it is for.
#[derive(Debug, Clone, Default)]
pub struct Source<'a> {
    /// Primary key of the certificate entity.
    pub id: Uuid,
    /// `cert`
    pub certificate: &'a str,
    /// `key`
    pub key: &'a str,
    /// `cert_alt` and `key_alt`
    pub alternative: Option<(&'a str, &'a str)>,
    /// Names of its SNIs: `a.test`, `*.test`, `a.*`, or `*` for everybody else.
    pub names: Vec<&'a str>,
}

/// Certificates by server name: an exact name, then `*` in place of its first label, then `*` in place of its last
/// label, then `*` alone.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<Box<str>, Pair, foldhash::fast::RandomState>,
    /// By what follows `*.`.
    leftmost: HashMap<Box<str>, Pair, foldhash::fast::RandomState>,
    /// By what precedes `.*`.
    rightmost: HashMap<Box<str>, Pair, foldhash::fast::RandomState>,
    fallback: Option<Pair>,
    to_be_stapled: Vec<Shown>,
}

impl Certificates {
    /// From PEM texts. All that cannot be read are named.
    pub fn build<'a>(sources: impl IntoIterator<Item = Source<'a>>) -> Result<Self, Vec<(Uuid, CertificateError)>> {
        let mut found = Self::default();
        let mut errors = Vec::new();
        // Without a name nobody is ever shown it, but it must be readable all the same.
        for source in sources {
            let alternative = source.alternative.map(|(certificate, key)| certified_key(certificate, key)).transpose();
            match (certified_key(source.certificate, source.key), alternative) {
                (Ok(main), Ok(alternative)) => {
                    if source.names.is_empty() {
                        continue;
                    }
                    let pair = Pair::new(Arc::new(main), alternative.map(Arc::new));
                    found.to_be_stapled.extend(pair.to_be_stapled().cloned());
                    for name in source.names {
                        found.insert(&name.to_ascii_lowercase(), pair.clone());
                    }
                }
                (main, alternative) => {
                    errors.extend(main.err().into_iter().chain(alternative.err()).map(|error| (source.id, error)));
                }
            }
        }
        if errors.is_empty() { Ok(found) } else { Err(errors) }
    }

    pub(crate) fn of(view: &View) -> Result<Self, Vec<BuildError>> {
        let mut names: HashMap<Uuid, Vec<&str>> = HashMap::new();
        for sni in view.all("snis") {
            if let (Some(name), Some(id)) =
                (sni.text("name"), sni.reference("certificate").and_then(|reference| reference.uuid()))
            {
                names.entry(id).or_default().push(name);
            }
        }
        let sources = view.all("certificates").filter_map(|record| {
            let id = record.id.uuid()?;
            Some(Source {
                id,
                certificate: record.text("cert").unwrap_or_default(),
                key: record.text("key").unwrap_or_default(),
                alternative: record.text("cert_alt").zip(record.text("key_alt")),
                names: names.remove(&id).unwrap_or_default(),
            })
        });
        Self::build(sources).map_err(|errors| {
            let named = |(id, error): (Uuid, CertificateError)| BuildError {
                entity: "certificates",
                id,
                message: error.to_string(),
            };
            errors.into_iter().map(named).collect()
        })
    }

    fn insert(&mut self, name: &str, pair: Pair) {
        if name == "*" {
            self.fallback = Some(pair);
        } else if let Some(rest) = name.strip_prefix("*.") {
            self.leftmost.insert(rest.into(), pair);
        } else if let Some(rest) = name.strip_suffix(".*") {
            self.rightmost.insert(rest.into(), pair);
        } else {
            self.exact.insert(name.into(), pair);
        }
    }

    /// Certificates that must be shown with an OCSP response.
    pub fn to_be_stapled(&self) -> &[Shown] {
        &self.to_be_stapled
    }

    /// Whether there is a certificate for exactly this server name, in lower case.
    pub fn names(&self, name: &str) -> bool {
        self.exact.contains_key(name)
    }

    /// The certificate for a server name in lower case; `None` where the node's default certificate must do.
    pub fn resolve(&self, name: Option<&str>) -> Option<&Pair> {
        let Some(name) = name else { return self.fallback.as_ref() };
        self.exact
            .get(name)
            .or_else(|| self.leftmost.get(name.split_once('.')?.1))
            .or_else(|| self.rightmost.get(name.rsplit_once('.')?.0))
            .or(self.fallback.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn the_most_exact_name_wins() {
        let pems: Vec<_> = (0..4).map(|n| pem(&format!("c{n}.test"), &rcgen::PKCS_ECDSA_P256_SHA256)).collect();
        let names = [vec!["A.wild.test", "two.test"], vec!["*.wild.test"], vec!["wild.*"], vec!["*"]];
        let source = |(index, names): (usize, Vec<&'static str>)| Source {
            certificate: &pems[index].0,
            key: &pems[index].1,
            names,
            ..Source::default()
        };
        let all = Certificates::build(names.clone().into_iter().enumerate().map(source)).unwrap();
        let some = Certificates::build(names.into_iter().enumerate().take(3).map(source)).unwrap();
        let which = |of: &Certificates, name: Option<&str>| {
            let shown = of.resolve(name)?.choose(&[]).key.cert[0].clone();
            pems.iter().position(|(pem, _)| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap() == shown)
        };
        for (name, expected) in [
            (Some("a.wild.test"), Some(0)),
            (Some("two.test"), Some(0)),
            (Some("b.wild.test"), Some(1)),
            (Some("x.b.wild.test"), None),
            (Some("wild.test"), Some(2)),
            (Some("wild"), None),
            (Some("other.test"), None),
            (None, None),
        ] {
            assert_eq!(which(&some, name), expected, "{name:?}");
            assert_eq!(which(&all, name), expected.or(Some(3)), "{name:?}");
        }
    }

    #[test]
    fn the_alternative_is_shown_to_those_who_can_read_it() {
        let (rsa, ec) = (pem("r.test", &rcgen::PKCS_RSA_SHA256), pem("e.test", &rcgen::PKCS_ECDSA_P256_SHA256));
        let (rsa, ec) = (certified_key(&rsa.0, &rsa.1).unwrap(), certified_key(&ec.0, &ec.1).unwrap());
        let (rsa, ec) = (Arc::new(rsa), Arc::new(ec));
        let both = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];
        for pair in [Pair::new(rsa.clone(), Some(ec.clone())), Pair::new(ec.clone(), Some(rsa.clone()))] {
            assert!(Arc::ptr_eq(&pair.choose(&both).key, &ec));
            assert!(Arc::ptr_eq(&pair.choose(&both[..1]).key, &rsa));
            assert!(Arc::ptr_eq(&pair.choose(&[]).key, &pair.main.key));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let (one, two) = (pem("a.test", &rcgen::PKCS_ECDSA_P256_SHA256), pem("b.test", &rcgen::PKCS_ECDSA_P256_SHA256));
        let error = |certificate: &str, key: &str| certified_key(certificate, key).unwrap_err().to_string();
        assert!(error("garbage", &one.1).starts_with("invalid certificate: "));
        assert!(error(&one.0, "garbage").starts_with("invalid key: "));
        assert_eq!(error(&one.0, &two.1), "certificate does not match key");
        let source = |id, key| Source { id: Uuid::from_u128(id), certificate: &one.0, key, ..Source::default() };
        let errors = Certificates::build([source(1, &two.1), source(2, &one.1), source(3, "")]).unwrap_err();
        assert_eq!(errors.iter().map(|(id, _)| id.as_u128()).collect::<Vec<_>>(), [1, 3]);
    }
}
