//! Where nothing is yet.

use leptos::prelude::*;

/// What could be here, and how to get it.
pub fn empty(text: String, action: AnyView) -> AnyView {
    view! { <div class="empty"><p>{text}</p>{action}</div> }.into_any()
}
