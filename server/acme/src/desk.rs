//! The desk: who wants a certificate for a host goes here, and what is due is renewed here.

use crate::certificate::Facts;
use crate::order::{self, AcmeError, Authority, CertKey, challenge_entry};
use crate::storage::{Storage, StorageError, Waiting};
use exchange::HttpClient;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What entries begin with that say which hosts are renewed.
const RENEWALS: &str = "kong_acme:renew_config:";
/// What entries with certificates begin with.
const CERTIFICATES: &str = "kong_acme:cert_key:";
/// What entries begin with that say who is being served.
const LOCKS: &str = "kong_acme:update_lock:";
/// What entries begin with that say whose order failed.
const FAILURES: &str = "kong_acme:fail_backoff:";
/// For how long nobody else orders for a host. An order gives up earlier.
const LOCK: Duration = Duration::from_secs(300);

/// Where certificates are kept that were issued.
pub trait Certificates: Send + Sync {
    /// The one of a host.
    fn load<'a>(&'a self, host: &'a str) -> Waiting<'a, Option<CertKey>>;

    /// Puts one in the place of the one before.
    fn store<'a>(&'a self, host: &'a str, issued: &'a CertKey) -> Waiting<'a, ()>;
}

/// Certificates in a storage.
pub struct InStorage(pub Arc<dyn Storage>);

impl Certificates for InStorage {
    fn load<'a>(&'a self, host: &'a str) -> Waiting<'a, Option<CertKey>> {
        Box::pin(async move {
            let Some(kept) = self.0.get(&format!("{CERTIFICATES}{host}")).await? else { return Ok(None) };
            let kept: Value = serde_json::from_str(&kept).map_err(StorageError::new)?;
            let text = |name: &str| kept[name].as_str().map(str::to_owned);
            match (text("cert"), text("key")) {
                (Some(cert), Some(key)) => Ok(Some(CertKey { cert, key })),
                _ => Err(StorageError::new(format_args!("the certificate of {host} is not whole"))),
            }
        })
    }

    fn store<'a>(&'a self, host: &'a str, issued: &'a CertKey) -> Waiting<'a, ()> {
        Box::pin(async move {
            let kept = json!({ "cert": issued.cert, "key": issued.key }).to_string();
            self.0.set(&format!("{CERTIFICATES}{host}"), kept, None).await
        })
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// There is a new certificate.
    New,
    /// Somebody else is ordering it.
    Elsewhere,
}

/// Orders certificates, and renews them.
pub struct Desk {
    /// The authority.
    pub authority: Authority,
    /// Challenges, accounts, and which hosts are renewed.
    pub storage: Arc<dyn Storage>,
    /// The certificates.
    pub certificates: Arc<dyn Certificates>,
    /// Who speaks to the authority.
    pub http: Arc<dyn HttpClient>,
    /// For how long a host is left alone after an order failed.
    pub back_off: Duration,
    /// Certificates that are valid for less than this are renewed.
    pub threshold: Duration,
}

impl Desk {
    /// The key authorisation for a token.
    pub async fn challenge(&self, token: &str) -> Result<Option<String>, StorageError> {
        self.storage.get(&challenge_entry(token)).await
    }

    /// Orders a certificate for a host and has it renewed from then on.
    pub async fn issue(&self, host: &str) -> Result<Issued, AcmeError> {
        let known = self.certificates.load(host).await?.map(|known| known.key);
        let issued = self.update(host, known).await?;
        if issued == Issued::New {
            let entry = json!({ "host": host }).to_string();
            self.storage.set(&format!("{RENEWALS}{host}"), entry, None).await?;
        }
        Ok(issued)
    }

    async fn update(&self, host: &str, known: Option<String>) -> Result<Issued, AcmeError> {
        let failed = format!("{FAILURES}{host}");
        if self.storage.get(&failed).await?.is_some() {
            return Err(AcmeError::BackOff(host.to_owned()));
        }
        let lock = format!("{LOCKS}{host}");
        if !self.storage.add(&lock, "placeholder".into(), Some(LOCK)).await? {
            return Ok(Issued::Elsewhere);
        }
        let placed = order::place(&self.authority, &*self.storage, &self.http, host, known);
        let outcome = match tokio::time::timeout(LOCK, placed).await {
            Ok(Ok(issued)) => self.certificates.store(host, &issued).await.map_err(AcmeError::from),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AcmeError::Refused("the certificate authority takes too long")),
        };
        if outcome.is_err() && !self.back_off.is_zero() {
            self.storage.set(&failed, "placeholder".into(), Some(self.back_off)).await?;
        }
        self.storage.remove(&lock).await?;
        outcome.map(|()| Issued::New)
    }

    /// The hosts whose certificates are renewed.
    pub async fn hosts(&self) -> Result<Vec<String>, StorageError> {
        let keys = self.storage.list(RENEWALS).await?;
        let mut hosts: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix(RENEWALS)).map(str::to_owned).collect();
        hosts.sort();
        Ok(hosts)
    }

    /// Renews what is due at a moment; hosts that are no longer `wanted` are forgotten. An order that fails does not
    /// hold up the others. The hosts that have a new certificate.
    pub async fn renew(&self, at: SystemTime, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, StorageError> {
        let mut renewed = Vec::new();
        for host in self.hosts().await? {
            if !wanted(&host) {
                tracing::info!("{host} is no longer among the domains of acme; its certificate is not renewed");
                self.storage.remove(&format!("{RENEWALS}{host}")).await?;
                continue;
            }
            let known = match self.certificates.load(&host).await {
                Ok(known) => known,
                Err(error) => {
                    tracing::warn!("the certificate of {host} cannot be renewed: {error}");
                    continue;
                }
            };
            let due = known
                .as_ref()
                .is_none_or(|known| Facts::of(&known.cert).map_or(true, |facts| facts.is_due(at, self.threshold)));
            if !due {
                continue;
            }
            match self.update(&host, known.map(|known| known.key)).await {
                Ok(Issued::New) => renewed.push(host),
                Ok(Issued::Elsewhere) => {}
                Err(error) => tracing::error!("the certificate of {host} was not renewed: {error}"),
            }
        }
        Ok(renewed)
    }
}
