//! Which threads the machine serves first.

/// What the nice value of threads is raised by that work beside requests.
const STEP: i32 = 10;

/// Lets this thread, and those that it starts from now on, have what time the others leave: where processors are scarce,
/// requests go before writes of the configuration and what follows from them. Called once per thread; on one that was
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
        let before = rustix::process::getpriority_process(None).expect("a priority");
        let after = std::thread::spawn(|| {
            give_way();
            give_way();
            rustix::process::getpriority_process(None).expect("a priority")
        });
        assert_eq!(after.join().expect("a thread ends"), if before < STEP { before + STEP } else { before });
        assert_eq!(rustix::process::getpriority_process(None).expect("a priority"), before);
    }
}
