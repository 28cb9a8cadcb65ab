//! Something that is being asked for.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::failure::Failure;
use crate::state::Gateway;

/// Where it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Load<T> {
    Waiting,
    Failed(Failure),
    Ready(T),
}

impl<T> Load<T> {
    /// What has come.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            _ => None,
        }
    }
}

/// Asks now, again whenever something `ask` reads changes, and after a failure when the reader tries again. A late
/// answer to an older question is dropped; what has come before stays until the next answer.
pub fn load<T, F>(ask: impl Fn() -> F + 'static) -> RwSignal<Load<T>>
where
    T: Send + Sync + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    load_by(Box::new(move || Box::pin(ask())))
}

/// One that waits for an answer.
type Question<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// Compiled once per sort of answer, not for each question.
fn load_by<T: Send + Sync + 'static>(ask: Box<dyn Fn() -> Question<T>>) -> RwSignal<Load<T>> {
    let state = RwSignal::new(Load::Waiting);
    let latest = StoredValue::new(0_u32);
    let retries = use_context::<Gateway>().map(|gateway| gateway.retries);
    Effect::new(move |before: Option<u32>| {
        // Asking is cheap until the question is awaited; it says what to ask again for.
        let question = ask();
        let tries = retries.map_or(0, |retries| retries.get());
        if before.is_some_and(|before| before != tries) && state.with_untracked(|state| state.ready().is_some()) {
            return tries;
        }
        let number = latest.get_value() + 1;
        latest.set_value(number);
        spawn_local(async move {
            let answer = question.await;
            // Neither is there when the page was left meanwhile.
            if latest.try_get_value() == Some(number) {
                state.try_set(match answer {
                    Ok(value) => Load::Ready(value),
                    Err(failure) => Load::Failed(failure),
                });
            }
        });
        tries
    });
    state
}
