//! Time limits by a coarse sweep: one timer per worker, none per request.
//!
//! A [`Deadline`] belongs to one task. The task arms it when it begins to wait for something and asks
//! [`Deadline::expired`] when nothing it waits for has come; the sweep wakes it when its time is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Time between two sweeps. Limits are kept late by at most two of these, never early.
pub const TICK: Duration = Duration::from_millis(50);

const NEVER: u64 = u64::MAX;

/// The deadlines of one worker.
#[derive(Default)]
pub struct Deadlines {
    /// Milliseconds of this worker's own time. It stands still while the worker is held up by other work, so that a
    /// stall of the machine lets nobody's time run out.
    now: Cell<u64>,
    swept: Cell<Option<Instant>>,
    at: RefCell<Vec<u64>>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<u32>>,
}

impl Deadlines {
    /// A deadline for the task of this waker; it begins disarmed.
    pub fn register(self: &Rc<Self>, waker: &Waker) -> Deadline {
        let mut wakers = self.wakers.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => index,
            None => {
                wakers.push(None);
                self.at.borrow_mut().push(NEVER);
                wakers.len() as u32 - 1
            }
        };
        wakers[index as usize] = Some(waker.clone());
        self.at.borrow_mut()[index as usize] = NEVER;
        Deadline { deadlines: self.clone(), index }
    }

    /// How many tasks have a deadline.
    pub fn len(&self) -> usize {
        self.at.borrow().len() - self.free.borrow().len()
    }

    /// Whether no task has one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// ms of this worker's time.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Moves time on and wakes whose time is over.
    pub fn sweep(&self, clock: Instant) {
        let elapsed = self.swept.get().map_or(TICK, |before| clock.saturating_duration_since(before));
        self.swept.set(Some(clock));
        self.now.set(self.now.get() + elapsed.min(TICK * 2).as_millis() as u64);
        let now = self.now.get();
        for (at, waker) in self.at.borrow().iter().zip(self.wakers.borrow().iter()) {
            if *at <= now
                && let Some(waker) = waker
            {
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes every task that has a deadline, whatever its time: something they all look at has changed.
    pub fn wake_all(&self) {
        for waker in self.wakers.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

/// The one time limit a task is under.
pub struct Deadline {
    deadlines: Rc<Deadlines>,
    index: u32,
}

impl Deadline {
    /// From now on, `after` is the limit. Zero means none.
    #[inline]
    pub fn arm(&self, after: Duration) {
        let at = if after.is_zero() {
            NEVER
        } else {
            self.deadlines.now.get().saturating_add((after + TICK).as_millis() as u64)
        };
        self.deadlines.at.borrow_mut()[self.index as usize] = at;
    }

    /// The limit stays, or is `after` from now where that is earlier.
    pub fn hasten(&self, after: Duration) {
        let at = self.deadlines.now.get().saturating_add((after + TICK).as_millis() as u64);
        let limit = &mut self.deadlines.at.borrow_mut()[self.index as usize];
        *limit = at.min(*limit);
    }

    /// No limit.
    #[inline]
    pub fn disarm(&self) {
        self.deadlines.at.borrow_mut()[self.index as usize] = NEVER;
    }

    /// Whether the time is over.
    #[inline]
    pub fn expired(&self) -> bool {
        self.deadlines.at.borrow()[self.index as usize] <= self.deadlines.now.get()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.disarm();
        self.deadlines.wakers.borrow_mut()[self.index as usize] = None;
        self.deadlines.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn limits_are_kept_late_but_never_early() {
        let deadlines = Rc::new(Deadlines::default());
        let count = Arc::new(Count::default());
        let deadline = deadlines.register(&count.clone().into());
        let start = Instant::now();
        deadlines.sweep(start);
        deadline.arm(Duration::from_millis(300));
        for tick in 1..=20u32 {
            deadlines.sweep(start + TICK * tick);
            let elapsed = TICK * tick;
            if elapsed < Duration::from_millis(300) {
                assert!(!deadline.expired() && count.0.load(Ordering::Relaxed) == 0, "{elapsed:?}");
            }
            if elapsed >= Duration::from_millis(400) {
                assert!(deadline.expired() && count.0.load(Ordering::Relaxed) > 0, "{elapsed:?}");
            }
        }
        deadline.disarm();
        assert!(!deadline.expired());
    }

    #[test]
    fn a_stall_lets_no_time_run_out() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register(Waker::noop());
        let start = Instant::now();
        deadlines.sweep(start);
        deadline.arm(Duration::from_millis(500));
        deadlines.sweep(start + Duration::from_secs(30));
        assert!(!deadline.expired());
    }

    #[test]
    fn places_are_used_again() {
        let deadlines = Rc::new(Deadlines::default());
        for _ in 0..100 {
            let first = deadlines.register(Waker::noop());
            first.arm(TICK);
            let second = deadlines.register(Waker::noop());
            assert_eq!(deadlines.len(), 2);
            drop((first, second));
        }
        assert!(deadlines.is_empty() && deadlines.at.borrow().len() == 2);
    }
}
