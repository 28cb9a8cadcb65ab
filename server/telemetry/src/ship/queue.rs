//! A queue of entries: many workers push, one task takes batches.

use bytes::Bytes;
use crossbeam_queue::SegQueue;
use exchange::shipping::Shipment;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Bytes that wait in one queue whose configuration names no bound.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Nobody waits for entries.
const BUSY: usize = usize::MAX;

/// Entries on their way to one receiver.
pub struct Queue {
    shipment: Shipment,
    entries: SegQueue<Bytes>,
    /// Entries in `entries`.
    queued: AtomicUsize,
    /// Entries that take room: those queued, and those of batches under way.
    held: AtomicUsize,
    /// Their bytes.
    bytes: AtomicUsize,
    /// How many queued entries the task waits for.
    wanted: AtomicUsize,
    wake: Notify,
    closed: AtomicBool,
    full: AtomicBool,
    pub(super) shipped: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retries: AtomicU64,
    dropped: AtomicU64,
}

/// Entries that were taken, with the room they still take; it is free when this is dropped.
pub(super) struct Batch<'q> {
    pub entries: Vec<Bytes>,
    bytes: usize,
    queue: &'q Queue,
}

/// Entries on their way to another task.
pub(super) struct Handed {
    entries: Vec<Bytes>,
    bytes: usize,
}

impl Batch<'_> {
    /// Parts it from the borrow of its queue; its room stays taken.
    pub fn hand_over(mut self) -> Handed {
        Handed { entries: std::mem::take(&mut self.entries), bytes: std::mem::take(&mut self.bytes) }
    }
}

impl Handed {
    /// The batch again, of the queue it came from.
    pub fn taken_by(self, queue: &Queue) -> Batch<'_> {
        Batch { entries: self.entries, bytes: self.bytes, queue }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.queue.leave(self.entries.len(), self.bytes);
        if self.queue.held.load(Relaxed) == 0 {
            self.queue.full.store(false, Relaxed);
        }
    }
}

