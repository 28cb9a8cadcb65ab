//! All Workspaces, with what is in them.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::load;
use crate::components::{heading, loaded};
use crate::entities::{EntityKind, by_key};
use crate::form::plain;
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
            .then(|| view! { <a class="button main" href=Page::Create(kind).href()>"New Workspace"</a> })
    };
    let show = move |page: Value| {
        let mut rows = page["data"].as_array().cloned().unwrap_or_default();
        rows.sort_by_key(|row| (row["name"] != DEFAULT, plain(&row["name"])));
        let kinds: Vec<&EntityKind> = COUNTED.iter().filter_map(|key| by_key(key)).collect();
        let head = kinds.iter().map(|kind| view! { <th scope="col">{kind.many}</th> }).collect_view();
        let here = gateway.workspace();
        let row = |row: Value| {
            let name = plain(&row["name"]);
            let to = front(if name == DEFAULT { "" } else { &name });
            let counts = kinds.iter().map(|kind| {
                let count = plain(&row["counters"][kind.key]);
                let list = format!("{to}{}", Page::List(kind).path());
                let label = format!("{count} {} of {name}", kind.many);
                view! { <td><a href=list aria-label=label>{count.clone()}</a></td> }
            });
            let badge = (name == here).then(|| view! { " " <span class="badge">"You are here"</span> });
            let settings = Page::Detail(kind, plain(&row["id"])).href();
            let label = format!("Settings of {name}");
            view! {
                <tr>
                    <th scope="row"><a href=to.clone()>{name.clone()}</a>{badge}</th>
                    <td><span class="value">{plain(&row["comment"])}</span></td>
                    {counts.collect_view()}
                    <td><a href=settings aria-label=label>"Settings"</a></td>
                </tr>
            }
        };
        let rows = rows.into_iter().map(row).collect_view();
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Workspaces">
                <table>
                    <caption class="unseen">"Workspaces"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Comment"</th>
                            {head}
                            <th scope="col">"Settings"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! { {heading(kind.many.to_owned(), Vec::new(), kind.about, add.into_any())} {loaded(state, show)} }.into_any()
}
