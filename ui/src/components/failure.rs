//! Why something could not be shown or done.

use leptos::prelude::*;

use crate::api::Failure;

pub fn failure(failure: &Failure) -> AnyView {
    view! { <div class="panel bad" role="alert"><p>{failure.sentence()}</p></div> }.into_any()
}
