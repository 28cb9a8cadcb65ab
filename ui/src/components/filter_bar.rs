//! What a list is narrowed to; it stands in the address.

use leptos::html;
use leptos::prelude::*;

use crate::entities::EntityKind;
use crate::page::Page;
use crate::state::location;

#[component]
pub fn FilterBar(kind: &'static EntityKind) -> impl IntoView {
    let place = location();
    let (name, tags) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let search = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = |node: NodeRef<html::Input>| node.get_untracked().map(|input| input.value()).unwrap_or_default();
        let tags: Vec<String> =
            text(tags).split(',').map(|tag| tag.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        place.go(&Page::List(kind).with(&[("name", text(name).trim()), ("tags", &tags.join(","))]));
    };
    let narrowed = move || !(place.value("name").is_empty() && place.value("tags").is_empty());
    view! {
        <form class="filters" role="search" aria-label=format!("Filter {}", kind.many) on:submit=search>
            <div>
                <label for="filter-name">{if kind.names.is_empty() { "ID" } else { "Name or ID" }}</label>
                <input id="filter-name" type="search" node_ref=name prop:value=move || place.value("name")/>
            </div>
            <div>
                <label for="filter-tags">"Tags"</label>
                <input
                    id="filter-tags"
                    type="search"
                    node_ref=tags
                    placeholder="all of a, b"
                    prop:value=move || place.value("tags")
                />
            </div>
            <button type="submit">"Filter"</button>
            {move || narrowed().then(|| view! { <a class="button quiet" href=Page::List(kind).href()>"Show all"</a> })}
        </form>
    }
}
