//! The queues of a node, by name.

use super::queue::Queue;
use bytes::Bytes;
use exchange::shipping::{Outbox, Shipment, Shipping};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// What became of entries, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// The plugin that pushes.
    pub plugin: &'static str,
    /// Entries that wait, those on their way included.
    pub waiting: u64,
    /// Bytes that wait.
    pub bytes: u64,
    /// Delivered.
    pub shipped: u64,
    /// Dropped because too many were waiting.
    pub dropped: u64,
    /// Given up: the receiver did not take them in time.
    pub failed: u64,
    /// Further tries of batches.
    pub retries: u64,
}

/// Told of every queue that begins: whoever tends it.
type Tend = dyn Fn(Arc<Queue>) + Send + Sync;

/// Opens queues, and finds those that are open.
#[derive(Default)]
pub struct Depot {
    open: Mutex<HashMap<String, Weak<Handle>>>,
    /// Queues that are tended: also closed ones in which something waits.
    tended: Mutex<Vec<Arc<Queue>>>,
    /// What queues that are gone had counted, by plugin.
    past: Mutex<HashMap<&'static str, QueueCounts>>,
    tend: OnceLock<Box<Tend>>,
    epoch: AtomicU64,
}

/// The plugins' side of a queue: when the last is dropped, the queue closes.
struct Handle(Arc<Queue>);

impl Outbox for Handle {
    fn push(&self, entry: Bytes) {
        self.0.push(entry);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Depot {
    /// Sets who tends queues from now on.
    pub fn tended_by(&self, tend: impl Fn(Arc<Queue>) + Send + Sync + 'static) {
        let _ = self.tend.set(Box::new(tend));
    }

    /// Every queue that has to be tended.
    pub fn queues(&self) -> Vec<Arc<Queue>> {
        self.tended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A queue is over.
    pub(super) fn over(&self, queue: &Arc<Queue>) {
        let counts = of(queue);
        self.tended.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !Arc::ptr_eq(known, queue));
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        add(past.entry(counts.plugin).or_default(), &QueueCounts { waiting: 0, bytes: 0, ..counts });
    }

    /// What became of entries, by plugin.
    pub fn counts(&self) -> Vec<QueueCounts> {
        let mut all = self.past.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for queue in self.queues() {
            let counts = of(&queue);
            add(all.entry(counts.plugin).or_default(), &counts);
        }
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by_key(|counts| counts.plugin);
        all
    }

    /// Has files opened anew before the next entry (log rotation).
    pub fn reopen(&self) {
        self.epoch.fetch_add(1, Relaxed);
    }

    /// Counts [`Depot::reopen`].
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }
}

fn of(queue: &Queue) -> QueueCounts {
    QueueCounts {
        plugin: queue.shipment().plugin,
        waiting: queue.waiting() as u64,
        bytes: queue.bytes() as u64,
        shipped: queue.shipped.load(Relaxed),
        dropped: queue.dropped(),
        failed: queue.failed.load(Relaxed),
        retries: queue.retries.load(Relaxed),
    }
}

fn add(sum: &mut QueueCounts, one: &QueueCounts) {
    sum.plugin = one.plugin;
    sum.waiting += one.waiting;
    sum.bytes += one.bytes;
    sum.shipped += one.shipped;
    sum.dropped += one.dropped;
    sum.failed += one.failed;
    sum.retries += one.retries;
}

impl Shipping for Depot {
    fn open(&self, shipment: Shipment) -> Arc<dyn Outbox> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = open.get(&shipment.name).and_then(Weak::upgrade) {
            return handle;
        }
        open.retain(|_, handle| handle.strong_count() > 0);
        let name = shipment.name.clone();
        let queue = Arc::new(Queue::new(shipment));
        let handle = Arc::new(Handle(queue.clone()));
        open.insert(name, Arc::downgrade(&handle));
        self.tended.lock().unwrap_or_else(PoisonError::into_inner).push(queue.clone());
        if let Some(tend) = self.tend.get() {
            tend(queue);
        }
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::shipping::{Destination, Pack, QueueLimits};

    fn shipment(name: &str) -> Shipment {
        Shipment {
            plugin: "test",
            name: name.into(),
            limits: QueueLimits::once(1),
            pack: Pack::Each,
            destination: Destination::Udp { host: "127.0.0.1".into(), port: 9 },
        }
    }

    #[test]
    fn outboxes_of_one_name_are_one_queue_that_outlives_them() {
        let depot = Depot::default();
        let (one, same, other) = (depot.open(shipment("a")), depot.open(shipment("a")), depot.open(shipment("b")));
        one.push(Bytes::from("1"));
        same.push(Bytes::from("2"));
        other.push(Bytes::from("3"));
        let waiting = || depot.queues().iter().map(|queue| queue.waiting()).collect::<Vec<_>>();
        assert_eq!(waiting(), [2, 1]);
        drop((one, same));
        assert_eq!(waiting(), [2, 1]);
        // What waited in the first stays there until it is sent.
        depot.open(shipment("a")).push(Bytes::from("4"));
        assert_eq!(waiting(), [2, 1, 1]);
        let first = depot.queues().swap_remove(0);
        depot.over(&first);
        assert_eq!(depot.counts(), [QueueCounts { plugin: "test", waiting: 2, bytes: 2, ..QueueCounts::default() }]);
    }
}
