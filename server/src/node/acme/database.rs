//! What `acme` keeps in the database: entries of `acme_storage`, and certificates with their SNIs.

use acme_client::{CertKey, Certificates, Storage, StorageError, Waiting};
use entities::DEFAULT_WORKSPACE;
use exchange::records::{Records, RecordsError};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Filter, Id, Store};

/// The kind of entries.
const ENTRIES: &str = "acme_storage";
/// The tag of certificates and SNIs that are made here.
const TAG: &str = "managed-by-acme";

/// Entries and certificates in the database.
#[derive(Clone)]
pub struct InDatabase {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Its records, completed and checked.
    pub records: Arc<dyn Records>,
}

fn failed(error: impl std::fmt::Display) -> StorageError {
    StorageError::new(error)
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Whole seconds, at least one: what records live for.
fn seconds(lifetime: Option<Duration>) -> Option<u64> {
    lifetime.map(|lifetime| lifetime.as_secs().max(1))
}

impl Storage for InDatabase {
    fn get<'a>(&'a self, key: &'a str) -> Waiting<'a, Option<String>> {
        Box::pin(async move {
            let found = self.records.find(DEFAULT_WORKSPACE, ENTRIES, "key", key).await.map_err(failed)?;
            Ok(found.and_then(|record| record.text("value").map(str::to_owned)))
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, ()> {
        Box::pin(async move {
            // Who loses against another who adds the key changes what that one added.
            for _ in 0..2 {
                let known = self.records.find(DEFAULT_WORKSPACE, ENTRIES, "key", key).await.map_err(failed)?;
                let (fields, ttl) = (members(json!({ "key": key, "value": value })), seconds(lifetime));
                let done = match known {
                    Some(known) => {
                        let updated = self.records.update(DEFAULT_WORKSPACE, ENTRIES, known.id, fields, ttl).await;
                        updated.map(|updated| updated.is_some())
                    }
                    None => self.records.insert(DEFAULT_WORKSPACE, ENTRIES, fields, ttl).await.map(|_| true),
                };
                match done {
                    Ok(true) => return Ok(()),
                    Ok(false) | Err(RecordsError::Refused(_)) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Err(failed(format_args!("the entry {key} is being changed by others")))
        })
    }

    fn add<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, bool> {
        Box::pin(async move {
            if self.get(key).await?.is_some() {
                return Ok(false);
            }
            let fields = members(json!({ "key": key, "value": value }));
            match self.records.insert(DEFAULT_WORKSPACE, ENTRIES, fields, seconds(lifetime)).await {
                Ok(_) => Ok(true),
                Err(RecordsError::Refused(_)) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Waiting<'a, ()> {
        Box::pin(async move {
            let known = self.records.find(DEFAULT_WORKSPACE, ENTRIES, "key", key).await.map_err(failed)?;
            if let Some(known) = known {
                self.records.delete(DEFAULT_WORKSPACE, ENTRIES, known.id).await.map_err(failed)?;
            }
            Ok(())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Waiting<'a, Vec<String>> {
        Box::pin(async move {
            let entries = self.store.all(ENTRIES, None, Filter::default()).await.map_err(failed)?;
            let keys = entries.iter().filter_map(|entry| entry.text("key"));
            Ok(keys.filter(|key| key.starts_with(prefix)).map(str::to_owned).collect())
        })
    }
}

impl Certificates for InDatabase {
    fn load<'a>(&'a self, host: &'a str) -> Waiting<'a, Option<CertKey>> {
        Box::pin(async move {
            let name = Value::from(host);
            let sni = self.store.by_unique("snis", Some(DEFAULT_WORKSPACE), "name", &name).await.map_err(failed)?;
            let Some(id) = sni.and_then(|sni| sni.reference("certificate")) else { return Ok(None) };
            let found = self.store.get("certificates", &id).await.map_err(failed)?;
            Ok(found.and_then(|found| {
                Some(CertKey { cert: found.text("cert")?.to_owned(), key: found.text("key")?.to_owned() })
            }))
        })
    }

    /// A certificate of its own, to which the SNI points from then on; then the one before goes, if it was made here.
    fn store<'a>(&'a self, host: &'a str, issued: &'a CertKey) -> Waiting<'a, ()> {
        Box::pin(async move {
            let fields = members(json!({ "cert": issued.cert, "key": issued.key, "tags": [TAG] }));
            let made = self.records.insert(DEFAULT_WORKSPACE, "certificates", fields, None).await.map_err(failed)?;
            let name = Value::from(host);
            let sni = self.store.by_unique("snis", Some(DEFAULT_WORKSPACE), "name", &name).await.map_err(failed)?;
            let pointing = json!({ "name": host, "certificate": { "id": made.id }, "tags": [TAG] });
            let pointed = match sni.as_ref().and_then(|sni| sni.id.uuid()) {
                Some(id) => self.records.update(DEFAULT_WORKSPACE, "snis", id, members(pointing), None).await.map(drop),
                None => self.records.insert(DEFAULT_WORKSPACE, "snis", members(pointing), None).await.map(drop),
            };
            if let Err(error) = pointed {
                // Nobody points to it: it would stay for ever.
                let _ = self.records.delete(DEFAULT_WORKSPACE, "certificates", made.id).await;
                return Err(failed(error));
            }
            let Some(Id::Uuid(before)) = sni.and_then(|sni| sni.reference("certificate")) else { return Ok(()) };
            let old = self.store.get("certificates", &Id::Uuid(before)).await.map_err(failed)?;
            if old.is_some_and(|old| old.tags().any(|tag| tag == TAG)) {
                self.records.delete(DEFAULT_WORKSPACE, "certificates", before).await.map_err(failed)?;
            }
            Ok(())
        })
    }
}
