//! An address that means nothing.

use leptos::prelude::*;

use crate::components::heading;

pub fn not_found() -> AnyView {
    let home = view! { <a class="button" href="./">{t!("To the overview")}</a> }.into_any();
    heading(t!("Not found").to_owned(), Vec::new(), t!("There is no page at this address."), home)
}
