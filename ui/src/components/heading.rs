//! The head of a page.

use leptos::html;
use leptos::prelude::*;

use crate::page::Page;
use crate::state::location;

/// A step of the way to a page.
pub struct Crumb {
    pub text: String,
    pub page: Page,
}

/// Title (also of the window), where one is, a sentence, and what can be done. After going somewhere the title takes the
/// focus, so that a screen reader says which page has come.
pub fn heading(title: String, crumbs: Vec<Crumb>, about: &str, actions: AnyView) -> AnyView {
    let node = NodeRef::<html::H1>::new();
    let moved = location().moved.get_untracked();
    document().set_title(&format!("{title} · Silverback"));
    Effect::new(move |_| {
        if let Some(title) = node.get().filter(|_| moved) {
            let _ = title.focus();
        }
    });
    let crumbs = (!crumbs.is_empty()).then(|| {
        let list = crumbs.into_iter().map(|crumb| view! { <li><a href=crumb.page.href()>{crumb.text}</a></li> });
        view! { <nav aria-label="Breadcrumb" class="crumbs"><ol>{list.collect_view()}</ol></nav> }
    });
    view! {
        {crumbs}
        <div class="heading">
            <div>
                <h1 tabindex="-1" node_ref=node>{title}</h1>
                <p class="about">{about.to_owned()}</p>
            </div>
            <div class="actions">{actions}</div>
        </div>
    }
    .into_any()
}
