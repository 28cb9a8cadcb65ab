//! All Workspaces, with what is in them.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{badge, column, grid, heading, link_button, loaded, row};
use crate::entities::{EntityKind, by_key};
use crate::form::plain;
use crate::order::sort_by_key;
use crate::page::{DEFAULT, Page};
use crate::permissions::Action;
use crate::state::{front, gateway};

/// Kinds that are counted.
const COUNTED: [&str; 5] = ["services", "routes", "consumers", "plugins", "upstreams"];

pub fn workspaces(kind: &'static EntityKind) -> AnyView {
    let gateway = gateway();
    let state = load(move || {
        gateway.track_writes();
        async move { gateway.get("workspaces?counter=true&size=1000").await }
    });
    let add = move || {
        gateway
            .may(Action::Create, kind.path)
            .then(|| link_button("main", Page::Create(kind).href(), t!("New Workspace")))
    };
    let show = move |page: Value| {
        let mut rows = page["data"].as_array().cloned().unwrap_or_default();
        sort_by_key(&mut rows, |row| (row["name"] != DEFAULT, plain(&row["name"])));
        let kinds: Vec<&EntityKind> = COUNTED.iter().filter_map(|key| by_key(key)).collect();
        let here = gateway.workspace();
        let row_of = |entity: Value| {
            let name = plain(&entity["name"]);
            let to = front(if name == DEFAULT { "" } else { &name });
            let mut cells = vec![plain(&entity["comment"]).into_any()];
            for kind in &kinds {
                let count = plain(&entity["counters"][kind.key]);
                let list = format!("{to}{}", Page::List(kind).path());
                let label = t!("{count} {many} of {name}", count, many = kind.many(), name);
                cells.push(link(list, count, Some(label)));
            }
            let settings = Page::Detail(kind, plain(&entity["id"])).href();
            cells.push(link(settings, t!("Settings").to_owned(), Some(t!("Settings of {name}", name))));
            let here = (name == here).then(|| badge("", t!("You are here")));
            row(view! { {link(to.clone(), name, None)} " " {here} }.into_any(), cells)
        };
        let head =
            [t!("Name"), t!("Comment")].into_iter().chain(kinds.iter().map(|kind| kind.many())).chain([t!("Settings")]);
        let head = head.map(column).collect();
        grid(t!("Workspaces").to_owned(), t!("Workspaces").to_owned(), head, rows.into_iter().map(row_of).collect())
    };
    view! { {heading(kind.many().to_owned(), Vec::new(), kind.about(), add.into_any())} {loaded(state, show)} }
        .into_any()
}

fn link(to: String, text: String, label: Option<String>) -> AnyView {
    view! { <a href=to aria-label=label>{text}</a> }.into_any()
}
