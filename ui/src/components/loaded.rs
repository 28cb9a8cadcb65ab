//! Something that is asked for, in each of its states.

use leptos::prelude::*;

use crate::api::Load;

/// A line while waiting, the failure, or what `show` makes of it.
pub fn loaded<T>(state: RwSignal<Load<T>>, show: impl Fn(T) -> AnyView + Send + 'static) -> AnyView
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    // The same answer again does not draw the page anew.
    let settled = Memo::new(move |_| state.get());
    (move || match settled.get() {
        Load::Waiting => view! { <p class="waiting" role="status">{t!("Loading…")}</p> }.into_any(),
        Load::Failed(failure) => super::not_shown(&failure),
        Load::Ready(value) => show(value),
    })
    .into_any()
}
