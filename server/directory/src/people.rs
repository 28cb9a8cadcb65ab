//! Consumers and credentials of a database.

use crate::cache::{Cache, Entry, Known};
use crate::changes::{concerns, forget};
use crate::keys::{Key, Names, Wanted};
use crate::look_up::Question;
use crate::tally::Tally;
use entities::Definitions;
use exchange::{Consumer, Credential, Directory, DirectoryError, Lookup};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use store::{Error, Revision, Store};
use uuid::Uuid;

/// How many changes are read at once.
const STRIDE: usize = 5_000;
/// The pause between two looks at the change log: writes that come together are read together.
const REST: Duration = Duration::from_millis(10);
/// The pause after the change log could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// How long and how much is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mem_cache_size`: bytes.
    pub bytes: usize,
    /// `db_cache_ttl`: how long an answer is kept; `None` until it changes.
    pub ttl: Option<Duration>,
    /// `db_cache_neg_ttl`: how long it is kept that there is nothing; `None` as long as an answer.
    pub negative_ttl: Option<Duration>,
    /// `db_resurrect_ttl`: how much longer an answer is used while the database cannot be asked.
    pub resurrect_ttl: Duration,
}

type Flight = Shared<BoxFuture<'static, Result<Arc<Entry>, DirectoryError>>>;

struct Flying {
    flight: Flight,
    // The store changed after it was asked: the answer serves those who wait, and is not kept.
    outdated: Arc<AtomicBool>,
}

/// Consumers and credentials of a database, as [`Directory`] tells them.
#[derive(Clone)]
pub struct People(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    definitions: Arc<Definitions>,
    settings: Settings,
    names: Names,
    cache: Cache,
    hits: Tally,
    misses: Tally,
    flying: Mutex<HashMap<Key, Flying, foldhash::fast::RandomState>>,
}

impl People {
    /// Nobody is known yet.
    pub fn new(store: Arc<dyn Store>, definitions: Arc<Definitions>, settings: Settings) -> Self {
        let cache = Cache::new(settings.bytes);
        let (names, flying) = (Names::new(), Mutex::default());
        let (hits, misses) = (Tally::default(), Tally::default());
        Self(Arc::new(Inner { store, definitions, settings, names, cache, hits, misses, flying }))
    }

    /// How often an answer was wanted and kept, and how often the store had to be asked.
    pub fn asked(&self) -> (u64, u64) {
        (self.0.hits.sum(), self.0.misses.sum())
    }

    /// How many answers are kept.
    pub fn kept(&self) -> usize {
        self.0.cache.len()
    }

    /// Bytes of the answers that are kept, about, and how many they may take.
    pub fn bytes(&self) -> (usize, usize) {
        (self.0.cache.bytes(), self.0.settings.bytes)
    }

    /// Forgets what changes make untrue, from a revision on, for as long as the future is polled.
    pub async fn follow(self, mut seen: Revision) {
        let mut revision = self.0.store.subscribe();
        loop {
            revision.mark_unchanged();
            match self.0.catch_up(seen).await {
                Ok(newest) => seen = newest,
                // Beyond what the change log remembers, or in another life of the database.
                Err(Error::Forgotten { .. }) => match self.0.store.revision().await {
                    Ok(newest) => {
                        self.0.forget_all();
                        seen = newest;
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            tokio::time::sleep(REST).await;
            if revision.changed().await.is_err() {
                return;
            }
        }
    }

    /// Forgets what a change by this node itself made untrue, so that whoever made it sees it; others' changes come by
    /// [`People::follow`], and so does this one where the store does not answer now.
    pub async fn forget_changed(&self, revision: Revision, kinds: &[&str]) {
        if kinds.iter().any(|kind| concerns(kind, &self.0.definitions)) {
            let _ = self.0.catch_up(revision.saturating_sub(1)).await;
        }
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.0.forget_all();
    }

    pub(crate) fn forget_one(&self, wanted: &Wanted<'_>) {
        self.0.forget(wanted);
    }

    /// What is kept, without asking the store.
    pub(crate) fn kept_as(&self, wanted: &Wanted<'_>) -> Option<Known> {
        let entry = self.0.cache.get(&self.0.names.key(wanted))?;
        self.0.is_fresh(&entry, Duration::ZERO).then(|| entry.known.clone())
    }

    /// The kind of a name.
    pub(crate) fn entity(&self, name: &str) -> Option<&'static str> {
        self.0.definitions.entity(name).map(|entity| entity.name)
    }

    fn look_up(&self, wanted: &Wanted<'_>, question: impl FnOnce() -> Question) -> Found {
        let inner = &self.0;
        let key = inner.names.key(wanted);
        let kept = inner.cache.get(&key);
        if let Some(entry) = kept.as_ref().filter(|entry| inner.is_fresh(entry, Duration::ZERO)) {
            inner.hits.count();
            return Found::Known(entry.known.clone());
        }
        inner.misses.count();
        Found::Asked(self.fly(key, question(), kept))
    }

    /// Joins those who ask for the same, or asks. `stale`: what may be used where the store cannot be asked.
    fn fly(&self, key: Key, question: Question, stale: Option<Arc<Entry>>) -> Flight {
        let mut flying = self.0.flying();
        if let Some(there) = flying.get(&key) {
            return there.flight.clone();
        }
        let (inner, outdated) = (self.0.clone(), Arc::new(AtomicBool::new(false)));
        let own = outdated.clone();
        let flight = async move {
            let answer = question.ask(&*inner.store, &inner.definitions).await;
            let mut flying = inner.flying();
            let is_own = flying.get(&key).is_some_and(|there| Arc::ptr_eq(&there.outdated, &own));
            if is_own {
                flying.remove(&key);
            }
            match answer {
                Ok(known) => {
                    let entry = Entry::new(known);
                    if !own.load(Ordering::Acquire) {
                        inner.cache.put(key, entry.clone());
                    }
                    Ok(entry)
                }
                Err(error) => match stale.filter(|stale| inner.is_fresh(stale, inner.settings.resurrect_ttl)) {
                    Some(stale) => Ok(stale),
                    None => Err(DirectoryError(error.to_string())),
                },
            }
        };
        let flight = flight.boxed().shared();
        flying.insert(key, Flying { flight: flight.clone(), outdated });
        flight
    }
}

impl Inner {
    fn flying(&self) -> MutexGuard<'_, HashMap<Key, Flying, foldhash::fast::RandomState>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, entry: &Entry, grace: Duration) -> bool {
        let ttl = match entry.known {
            Known::Nobody => self.settings.negative_ttl.or(self.settings.ttl),
            _ => self.settings.ttl,
        };
        ttl.is_none_or(|ttl| entry.since.elapsed() < ttl + grace)
    }

    /// Forgets what changed after a revision; tells the newest one.
    async fn catch_up(&self, mut seen: Revision) -> Result<Revision, Error> {
        loop {
            let changes = self.store.changes(seen, STRIDE).await?;
            let Some(last) = changes.last() else { return Ok(seen) };
            seen = last.revision;
            for change in &changes {
                if forget(change, &self.definitions, |wanted| self.forget(&wanted)).is_none() {
                    self.forget_all();
                }
            }
            if changes.len() < STRIDE {
                return Ok(seen);
            }
        }
    }

    fn forget(&self, wanted: &Wanted<'_>) {
        let key = self.names.key(wanted);
        // Under the lock: an answer that is on its way is either kept before, and removed below, or not kept at all.
        if let Some(there) = self.flying().remove(&key) {
            there.outdated.store(true, Ordering::Release);
        }
        self.cache.remove(&key);
    }

    fn forget_all(&self) {
        for (_, there) in self.flying().drain() {
            there.outdated.store(true, Ordering::Release);
        }
        self.cache.clear();
    }
}

enum Found {
    Known(Known),
    Asked(Flight),
}

impl Found {
    fn then<T: 'static>(self, read: impl FnOnce(&Known) -> Option<T> + 'static) -> Lookup<T> {
        match self {
            Found::Known(known) => Lookup::Known(read(&known)),
            Found::Asked(flight) => Lookup::Wait(Box::pin(async move { flight.await.map(|entry| read(&entry.known)) })),
        }
    }
}

