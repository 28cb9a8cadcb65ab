//! Which threads the machine serves first.

use super::affinity::{run_on, usable, usable_by_process};

/// What the nice value of threads is raised by that work beside requests.
const STEP: i32 = 10;

/// Of how many processors one is for what gives way; at least one.
const SHARE: usize = 4;

/// Lets this thread, and those that it starts from now on, have what time the others leave: where processors are scarce,
/// requests go before writes of the configuration and what follows from them. All such threads keep to the last processors
/// of those that may be used: the system does not take one for idle that runs a thread of low priority, and were they
/// spread, a worker that wakes up would wait behind another worker although it could take the place of such a thread.
/// Called once per thread; on one that was told before it does nothing.
pub(super) fn give_way() {
    thread_local!(static TOLD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if TOLD.replace(true) {
        return;
    }
    // A thread that another one started which gave way does so as well.
    let own = rustix::process::getpriority_process(None).unwrap_or(STEP);
    if own >= STEP {
        return;
    }
    if let Err(error) = rustix::process::setpriority_process(None, own + STEP) {
        tracing::debug!(%error, "the priority of a thread was not lowered");
    }
    if let Err(error) = run_on(last(&usable())) {
        tracing::debug!(%error, "a thread runs on any processor");
    }
}

/// Lets this thread, which one started that gives way, run on any processor again, still after others: for a short while, where
/// it does half of what somebody waits for.
pub(super) fn spread() {
    if let Err(error) = run_on(&usable_by_process()) {
        tracing::debug!(%error, "a thread stays on the processors of those that give way");
    }
}

/// The last processors, as many as are for what gives way.
fn last(processors: &[usize]) -> &[usize] {
    let count = processors.len().div_ceil(SHARE);
    &processors[processors.len() - count..]
}

/// Lets this thread run only while no other wants to, for good.
pub(super) fn wait_for_idleness() {
    use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let thread = thread_priority::thread_native_id();
    if let Err(error) = thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, policy) {
        tracing::debug!(?error, "a thread cannot be left to idle time");
        give_way();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_gives_way_does() {
        let state = || (rustix::process::getpriority_process(None).expect("a priority"), usable());
        let before = state();
        let after = std::thread::spawn(move || {
            give_way();
            give_way();
            let child = move || {
                give_way();
                state()
            };
            (state(), std::thread::spawn(child).join().expect("a thread ends"))
        });
        let (own, of_child) = after.join().expect("a thread ends");
        if before.0 < STEP {
            assert_eq!(own, (before.0 + STEP, last(&before.1).to_vec()));
        } else {
            assert_eq!(own, before);
        }
        assert_eq!(of_child, own, "what it starts inherits");
        let spreads = std::thread::spawn(move || {
            give_way();
            let half = move || {
                spread();
                state()
            };
            std::thread::spawn(half).join().expect("a thread ends")
        });
        assert_eq!(spreads.join().expect("a thread ends"), (own.0, usable_by_process()));
        assert_eq!(state(), before);
    }

    #[test]
    fn what_gives_way_has_the_last_quarter() {
        for (processors, expected) in
            [(vec![], vec![]), (vec![3], vec![3]), (vec![0, 1], vec![1]), (vec![0, 2, 4, 6], vec![6])]
        {
            assert_eq!(last(&processors), expected);
        }
        assert_eq!(last(&(0..10).collect::<Vec<_>>()), [7, 8, 9]);
    }
}
