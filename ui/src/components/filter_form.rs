//! What a log is narrowed by; it stands in the address.

use leptos::html;
use leptos::prelude::*;

use crate::components::{Line, link_button, typed};
use crate::page::Page;
use crate::state::location;
use crate::texts::Text;

/// A filter with few values: name of its argument, what people call it, and values with what they mean.
pub type Choice = (&'static str, &'static str, Vec<(&'static str, &'static str)>);

/// A form that narrows what a page shows, by arguments of its address: their names, and what people call them. `id` begins
/// the ids of its fields.
pub fn filter_form(
    about: &'static str,
    id: &'static str,
    filters: &[(&'static str, Text)],
    choice: Option<Choice>,
    page: Page,
) -> AnyView {
    let place = location();
    let inputs: Vec<_> =
        filters.iter().map(|(name, text)| (*name, text.get(), NodeRef::<html::Input>::new())).collect();
    let nodes: Vec<_> = inputs.iter().map(|(name, _, node)| (*name, *node)).collect();
    let chosen = NodeRef::<html::Select>::new();
    let by_choice = choice.as_ref().map(|(name, ..)| *name);
    let everything = page.href();
    let search = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let mut given: Vec<(&str, String)> = nodes.iter().map(|(name, node)| (*name, typed(*node))).collect();
        let choice = || chosen.get_untracked().map(|select| select.value()).unwrap_or_default();
        given.extend(by_choice.map(|name| (name, choice())));
        let pairs: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        place.go(&page.with(&pairs));
    };
    let fields = move || {
        let fields = inputs.iter().map(|(name, label, node)| {
            let line =
                Line { id: format!("{id}-{name}"), label, kind: "search", start: place.value(name), ..Line::default() };
            line.view(*node)
        });
        fields.collect::<Vec<AnyView>>()
    };
    let choice = choice.map(|(name, label, options)| {
        let option = |(value, text): (&'static str, &'static str)| {
            view! { <option value=value selected=move || place.value(name) == value>{text}</option> }.into_any()
        };
        let options: Vec<AnyView> = options.into_iter().map(option).collect();
        let id = format!("{id}-{name}");
        view! {
            <div class="field">
                <label for=id.clone()>{label}</label>
                <select id=id node_ref=chosen>{options}</select>
            </div>
        }
    });
    view! {
        <form class="filters" role="search" aria-label=about on:submit=search>
            {fields}
            {choice}
            <button type="submit">{t!("Filter")}</button>
            {link_button("quiet", everything, t!("Show all"))}
        </form>
    }
    .into_any()
}
