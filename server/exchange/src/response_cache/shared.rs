//! What plugins that keep responses share: memory, and what the cache was to requests.

use super::{CacheStatus, MemoryStore, ResponseStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use uuid::Uuid;

/// Where a configured plugin keeps its responses: its [desk](crate::Desks).
pub struct Shelf {
    /// The plugin's name.
    pub name: &'static str,
    /// The plugin entity.
    pub plugin: Uuid,
    /// Its workspace.
    pub workspace: Uuid,
    /// The place.
    pub store: Arc<dyn ResponseStore>,
}

/// The cache of a node. Older than any configuration.
pub struct ResponseCache {
    memory: Arc<MemoryStore>,
    largest_body: usize,
    statuses: [AtomicU64; CacheStatus::ALL.len()],
    failures: AtomicU64,
}

impl ResponseCache {
    /// A cache that keeps at most `capacity` bytes in memory.
    pub fn new(capacity: u64) -> Self {
        Self {
            memory: Arc::new(MemoryStore::new(capacity)),
            largest_body: usize::try_from(capacity / 8).unwrap_or(usize::MAX),
            statuses: Default::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// What is kept in memory.
    pub fn memory(&self) -> &Arc<MemoryStore> {
        &self.memory
    }

    /// The largest body that is kept anywhere, in bytes: one response must not drive all others out of memory, nor fill
    /// it while it comes.
    pub fn largest_body(&self) -> usize {
        self.largest_body
    }

    /// Counts what the cache was to a request.
    pub fn note(&self, status: CacheStatus) {
        self.statuses[status as usize].fetch_add(1, Relaxed);
    }

    /// What it was to requests, and how often.
    pub fn noted(&self) -> impl Iterator<Item = (CacheStatus, u64)> {
        CacheStatus::ALL.into_iter().zip(&self.statuses).map(|(status, count)| (status, count.load(Relaxed)))
    }

    /// Counts that a place could not be asked, or could not keep something.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// How often a place could not be asked, or could not keep something.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}
