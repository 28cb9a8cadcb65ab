//! Threads and processors; for workers `nginx_main_worker_cpu_affinity` says which.

use config::{Affinity, Workers};
use rustix::process::{Pid, getpid};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places of one server's workers.
pub(super) struct Places {
    affinity: Affinity,
    /// What the process may use.
    usable: Vec<usize>,
    next: AtomicUsize,
}

impl Places {
    /// Must not be called on a worker: it asks what the calling thread may use.
    pub fn new(affinity: &Affinity, workers: Workers) -> Self {
        if let Affinity::Sets(sets) = affinity
            && sets.len() != super::running::workers(workers)
        {
            tracing::warn!(
                "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" masks, \
                 using last mask for remaining worker processes"
            );
        }
        Self { affinity: affinity.clone(), usable: usable(), next: AtomicUsize::new(0) }
    }

    /// Has this thread run where the next worker does. Once per thread; further calls do nothing.
    pub fn take(&self) {
        thread_local!(static TAKEN: Cell<bool> = const { Cell::new(false) });
        if self.affinity == Affinity::Free || TAKEN.replace(true) {
            return;
        }
        let worker = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.affinity.of(worker, &self.usable) else { return };
        if let Err(error) = run_on(&place) {
            tracing::warn!(%error, "worker {worker} cannot run on the processors {place:?}: it runs anywhere");
        }
    }
}

/// The processors that this thread may use, ascending.
pub(super) fn usable() -> Vec<usize> {
    usable_by(None)
}

/// The processors that the first thread of the process may use: none that serves anything, so what the process was given.
pub(super) fn usable_by_process() -> Vec<usize> {
    usable_by(Some(getpid()))
}

fn usable_by(thread: Option<Pid>) -> Vec<usize> {
    let all = sched_getaffinity(thread).map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect());
    all.unwrap_or_default()
}

/// Has this thread, and those that it starts from now on, run on these processors only.
pub(super) fn run_on(processors: &[usize]) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in processors.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        set.set(*cpu);
    }
    sched_setaffinity(None, &set)
}