impl Directory for People {
    fn consumer(&self, ws: Uuid, id: Uuid) -> Lookup<Arc<Consumer>> {
        self.look_up(&Wanted::Consumer(ws, id), || Question::Consumer(ws, id)).then(|known| match known {
            Known::Consumer(consumer) => Some(consumer.clone()),
            _ => None,
        })
    }

    fn consumer_by_username(&self, ws: Uuid, username: &str) -> Lookup<Arc<Consumer>> {
        let found =
            self.look_up(&Wanted::Username(ws, username), || Question::Named(ws, "username", username.to_owned()));
        self.named(ws, found)
    }

    fn consumer_by_custom_id(&self, ws: Uuid, custom_id: &str) -> Lookup<Arc<Consumer>> {
        let found =
            self.look_up(&Wanted::CustomId(ws, custom_id), || Question::Named(ws, "custom_id", custom_id.to_owned()));
        self.named(ws, found)
    }

    fn credential(&self, ws: Uuid, entity: &'static str, key: &str) -> Lookup<Arc<Credential>> {
        let definition = self.0.definitions.entity(entity);
        let Some(field) = definition.and_then(|entity| entity.endpoint_key) else { return Lookup::Known(None) };
        self.look_up(&Wanted::Credential(ws, entity, key), || Question::Credential(ws, entity, field, key.to_owned()))
            .then(|known| match known {
                Known::Credential(credential) if is_alive(credential) => Some(credential.clone()),
                _ => None,
            })
    }

    fn credential_by_id(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Lookup<Arc<Credential>> {
        self.look_up(&Wanted::ById(ws, entity, id), || Question::ById(ws, entity, id)).then(|known| match known {
            Known::Credential(credential) if is_alive(credential) => Some(credential.clone()),
            _ => None,
        })
    }

    fn of_consumer(&self, ws: Uuid, entity: &'static str, consumer: Uuid) -> Lookup<Vec<Arc<Credential>>> {
        self.look_up(&Wanted::OfConsumer(ws, entity, consumer), || Question::OfConsumer(ws, entity, consumer)).then(
            |known| match known {
                Known::Several(all) => Some(all.iter().filter(|credential| is_alive(credential)).cloned().collect()),
                _ => Some(Vec::new()),
            },
        )
    }
}

impl People {
    /// The Consumer that a name leads to.
    fn named(&self, ws: Uuid, found: Found) -> Lookup<Arc<Consumer>> {
        let named = |known: &Known| match known {
            Known::Named(id) => Some(*id),
            _ => None,
        };
        match found {
            Found::Known(known) => match named(&known) {
                Some(id) => self.consumer(ws, id),
                None => Lookup::Known(None),
            },
            Found::Asked(flight) => {
                let people = self.clone();
                Lookup::Wait(Box::pin(async move {
                    match named(&flight.await?.known) {
                        Some(id) => people.consumer(ws, id).get().await,
                        None => Ok(None),
                    }
                }))
            }
        }
    }
}

/// Whether its time to live has not run out. The clock is asked only for those that have one.
fn is_alive(credential: &Credential) -> bool {
    credential.expires.is_none() || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        !credential.expired(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests;
