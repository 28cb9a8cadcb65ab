//! Responses kept in memory, in a bounded number of bytes, for every worker of a node.

use super::{Fetching, KeptResponse, ResponseKey, ResponseStore};
use crate::redis::Pending;
use moka::Expiry;
use moka::sync::Cache;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Responses in memory. Older than any configuration.
pub struct MemoryStore {
    kept: Cache<ResponseKey, Arc<KeptResponse>, foldhash::fast::RandomState>,
    capacity: u64,
}

impl KeptResponse {
    /// What it weighs, in bytes.
    fn weight(&self) -> u32 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        u32::try_from(size_of::<Self>() + size_of::<ResponseKey>() + headers + self.body.len()).unwrap_or(u32::MAX)
    }
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

impl MemoryStore {
    /// At most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, kept: &Arc<KeptResponse>| kept.weight())
            .expire_after(Lifetime)
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self { kept, capacity }
    }

    /// Bytes that are kept, and how many may be.
    pub fn bytes(&self) -> (u64, u64) {
        (self.kept.weighted_size(), self.capacity)
    }

    /// A response that is still kept, whoever kept it.
    pub fn find(&self, key: &ResponseKey) -> Option<Arc<KeptResponse>> {
        self.kept.get(key)
    }
}

impl ResponseStore for MemoryStore {
    fn get(&self, plugin: Uuid, key: &ResponseKey) -> Fetching {
        Fetching::Done(self.find(key).filter(|kept| kept.plugin == plugin))
    }

    fn put(&self, key: ResponseKey, response: KeptResponse) {
        self.kept.insert(key, Arc::new(response));
    }

    fn remove(&self, plugin: Uuid, key: &ResponseKey) -> Pending<bool> {
        let there = self.find(key).is_some_and(|kept| kept.plugin == plugin);
        Box::pin(ready(Ok(there && self.kept.remove(key).is_some())))
    }

    fn clear(&self, plugin: Uuid) -> Pending<()> {
        let of_plugin = self.kept.iter().filter(|(_, kept)| kept.plugin == plugin);
        // Collected first: removing while walking would wait for itself.
        let keys: Vec<ResponseKey> = of_plugin.map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| self.kept.invalidate(key));
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(plugin: u128, body: usize, kept_for: u64) -> KeptResponse {
        let (plugin, kept_for) = (Uuid::from_u128(plugin), Duration::from_secs(kept_for));
        KeptResponse { plugin, body: vec![0; body].into(), kept_for, ..KeptResponse::default() }
    }

    fn done<T>(mut pending: Pending<T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match pending.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Ok(done)) => done,
            _ => panic!("memory answers at once"),
        }
    }

    #[test]
    fn memory_is_bounded_by_bytes() {
        let store = MemoryStore::new(64 << 10);
        for number in 0..200_u8 {
            store.put([number; 32], response(1, 4096, 60));
        }
        store.kept.run_pending_tasks();
        assert!(store.kept.weighted_size() <= 64 << 10, "{}", store.kept.weighted_size());
    }

    #[test]
    fn what_is_over_or_removed_is_gone() {
        let store = MemoryStore::new(1 << 20);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        store.put([1; 32], response(1, 1, 0));
        store.put([2; 32], response(1, 1, 60));
        store.put([3; 32], response(1, 1, 60));
        store.put([4; 32], response(2, 1, 60));
        assert!(store.find(&[1; 32]).is_none() && store.find(&[2; 32]).is_some());
        assert!(matches!(store.get(other, &[2; 32]), Fetching::Done(None)));
        assert!(!done(store.remove(other, &[2; 32])));
        assert!(done(store.remove(one, &[2; 32])) && !done(store.remove(one, &[2; 32])));
        done(store.clear(one));
        assert!(store.find(&[3; 32]).is_none() && store.find(&[4; 32]).is_some());
    }
}
