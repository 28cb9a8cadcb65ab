//! What is known, within a bound of memory.
//!
//! Two tables of half the bound each: what is learnt goes into the young one; when that is full it becomes the old one, and
//! what nobody asked for meanwhile is let go with the old one before it. Reading takes no lock.

use crate::keys::Key;
use arc_swap::ArcSwap;
use exchange::{Consumer, Credential};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use uuid::Uuid;

type Table = papaya::HashMap<Key, Arc<Entry>, foldhash::fast::RandomState>;

/// Bytes that an entry costs beside its content: places in tables, counts of references, the allocator's share.
const OVERHEAD: usize = 200;

/// The answer to a look-up.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Nobody,
    Consumer(Arc<Consumer>),
    /// Who has this name.
    Named(Uuid),
    Credential(Arc<Credential>),
    Several(Arc<[Arc<Credential>]>),
}

impl Known {
    fn size(&self) -> usize {
        let credential = |credential: &Credential| 160 + size(&serde_json::Value::Object(credential.record.clone()));
        match self {
            Known::Nobody | Known::Named(_) => 0,
            Known::Consumer(consumer) => {
                let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
                200 + text(&consumer.username)
                    + text(&consumer.custom_id)
                    + consumer.groups.len() * 16
                    + consumer.tags.iter().map(|tag| tag.len() + 32).sum::<usize>()
            }
            Known::Credential(one) => credential(one),
            Known::Several(all) => all.iter().map(|one| credential(one)).sum(),
        }
    }
}

fn size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    32 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| 48 + name.len() + size(value)).sum(),
    }
}

/// An answer as it is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) known: Known,
    pub(crate) since: Instant,
    // Set when the store changed: whoever still finds the entry (it was on its way from table to table) ignores it.
    over: AtomicBool,
}

impl Entry {
    pub(crate) fn new(known: Known) -> Arc<Self> {
        Arc::new(Self { known, since: Instant::now(), over: AtomicBool::new(false) })
    }
}

struct Generations {
    young: Arc<Table>,
    old: Arc<Table>,
    // Of the old one, when it became that.
    old_bytes: usize,
}

impl Generations {
    fn empty() -> Self {
        Self { young: table(), old: table(), old_bytes: 0 }
    }
}

/// See the module.
pub(crate) struct Cache {
    generations: ArcSwap<Generations>,
    young_bytes: AtomicUsize,
    half: usize,
}

fn table() -> Arc<Table> {
    Arc::new(Table::with_hasher(foldhash::fast::RandomState::default()))
}

impl Cache {
    /// Keeps about so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            generations: ArcSwap::from_pointee(Generations::empty()),
            young_bytes: AtomicUsize::new(0),
            half: (bytes / 2).max(1),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        let generations = self.generations.load();
        if let Some(found) = generations.young.pin().get(key) {
            return (!found.over.load(Ordering::Acquire)).then(|| found.clone());
        }
        let found = generations.old.pin().get(key).cloned()?;
        if found.over.load(Ordering::Acquire) {
            return None;
        }
        drop(generations);
        self.put(*key, found.clone());
        Some(found)
    }

    pub(crate) fn put(&self, key: Key, entry: Arc<Entry>) {
        let bytes = OVERHEAD + entry.known.size();
        self.generations.load().young.pin().insert(key, entry);
        let before = self.young_bytes.fetch_add(bytes, Ordering::Relaxed);
        // Only who crosses the line turns the tables.
        if before <= self.half && before + bytes > self.half {
            let old_bytes = before + bytes;
            self.generations.rcu(|now| Generations { young: table(), old: now.young.clone(), old_bytes });
            self.young_bytes.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove(&self, key: &Key) {
        let generations = self.generations.load();
        for table in [&generations.young, &generations.old] {
            let table = table.pin();
            // Marked before it goes: a reader that is about to bring it over from the old table sees the mark.
            if let Some(entry) = table.get(key) {
                entry.over.store(true, Ordering::Release);
            }
            table.remove(key);
        }
    }

    pub(crate) fn clear(&self) {
        let before = self.generations.swap(Arc::new(Generations::empty()));
        self.young_bytes.store(0, Ordering::Relaxed);
        for table in [&before.young, &before.old] {
            for (_, entry) in &table.pin() {
                entry.over.store(true, Ordering::Release);
            }
        }
    }

    /// Bytes of the answers that were put in and have not made room for others, about.
    pub(crate) fn bytes(&self) -> usize {
        self.young_bytes.load(Ordering::Relaxed) + self.generations.load().old_bytes
    }

    /// How many answers are kept.
    pub(crate) fn len(&self) -> usize {
        let generations = self.generations.load();
        generations.young.len() + generations.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Names, Wanted};

    fn key(names: &Names, number: u128) -> Key {
        names.key(&Wanted::Consumer(Uuid::nil(), Uuid::from_u128(number)))
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let (cache, names) = (Cache::new(100 * OVERHEAD), Names::new());
        for number in 0..10_000 {
            cache.put(key(&names, number), Entry::new(Known::Nobody));
            assert!(cache.get(&key(&names, 0)).is_some(), "{number}");
            assert!(cache.len() <= 110, "{number}: {}", cache.len());
        }
        assert!(cache.get(&key(&names, 1)).is_none());
    }

    #[test]
    fn what_was_removed_is_not_found_in_either_table() {
        let (cache, names) = (Cache::new(10 * OVERHEAD), Names::new());
        for number in 0..8 {
            cache.put(key(&names, number), Entry::new(Known::Nobody));
        }
        for number in 0..8 {
            cache.remove(&key(&names, number));
            assert!(cache.get(&key(&names, number)).is_none());
        }
        assert_eq!(cache.len(), 0);
        let kept = Entry::new(Known::Nobody);
        cache.put(key(&names, 1), kept.clone());
        cache.clear();
        // As a reader would that had found it just before.
        cache.put(key(&names, 1), kept);
        assert!(cache.get(&key(&names, 1)).is_none());
    }
}
