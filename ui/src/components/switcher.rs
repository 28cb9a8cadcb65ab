//! Going from one Workspace to another.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::order::sort_by;
use crate::page::{DEFAULT, Page};
use crate::state::{front, gateway, location};

/// A choice of Workspaces, where there is more than the one.
#[component]
pub fn Switcher() -> impl IntoView {
    let (gateway, place) = (gateway(), location());
    let names = load(move || {
        gateway.track_writes();
        let known = gateway.session.info.get();
        let asks = gateway.has_database();
        async move {
            // Whoever signed in is told which are theirs.
            let all = match known {
                Some(info) => info["workspaces"].clone(),
                None if asks => gateway.get("workspaces?size=1000").await?["data"].take(),
                None => Value::Null,
            };
            let mut names: Vec<String> = all
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["name"].as_str().map(str::to_owned))
                .collect();
            sort_by(&mut names, Ord::cmp);
            Ok(names)
        }
    });
    let switch = move |event: leptos::ev::Event| {
        let name = event_target_value(&event);
        let name = if name == DEFAULT { "" } else { &name };
        // The same list of the other Workspace, where one looks at one.
        let page = match place.page.get_untracked() {
            Page::List(kind) | Page::Create(kind) | Page::Detail(kind, _) | Page::Edit(kind, _) if kind.has_list() => {
                Page::List(kind)
            }
            Page::Catalogue | Page::CreatePlugin(_) => Page::Catalogue,
            _ => Page::Overview,
        };
        place.go(&format!("{}{}", front(name), page.path()));
    };
    move || {
        let here = gateway.workspace();
        let mut names = names.with(|names| names.ready().cloned().unwrap_or_default());
        if !names.contains(&here) {
            names.push(here.clone());
        }
        (names.len() > 1).then(|| {
            let options = names.into_iter().map(|name| {
                let selected = name == here;
                view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
            });
            view! {
                <div class="choice">
                    <label for="workspace">{t!("Workspace")}</label>
                    <select id="workspace" on:change=switch>{options.collect_view()}</select>
                </div>
            }
        })
    }
}
