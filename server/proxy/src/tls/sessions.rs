//! How long sessions may be resumed (`ssl_session_timeout`).

use rustls::server::{ProducesTickets, StoresServerSessions};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Keeps something with the second in which it was given, and gives it back for a while only.
#[derive(Debug)]
pub(super) struct Aging<Keeper: ?Sized> {
    keeper: Arc<Keeper>,
    seconds: u64,
}

impl<Keeper: ?Sized> Aging<Keeper> {
    pub fn new(keeper: Arc<Keeper>, life: Duration) -> Self {
        Self { keeper, seconds: life.as_secs() }
    }

    fn dated(content: &[u8], now: u64) -> Vec<u8> {
        [&now.to_be_bytes(), content].concat()
    }

    fn fresh(&self, mut dated: Vec<u8>, now: u64) -> Option<Vec<u8>> {
        let (given, _) = dated.split_first_chunk()?;
        let age = now.saturating_sub(u64::from_be_bytes(*given));
        (age < self.seconds).then(|| dated.split_off(size_of::<u64>()))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl ProducesTickets for Aging<dyn ProducesTickets> {
    fn enabled(&self) -> bool {
        self.keeper.enabled()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.seconds).unwrap_or(u32::MAX).min(self.keeper.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keeper.encrypt(&Self::dated(plain, now()))
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.fresh(self.keeper.decrypt(cipher)?, now())
    }
}

impl<Keeper: StoresServerSessions> StoresServerSessions for Aging<Keeper> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.keeper.put(key, Self::dated(&value, now()))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(self.keeper.get(key)?, now())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(self.keeper.take(key)?, now())
    }

    fn can_cache(&self) -> bool {
        self.keeper.can_cache()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs::Ticketer;
    use rustls::server::ServerSessionMemoryCache;

    #[test]
    fn what_is_too_old_is_gone() {
        let aging = Aging::new(ServerSessionMemoryCache::new(8), Duration::from_secs(60));
        for (age, expected) in [(0, Some(b"x".to_vec())), (59, Some(b"x".to_vec())), (60, None), (1 << 40, None)] {
            let dated = Aging::<ServerSessionMemoryCache>::dated(b"x", 2_000_000_000 - age.min(2_000_000_000));
            assert_eq!(aging.fresh(dated, 2_000_000_000), expected, "{age}");
        }
        // A clock that was set back.
        assert_eq!(aging.fresh(Aging::<ServerSessionMemoryCache>::dated(b"x", 9), 3), Some(b"x".to_vec()));
        assert_eq!(aging.fresh(b"short".to_vec(), 3), None);
    }

    #[test]
    fn what_is_fresh_is_given_back() {
        for (life, expected) in [(3600, Some(b"session".to_vec())), (0, None)] {
            let life = Duration::from_secs(life);
            let cache = Aging::new(ServerSessionMemoryCache::new(8), life);
            assert!(cache.can_cache() && cache.put(b"key".to_vec(), b"session".to_vec()));
            assert_eq!(
                (cache.get(b"key"), cache.take(b"key"), cache.get(b"key")),
                (expected.clone(), expected.clone(), None)
            );
            let tickets: Aging<dyn ProducesTickets> = Aging::new(Ticketer::new().expect("tickets"), life);
            let ticket = tickets.encrypt(b"session").expect("a ticket");
            assert_eq!((tickets.enabled(), tickets.decrypt(&ticket)), (true, expected));
            assert_eq!(u64::from(tickets.lifetime()), life.as_secs());
        }
    }
}
