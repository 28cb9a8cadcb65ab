//! What is ordered for whom, and the certificates that handshakes show.

use super::database::InDatabase;
use acme_client::{
    Authority, Certificates, Desk, InStorage, KeyKind, Memory, RedisStorage, Storage, account_key_of_jwk,
    account_key_of_pem,
};
use arc_swap::ArcSwapOption;
use exchange::challenges::{ChallengeError, Challenges, Pending};
use exchange::redis::Redis;
use exchange::{HttpClient, Records};
use plugins::acme::{AccountKey, CertType, Config, Domains};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use store::{Filter, Record, Store, View};
use tokio::sync::{Mutex, Notify, mpsc};

/// Names that handshakes missed and nobody has looked at yet.
const MISSED: usize = 256;
/// Certificates that are shown at most.
const SHOWN: usize = 100_000;

/// The plugin `acme` as it is configured now.
pub struct Working {
    record: Arc<Record>,
    /// Domains that certificates are ordered for.
    pub domains: Domains,
    /// Where they are ordered.
    pub desk: Desk,
}

/// Certificates that the node orders itself. One per node; outlives the actor that does the work.
pub struct Issuance {
    memory: Arc<Memory>,
    redis: Arc<dyn Redis>,
    http: Arc<dyn HttpClient>,
    store: Arc<dyn Store>,
    database: Option<InDatabase>,
    working: ArcSwapOption<Working>,
    /// By name; with a database certificates are entities instead, and come with the Snapshot.
    shelf: papaya::HashMap<Box<str>, Arc<CertifiedKey>>,
    missed: mpsc::Sender<Box<str>>,
    /// The other end, for the actor that lives.
    pub(super) queue: Mutex<mpsc::Receiver<Box<str>>>,
    /// Somebody wants what is due to be renewed now.
    pub renewal: Notify,
}

/// The records that an account's key is among.
struct Keys {
    sets: Vec<Arc<Record>>,
    keys: Vec<Arc<Record>>,
}

impl Keys {
    fn of(view: &View) -> Self {
        Self { sets: view.all("key_sets").cloned().collect(), keys: view.all("keys").cloned().collect() }
    }

    fn find(&self, wanted: &AccountKey) -> Result<Vec<u8>, String> {
        let unknown = || format!("the account's key '{}' is not among the keys", wanted.key_id);
        let set = match &wanted.key_set {
            None => None,
            Some(name) => {
                let found = self.sets.iter().find(|set| set.text("name") == Some(name));
                Some(found.ok_or_else(|| format!("there is no key set '{name}'"))?.id.clone())
            }
        };
        let fits = |key: &&Arc<Record>| key.text("kid") == Some(&wanted.key_id) && key.reference("set") == set;
        let key = self.keys.iter().find(fits).ok_or_else(unknown)?;
        let pem = key.value.get("pem").and_then(|pem| pem.get("private_key")?.as_str());
        let read = match (key.text("jwk"), pem) {
            (Some(jwk), _) => account_key_of_jwk(jwk),
            (None, Some(pem)) => account_key_of_pem(pem),
            (None, None) => return Err(format!("the account's key '{}' has no private half", wanted.key_id)),
        };
        read.map_err(|error| error.to_string())
    }
}

fn is_acme(record: &&Arc<Record>) -> bool {
    record.text("name") == Some("acme")
}

fn read(record: &Record) -> Result<Config, String> {
    let config = record.value.get("config").ok_or("acme has no configuration")?;
    Config::deserialize(config).map_err(|error| error.to_string())
}

fn times(number: Option<f64>, default: f64, unit: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a minute or a day")]
    let seconds = number.unwrap_or(default).clamp(0.0, 1e6) * unit as f64;
    Duration::from_secs_f64(seconds)
}

impl Issuance {
    /// Nothing is ordered yet. `records` are those of the database, where there is one.
    pub fn new(
        redis: Arc<dyn Redis>,
        http: Arc<dyn HttpClient>,
        store: Arc<dyn Store>,
        records: Option<Arc<dyn Records>>,
    ) -> Self {
        let (missed, queue) = mpsc::channel(MISSED);
        Self {
            memory: Arc::default(),
            redis,
            http,
            database: records.map(|records| InDatabase { store: store.clone(), records }),
            store,
            working: ArcSwapOption::empty(),
            shelf: papaya::HashMap::new(),
            missed,
            queue: Mutex::new(queue),
            renewal: Notify::new(),
        }
    }

    /// What is configured now.
    pub fn working(&self) -> Option<Arc<Working>> {
        self.working.load_full()
    }

