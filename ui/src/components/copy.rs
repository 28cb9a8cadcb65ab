//! Taking a text along.

use leptos::prelude::*;

use crate::state::toasts;

/// A button that copies; `what` is named for screen readers.
pub fn copy(what: &'static str, text: impl Fn() -> String + 'static) -> AnyView {
    let toasts = toasts();
    let take = move |_| {
        if let Some(window) = web_sys::window() {
            // The browser may refuse; the text stands there all the same.
            let _ = window.navigator().clipboard().write_text(&text());
            toasts.say(t!("Copied."));
        }
    };
    view! {
        <button type="button" class="quiet" on:click=take>{t!("Copy")}<span class="unseen">{format!(" {what}")}</span></button>
    }
    .into_any()
}
