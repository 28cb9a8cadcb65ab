//! Which threads the machine serves first.

use super::affinity::{run_on, usable};

/// What the nice value of threads is raised by that work beside requests.
const STEP: i32 = 10;

/// Lets this thread, and those that it starts from now on, have what time the others leave: where processors are scarce,
/// requests go before writes of the configuration and what follows from them. All such threads share one processor. The
/// system does not take one that runs a thread of low priority for idle: were they spread, a worker that wakes up would
/// wait behind another worker although it could take the place of such a thread. Called once per thread; on one that was
/// told before it does nothing.
pub(super) fn give_way() {
    thread_local!(static TOLD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if TOLD.replace(true) {
        return;
    }
    // A thread that another one started which gave way does so as well.
    let own = rustix::process::getpriority_process(None).unwrap_or(STEP);
    if own < STEP
        && let Err(error) = rustix::process::setpriority_process(None, own + STEP)
    {
        tracing::debug!(%error, "the priority of a thread was not lowered");
    }
    // The last one: what else a machine does is rather on the first.
    if let [_, .., last] = usable().as_slice()
        && let Err(error) = run_on(&[*last])
    {
        tracing::debug!(%error, "a thread runs on any processor");
    }
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
            (state(), std::thread::spawn(state).join().expect("a thread ends"))
        });
        let (own, childs) = after.join().expect("a thread ends");
        let nice = if before.0 < STEP { before.0 + STEP } else { before.0 };
        assert_eq!(own, (nice, before.1.last().copied().into_iter().collect()));
        assert_eq!(childs, own, "what it starts inherits");
        assert_eq!(state(), before);
    }
}
