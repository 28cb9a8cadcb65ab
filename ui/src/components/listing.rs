//! Entities as rows that can be sorted and chosen.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde_json::Value;

use super::{cell, check, choose, copy_id, grid};
use crate::entities::EntityKind;
use crate::listing::{Wanted, member, title};
use crate::page::Page;
use crate::pages::changed;
use crate::state::location;

/// The chosen entities, by their address.
pub type Selection = RwSignal<BTreeMap<String, Value>>;

/// Members that any kind may show.
const COMMON: [&str; 3] = ["id", "created_at", "updated_at"];

/// Members that a list of this kind can show.
fn choosable(kind: &'static EntityKind) -> Vec<&'static str> {
    let mut all: Vec<&str> = kind.columns.to_vec();
    all.extend(
        kind.first.iter().chain(&COMMON).filter(|name| !kind.columns.contains(name) && !kind.names.contains(name)),
    );
    all.retain(|name| *name != "user_token");
    all
}

/// Those that are shown: what the address says, otherwise the kind's own.
pub fn shown_columns(kind: &'static EntityKind, query: &[(String, String)]) -> Vec<&'static str> {
    match query.iter().find(|(name, _)| name == "columns") {
        None => kind.columns.to_vec(),
        Some((_, names)) => {
            choosable(kind).into_iter().filter(|name| names.split(',').any(|wanted| wanted == *name)).collect()
        }
    }
}

/// The choice of columns.
pub fn columns(kind: &'static EntityKind) -> AnyView {
    let place = location();
    let boxes = choosable(kind).into_iter().map(move |name| {
        let shown = move || place.query.with(|query| shown_columns(kind, query).contains(&name));
        let choose = move |chosen: bool| {
            let query = place.query.get_untracked();
            let mut names = shown_columns(kind, &query);
            names.retain(|one| *one != name);
            if chosen {
                names.push(name);
            }
            let names = names.join(",");
            // Nothing but names is a choice too.
            let names = if names.is_empty() { "none" } else { &names };
            place.go(&Page::List(kind).with(&changed(&query, &[("columns", names)])));
        };
        check(title(name), Signal::derive(shown), choose)
    });
    let boxes: Vec<AnyView> = boxes.collect();
    view! {
        <details class="columns">
            <summary>{t!("Columns")}</summary>
            <fieldset class="field wide">
                <legend class="unseen">{t!("Columns")}</legend>
                <div class="checks">{boxes}</div>
            </fieldset>
        </details>
    }
    .into_any()
}

/// The table. The first cell that names the entity is the link to it.
pub fn listing(
    kind: &'static EntityKind,
    rows: &[Value],
    columns: &[&'static str],
    wanted: &Wanted,
    query: &[(String, String)],
    selection: Selection,
) -> AnyView {
    let sortable = |name: &'static str, text: String| {
        let sorted = wanted.sort == name;
        let order = if sorted && !wanted.descending { "desc" } else { "" };
        let to = Page::List(kind).with(&changed(query, &[("sort", name), ("order", order), ("offset", "")]));
        let (state, mark) = match (sorted, wanted.descending) {
            (false, _) => (None, ""),
            (true, false) => (Some("ascending"), " ▲"),
            (true, true) => (Some("descending"), " ▼"),
        };
        view! { <th scope="col" aria-sort=state><a href=to>{text}<span aria-hidden="true">{mark}</span></a></th> }
            .into_any()
    };
    let first = sortable("name", if kind.names.is_empty() { "ID".to_owned() } else { t!("Name").to_owned() });
    let mut head = vec![first];
    head.extend(columns.iter().map(|name| sortable(name, title(name))));
    head.push(view! { <td></td> }.into_any());
    let all: Vec<(String, Value)> = rows.iter().map(|row| (kind.address_of(row), row.clone())).collect();
    let count = all.len();
    let every = move || selection.with(|selected| selected.len() == count);
    let choose_all =
        move |chosen: bool| selection.set(if chosen { all.iter().cloned().collect() } else { BTreeMap::new() });
    let all = choose(t!("Choose all on this page").to_owned(), Signal::derive(every), choose_all);
    head.insert(0, view! { <td class="choose">{all}</td> }.into_any());
    let row = |entity: &Value| {
        let address = kind.address_of(entity);
        let name = kind.name_of(entity);
        let copy = copy_id(entity, t!("Copy ID of {name}", name));
        let (own, subject) = (address.clone(), entity.clone());
        let chosen = {
            let own = own.clone();
            Signal::derive(move || selection.with(|selected| selected.contains_key(&own)))
        };
        let change = move |chosen: bool| {
            selection.update(|selected| match chosen {
                true => drop(selected.insert(own.clone(), subject.clone())),
                false => drop(selected.remove(&own)),
            });
        };
        let cells: Vec<AnyView> =
            columns.iter().map(|column| view! { <td>{cell(column, member(entity, column))}</td> }.into_any()).collect();
        view! {
            <tr>
                <td class="choose">{choose(t!("Choose {name}", name), chosen, change)}</td>
                <th scope="row"><a href=Page::Detail(kind, address).href()>{name}</a></th>
                {cells}
                <td>{copy}</td>
            </tr>
        }
        .into_any()
    };
    grid(kind.many().to_owned(), kind.many().to_owned(), head, rows.iter().map(row).collect())
}
