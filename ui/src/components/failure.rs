//! Why something could not be shown or done.

use leptos::prelude::*;

use crate::api::Failure;
use crate::state::Gateway;

pub fn failure(failure: &Failure) -> AnyView {
    panel(failure, ().into_any())
}

fn panel(failure: &Failure, more: AnyView) -> AnyView {
    view! {
        <div class="panel bad" role="alert">
            <p>{failure.sentence()}</p>
            {more}
        </div>
    }
    .into_any()
}

/// Asks again for what failed.
pub fn try_again(gateway: Gateway) -> impl IntoView {
    view! { <button type="button" on:click=move |_| gateway.refresh()>{t!("Try again")}</button> }
}

/// What could not be shown, and how to ask again where that may help. While nothing answers at all, the banner says so.
pub fn not_shown(failure: &Failure) -> AnyView {
    let gateway = use_context::<Gateway>().filter(|_| failure.may_pass());
    let again = move || gateway.filter(|gateway| !gateway.unreachable.get()).map(try_again);
    panel(failure, again.into_any())
}
