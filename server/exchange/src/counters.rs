//! Counters of windows of time, exact across workers: a bounded table of atomics.
//!
//! A counter is found by a key of 128 bits and the second its window ends. Where it exists, taking from it is a
//! handful of atomic operations and no lock; making one takes a striped lock for the time of four stores. When the
//! group of places a key may have is full of living counters, the one with the least in it gives way, and
//! [`Counters::evicted`] tells so.

use smallvec::SmallVec;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A place for one counter: both halves of its key, the end of its window (0 = free), and the value word.
type Slot = [AtomicU64; 4];
const HIGH: usize = 0;
const LOW: usize = 1;
const EXPIRES: usize = 2;
const VALUE: usize = 3;

/// Value word: 40 bits of count, one bit "being rewritten", 23 bits of generation. Whoever changes a slot's key raises
/// the generation, so that an addition meant for the former counter fails instead of landing in the new one.
const COUNT: u64 = (1 << 40) - 1;
const BUSY: u64 = 1 << 40;
const GENERATION: u64 = 1 << 41;

/// Places a key may have.
const WAYS: usize = 8;
/// Groups of places per bit of the map of touched memory (4 KiB).
const PAGE: usize = 16;
const STRIPES: usize = 256;

/// The name of a counter, without its window. Random per table: nobody can prepare two names with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64, u64);

impl Key {
    /// A key derived from this one, one per number (for instance one per length of window).
    pub fn of(self, number: u64) -> Self {
        Self(scramble(self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)), scramble(self.1.wrapping_add(number)))
    }
}

/// A bijection that spreads every bit (the finalizer of splitmix64).
fn scramble(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A window of time of some key, and how much it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub key: Key,
    /// How many units may be taken before the window ends.
    pub limit: u64,
    /// When it ends, in seconds of the Unix epoch; part of the counter's name, and not 0.
    pub expires_at: u64,
}

/// What came of an attempt to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether one unit was taken in every window; else none was taken in any.
    pub granted: bool,
    /// Units that were already used in each window, this attempt not counted, in the order of the windows.
    pub used: SmallVec<[u64; 6]>,
}

/// The table. Shared by every worker of a node, and older than any configuration.
pub struct Counters {
    slots: Box<[Slot]>,
    groups: usize,
    stripes: Box<[Mutex<()>]>,
    touched: Box<[AtomicU64]>,
    seeds: [RandomState; 2],
    live: AtomicUsize,
    evicted: AtomicU64,
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters")
            .field("capacity", &self.capacity())
            .field("live", &self.live())
            .field("evicted", &self.evicted())
            .finish()
    }
}

/// Where a unit was taken, to give it back.
struct Held {
    slot: usize,
    generation: u64,
}

enum Attempt {
    /// Done; the count before.
    Taken(u64),
    /// No room; the count.
    Full(u64),
    /// Another counter lives there by now.
    Lost,
}

