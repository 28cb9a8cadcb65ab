//! Shows what was done.

use leptos::prelude::*;

use crate::state::toasts;

#[component]
pub fn Toaster() -> impl IntoView {
    let toasts = toasts();
    let list = move || {
        let one = |toast: crate::state::Toast| {
            view! {
                <li>
                    <span>{toast.text}</span>
                    <button type="button" aria-label=t!("Close message") on:click=move |_| toasts.drop(toast.number)>
                        <span aria-hidden="true">"×"</span>
                    </button>
                </li>
            }
        };
        toasts.shown.get().into_iter().map(one).collect_view()
    };
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <ul>{list}</ul>
        </div>
    }
}
