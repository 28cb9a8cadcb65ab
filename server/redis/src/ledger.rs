//! Counting on the node between synchronisations, without losing or doubling a unit.
//!
//! Of every window the node keeps one count: what the server told of others, plus what was taken here. What is owed to
//! the server follows from it, so requests touch one atomic only. A batch of amounts whose answer did not come is sent
//! again unchanged, under the same mark, by which the server knows whether it has added them.

use crate::script::Mark;
use exchange::counters::{Key, Taken, Window};
use exchange::redis::RemoteCounter;
use papaya::HashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use uuid::Uuid;

/// Windows a node counts itself; those beyond are counted on the server. Some 20 MB.
const ROOM: usize = 65_536;

/// Amounts that one script adds: it keeps the server from others for well under a millisecond.
const BATCH: usize = 256;

/// A count that is no longer in the table; whoever meets it asks the server. Far below any count that can be, so that
/// adding to it by mistake leaves it where it is.
const CLOSED: i64 = i64::MIN / 2;

/// A window that the node counts.
struct Entry {
    counter: RemoteCounter,
    expires_at: u64,
    /// Units of others (`foreign`) plus those taken here, or [`CLOSED`].
    count: AtomicI64,
    /// Units that are not of this entry, as far as known. May be negative: a server that was emptied has none of what
    /// was sent. Only [`Books`] write this and `sent`.
    foreign: AtomicI64,
    /// Units taken here that the server has confirmed.
    sent: AtomicI64,
    /// Whether anybody asked since the last pass began.
    asked: AtomicBool,
}

impl Entry {
    /// Units taken here that the server does not have. Negative where some were given back after they were sent.
    fn owed(&self) -> i64 {
        let taken = self.count.load(Ordering::Acquire) - self.foreign.load(Ordering::Relaxed);
        taken - self.sent.load(Ordering::Relaxed)
    }

