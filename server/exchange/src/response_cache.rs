//! Responses kept in memory, in a bounded number of bytes, for every worker of a node.

use crate::headers::Headers;
use bytes::Bytes;
use moka::Expiry;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The name of a response: a digest.
pub type ResponseKey = [u8; 32];

/// A response as it was kept.
#[derive(Clone, Debug, Default)]
pub struct KeptResponse {
    /// The plugin entity that kept it.
    pub plugin: Uuid,
    /// Status code.
    pub status: u16,
    /// Header section.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
    /// When it came, in seconds of the Unix epoch.
    pub timestamp: u64,
    /// For how long it is fresh, in seconds.
    pub ttl: u64,
    /// For how long it is kept.
    pub kept_for: Duration,
}

impl KeptResponse {
    /// What it weighs, in bytes.
    fn weight(&self) -> u32 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        u32::try_from(size_of::<Self>() + size_of::<ResponseKey>() + headers + self.body.len()).unwrap_or(u32::MAX)
    }
}

/// What the cache was to a request: `X-Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// Answered from the cache.
    Hit,
    /// Nothing was kept; the response is.
    Miss,
    /// What was kept is too old; the response takes its place.
    Refresh,
    /// Neither the request nor its response is the cache's business.
    Bypass,
}

impl CacheStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Refresh, Self::Bypass];

    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Hit => "Hit",
            Self::Miss => "Miss",
            Self::Refresh => "Refresh",
            Self::Bypass => "Bypass",
        }
    }
}

/// The cache. Older than any configuration.
pub struct ResponseCache {
    kept: Cache<ResponseKey, Arc<KeptResponse>, foldhash::fast::RandomState>,
    capacity: u64,
    statuses: [AtomicU64; CacheStatus::ALL.len()],
}

struct Lifetime;

impl Expiry<ResponseKey, Arc<KeptResponse>> for Lifetime {
    fn expire_after_create(&self, _: &ResponseKey, kept: &Arc<KeptResponse>, _: Instant) -> Option<Duration> {
        Some(kept.kept_for)
    }

    fn expire_after_update(
        &self,
        _: &ResponseKey,
        kept: &Arc<KeptResponse>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.kept_for)
    }
}

impl ResponseCache {
    /// A cache of at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, kept: &Arc<KeptResponse>| kept.weight())
            .expire_after(Lifetime)
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self { kept, capacity, statuses: Default::default() }
    }

    /// Counts what the cache was to a request.
    pub fn note(&self, status: CacheStatus) {
        self.statuses[status as usize].fetch_add(1, Relaxed);
    }

    /// What it was to requests, and how often.
    pub fn noted(&self) -> impl Iterator<Item = (CacheStatus, u64)> {
        CacheStatus::ALL.into_iter().zip(&self.statuses).map(|(status, count)| (status, count.load(Relaxed)))
    }

    /// Bytes that are kept, and how many may be.
    pub fn bytes(&self) -> (u64, u64) {
        (self.kept.weighted_size(), self.capacity)
    }

    /// The largest body that is kept, in bytes: one response must not drive all others out.
    pub fn largest_body(&self) -> usize {
        usize::try_from(self.capacity / 8).unwrap_or(usize::MAX)
    }

    /// A response that is still kept.
    pub fn get(&self, key: &ResponseKey) -> Option<Arc<KeptResponse>> {
        self.kept.get(key)
    }

    /// Keeps a response in the place of an earlier one.
    pub fn put(&self, key: ResponseKey, response: KeptResponse) {
        self.kept.insert(key, Arc::new(response));
    }

    /// Forgets a response; tells whether there was one.
    pub fn remove(&self, key: &ResponseKey) -> bool {
        self.kept.remove(key).is_some()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.kept.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: usize, kept_for: u64) -> KeptResponse {
        KeptResponse { body: vec![0; body].into(), kept_for: Duration::from_secs(kept_for), ..KeptResponse::default() }
    }

    #[test]
    fn memory_is_bounded_by_bytes() {
        let cache = ResponseCache::new(64 << 10);
        for number in 0..200_u8 {
            cache.put([number; 32], response(4096, 60));
        }
        cache.kept.run_pending_tasks();
        assert!(cache.kept.weighted_size() <= 64 << 10, "{}", cache.kept.weighted_size());
        assert_eq!(cache.largest_body(), 8 << 10);
    }

    #[test]
    fn what_is_over_or_removed_is_gone() {
        let cache = ResponseCache::new(1 << 20);
        cache.put([1; 32], response(1, 0));
        cache.put([2; 32], response(1, 60));
        cache.put([3; 32], response(1, 60));
        assert!(cache.get(&[1; 32]).is_none() && cache.get(&[2; 32]).is_some());
        assert!(cache.remove(&[2; 32]) && !cache.remove(&[2; 32]));
        cache.clear();
        assert!(cache.get(&[3; 32]).is_none());
    }
}
