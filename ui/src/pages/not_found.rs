//! An address that means nothing.

use leptos::prelude::*;

use crate::components::heading;

pub fn not_found() -> AnyView {
    let home = view! { <a class="button" href="./">"To the overview"</a> }.into_any();
    heading("Not found".to_owned(), Vec::new(), "There is no page at this address.", home)
}