    /// Adds whatever the limit is; whether the entry was open.
    fn add(&self, amount: i64) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        let mut count = self.count.load(Ordering::Acquire);
        while count >= CLOSED / 2 {
            let sum = count.saturating_add(amount).max(CLOSED / 4);
            match self.count.compare_exchange_weak(count, sum, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(current) => count = current,
            }
        }
        false
    }

    /// The count before, where there was room; else the count. `None` for a closed entry.
    fn take(&self, limit: i64) -> Option<Result<i64, i64>> {
        if !self.asked.load(Ordering::Relaxed) {
            self.asked.store(true, Ordering::Relaxed);
        }
        let mut count = self.count.load(Ordering::Acquire);
        loop {
            if count < CLOSED / 2 {
                return None;
            }
            if count >= limit {
                return Some(Err(count));
            }
            match self.count.compare_exchange_weak(count, count + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Ok(count)),
                Err(current) => count = current,
            }
        }
    }

    /// The server has added `amount`, which brought it to `count`.
    fn settle(&self, amount: i64, count: i64) {
        let sent = self.sent.load(Ordering::Relaxed) + amount;
        let foreign = count - sent;
        let change = foreign - self.foreign.load(Ordering::Relaxed);
        self.sent.store(sent, Ordering::Relaxed);
        self.foreign.store(foreign, Ordering::Relaxed);
        self.count.fetch_add(change, Ordering::AcqRel);
    }

    /// Closes an entry that owes nothing; whether it did.
    fn close(&self) -> bool {
        let even = self.foreign.load(Ordering::Relaxed) + self.sent.load(Ordering::Relaxed);
        self.count.compare_exchange(even, CLOSED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The windows a node counts itself.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: HashMap<(Key, u64), Arc<Entry>, foldhash::fast::RandomState>,
}

impl Ledger {
    /// Takes one unit of every window, or of none; `None` where one of them is not known.
    pub(crate) fn take(&self, windows: &[Window]) -> Option<Taken> {
        let entries = self.entries.pin();
        let mut found: SmallVec<[&Arc<Entry>; 6]> = SmallVec::new();
        for window in windows {
            found.push(entries.get(&(window.key, window.expires_at))?);
        }
        let mut used: SmallVec<[u64; 6]> = SmallVec::new();
        for (index, (entry, window)) in found.iter().zip(windows).enumerate() {
            let outcome = entry.take(signed(window.limit));
            if let Some(Ok(before)) = outcome {
                used.push(before.max(0).cast_unsigned());
                continue;
            }
            // Given back within moments; an entry is closed after a whole pass in which nobody asked for it.
            for entry in &found[..index] {
                entry.count.fetch_sub(1, Ordering::AcqRel);
            }
            let Some(Err(count)) = outcome else { return None };
            used.push(count.max(0).cast_unsigned());
            used.extend(
                found[index + 1..].iter().map(|entry| entry.count.load(Ordering::Acquire).max(0).cast_unsigned()),
            );
            return Some(Taken { granted: false, used });
        }
        Some(Taken { granted: true, used })
    }

    /// Adds to every window that is known, whatever its limit is; tells the places of the others.
    pub(crate) fn add(&self, windows: &[Window], amount: i64) -> SmallVec<[usize; 6]> {
        let entries = self.entries.pin();
        let add =
            |window: &Window| entries.get(&(window.key, window.expires_at)).is_some_and(|entry| entry.add(amount));
        windows.iter().enumerate().filter(|(_, window)| !add(window)).map(|(index, _)| index).collect()
    }

    /// A window and its count on the server, where there is room and nobody was faster.
    pub(crate) fn learn(&self, window: &Window, counter: &RemoteCounter, count: i64) {
        self.learn_within(ROOM, window, counter, count);
    }

    fn learn_within(&self, room: usize, window: &Window, counter: &RemoteCounter, count: i64) {
        let entries = self.entries.pin();
        if entries.len() >= room {
            return;
        }
        entries.get_or_insert_with((window.key, window.expires_at), || {
            Arc::new(Entry {
                counter: counter.clone(),
                expires_at: window.expires_at,
                count: AtomicI64::new(count),
                foreign: AtomicI64::new(count),
                sent: AtomicI64::new(0),
                asked: AtomicBool::new(true),
            })
        });
    }
}

/// Amounts that the server adds as one.
pub(crate) struct Batch {
    mark: Mark,
    lines: Vec<(Arc<Entry>, i64)>,
}

impl Batch {
    pub(crate) fn mark(&self) -> Mark {
        self.mark.clone()
    }

    pub(crate) fn amounts(&self) -> Vec<(RemoteCounter, i64)> {
        self.lines.iter().map(|(entry, amount)| (entry.counter.clone(), *amount)).collect()
    }

    /// The server has added them; its counts. A key that is no counter there stays as it is here.
    pub(crate) fn settle(&self, counts: &[Option<i64>]) {
        for ((entry, amount), count) in self.lines.iter().zip(counts) {
            if let Some(count) = count {
                entry.settle(*amount, *count);
            }
        }
    }
}

/// What is owed to the server, pass by pass. One for a [`Ledger`]; only it settles and closes.
pub(crate) struct Books {
    name: String,
    number: u64,
    /// Sent, and nobody knows whether it arrived.
    kept: Option<Batch>,
    due: VecDeque<(Arc<Entry>, i64)>,
    idle: Vec<(Key, u64)>,
}

impl Default for Books {
    fn default() -> Self {
        let name = format!("ratelimit-sync:{}", Uuid::new_v4());
        Self { name, number: 0, kept: None, due: VecDeque::new(), idle: Vec::new() }
    }
}

impl Books {
    /// Begins a pass: what is owed is written down, and what was asked for is to be read again.
    pub(crate) fn begin(&mut self, ledger: &Ledger) {
        self.due.clear();
        self.idle.clear();
        let kept = self.kept.as_ref().map(|batch| batch.lines.as_slice()).unwrap_or_default();
        let unsure: std::collections::HashSet<_> = kept.iter().map(|(entry, _)| Arc::as_ptr(entry)).collect();
        for (name, entry) in &ledger.entries.pin() {
            let asked = entry.asked.swap(false, Ordering::Relaxed);
            if unsure.contains(&Arc::as_ptr(entry)) {
                // Comes to its turn in the next pass, when it is known what it owes.
                entry.asked.store(true, Ordering::Relaxed);
                continue;
            }
            match entry.owed() {
                0 if !asked => self.idle.push(*name),
                owed => self.due.push_back((entry.clone(), owed)),
            }
        }
    }

    /// The next batch of the pass.
    pub(crate) fn next(&mut self) -> Option<Batch> {
        if let Some(batch) = self.kept.take() {
            return Some(batch);
        }
        let lines: Vec<_> = self.due.drain(..self.due.len().min(BATCH)).collect();
        if lines.is_empty() {
            return None;
        }
        self.number += 1;
        Some(Batch { mark: Mark { name: self.name.clone(), value: self.number }, lines })
    }

    /// It is not known whether this batch was added.
    pub(crate) fn keep(&mut self, batch: Batch) {
        self.kept = Some(batch);
    }

    /// Ends a pass. After one that went well, entries leave that nobody asked for: the next who does gets the server's
    /// count. While the server cannot be reached they stay, but for windows that are over: those matter to nobody.
    pub(crate) fn end(&mut self, ledger: &Ledger, now: u64, well: bool) {
        let entries = ledger.entries.pin();
        if well {
            for name in self.idle.drain(..) {
                if entries.get(&name).is_some_and(|entry| entry.close()) {
                    entries.remove(&name);
                }
            }
        } else {
            entries.retain(|_, entry| entry.expires_at > now);
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
