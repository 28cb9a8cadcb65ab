//! What is remembered of names. Any thread reads without waiting; only the resolver's thread writes.

use super::answer::{Answer, Found};
use super::settings::DnsSettings;
use foldhash::fast::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is remembered of one name.
pub(super) struct Entry {
    pub found: Found,
    /// Until then it is given without question.
    pub fresh_until: Instant,
    /// Until then it is given while a new one is sought.
    pub usable_until: Instant,
    /// Lines of the hosts file: never replaced, never pushed out.
    permanent: bool,
    asked: AtomicBool,
}

impl Entry {
    /// Whether the caller is the one to ask for a new answer.
    pub fn claim(&self) -> bool {
        !self.asked.load(Relaxed) && !self.asked.swap(true, Relaxed)
    }
}

/// A bounded map of names.
pub(super) struct Cache {
    entries: papaya::HashMap<Box<str>, Arc<Entry>, RandomState>,
    size: usize,
    stale: Duration,
    not_found: Duration,
    error: Duration,
}

/// An answer with a TTL of 0 is shared by the requests of this long, so that a busy name costs one question a second.
const SHORTEST: Duration = Duration::from_secs(1);
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

impl Cache {
    pub fn new(settings: &DnsSettings) -> Self {
        Self {
            entries: papaya::HashMap::with_hasher(RandomState::default()),
            size: settings.cache_size.max(1),
            stale: settings.stale_ttl,
            not_found: settings.not_found_ttl,
            error: settings.error_ttl,
        }
    }

    /// A name without capital letters.
    pub fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.entries.pin().get(name).cloned()
    }

    /// How many names are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Remembers a line of the hosts file.
    pub fn fix(&self, name: &str, ip: IpAddr, now: Instant) {
        let found = Ok(Arc::new(Answer::of_addresses([ip], FOREVER)));
        let until = now + FOREVER;
        let entry =
            Entry { found, fresh_until: until, usable_until: until, permanent: true, asked: AtomicBool::new(false) };
        self.entries.pin().insert(name.into(), Arc::new(entry));
    }

    /// Remembers what a look-up came to, and returns what to tell those who wait. A server's failure does not replace
    /// an answer that is still usable.
    pub fn put(&self, name: &str, found: Found, now: Instant) -> Found {
        let entries = self.entries.pin();
        let before = entries.get(name).cloned();
        let (found, fresh, usable_until) = match (&found, &before) {
            (Ok(answer), _) => {
                let fresh = answer.ttl.max(SHORTEST);
                (found, fresh, now + fresh + self.stale)
            }
            (Err(error), Some(before)) if !error.is_unknown() && before.found.is_ok() && before.usable_until > now => {
                (before.found.clone(), self.error, before.usable_until)
            }
            (Err(error), _) => {
                let fresh = if error.is_unknown() { self.not_found } else { self.error };
                (found, fresh, now + fresh)
            }
        };
        if before.is_none() && entries.len() >= self.size {
            self.make_room(now);
        }
        let entry = Entry {
            found: found.clone(),
            fresh_until: now + fresh,
            usable_until,
            permanent: false,
            asked: AtomicBool::new(false),
        };
        entries.insert(name.into(), Arc::new(entry));
        found
    }

    /// Drops what is no longer usable; where that is nothing, an eighth of what is remembered.
    fn make_room(&self, now: Instant) {
        let entries = self.entries.pin();
        let mut over: Vec<Box<str>> =
            entries.iter().filter(|(_, entry)| entry.usable_until <= now).map(|(name, _)| name.clone()).collect();
        if over.is_empty() {
            let mut oldest: Vec<_> = entries
                .iter()
                .filter(|(_, entry)| !entry.permanent)
                .map(|(name, entry)| (entry.fresh_until, name.clone()))
                .collect();
            oldest.sort();
            over.extend(oldest.into_iter().take(self.size.div_ceil(8)).map(|(_, name)| name));
        }
        for name in over {
            entries.remove(&name);
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::dns::DnsError;

    fn cache(size: usize) -> Cache {
        Cache::new(&DnsSettings { cache_size: size, ..DnsSettings::default() })
    }

    fn answer(ttl: u64) -> Found {
        Ok(Arc::new(Answer::of_addresses([IpAddr::from([10, 0, 0, 1])], Duration::from_secs(ttl))))
    }

    #[test]
    fn failures_do_not_push_out_what_is_usable_but_absence_does() {
        let (cache, now) = (cache(10), Instant::now());
        let failed = || Err(DnsError::Failed("timeout".into()));
        assert!(cache.put("a", answer(5), now).is_ok());
        let later = now + Duration::from_secs(6);
        assert!(cache.put("a", failed(), later).is_ok());
        let entry = cache.get("a").unwrap();
        assert_eq!(entry.fresh_until, later + Duration::from_secs(1));
        assert!(cache.put("a", failed(), now + Duration::from_secs(5 + 3600)).is_err());
        cache.put("b", answer(5), now).unwrap();
        assert_eq!(cache.put("b", Err(DnsError::NameError), later).unwrap_err(), DnsError::NameError);
        assert_eq!(cache.get("b").unwrap().fresh_until, later + Duration::from_secs(30));
    }

    #[test]
    fn one_caller_asks_for_a_new_answer() {
        let (cache, now) = (cache(10), Instant::now());
        cache.put("a", answer(0), now).unwrap();
        let entry = cache.get("a").unwrap();
        assert_eq!(entry.fresh_until, now + SHORTEST);
        assert_eq!((0..3).filter(|_| entry.claim()).count(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_hosts_file_stays() {
        let (cache, now) = (cache(16), Instant::now());
        cache.fix("localhost", IpAddr::from([127, 0, 0, 1]), now);
        for n in 0..1000 {
            cache.put(&format!("n{n}"), answer(n), now + Duration::from_secs(n)).unwrap();
            assert!(cache.len() <= 16, "{n}");
        }
        assert!(cache.get("localhost").is_some());
        assert!(cache.get("n999").is_some());
    }
}
