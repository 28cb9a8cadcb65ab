//! The head of a page.

use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use crate::entities::{EntityKind, by_path, short};
use crate::page::Page;
use crate::state::{gateway, location};

/// A step of the way to a page.
pub struct Crumb {
    pub text: String,
    pub page: Page,
}

/// The way to an entity of a kind: its list, or, where that is its parent's, the parent.
pub fn way(kind: &'static EntityKind, entity: &Value) -> Vec<Crumb> {
    let parent = kind.below.as_ref().and_then(|below| {
        let of = by_path(below.parent)?;
        Some((of, entity[below.field]["id"].as_str()?.to_owned()))
    });
    match parent {
        Some((of, id)) => {
            let text = gateway().names.known(of.key, &id).unwrap_or_else(|| short(&id));
            let list = Crumb { text: of.many().to_owned(), page: Page::List(of) };
            vec![list, Crumb { text, page: Page::Detail(of, id) }]
        }
        None => vec![Crumb { text: kind.many().to_owned(), page: Page::List(kind) }],
    }
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
        view! { <nav aria-label=t!("Breadcrumb") class="crumbs"><ol>{list.collect_view()}</ol></nav> }
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
