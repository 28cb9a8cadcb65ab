//! Work on processor time that nobody else wants: a thread that runs only while no other wants to (`SCHED_IDLE`) is put
//! aside at once when a request comes, where a thread that merely gives way finishes its slice first. Where processors
//! stay full it would wait forever: after a while the work is done once more by a thread that gives way, and what the
//! first comes to is dropped.

use super::priority::{give_way, wait_for_idleness};
use rustix::time::{ClockId, clock_gettime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long work may wait for idle time, beside the time that it takes.
const PATIENCE: Duration = Duration::from_millis(40);
/// How many times as long as it took at last it may take.
const STRETCH: u32 = 3;
/// How much may wait there that nobody waits for.
const WAITING: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The work ended in a panic; the log says where.
#[derive(Debug, thiserror::Error)]
#[error("work beside requests failed unexpectedly")]
pub(super) struct Panicked;

/// A thread for such work.
pub(super) struct Aside {
    jobs: Option<Sender<Job>>,
    /// Work that was asked for is still to be done there, perhaps in vain.
    busy: Arc<AtomicBool>,
    /// How much is to be done there that nobody waits for.
    waiting: Arc<AtomicUsize>,
    /// Processor time that work took at last, in microseconds.
    last: Arc<AtomicU64>,
}

impl Aside {
    /// Starts the thread. Where there can be none, threads that give way do the work.
    pub fn start() -> Self {
        let (jobs, queue) = channel::<Job>();
        let run = move || {
            wait_for_idleness();
            for job in queue {
                // The panic's message is in the log; the next job has nothing to do with it.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        let started = std::thread::Builder::new().name("aside".to_owned()).spawn(run);
        if let Err(error) = &started {
            tracing::warn!(%error, "there is no thread for work in idle time");
        }
        Self {
            jobs: started.is_ok().then_some(jobs),
            busy: Arc::default(),
            waiting: Arc::default(),
            last: Arc::default(),
        }
    }

    /// Does something in idle time, or soon.
    pub async fn run<T: Send + 'static>(&self, work: impl Fn() -> T + Send + Sync + 'static) -> Result<T, Panicked> {
        let work = Arc::new({
            let last = self.last.clone();
            move || {
                let begun = processor_time();
                let done = work();
                let took = processor_time().saturating_sub(begun);
                last.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                done
            }
        });
        if let Some(answer) = self.begin(work.clone()) {
            let patience = PATIENCE + Duration::from_micros(self.last.load(Ordering::Relaxed)) * STRETCH;
            match tokio::time::timeout(patience, answer).await {
                Ok(done) => return done.map_err(|_| Panicked),
                Err(_) => tracing::debug!("no idle time: work beside requests is done by a thread that gives way"),
            }
        }
        let done = actix_rt::task::spawn_blocking(move || {
            give_way();
            work()
        });
        done.await.map_err(|_| Panicked)
    }

    /// Has something done that nobody waits for.
    pub fn leave(&self, work: impl FnOnce() + Send + 'static) {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(self.waiting.clone());
        let mut job: Job = Box::new(move || {
            let _counted = counted;
            work();
        });
        if let Some(jobs) = self.jobs.as_ref().filter(|_| before < WAITING) {
            match jobs.send(job) {
                Ok(()) => return,
                Err(unsent) => job = unsent.0,
            }
        }
        drop(actix_rt::task::spawn_blocking(move || {
            give_way();
            job();
        }));
    }

    /// Begins work on the thread, unless it has work that was given up.
    fn begin<T: Send + 'static>(
        &self,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Option<oneshot::Receiver<T>> {
        let jobs = self.jobs.as_ref()?;
        if self.busy.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (done, answer) = oneshot::channel();
        let free = Free(self.busy.clone());
        let job = move || {
            let _free = free;
            let value = work();
            // Who asked may have what it wanted already.
            drop(done.send(value));
        };
        jobs.send(Box::new(job)).ok().map(|()| answer)
    }
}

/// The thread can be asked again, however its work ended.
struct Free(Arc<AtomicBool>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// One less is to be done, however it ended.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What this thread took so far.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn run(test: impl Future<Output = ()>) {
        actix_rt::System::new().block_on(test);
    }

    #[test]
    fn work_is_done_there_and_a_panic_is_told() {
        run(async {
            let aside = Aside::start();
            let name = || std::thread::current().name().map(str::to_owned);
            // While the machine is busy another thread does it.
            let done_there = async || {
                for _ in 0..100 {
                    if aside.run(name).await.expect("it is done").as_deref() == Some("aside") {
                        return;
                    }
                }
                panic!("it is never done there");
            };
            done_there().await;
            let panics = aside.run(|| panic!("a test")).await;
            assert!(panics.is_err(), "{panics:?}");
            done_there().await;
        });
    }

    #[test]
    fn work_that_nobody_waits_for_may_panic_as_often_as_it_likes() {
        run(async {
            let aside = Aside::start();
            for _ in 0..WAITING {
                aside.leave(|| panic!("a test"));
            }
            while aside.waiting.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    #[test]
    fn where_there_is_no_idle_time_another_thread_does_it() {
        run(async {
            let aside = Aside::start();
            let (release, held) = channel::<()>();
            // Nothing idle is left: the thread has something that does not end.
            aside.leave(move || assert!(held.recv().is_err(), "nothing is sent"));
            let threads = Arc::new(Mutex::new(Vec::new()));
            let seen = threads.clone();
            let work = move || {
                let name = std::thread::current().name().map(str::to_owned);
                seen.lock().expect("nobody panics").push(name);
                7
            };
            assert_eq!(aside.run(work.clone()).await.expect("it is done"), 7);
            // What was given up is still to come there: it is not asked again before.
            assert_eq!(aside.run(work).await.expect("it is done"), 7);
            let names = threads.lock().expect("nobody panics").clone();
            assert_eq!(names.len(), 2);
            assert!(names.iter().all(|name| name.as_deref() != Some("aside")), "{names:?}");
            drop(release);
        });
    }
}