impl Queue {
    /// An empty one.
    pub fn new(shipment: Shipment) -> Self {
        Self {
            shipment,
            entries: SegQueue::new(),
            queued: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            wanted: AtomicUsize::new(BUSY),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
            full: AtomicBool::new(false),
            shipped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// What it is for.
    pub fn shipment(&self) -> &Shipment {
        &self.shipment
    }

    /// Leaves an entry; where there is no room, the oldest that wait are dropped.
    pub fn push(&self, entry: Bytes) {
        let limits = &self.shipment.limits;
        let most = limits.max_bytes.unwrap_or(MAX_BYTES);
        let size = entry.len();
        if size > most {
            self.drop_one();
            return;
        }
        let mut held = self.held.fetch_add(1, Relaxed) + 1;
        let mut bytes = self.bytes.fetch_add(size, Relaxed) + size;
        while held > limits.max_entries || bytes > most {
            self.drop_one();
            let Some(oldest) = self.entries.pop() else {
                // All that takes room is under way.
                self.leave(1, size);
                return;
            };
            self.queued.fetch_sub(1, SeqCst);
            held = self.held.fetch_sub(1, Relaxed) - 1;
            bytes = self.bytes.fetch_sub(oldest.len(), Relaxed) - oldest.len();
        }
        self.entries.push(entry);
        if self.queued.fetch_add(1, SeqCst) + 1 >= self.wanted.load(SeqCst) {
            self.wake.notify_one();
        }
    }

    fn leave(&self, entries: usize, bytes: usize) {
        self.held.fetch_sub(entries, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Counts a drop; the first of a time without room is said.
    fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
        if !self.full.swap(true, Relaxed) {
            let Shipment { plugin, destination, .. } = &self.shipment;
            tracing::error!(plugin, %destination, "the queue is full; entries are dropped until there is room again");
        }
    }

    /// Ends the task when everything is sent.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.wake.notify_one();
    }

    /// Takes the next batch, waiting for the first entry, and for more up to the coalescing delay. `None` where the
    /// queue is closed and empty. `hurry` ends the waiting for more.
    pub(super) async fn batch(&self, hurry: impl Fn() -> bool) -> Option<Batch<'_>> {
        let limits = &self.shipment.limits;
        let size = if limits.concurrent { 1 } else { limits.max_batch_size.max(1) };
        loop {
            self.wait_for(1, None, &hurry).await;
            let full = if limits.max_coalescing_delay.is_zero() { 1 } else { size };
            if full > 1 && !self.closed.load(SeqCst) {
                self.wait_for(full, Some(limits.max_coalescing_delay), &hurry).await;
            }
            let batch = self.take(size);
            if !batch.entries.is_empty() {
                return Some(batch);
            }
            if self.closed.load(SeqCst) || hurry() {
                return None;
            }
        }
    }

    async fn wait_for(&self, count: usize, at_most: Option<Duration>, hurry: &impl Fn() -> bool) {
        let deadline = at_most.map(|delay| Instant::now() + delay);
        loop {
            self.wanted.store(count, SeqCst);
            if self.queued.load(SeqCst) >= count || self.closed.load(SeqCst) || hurry() {
                break;
            }
            match deadline {
                None => self.wake.notified().await,
                Some(deadline) => {
                    if timeout_at(deadline, self.wake.notified()).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.wanted.store(BUSY, SeqCst);
    }

    /// Has the task look around: it may have to hurry.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
    }

    fn take(&self, most: usize) -> Batch<'_> {
        let mut batch = Batch { entries: Vec::new(), bytes: 0, queue: self };
        while batch.entries.len() < most {
            let Some(entry) = self.entries.pop() else { break };
            self.queued.fetch_sub(1, SeqCst);
            batch.bytes += entry.len();
            batch.entries.push(entry);
        }
        batch
    }

    /// Entries that take room.
    pub fn waiting(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Entries dropped because there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::shipping::{Destination, Pack, QueueLimits};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn queue(change: impl FnOnce(&mut QueueLimits)) -> Queue {
        let mut limits = QueueLimits::once(10);
        change(&mut limits);
        let destination = Destination::Udp { host: "127.0.0.1".into(), port: 9 };
        Queue::new(Shipment { plugin: "test", name: "test".into(), limits, pack: Pack::Each, destination })
    }

    fn entries(batch: &Batch<'_>) -> Vec<String> {
        batch.entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    }

    #[test]
    fn the_oldest_make_room() {
        let queue = queue(|limits| limits.max_entries = 3);
        for entry in ["1", "2", "3", "4", "5"] {
            queue.push(Bytes::from(entry));
        }
        assert_eq!((queue.waiting(), queue.dropped()), (3, 2));
        let batch = queue.take(10);
        assert_eq!(entries(&batch), ["3", "4", "5"]);
        // What is under way cannot make room; it takes it until it is settled.
        queue.push(Bytes::from("6"));
        assert_eq!((queue.waiting(), queue.dropped()), (3, 3));
        drop(batch);
        queue.push(Bytes::from("7"));
        assert_eq!((queue.waiting(), queue.bytes()), (1, 1));
    }

    #[test]
    fn bytes_are_bounded_and_a_longer_entry_is_none() {
        let queue = queue(|limits| limits.max_bytes = Some(5));
        queue.push(Bytes::from("123456"));
        assert_eq!((queue.waiting(), queue.dropped()), (0, 1));
        for entry in ["ab", "cd", "efg"] {
            queue.push(Bytes::from(entry));
        }
        assert_eq!((queue.bytes(), queue.dropped()), (5, 2));
        assert_eq!(entries(&queue.take(10)), ["cd", "efg"]);
    }

    #[tokio::test]
    async fn a_batch_waits_for_more_until_it_is_full() {
        let queue = Arc::new(queue(|limits| {
            limits.max_batch_size = 2;
            limits.max_coalescing_delay = Duration::from_secs(3600);
        }));
        let other = queue.clone();
        tokio::spawn(async move {
            other.push(Bytes::from("1"));
            tokio::task::yield_now().await;
            other.push(Bytes::from("2"));
            other.push(Bytes::from("3"));
            tokio::task::yield_now().await;
            other.close();
        });
        assert_eq!(entries(&queue.batch(|| false).await.unwrap()), ["1", "2"]);
        assert_eq!(entries(&queue.batch(|| false).await.unwrap()), ["3"]);
        assert!(queue.batch(|| false).await.is_none());
    }

    proptest! {
        #[test]
        fn memory_stays_within_its_bounds(
            sizes in proptest::collection::vec(0usize..30, 0..200), most in 1usize..10, bytes in 1usize..60, every in 1usize..9
        ) {
            let queue = queue(|limits| { limits.max_entries = most; limits.max_bytes = Some(bytes); });
            let mut taken = 0;
            for (index, size) in sizes.iter().enumerate() {
                queue.push(vec![b'x'; *size].into());
                prop_assert!(queue.waiting() <= most && queue.bytes() <= bytes);
                if index % every == 0 {
                    taken += queue.take(2).entries.len();
                }
            }
            taken += queue.take(usize::MAX).entries.len();
            prop_assert_eq!((queue.waiting(), queue.bytes()), (0, 0));
            prop_assert_eq!(taken as u64 + queue.dropped(), sizes.len() as u64);
        }
    }
}
