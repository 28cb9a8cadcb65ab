//! Where workers and the history meet: queues without locks.

use crate::table::{SMALLEST, Table};
use crate::trace::Trace;
use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;
use exchange::mask::Masks;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Tables and kept requests that may wait.
const WAITING: usize = 256;
/// A request is slow from here on (µs) until it is known what is usual.
const SLOW: u32 = 1_000_000;
/// Bytes that tables may hold: what all of 10,000 Routes need on one worker.
const BYTES: usize = 12 << 20;
/// Tables that come back almost empty before they are made smaller.
const PATIENCE: usize = 240;

pub(crate) struct Hub {
    /// Tables on their way to the history.
    pub filled: ArrayQueue<Box<Table>>,
    /// Empty ones on their way back.
    pub spare: ArrayQueue<Box<Table>>,
    /// Requests that are kept whole.
    pub traces: ArrayQueue<Box<Trace>>,
    /// From how many µs on a request is slow.
    pub slow: AtomicU32,
    /// What is secret.
    pub masks: Arc<ArcSwap<Masks>>,
    lost: AtomicU64,
    workers: AtomicUsize,
    /// Rows that tables have by now.
    size: AtomicUsize,
    ample: AtomicUsize,
}

impl Hub {
    pub fn new(masks: Arc<ArcSwap<Masks>>) -> Self {
        Self {
            filled: ArrayQueue::new(WAITING),
            spare: ArrayQueue::new(WAITING),
            traces: ArrayQueue::new(WAITING),
            slow: AtomicU32::new(SLOW),
            masks,
            lost: AtomicU64::new(0),
            workers: AtomicUsize::new(0),
            size: AtomicUsize::new(SMALLEST),
            ample: AtomicUsize::new(0),
        }
    }

    /// A worker begins: one table to fill, one to change it with.
    pub fn join(&self) {
        self.workers.fetch_add(1, Relaxed);
        self.provide();
    }

    /// A request was not counted for all that it belongs to.
    pub fn lose(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    /// How many were not.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Gives a table back, and from then on larger ones where it was tight, smaller ones where it was empty for long.
    pub fn give_back(&self, mut table: Box<Table>) {
        let size = self.size.load(Relaxed);
        if table.is_tight() && table.capacity() >= size && self.holding(size * 2) <= BYTES {
            self.size.store(size * 2, Relaxed);
            self.ample.store(0, Relaxed);
        } else if table.is_ample() && size > SMALLEST && self.ample.fetch_add(1, Relaxed) > PATIENCE {
            self.size.store(size / 2, Relaxed);
            self.ample.store(0, Relaxed);
        }
        if table.capacity() == self.size.load(Relaxed) {
            table.clear();
            let _ = self.spare.push(table);
        }
    }

    /// Sees to it that each worker finds two tables.
    pub fn provide(&self) {
        let wanted = (self.workers.load(Relaxed) * 2).min(WAITING);
        while self.spare.len() < wanted {
            if self.spare.push(Table::new(self.size.load(Relaxed))).is_err() {
                return;
            }
        }
    }

    /// Bytes that tables hold, those in the hands of workers included.
    pub fn bytes(&self) -> usize {
        self.holding(self.size.load(Relaxed))
    }

    /// The same with tables of so many rows.
    fn holding(&self, rows: usize) -> usize {
        Table::bytes_of(rows) * self.workers.load(Relaxed) * 3
    }
}
