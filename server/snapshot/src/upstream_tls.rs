//! TLS towards upstreams: whom to believe, and which client certificate to show.

use crate::certificates::certified_key;
use crate::verifier::{Anybody, Authorities};
use entities::{Service, Upstream};
use exchange::Instead;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use store::{Id, Record, View};

/// PEM of a client certificate and its key.
type Client = (Arc<str>, Arc<str>);

/// Everything that one way of speaking TLS to an upstream follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Content {
    verify: bool,
    depth: u32,
    /// DER of the authorities; `None` = the node's own list.
    authorities: Option<Vec<Vec<u8>>>,
    client: Option<Client>,
    /// Whether it is the node that asks, and in fewer versions of TLS than there are.
    own: bool,
}

/// One way of speaking TLS to an upstream. Services that ask for the same share one, across Snapshots too, and with it
/// the sessions that can be resumed.
#[derive(Debug)]
pub struct UpstreamTls {
    content: Content,
    config: Arc<ClientConfig>,
    id: u64,
}

impl UpstreamTls {
    /// For a connector.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Differs between any two ways of this process: connections of one must not serve the other.
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// What the node believes and shows where nothing else is said, and every [`UpstreamTls`] in use.
#[derive(Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    depth: u32,
    client: Option<Client>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    ids: AtomicU64,
    known: Mutex<HashMap<Content, Weak<UpstreamTls>>>,
}

impl Default for Trust {
    /// Mozilla's authorities, one intermediate authority, no client certificate.
    fn default() -> Self {
        Self::mozilla(1, None)
    }
}

impl Trust {
    /// Like [`Trust::new`], believing Mozilla's authorities.
    pub fn mozilla(depth: u32, client: Option<(String, String)>) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::new(roots, depth, client)
    }

    /// `roots`: `lua_ssl_trusted_certificate`. `depth`: how many intermediate authorities may stand between one of them
    /// and an upstream (`lua_ssl_verify_depth`). `client`: PEM of certificate and key shown by default (`client_ssl`),
    /// which must belong together; see [`certified_key`].
    pub fn new(roots: RootCertStore, depth: u32, client: Option<(String, String)>) -> Self {
        Self {
            roots: Arc::new(roots),
            depth,
            client: client.map(|(certificate, key)| (certificate.into(), key.into())),
            provider: Arc::new(aws_lc_rs::default_provider()),
            versions: rustls::DEFAULT_VERSIONS.to_vec(),
            ids: AtomicU64::new(1),
            known: Mutex::default(),
        }
    }

    /// The versions of TLS in which the node asks others (`lua_ssl_protocols`); requests of clients are passed on in all.
    #[must_use]
    pub fn asking_in(mut self, versions: Vec<&'static SupportedProtocolVersion>) -> Self {
        self.versions = versions;
        self
    }

    /// For what the node asks by itself, active health checks for one: `https_verify_certificate` says whether the node's authorities must vouch for the
    /// Target; the client certificate is that of the Upstream, else the node's.
    pub fn probe(&self, upstream: Option<&UpstreamTls>, verify: bool) -> Result<Arc<UpstreamTls>, String> {
        let client = upstream.and_then(|tls| tls.content.client.clone()).or_else(|| self.client.clone());
        // Where both may speak the same, both share what they know of a server.
        let own = self.versions.len() < rustls::DEFAULT_VERSIONS.len();
        self.speaking(Content { verify, depth: self.depth, authorities: None, client, own })
    }

    /// For one request whose plugins want otherwise than its Service says, or speak TLS where the Service does not.
    ///
    /// # Errors
    /// Where the client certificate is of no use.
    pub fn instead(&self, service: Option<&UpstreamTls>, wanted: &Instead) -> Result<Arc<UpstreamTls>, String> {
        let mut content = match service {
            Some(tls) => tls.content.clone(),
            None => Content { client: self.client.clone(), ..Content::default() },
        };
        let verified = content.verify;
        content.verify = wanted.verify.unwrap_or(verified);
        content.depth = match content.verify {
            true => wanted.verify_depth.unwrap_or(if verified { content.depth } else { self.depth }),
            false => 0,
        };
        if let Some(authorities) = wanted.authorities.as_ref().filter(|_| content.verify) {
            content.authorities = Some(authorities.clone());
        }
        if let Some(client) = &wanted.client {
            content.client = Some(client.clone());
        }
        self.speaking(content)
    }

    fn speaking(&self, content: Content) -> Result<Arc<UpstreamTls>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = known.get(&content).and_then(Weak::upgrade) {
            return Ok(tls);
        }
        known.retain(|_, tls| tls.strong_count() > 0);
        let tls = Arc::new(UpstreamTls {
            config: Arc::new(self.config(&content)?),
            id: self.ids.fetch_add(1, Relaxed),
            content: content.clone(),
        });
        known.insert(content, Arc::downgrade(&tls));
        Ok(tls)
    }

    fn config(&self, content: &Content) -> Result<ClientConfig, String> {
        let algorithms = self.provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(if content.own { &self.versions } else { rustls::DEFAULT_VERSIONS })
            .map_err(|error| error.to_string())?
            .dangerous();
        let builder = match content.verify {
            false => builder.with_custom_certificate_verifier(Arc::new(Anybody(algorithms))),
            true => {
                let roots = match &content.authorities {
                    None => self.roots.clone(),
                    Some(given) => {
                        let mut roots = RootCertStore::empty();
                        for der in given {
                            let der = CertificateDer::from_slice(der);
                            roots.add(der).map_err(|error| format!("invalid CA certificate: {error}"))?;
                        }
                        Arc::new(roots)
                    }
                };
                let depth = content.depth as usize;
                builder.with_custom_certificate_verifier(Arc::new(Authorities { roots, depth, algorithms }))
            }
        };
        Ok(match &content.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let client: CertifiedKey =
                    certified_key(certificate, key).map_err(|error| format!("client certificate: {error}"))?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(client)))
            }
        })
    }
}

