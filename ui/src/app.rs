//! The application: what every page shares, and the page itself.

use leptos::prelude::*;

use crate::components::Shell;
use crate::page::Page;
use crate::pages;
use crate::state::{Gateway, Location, ThemeState, Toasts, location};

/// Puts the manager into the document.
pub fn start() {
    leptos::mount::mount_to_body(App);
}

#[component]
fn App() -> impl IntoView {
    ThemeState::provide();
    Toasts::provide();
    Gateway::provide();
    Location::provide();
    let place = location();
    let page = move || match place.page.get() {
        Page::Overview => pages::overview(),
        Page::List(kind) => pages::list(kind),
        Page::Create(kind) => pages::create(kind),
        Page::Detail(kind, id) => pages::detail(kind, id),
        Page::Edit(kind, id) => pages::edit(kind, id),
        Page::Catalogue => pages::catalogue(),
        Page::CreatePlugin(name) => pages::create_plugin(name),
        Page::NotFound => pages::not_found(),
    };
    view! { <Shell>{page}</Shell> }
}