impl Counters {
    /// A table of at most `bytes` (`mem_cache_size`), at least one group. Memory becomes resident as it is used.
    pub fn new(bytes: usize) -> Self {
        let groups = (bytes / (WAYS * size_of::<Slot>())).max(1);
        Self {
            slots: bytemuck::zeroed_slice_box(groups * WAYS),
            groups,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            touched: (0..groups.div_ceil(PAGE * 64)).map(|_| AtomicU64::new(0)).collect(),
            seeds: [RandomState::new(), RandomState::new()],
            live: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// The key of a name given in parts; parts are kept apart (`ab`, `c` is not `a`, `bc`).
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        let half = |seed: &RandomState| {
            let mut hasher = seed.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        };
        Key(half(&self.seeds[0]), half(&self.seeds[1]))
    }

    /// The key of a name under another one: cheaper than a key of all parts, where most of them stay the same.
    pub fn key_under(&self, scope: Key, name: &[u8]) -> Key {
        let half = |seed: &RandomState, scope: u64| {
            let mut hasher = seed.build_hasher();
            hasher.write_u64(scope);
            hasher.write(name);
            hasher.finish()
        };
        Key(half(&self.seeds[0], scope.0), half(&self.seeds[1], scope.1))
    }

    /// Takes one unit in every window, or in none. `now` in seconds of the Unix epoch.
    ///
    /// Exact: of any number of simultaneous attempts on the same windows, as many are granted as the fullest has room.
    pub fn try_take(&self, windows: &[Window], now: u64) -> Taken {
        let mut used = SmallVec::new();
        let mut held: SmallVec<[Held; 6]> = SmallVec::new();
        for (index, window) in windows.iter().enumerate() {
            match self.take(window, now) {
                Ok((place, before)) => {
                    held.push(place);
                    used.push(before);
                }
                Err(count) => {
                    for place in &held {
                        self.give_back(place);
                    }
                    used.push(count);
                    used.extend(windows[index + 1..].iter().map(|window| self.usage(window.key, window.expires_at)));
                    return Taken { granted: false, used };
                }
            }
        }
        Taken { granted: true, used }
    }

    /// Adds to a counter whatever its limit is; returns its new count.
    pub fn add(&self, window: &Window, amount: u64, now: u64) -> u64 {
        self.adjust(window, i64::try_from(amount).unwrap_or(i64::MAX), now)
    }

    /// Adds to a counter whatever its limit is, or takes away from it, down to nothing; returns its new count.
    pub fn adjust(&self, window: &Window, amount: i64, now: u64) -> u64 {
        let group = self.group(window.key);
        loop {
            if let Some((slot, mut value)) = self.find(group, window.key, window.expires_at) {
                let generation = value & !COUNT;
                while value & !COUNT == generation {
                    let sum = (value & COUNT).saturating_add_signed(amount).min(COUNT);
                    let word = &self.slots[slot][VALUE];
                    match word.compare_exchange_weak(value, generation | sum, Ordering::AcqRel, Ordering::Acquire) {
                        Ok(_) => return sum,
                        Err(current) => value = current,
                    }
                }
            } else {
                // What is not there is nothing, and stays so.
                let first = u64::try_from(amount).unwrap_or(0).min(COUNT);
                if first == 0 || self.insert(group, window, first, now).is_some() {
                    return first;
                }
            }
        }
    }

    /// The count of a window; 0 where there is no such counter.
    pub fn usage(&self, key: Key, expires_at: u64) -> u64 {
        self.find(self.group(key), key, expires_at).map_or(0, |(_, value)| value & COUNT)
    }

    /// Frees the counters whose windows ended at `now` or before; returns how many. Looks only at memory that was used.
    pub fn expire(&self, now: u64) -> usize {
        let mut freed = 0;
        for (index, word) in self.touched.iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let page = index * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                for group in page * PAGE..((page + 1) * PAGE).min(self.groups) {
                    freed += self.expire_group(group, now);
                }
            }
        }
        freed
    }

    /// Counters there is memory for.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Counters in the table, ended ones included until [`Counters::expire`] or a new counter takes their places.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Bytes of the counters in the table, and of all there is memory for.
    pub fn bytes(&self) -> (usize, usize) {
        (self.live() * size_of::<Slot>(), self.capacity() * size_of::<Slot>())
    }

    /// Counters that gave way before their windows ended, since the start. Grows when memory is short.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The group of places of a key; the end of the window has no say, so a window follows its predecessor's place.
    fn group(&self, key: Key) -> usize {
        ((u128::from(key.0) * self.groups as u128) >> 64) as usize
    }

    fn places(&self, group: usize) -> std::ops::Range<usize> {
        group * WAYS..(group + 1) * WAYS
    }

    fn lock(&self, group: usize) -> MutexGuard<'_, ()> {
        self.stripes[group % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a counter and its value word at a moment when the slot was this counter's.
    fn find(&self, group: usize, key: Key, expires_at: u64) -> Option<(usize, u64)> {
        self.places(group).find_map(|index| {
            let slot = &self.slots[index];
            loop {
                let before = slot[VALUE].load(Ordering::Acquire);
                if before & BUSY != 0 {
                    return None;
                }
                let same = slot[LOW].load(Ordering::Acquire) == key.1
                    && slot[HIGH].load(Ordering::Acquire) == key.0
                    && slot[EXPIRES].load(Ordering::Acquire) == expires_at;
                if !same {
                    return None;
                }
                let value = slot[VALUE].load(Ordering::Acquire);
                if (value ^ before) & !COUNT == 0 {
                    return Some((index, value));
                }
            }
        })
    }

    fn take(&self, window: &Window, now: u64) -> Result<(Held, u64), u64> {
        let limit = window.limit.min(COUNT);
        let group = self.group(window.key);
        loop {
            if let Some((slot, value)) = self.find(group, window.key, window.expires_at) {
                match self.bump(slot, value, limit) {
                    Attempt::Taken(before) => return Ok((Held { slot, generation: value & !COUNT }, before)),
                    Attempt::Full(count) => return Err(count),
                    Attempt::Lost => {}
                }
            } else if limit == 0 {
                return Err(0);
            } else if let Some(place) = self.insert(group, window, 1, now) {
                return Ok((place, 0));
            }
        }
    }

    fn bump(&self, slot: usize, mut value: u64, limit: u64) -> Attempt {
        let generation = value & !COUNT;
        loop {
            let count = value & COUNT;
            if count >= limit {
                return Attempt::Full(count);
            }
            let word = &self.slots[slot][VALUE];
            match word.compare_exchange_weak(value, value + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Attempt::Taken(count),
                Err(current) if current & !COUNT != generation => return Attempt::Lost,
                Err(current) => value = current,
            }
        }
    }

    fn give_back(&self, place: &Held) {
        let word = &self.slots[place.slot][VALUE];
        let mut value = word.load(Ordering::Acquire);
        while value & !COUNT == place.generation && value & COUNT != 0 {
            match word.compare_exchange_weak(value, value - 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(current) => value = current,
            }
        }
    }

    /// Makes a counter; `None` where another worker made it meanwhile.
    fn insert(&self, group: usize, window: &Window, count: u64, now: u64) -> Option<Held> {
        let guard = self.lock(group);
        // Slots are rewritten under this lock only, so what is not found now exists nowhere.
        if self.find(group, window.key, window.expires_at).is_some() {
            return None;
        }
        let expires = |index: &usize| self.slots[*index][EXPIRES].load(Ordering::Relaxed);
        let count_of = |index: &usize| self.slots[*index][VALUE].load(Ordering::Relaxed) & COUNT;
        let free = self.places(group).find(|index| expires(index) <= now);
        let slot = free.or_else(|| self.places(group).min_by_key(|index| (count_of(index), expires(index))))?;
        match expires(&slot) {
            0 => {
                self.live.fetch_add(1, Ordering::Relaxed);
                self.touch(group);
            }
            end if end > now => {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let generation = self.rewrite(slot, window.key, window.expires_at, count);
        drop(guard);
        Some(Held { slot, generation })
    }

    /// Gives a slot to another counter, or to none. Only under the group's lock.
    fn rewrite(&self, slot: usize, key: Key, expires_at: u64, count: u64) -> u64 {
        let slot = &self.slots[slot];
        let former = slot[VALUE].fetch_or(BUSY, Ordering::AcqRel);
        let generation = (former & !(COUNT | BUSY)).wrapping_add(GENERATION);
        // Release pairs with the readers' Acquire: who sees one of these sees that the slot was busy, too.
        slot[EXPIRES].store(expires_at, Ordering::Release);
        slot[HIGH].store(key.0, Ordering::Release);
        slot[LOW].store(key.1, Ordering::Release);
        slot[VALUE].store(generation | count, Ordering::Release);
        generation
    }

    fn touch(&self, group: usize) {
        let page = group / PAGE;
        let (word, bit) = (&self.touched[page / 64], 1 << (page % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn expire_group(&self, group: usize, now: u64) -> usize {
        let ended = |slot: &Slot| (1..=now).contains(&slot[EXPIRES].load(Ordering::Relaxed));
        if !self.slots[self.places(group)].iter().any(ended) {
            return 0;
        }
        let _guard = self.lock(group);
        let mut freed = 0;
        for index in self.places(group) {
            if ended(&self.slots[index]) {
                self.rewrite(index, Key(0, 0), 0, 0);
                freed += 1;
            }
        }
        self.live.fetch_sub(freed, Ordering::Relaxed);
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::thread;

    const KIB: usize = 1024;

    fn window(table: &Counters, name: &str, limit: u64, expires_at: u64) -> Window {
        Window { key: table.key(&[name.as_bytes()]), limit, expires_at }
    }

    #[test]
    fn windows_hold_what_they_may_and_end() {
        let table = Counters::new(64 * KIB);
        let hour = window(&table, "a", 2, 3600);
        for (granted, used) in [(true, 0), (true, 1), (false, 2), (false, 2)] {
            let taken = table.try_take(&[hour], 10);
            assert_eq!((taken.granted, taken.used[0]), (granted, used));
        }
        assert_eq!(table.usage(hour.key, 3600), 2);
        assert!(table.try_take(&[Window { expires_at: 7200, ..hour }], 3600).granted);
        assert_eq!((table.expire(3599), table.expire(3600), table.live()), (0, 0, 1));
        assert_eq!((table.expire(7200), table.live(), table.evicted()), (1, 0, 0));
        assert_eq!(table.usage(hour.key, 7200), 0);
    }

    #[test]
    fn all_windows_or_none() {
        let table = Counters::new(64 * KIB);
        let windows = [window(&table, "s", 5, 11), window(&table, "m", 2, 60), window(&table, "h", 9, 3600)];
        assert!(table.try_take(&windows, 10).granted && table.try_take(&windows, 10).granted);
        let taken = table.try_take(&windows, 10);
        assert_eq!((taken.granted, taken.used.as_slice()), (false, &[2, 2, 2][..]));
        assert_eq!(windows.map(|window| table.usage(window.key, window.expires_at)), [2, 2, 2]);
        assert!(!table.try_take(&[window(&table, "none", 0, 60)], 10).granted);
        assert!(table.try_take(&[], 10).granted);
    }

    #[test]
    fn what_is_taken_away_does_not_go_below_nothing() {
        let table = Counters::new(KIB);
        let window = window(&table, "a", 10, 60);
        assert_eq!((table.adjust(&window, -3, 0), table.live()), (0, 0));
        assert_eq!((table.adjust(&window, 5, 0), table.adjust(&window, -2, 0)), (5, 3));
        assert_eq!((table.adjust(&window, -9, 0), table.adjust(&window, 1, 0)), (0, 1));
        assert_eq!(table.adjust(&window, i64::MIN, 0), 0);
    }

    #[test]
    fn adding_has_no_limit_and_does_not_overflow() {
        let table = Counters::new(KIB);
        let window = window(&table, "a", 1, 60);
        assert_eq!((table.add(&window, 5, 0), table.add(&window, 7, 0)), (5, 12));
        assert_eq!(table.add(&window, u64::MAX, 0), COUNT);
        assert_eq!(table.add(&window, 1, 0), COUNT);
        assert!(!table.try_take(&[Window { limit: u64::MAX, ..window }], 0).granted);
    }

    #[test]
    fn a_full_group_evicts_what_counts_least() {
        let table = Counters::new(0);
        assert_eq!(table.capacity(), WAYS);
        let strong = window(&table, "strong", 10, 60);
        assert!((0..3).all(|_| table.try_take(&[strong], 0).granted));
        for name in 0..100 {
            assert!(table.try_take(&[window(&table, &name.to_string(), 1, 60)], 0).granted);
        }
        assert_eq!((table.usage(strong.key, 60), table.live()), (3, WAYS));
        assert_eq!(table.evicted(), 101 - WAYS as u64);
    }

    #[test]
    fn ended_windows_give_way_first() {
        let table = Counters::new(0);
        for name in 0..WAYS {
            table.add(&window(&table, &name.to_string(), 1, 60), 1, 0);
        }
        assert!(table.try_take(&[window(&table, "next", 1, 120)], 60).granted);
        assert_eq!((table.evicted(), table.live()), (0, WAYS));
    }

    #[test]
    fn parts_of_a_name_are_kept_apart() {
        let table = Counters::new(KIB);
        assert_ne!(table.key(&[b"ab", b"c"]), table.key(&[b"a", b"bc"]));
        assert_ne!(table.key(&[b"ab"]).of(1), table.key(&[b"ab"]).of(2));
        assert_ne!(table.key(&[b"ab"]), Counters::new(KIB).key(&[b"ab"]));
    }

    fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let barrier = std::sync::Barrier::new(threads);
        thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|index| {
                    let (barrier, work) = (&barrier, &work);
                    scope.spawn(move || {
                        barrier.wait();
                        work(index)
                    })
                })
                .collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        })
    }

    #[test]
    fn exact_under_concurrency() {
        for round in 0..50 {
            let table = Counters::new(16 * KIB);
            let windows = [
                window(&table, "minute", 150, 60),
                window(&table, "hour", 100 + round % 3, 3600),
                window(&table, "day", 120, 86400),
            ];
            let granted: usize =
                at_once(8, |_| (0..200).filter(|_| table.try_take(&windows, 1).granted).count()).into_iter().sum();
            assert_eq!(granted as u64, 100 + round % 3);
            assert_eq!(table.usage(windows[0].key, 60), 100 + round % 3);
            assert_eq!(table.usage(windows[2].key, 86400), 100 + round % 3);
        }
    }

    #[test]
    fn many_new_keys_at_once_are_exact() {
        let table = Counters::new(1024 * KIB);
        let granted: usize = at_once(8, |_| {
            (0..500).filter(|name| table.try_take(&[window(&table, &name.to_string(), 3, 60)], 1).granted).count()
        })
        .into_iter()
        .sum();
        assert_eq!((granted, table.live(), table.evicted()), (1500, 500, 0));
    }

    #[test]
    fn eviction_and_expiry_under_concurrency_keep_the_table_whole() {
        let table = Counters::new(0);
        at_once(8, |index| {
            for step in 0..2000_u64 {
                let name = (step * (index as u64 + 1) % 40).to_string();
                let window = window(&table, &name, 4, 1 + step / 100);
                let taken = table.try_take(&[window], step / 100);
                assert!(taken.used[0] <= 4 && table.usage(window.key, window.expires_at) <= 4);
                if index == 0 && step % 100 == 0 {
                    table.expire(step / 100);
                }
            }
        });
        table.expire(u64::MAX);
        assert_eq!(table.live(), 0);
        assert!(table.slots.iter().all(|slot| slot[VALUE].load(Ordering::Relaxed) & (BUSY | COUNT) == 0));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((0..6_u8, 0..4_u64, 0..3_u64, any::<bool>()), 0..200)) {
            let table = Counters::new(4096 * KIB);
            let mut model: HashMap<(u8, u64), u64> = HashMap::new();
            for (name, limit, end, add) in steps {
                let window = Window { key: table.key(&[&[name]]), limit, expires_at: 100 + end };
                let count = model.entry((name, end)).or_default();
                if add {
                    *count += limit;
                    if limit > 0 {
                        prop_assert_eq!(table.add(&window, limit, 0), *count);
                    }
                } else {
                    let taken = table.try_take(&[window], 0);
                    prop_assert_eq!((taken.granted, taken.used[0]), (*count < limit, *count));
                    *count += u64::from(taken.granted);
                }
                prop_assert_eq!(table.usage(window.key, window.expires_at), *count);
            }
        }
    }
}
