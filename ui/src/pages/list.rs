//! All entities of a kind, page by page.

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Failure, load};
use crate::components::{FilterBar, empty, heading, loaded, table};
use crate::entities::EntityKind;
use crate::page::{Page, write_query};
use crate::state::{Gateway, gateway, location};

/// Rows of a page.
const SIZE: &str = "100";
/// The server's greatest page, for searching by name: it filters by tags only.
const WIDE: &str = "1000";
/// How many of those are searched before the reader is asked to go on.
const ROUNDS: usize = 20;

/// One page, and where the next begins.
#[derive(Clone, PartialEq)]
struct Rows {
    rows: Vec<Value>,
    next: Option<String>,
}

pub fn list(kind: &'static EntityKind) -> AnyView {
    let (gateway, place) = (gateway(), location());
    let state = load(move || {
        gateway.track_writes();
        let (name, tags, offset) = (place.value("name"), place.value("tags"), place.value("offset"));
        async move { ask(gateway, kind, &name, &tags, offset).await }
    });
    let add = move || {
        let to = if kind.key == "plugins" { Page::Catalogue } else { Page::Create(kind) };
        (!gateway.is_read_only())
            .then(|| view! { <a class="button main" href=to.href()>{format!("New {}", kind.one)}</a> })
    };
    let show = move |found: Rows| {
        let value =
            move |name: &str| place.query.with_untracked(|q| q.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()));
        let (name, tags) = (value("name").unwrap_or_default(), value("tags").unwrap_or_default());
        let narrowed = !(name.is_empty() && tags.is_empty());
        let rows = if found.rows.is_empty() {
            let text = match (narrowed, found.next.is_some()) {
                (true, true) => format!("None so far: not all {} were searched yet.", kind.many),
                (true, false) => format!("No {} fit this filter.", kind.many),
                (false, _) => format!("No {} yet. {}", kind.many, kind.about),
            };
            empty(text, ().into_any())
        } else {
            table(kind, &found.rows, kind.many.to_owned(), "")
        };
        let page = |offset: &str| Page::List(kind).with(&[("name", &name), ("tags", &tags), ("offset", offset)]);
        let next = found.next.map(|offset| view! { <a class="button" href=page(&offset) rel="next">"Next page"</a> });
        let first = value("offset").map(|_| view! { <a class="button" href=page("")>"First page"</a> });
        let pager = (next.is_some() || first.is_some())
            .then(|| view! { <nav class="pager" aria-label="List pages">{first}{next}</nav> });
        view! { {rows} {pager} }.into_any()
    };
    view! {
        {heading(kind.many.to_owned(), Vec::new(), kind.about, add.into_any())}
        <FilterBar kind/>
        {loaded(state, show)}
    }
    .into_any()
}

async fn ask(
    gateway: Gateway,
    kind: &'static EntityKind,
    name: &str,
    tags: &str,
    mut offset: String,
) -> Result<Rows, Failure> {
    let size = if name.is_empty() { SIZE } else { WIDE };
    let mut rows = Vec::new();
    for _ in 0..ROUNDS {
        let query = write_query(&[("size", size), ("tags", tags), ("offset", &offset)]);
        let page = gateway.get(&format!("{}?{query}", kind.path)).await?;
        let fitting = page["data"].as_array().into_iter().flatten().filter(|entity| fits(kind, entity, name));
        rows.extend(fitting.cloned());
        let Some(next) = page["offset"].as_str() else { return Ok(Rows { rows, next: None }) };
        next.clone_into(&mut offset);
        if !rows.is_empty() {
            break;
        }
    }
    Ok(Rows { rows, next: Some(offset) })
}

/// Whether a name, or the beginning of the id, has what is looked for.
fn fits(kind: &EntityKind, entity: &Value, text: &str) -> bool {
    let text = text.to_lowercase();
    text.is_empty()
        || entity["id"].as_str().is_some_and(|id| id.starts_with(&text))
        || ["instance_name"]
            .iter()
            .chain(kind.names)
            .any(|name| entity[*name].as_str().is_some_and(|name| name.to_lowercase().contains(&text)))
}
