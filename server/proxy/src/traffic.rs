//! Connections and requests, counted by each worker for itself and added up when someone asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Figures of all workers.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<Vec<Arc<WorkerTraffic>>>);

/// Figures of one worker. Only that worker writes them.
#[derive(Debug, Default)]
pub struct WorkerTraffic {
    accepted: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
    answered: AtomicU64,
    idle: AtomicU64,
    reused: AtomicU64,
    missed: AtomicU64,
}

/// Figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Open client connections.
    pub active: u64,
    /// Of these, with a request that is being answered.
    pub writing: u64,
    /// Of these, without one.
    pub waiting: u64,
    /// Connections ever accepted.
    pub accepted: u64,
    /// Requests ever read.
    pub requests: u64,
    /// Idle connections to upstreams.
    pub idle: u64,
    /// How often an idle connection was wanted and there.
    pub reused: u64,
    /// How often one was wanted and there was none.
    pub missed: u64,
}

impl Traffic {
    /// The figures of a worker that begins.
    pub fn worker(&self) -> Arc<WorkerTraffic> {
        let figures = Arc::new(WorkerTraffic::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(figures.clone());
        figures
    }

    /// All workers' figures.
    pub fn now(&self) -> Figures {
        let mut sum = Figures::default();
        for worker in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let (closed, answered) = (worker.closed.load(Relaxed), worker.answered.load(Relaxed));
            let (accepted, requests) = (worker.accepted.load(Relaxed), worker.requests.load(Relaxed));
            sum.accepted += accepted;
            sum.requests += requests;
            sum.active += accepted.saturating_sub(closed);
            sum.writing += requests.saturating_sub(answered);
            sum.idle += worker.idle.load(Relaxed);
            sum.reused += worker.reused.load(Relaxed);
            sum.missed += worker.missed.load(Relaxed);
        }
        sum.waiting = sum.active.saturating_sub(sum.writing);
        sum
    }
}

impl WorkerTraffic {
    /// A connection was accepted.
    pub fn accept(&self) {
        count(&self.accepted);
    }

    /// A connection is over.
    pub fn close(&self) {
        count(&self.closed);
    }

    /// A request's head was read.
    #[inline]
    pub fn begin(&self) {
        count(&self.requests);
    }

    /// A request is over.
    #[inline]
    pub fn end(&self) {
        count(&self.answered);
    }

    /// So many connections to upstreams are idle.
    #[inline]
    pub fn idle(&self, connections: usize) {
        self.idle.store(connections as u64, Relaxed);
    }

    /// An idle connection to an upstream was wanted, and found or not.
    #[inline]
    pub fn take(&self, found: bool) {
        count(if found { &self.reused } else { &self.missed });
    }
}

/// One writer: a load and a store, no locked instruction.
#[inline]
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let traffic = Traffic::default();
        let (one, two) = (traffic.worker(), traffic.worker());
        one.accept();
        one.begin();
        one.end();
        one.close();
        two.accept();
        two.begin();
        for (worker, found, idle) in [(&one, true, 3), (&two, true, 0), (&two, false, 4)] {
            worker.take(found);
            worker.idle(idle);
        }
        let expected =
            Figures { active: 1, writing: 1, waiting: 0, accepted: 2, requests: 2, idle: 7, reused: 2, missed: 1 };
        assert_eq!(traffic.now(), expected);
    }
}
