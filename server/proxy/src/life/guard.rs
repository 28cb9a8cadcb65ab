//! Plugins that panic: their request is answered with 500 (or cut, where the answer has begun), and nobody else on the
//! connection notices. The panic hook tells what happened and where.
//!
//! What a panic leaves half done is the Exchange of this request alone, which ends soon: nothing else is at risk.

use exchange::{Answer, Flow, Source, Step};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// Calls a plugin; `None` where it panics.
#[inline]
pub(crate) fn call<T>(plugin: &'static str, phase: &'static str, run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| tracing::error!(plugin, phase, "a plugin panicked")).ok()
}

/// Runs a phase that may answer, and waits where it has to.
#[inline]
pub(crate) async fn step<'a>(plugin: &'static str, phase: &'static str, run: impl FnOnce() -> Step<'a>) -> Flow {
    match call(plugin, phase, run) {
        Some(Step::Ready(flow)) => flow,
        Some(Step::Wait(future)) => wait(plugin, phase, future).await.unwrap_or_else(failed),
        None => failed(),
    }
}

async fn wait<T>(
    plugin: &'static str,
    phase: &'static str,
    mut future: Pin<Box<dyn Future<Output = T> + '_>>,
) -> Option<T> {
    poll_fn(|context| match call(plugin, phase, || future.as_mut().poll(context)) {
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(value)) => Poll::Ready(Some(value)),
        None => Poll::Ready(None),
    })
    .await
}

/// What the client gets.
pub(super) fn failure() -> Answer {
    Answer { source: Source::Error, ..Answer::error(500, "") }
}

/// The same, as what a phase came to.
pub(super) fn failed() -> Flow {
    Flow::Answer(Box::new(failure()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(run: impl FnOnce() -> Step<'static>) -> u16 {
        match step("p", "access", run).await {
            Flow::Next => 0,
            Flow::Answer(answer) => answer.status,
        }
    }

    #[actix_rt::test]
    async fn a_panic_is_this_requests_500() {
        assert_eq!(status(|| Step::NEXT).await, 0);
        assert_eq!(status(|| panic!("at once")).await, 500);
        let later = || Step::Wait(Box::pin(async { panic!("later") }));
        assert_eq!(status(later).await, 500);
        let answers = || Step::Wait(Box::pin(async { Flow::Answer(Box::new(Answer::error(418, ""))) }));
        assert_eq!(status(answers).await, 418);
        assert_eq!(call("p", "log", || panic!("while logging")), None::<()>);
    }
}