/// What a view says about TLS towards upstreams.
pub(crate) struct Material {
    view: View,
    trust: Arc<Trust>,
}

impl Material {
    pub(crate) fn of(view: &View, trust: Arc<Trust>) -> Self {
        Self { view: view.clone(), trust }
    }

    /// TLS of a Service: its own client certificate, else that of the Upstream it names, else the node's.
    pub(crate) fn of_service(&self, service: &Service) -> Result<Arc<UpstreamTls>, String> {
        let record = self.view.get("services", &Id::Uuid(service.id));
        let host = record.and_then(|record| record.text("host")).unwrap_or_default();
        let ws = record.and_then(|record| record.ws);
        let client = match record.and_then(|record| record.reference("client_certificate")) {
            Some(id) => Some(self.client(&id)?),
            None => match self.view.by_unique("upstreams", ws, "name", &Value::from(host)) {
                Some(upstream) => self.client_of(upstream)?,
                None => None,
            },
        };
        let field = |name: &str| record.and_then(|record| record.value.get(name));
        let verify = field("tls_verify").and_then(Value::as_bool).unwrap_or(false);
        let depth = field("tls_verify_depth").and_then(Value::as_u64).and_then(|depth| u32::try_from(depth).ok());
        let authorities = match field("ca_certificates").and_then(Value::as_array) {
            Some(ids) if verify => Some(self.authorities(ids.iter().filter_map(Value::as_str))?),
            _ => None,
        };
        self.trust.speaking(Content {
            verify,
            // What does not count must not tell two contents apart.
            depth: if verify { depth.unwrap_or(self.trust.depth) } else { 0 },
            authorities,
            client: client.or_else(|| self.trust.client.clone()),
            own: false,
        })
    }

    /// TLS with an Upstream's own client certificate, for requests that a plugin sends there; `None` without one.
    pub(crate) fn of_upstream(&self, upstream: &Upstream) -> Result<Option<Arc<UpstreamTls>>, String> {
        let Some(record) = self.view.get("upstreams", &Id::Uuid(upstream.id)) else { return Ok(None) };
        let Some(client) = self.client_of(record)? else { return Ok(None) };
        self.trust.speaking(Content { client: Some(client), ..Content::default() }).map(Some)
    }

    fn client_of(&self, record: &Record) -> Result<Option<Client>, String> {
        record.reference("client_certificate").map(|id| self.client(&id)).transpose()
    }

    fn client(&self, id: &Id) -> Result<Client, String> {
        let found = self.view.get("certificates", id).ok_or_else(|| format!("there is no certificate {id}"))?;
        Ok((found.text("cert").unwrap_or_default().into(), found.text("key").unwrap_or_default().into()))
    }

