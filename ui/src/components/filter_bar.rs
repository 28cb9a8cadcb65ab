//! What a list is narrowed to; it stands in the address.

use leptos::html;
use leptos::prelude::*;

use crate::entities::EntityKind;
use crate::listing::title;
use crate::page::Page;
use crate::pages::changed;
use crate::state::location;

#[component]
pub fn FilterBar(kind: &'static EntityKind) -> impl IntoView {
    let place = location();
    let (name, tags) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let (field, value) = (NodeRef::<html::Select>::new(), NodeRef::<html::Input>::new());
    let search = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = |node: NodeRef<html::Input>| node.get_untracked().map(|input| input.value()).unwrap_or_default();
        let tags: Vec<String> =
            text(tags).split(',').map(|tag| tag.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        let (name, tags, value) = (text(name), tags.join(","), text(value));
        let field = field.get_untracked().map(|select| select.value()).unwrap_or_default();
        // Without a value a field narrows nothing.
        let field = if value.trim().is_empty() { "" } else { &field };
        let with = [("name", name.trim()), ("tags", &tags), ("field", field), ("value", value.trim()), ("offset", "")];
        place.go(&Page::List(kind).with(&changed(&place.query.get_untracked(), &with)));
    };
    let narrowed = move || ["name", "tags", "value"].iter().any(|name| !place.value(name).is_empty());
    let fields: Vec<&'static str> = kind.columns.iter().copied().filter(|column| *column != "tags").collect();
    let by_field = (!fields.is_empty()).then(|| {
        let option = |name: &'static str| {
            view! { <option value=name selected=move || place.value("field") == name>{title(name)}</option> }
        };
        view! {
            <div>
                <label for="filter-field">{t!("Field")}</label>
                <select id="filter-field" node_ref=field>{fields.into_iter().map(option).collect_view()}</select>
            </div>
            <div>
                <label for="filter-value">{t!("Contains")}</label>
                <input id="filter-value" type="search" node_ref=value prop:value=move || place.value("value")/>
            </div>
        }
    });
    view! {
        <form class="filters" role="search" aria-label=t!("Filter {many}", many = kind.many()) on:submit=search>
            <div>
                <label for="filter-name">{if kind.names.is_empty() { "ID" } else { t!("Name or ID") }}</label>
                <input id="filter-name" type="search" node_ref=name prop:value=move || place.value("name")/>
            </div>
            <div>
                <label for="filter-tags">{t!("Tags")}</label>
                <input
                    id="filter-tags"
                    type="search"
                    node_ref=tags
                    placeholder=t!("all of a, b")
                    prop:value=move || place.value("tags")
                />
            </div>
            {by_field}
            <button type="submit">{t!("Filter")}</button>
            {move || narrowed().then(|| view! { <a class="button quiet" href=Page::List(kind).href()>{t!("Show all")}</a> })}
        </form>
    }
}
