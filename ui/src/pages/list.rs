//! All entities of a kind, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Failure, load};
use crate::components::{FilterBar, Selection, bulk, columns, empty, heading, listing, loaded, shown_columns};
use crate::entities::EntityKind;
use crate::listing::Wanted;
use crate::page::{Page, write_query};
use crate::permissions::Action;
use crate::state::{Gateway, gateway, location};

/// Rows of a page.
const SIZE: usize = 100;
/// How many of the server's greatest pages are read at most, where all of them are needed.
const ROUNDS: usize = 20;

/// One page, and the links to others.
#[derive(Clone, PartialEq)]
struct Rows {
    /// What the address said.
    query: Vec<(String, String)>,
    rows: Vec<Value>,
    /// How many fit in all, where that is known.
    total: Option<usize>,
    /// What `offset` says on the next page.
    next: Option<String>,
    /// There are more than were read.
    cut: bool,
}

/// What was read of a list, so that going through its pages does not read it again: for which tags, and as of which
/// write.
type Kept = StoredValue<Option<(String, u32, Arc<Vec<Value>>, bool)>>;

pub fn list(kind: &'static EntityKind) -> AnyView {
    let (gateway, place) = (gateway(), location());
    let kept: Kept = StoredValue::new(None);
    let read = RwSignal::new(0_usize);
    let state = load(move || {
        let writes = gateway.track_writes();
        let (query, offset) = (place.query.get(), place.value("offset"));
        let wanted = wanted(&query);
        async move {
            let rows = match wanted.is_local() {
                false => page(gateway, kind, &wanted, &offset).await?,
                true => local(gateway, kind, &wanted, &offset, (kept, writes, read)).await?,
            };
            Ok(Rows { query, ..rows })
        }
    });
    let add = move || {
        let to = if kind.key == "plugins" { Page::Catalogue } else { Page::Create(kind) };
        gateway
            .may(Action::Create, kind.path)
            .then(|| view! { <a class="button main" href=to.href()>{t!("New {one}", one = kind.one())}</a> })
    };
    let selection: Selection = RwSignal::new(BTreeMap::new());
    let show = move |found: Rows| {
        let query = found.query.clone();
        let wanted = wanted(&query);
        // What is no longer shown cannot be meant.
        selection.update(|selected| {
            selected.retain(|address, _| found.rows.iter().any(|row| kind.address_of(row) == *address));
        });
        let rows = if found.rows.is_empty() {
            let text = match (wanted.narrows(), found.cut) {
                (true, true) => t!("None among the first {count}: narrow the list by a tag.", count = ROUNDS * 1000),
                (true, false) => t!("No {many} fit this filter.", many = kind.many()),
                (false, _) => format!("{} {}", t!("No {many} yet.", many = kind.many()), kind.about()),
            };
            empty(text, ().into_any())
        } else {
            let shown = shown_columns(kind, &query);
            listing(kind, &found.rows, &shown, &wanted, &query, selection)
        };
        let to = |offset: &str| Page::List(kind).with(&changed(&query, &[("offset", offset)]));
        let next = found
            .next
            .as_deref()
            .map(|offset| view! { <a class="button" href=to(offset) rel="next">{t!("Next page")}</a> });
        let first = query
            .iter()
            .any(|(name, _)| name == "offset")
            .then(|| view! { <a class="button" href=to("")>{t!("First page")}</a> });
        let pager = (next.is_some() || first.is_some())
            .then(|| view! { <nav class="pager" aria-label=t!("List pages")>{first}{next}</nav> });
        let total = found.total.map(|total| {
            let text = match (total, found.cut) {
                (_, true) => t!("{total} of the first {count} fit.", total, count = ROUNDS * 1000),
                (1, _) => t!("1 {one}.", one = kind.one()),
                _ => t!("{total} {many}.", total, many = kind.many()),
            };
            view! { <p class="about" role="status">{text}</p> }
        });
        view! { {total} {rows} {pager} }.into_any()
    };
    let reading = move || {
        let count = read.get();
        (count > 0).then(|| view! { <p class="waiting" role="status">{t!("{count} read…", count)}</p> })
    };
    view! {
        {heading(kind.many().to_owned(), Vec::new(), kind.about(), add.into_any())}
        <FilterBar kind/>
        {columns(kind)}
        {reading}
        {loaded(state, show)}
        {bulk(kind, selection)}
    }
    .into_any()
}

/// What the address says.
fn wanted(query: &[(String, String)]) -> Wanted {
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    Wanted {
        name: value("name"),
        tags: value("tags"),
        field: value("field"),
        value: value("value"),
        sort: value("sort"),
        descending: value("order") == "desc",
    }
}

/// A query with some of its values changed.
pub fn changed<'q>(query: &'q [(String, String)], with: &[(&'q str, &'q str)]) -> Vec<(&'q str, &'q str)> {
    let kept = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    kept.filter(|(name, _)| with.iter().all(|(other, _)| other != name)).chain(with.iter().copied()).collect()
}

/// A page of the server's.
async fn page(gateway: Gateway, kind: &'static EntityKind, wanted: &Wanted, offset: &str) -> Result<Rows, Failure> {
    let size = SIZE.to_string();
    let query = write_query(&[("size", &size), ("tags", &wanted.tags), ("offset", offset), kind.more()]);
    let mut page = gateway.get(&format!("{}?{query}", kind.path)).await?;
    let next = page["offset"].as_str().map(str::to_owned);
    let rows = match page["data"].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    };
    Ok(Rows { query: Vec::new(), rows, total: None, next, cut: false })
}

/// A page of what is sorted or searched here: `offset` is the number of its first row.
async fn local(
    gateway: Gateway,
    kind: &'static EntityKind,
    wanted: &Wanted,
    offset: &str,
    (kept, writes, read): (Kept, u32, RwSignal<usize>),
) -> Result<Rows, Failure> {
    let known = kept.with_value(|kept| {
        let fitting = kept.as_ref().filter(|(tags, at, ..)| *tags == wanted.tags && *at == writes);
        fitting.map(|(_, _, all, cut)| (all.clone(), *cut))
    });
    let (all, cut) = match known {
        Some(known) => known,
        None => {
            let answer = every(gateway, kind, &wanted.tags, read).await;
            read.try_set(0);
            let (all, cut) = answer?;
            let all = Arc::new(all);
            kept.try_set_value(Some((wanted.tags.clone(), writes, all.clone(), cut)));
            (all, cut)
        }
    };
    let mut fitting: Vec<Value> = all.iter().filter(|entity| wanted.accepts(kind, entity)).cloned().collect();
    wanted.sort(kind, &mut fitting);
    let total = fitting.len();
    let first = offset.parse::<usize>().unwrap_or(0).min(total);
    let end = (first + SIZE).min(total);
    let next = (end < total).then(|| end.to_string());
    let rows = fitting.drain(first..end).collect();
    Ok(Rows { query: Vec::new(), rows, total: Some(total), next, cut })
}

/// All of a list, up to a bound, and whether there are more.
async fn every(
    gateway: Gateway,
    kind: &'static EntityKind,
    tags: &str,
    read: RwSignal<usize>,
) -> Result<(Vec<Value>, bool), Failure> {
    let mut all = Vec::new();
    let mut take = |rows: Vec<Value>| {
        all.extend(rows);
        read.try_set(all.len());
    };
    let cut = gateway.pages(kind.path, &[("tags", tags), kind.more()], ROUNDS, &mut take).await?;
    Ok((all, cut))
}