    fn authorities<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<u8>>, String> {
        let mut found = ids
            .map(|id| {
                let record = self.view.get("ca_certificates", &Id::parse(id));
                let pem = record.and_then(|record| record.text("cert"));
                let pem = pem.ok_or_else(|| format!("there is no CA certificate {id}"))?;
                let der = CertificateDer::from_pem_slice(pem.as_bytes());
                Ok(der.map_err(|error| format!("CA certificate {id}: {error}"))?.to_vec())
            })
            .collect::<Result<Vec<_>, String>>()?;
        found.sort();
        found.dedup();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use entities::{Definitions, PluginSchemas, VaultSchemas};
    use serde::Deserialize;
    use serde_json::json;
    use store::Catalog;
    use uuid::Uuid;

    const CLIENT: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const AUTHORITIES: [Uuid; 2] = [Uuid::from_u128(3), Uuid::from_u128(4)];

    fn pem(name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn record(entity: &'static str, value: Value) -> Record {
        let Value::Object(value) = value else { panic!("no object") };
        let ws = (entity != "ca_certificates").then_some(entities::DEFAULT_WORKSPACE);
        Record { entity, id: Id::of(&["id"], &value).unwrap(), ws, value, expires: None }
    }

    /// Certificates, authorities, the Upstream `pool` with a client certificate, and a Service with these fields.
    fn material(trust: &Arc<Trust>, service: Value) -> (Material, Service) {
        let definitions =
            Definitions::new(PluginSchemas::default(), VaultSchemas::default(), router::Flavor::Traditional, false);
        let mut records = Vec::new();
        for (id, (cert, key)) in [(CLIENT, pem("client")), (OTHER, pem("other"))] {
            records.push(record("certificates", json!({"id": id, "cert": cert, "key": key})));
        }
        for id in AUTHORITIES {
            records.push(record("ca_certificates", json!({"id": id, "cert": pem("ca").0})));
        }
        let pool = Uuid::from_u128(5);
        records.push(record("upstreams", json!({"id": pool, "name": "pool", "client_certificate": {"id": CLIENT}})));
        let mut whole = json!({
            "id": Uuid::from_u128(6), "protocol": "https", "host": "a.test", "port": 443, "enabled": true,
        });
        for (field, value) in service.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let service = Service::deserialize(&whole).unwrap();
        records.push(record("services", whole));
        let view = View::of(Arc::new(Catalog::of(&definitions)), records, 1).unwrap();
        (Material::of(&view, trust.clone()), service)
    }

    #[test]
    fn services_that_ask_for_the_same_share_it() {
        let trust = Arc::new(Trust::default());
        let of = |service: Value| {
            let (material, service) = material(&trust, service);
            material.of_service(&service).unwrap()
        };
        let plain = of(json!({}));
        assert!(!plain.content.verify && plain.content.client.is_none());
        assert_eq!(plain.id(), of(json!({"tls_verify": false, "tls_verify_depth": 9})).id());
        let verified = of(json!({"tls_verify": true}));
        assert_eq!(verified.id(), of(json!({"tls_verify": true, "tls_verify_depth": 1})).id());
        let deeper = of(json!({"tls_verify": true, "tls_verify_depth": 2}));
        let listed = of(json!({"tls_verify": true, "ca_certificates": AUTHORITIES}));
        assert_eq!(listed.content.authorities.as_ref().map(Vec::len), Some(2));
        let ids = [plain.id(), verified.id(), deeper.id(), listed.id()];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        let (probed, unverified) = (trust.probe(None, true).unwrap(), trust.probe(None, false).unwrap());
        assert_eq!((probed.id(), unverified.content.verify), (verified.id(), false));
    }

    #[test]
    fn the_nearest_client_certificate_is_shown_and_verification_stays() {
        let (node, key) = pem("node");
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let trust = Arc::new(Trust::new(roots, 1, Some((node.clone(), key))));
        let shown = |service: Value| {
            let (material, service) = material(&trust, service);
            let tls = material.of_service(&service).unwrap();
            let certificate = tls.content.client.clone().unwrap().0;
            let text = |id| material.client(&Id::Uuid(id)).unwrap().0;
            let whose = match certificate {
                found if found == text(CLIENT) => "upstream",
                found if found == text(OTHER) => "service",
                found if *found == *node => "node",
                _ => "nobody",
            };
            (whose, tls.content.verify)
        };
        assert_eq!(shown(json!({})), ("node", false));
        assert_eq!(shown(json!({"host": "pool", "tls_verify": true})), ("upstream", true));
        assert_eq!(shown(json!({"host": "pool", "client_certificate": {"id": OTHER}})), ("service", false));
        let (material, service) = material(&trust, json!({"tls_verify": true, "ca_certificates": [CLIENT]}));
        let error = material.of_service(&service).unwrap_err();
        assert_eq!(error, format!("there is no CA certificate {CLIENT}"));
    }
}