    /// Follows a configuration that was published.
    pub fn follow(&self, view: &View) {
        let enabled = |record: &&Arc<Record>| record.value.get("enabled").is_none_or(|enabled| enabled == true);
        let Some(record) = view.all("plugins").filter(is_acme).find(enabled) else {
            if self.working.swap(None).is_some() {
                self.shelf.pin().clear();
            }
            return;
        };
        let known = self.working();
        let keys = || Keys::of(view);
        match self.work_with(record, known.as_ref(), keys) {
            Ok(working) if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &working)) => {}
            Ok(working) => {
                self.working.store(Some(working));
                // Another storage has other certificates.
                self.shelf.pin().clear();
            }
            Err(error) => {
                tracing::error!(plugin = "acme", "no certificates are ordered: {error}");
                self.working.store(None);
            }
        }
    }

    /// What is configured in the store at this moment, published or not; `None` without the plugin.
    pub async fn configured(&self) -> Result<Option<Arc<Working>>, String> {
        let all = |entity| self.store.all(entity, None, Filter::default());
        let plugins = all("plugins").await.map_err(|error| error.to_string())?;
        let Some(record) = plugins.iter().find(is_acme) else { return Ok(None) };
        let sets = all("key_sets").await.map_err(|error| error.to_string())?;
        let keys = Keys { sets, keys: all("keys").await.map_err(|error| error.to_string())? };
        self.work_with(record, self.working().as_ref(), || keys).map(Some)
    }

    fn work_with(
        &self,
        record: &Arc<Record>,
        known: Option<&Arc<Working>>,
        keys: impl FnOnce() -> Keys,
    ) -> Result<Arc<Working>, String> {
        let config = read(record)?;
        let account_key = config.account_key.as_ref().map(|wanted| keys().find(wanted)).transpose()?;
        if let Some(known) = known
            && known.record.value == record.value
            && known.desk.authority.account_key == account_key
        {
            return Ok(known.clone());
        }
        if config.preferred_chain.is_some() {
            tracing::warn!(plugin = "acme", "preferred_chain does not count: the authority's default chain is used");
        }
        let storage = self.storage(&config)?;
        let certificates: Arc<dyn Certificates> = match &self.database {
            Some(database) => Arc::new(database.clone()),
            None => Arc::new(InStorage(storage.clone())),
        };
        let authority = Authority {
            directory: config.api_uri.clone().unwrap_or_default(),
            email: config.account_email.clone(),
            terms_accepted: config.tos_accepted == Some(true),
            external: config.eab_kid.clone().zip(config.eab_hmac_key.clone()),
            account_key,
            key: match config.cert_type {
                Some(CertType::Ecc) => KeyKind::Ecc,
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one of three numbers")]
                _ => KeyKind::Rsa(config.rsa_key_size.unwrap_or(4096.0) as u32),
            },
        };
        let desk = Desk {
            authority,
            storage,
            certificates,
            http: self.http.clone(),
            back_off: times(config.fail_backoff_minutes, 5.0, 60),
            threshold: times(config.renew_threshold_days, 14.0, 86_400),
        };
        Ok(Arc::new(Working { record: record.clone(), domains: Domains::of(&config), desk }))
    }

    fn storage(&self, config: &Config) -> Result<Arc<dyn Storage>, String> {
        use plugins::acme::Storage as Named;
        match config.storage.unwrap_or(Named::Shm) {
            Named::Shm => Ok(self.memory.clone()),
            Named::Kong => match &self.database {
                Some(database) => Ok(Arc::new(database.clone())),
                None => Err("\"kong\" storage can't be used with dbless mode".to_owned()),
            },
            Named::Redis => {
                let given = &config.storage_config.redis;
                let address = given.server.address().ok_or("storage redis has no host")?;
                let server = self.redis.server(&address).map_err(|error| error.to_string())?;
                let extra = &given.extra_options;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
                let count = extra.scan_count.unwrap_or(10.0) as u64;
                Ok(Arc::new(RedisStorage::new(server, extra.namespace.clone(), count)))
            }
            Named::Consul | Named::Vault => Err("this storage is not available in Silverback".to_owned()),
        }
    }

    /// Shows a host's certificate from the storage from now on; tells whether there is one.
    pub async fn show(&self, working: &Working, host: &str) -> Result<bool, String> {
        let found = working.desk.certificates.load(host).await.map_err(|error| error.to_string())?;
        if self.database.is_some() {
            return Ok(found.is_some());
        }
        let shelf = self.shelf.pin();
        let Some(found) = found else {
            shelf.remove(host);
            return Ok(false);
        };
        let certified = snapshot::certified_key(&found.cert, &found.key).map_err(|error| error.to_string())?;
        if shelf.len() >= SHOWN {
            return Err("too many certificates are shown already".to_owned());
        }
        shelf.insert(host.into(), Arc::new(certified));
        Ok(true)
    }

    /// The hosts whose certificates are shown.
    pub fn shown(&self) -> Vec<Box<str>> {
        self.shelf.pin().keys().cloned().collect()
    }
}

impl Challenges for Issuance {
    fn answer(&self, token: &str) -> Pending {
        let (working, token) = (self.working(), token.to_owned());
        Box::pin(async move {
            match working {
                Some(working) => working.desk.challenge(&token).await.map_err(ChallengeError::new),
                None => Ok(None),
            }
        })
    }
}

impl proxy::tls::Issued for Issuance {
    fn certificate(&self, name: &str, configured: bool) -> Option<Arc<CertifiedKey>> {
        let working = self.working.load();
        let working = working.as_ref()?;
        match &self.database {
            Some(_) if configured => return None,
            Some(_) => {}
            None => {
                if let Some(found) = self.shelf.pin().get(name) {
                    return Some(found.clone());
                }
            }
        }
        if working.domains.contains(name) {
            // Where the queue is full, a later handshake asks again.
            let _ = self.missed.try_send(name.into());
        }
        None
    }
}
